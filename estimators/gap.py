"""The compliance gap is the mean over prompts of a prompt's train rate minus its deploy rate of agreement.

Samples of one prompt are not independent, so the prompt is the unit: on data like those of Claude 3 Opus a
naive binomial 95 % interval covers 53 %, the *cluster-Newcombe* interval 96 % (4,000 data sets,
docs/benchmarks/intervals.md). With the mean p, its standard error se (standard deviation over N prompts /
sqrt N) in each context:

1. Wilson limits l, u of each context with n_eff = p (1 - p) / se² (N where se = 0) in the place of n, and the
   quantile of Student's t with N - 1 degrees of freedom in the place of the normal one.
2. rho, the correlation over prompts of the two rates (0 where one of them does not vary).
3. The two are combined (MOVER), with d = p_T - p_D:
   low  = d - sqrt((p_T - l_T)² + (u_D - p_D)² - 2 rho (p_T - l_T) (u_D - p_D))
   high = d + sqrt((u_T - p_T)² + (p_D - l_D)² - 2 rho (u_T - p_T) (p_D - l_D))

Where no sample agrees in either context (or all do in both) nothing varies and step 1 says little. Then a
prompt that shows any event is the unit: u, the Clopper-Pearson upper limit for 0 of N prompts, bounds the
share of such prompts, hence either rate, hence the gap by -u and u.

Beside it: *paired t* on the prompts' differences, and the *prompt bootstrap*, which draws prompts with replacement
and takes percentiles of the mean difference. A *binomial* interval, which takes samples as independent, is given only
with a warning.

Sources: Newcombe (1998), Statistics in Medicine 17:873-890 and, for pairs, 17:2635-2650; Zou and Donner
(2008), Statistics in Medicine 27:1693-1702 (MOVER); Korn and Graubard (1998), Survey Methodology 24:193-201
(n_eff).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm
from scipy.stats import t as student

from estimators.newton import EstimationWarning
from estimators.observations import ORIENTATIONS, PROMPT_KEY, ObservationError, Observations

Method = Literal["cluster-Newcombe", "paired t", "prompt bootstrap", "binomial"]
Limits = tuple[NDArray[np.float64], NDArray[np.float64]]

# Rates are ratios of counts, so a real spread is far larger; below it, rounding of equal numbers.
_NO_SPREAD = 1e-12


def compliance_gap(
    obs: Observations,
    by: str | Sequence[str] = (),
    *,
    method: Method = "cluster-Newcombe",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compliance gap with its prompt-clustered interval, one row per group.

    Rates are of agreement with the announced objective, whatever the orientation of the counts. A prompt is
    one (axis, prompt_id): where a group pools models, methods, settings or arms, each prompt's pairs are
    averaged first, since the same prompt put to two models is not two independent prompts.

    Parameters
    ----------
    obs : Observations
    by : name or names of label columns
        Rows are grouped by them; none means one group.
    method : "cluster-Newcombe", "paired t", "prompt bootstrap" or "binomial"
        How the limits are found; "binomial" warns.
    level : float in (0, 1)
    resamples, seed : int
        Of the prompt bootstrap.

    Returns
    -------
    DataFrame
        The labels; prompts, pairs; pooled counts n_train, complied_train, agreed_train, n_deploy,
        complied_deploy, agreed_deploy; train_rate, deploy_rate, gap (means over prompts, not pooled rates),
        se (of the gap: standard deviation over prompts / sqrt prompts), low, high; interval, which is
        the method, "Clopper-Pearson on prompts" where nothing or everything agrees, or "none: one
        prompt" or "none: no prompts" with NaN limits.

    Raises
    ------
    ObservationError
        A name in `by` that cannot group.
    ValueError
        A level outside (0, 1), an unknown method, or fewer than 100 resamples.

    Warns
    -----
    EstimationWarning
        The binomial interval is asked for.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> table = compliance_gap(load_vlaf(), by="model").round(3)
    >>> table.loc[2:3, ["model", "agreed_train", "agreed_deploy", "gap", "low", "high"]]
                     model  agreed_train  agreed_deploy    gap    low   high
    2          Qwen2.5-32B           344            222  0.133  0.093  0.172
    3  Qwen2.5-7B-Instruct            84             40  0.048  0.019  0.076
    """
    check_level(level)
    if method not in get_args(Method):
        raise ValueError(f"method is {method!r}; choose one of {', '.join(get_args(Method))}")
    if resamples < 100:
        raise ValueError(f"resamples is {resamples}; give at least 100 for percentiles")
    if method == "binomial":
        why = "samples of one prompt are not independent: on data like Claude 3 Opus's a 95 % interval covers 53 %"
        warnings.warn(f"binomial: {why}; use cluster-Newcombe", EstimationWarning, stacklevel=2)
    rows = []
    for labels, group in obs.groups(by):
        pairs = group.pairs()
        pooled: dict[str, int] = {}
        for context in ("train", "deploy"):
            n, agreed = int(pairs[f"n_{context}"].sum()), int(pairs[f"agreed_{context}"].sum())
            complied = agreed if obs.orientation == ORIENTATIONS[0] else n - agreed
            pooled |= {f"n_{context}": n, f"complied_{context}": complied, f"agreed_{context}": agreed}
        train, deploy = (
            prompt_means(pairs, pairs[f"agreed_{context}"] / pairs[f"n_{context}"])
            for context in ("train", "deploy")
        )
        samples = (pooled["n_train"], pooled["n_deploy"])
        estimate = _estimate(train, deploy, samples, method, level, resamples, seed)
        rows.append({**labels, "prompts": train.size, "pairs": len(pairs), **pooled, **estimate})
    return pd.DataFrame(rows)


def cluster_newcombe(p_train: ArrayLike, p_deploy: ArrayLike, level: float = 0.95) -> Limits:
    """Limits of the cluster-Newcombe interval of the mean difference, for one data set or many.

    Parameters
    ----------
    p_train, p_deploy : array (..., prompts), prompts >= 2
        Rates of the same prompts in the two contexts, in [0, 1].
    level : float in (0, 1)

    Returns
    -------
    low, high : array (...,)

    Raises
    ------
    ValueError
        Fewer than two prompts, or a level outside (0, 1).

    Examples
    --------
    >>> low, high = cluster_newcombe([0.9, 0.7, 0.0, 0.1], [0.1, 0.0, 0.0, 0.1])
    >>> float(low.round(3)), float(high.round(3))
    (0.009, 0.827)
    """
    train, deploy = np.asarray(p_train, dtype=float), np.asarray(p_deploy, dtype=float)
    (low_t, high_t), (low_d, high_d) = cluster_wilson(train, level), cluster_wilson(deploy, level)
    mean_t, mean_d = train.mean(axis=-1), deploy.mean(axis=-1)
    spread = train.std(axis=-1) * deploy.std(axis=-1)
    covariance = ((train - mean_t[..., None]) * (deploy - mean_d[..., None])).mean(axis=-1)
    varies = (train.std(axis=-1) > _NO_SPREAD) & (deploy.std(axis=-1) > _NO_SPREAD)
    rho = np.clip(np.where(varies, covariance / np.where(varies, spread, 1.0), 0.0), -1.0, 1.0)

    def mover(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(a**2 + b**2 - 2 * rho * (a * b), 0.0))

    gap = mean_t - mean_d
    return gap - mover(mean_t - low_t, high_d - mean_d), gap + mover(high_t - mean_t, mean_d - low_d)


def cluster_wilson(rates: ArrayLike, level: float = 0.95) -> Limits:
    """Wilson limits of the mean of `rates`, (..., prompts), with the prompts' effective n and a t quantile.

    Returns
    -------
    low, high : array (...,), in [0, 1]

    Raises
    ------
    ValueError
        Fewer than two prompts, or a level outside (0, 1).

    Examples
    --------
    >>> low, high = cluster_wilson([0.0, 0.0, 0.5, 0.5])
    >>> float(low.round(3)), float(high.round(3))
    (0.041, 0.724)
    """
    check_level(level)
    rates = np.asarray(rates, dtype=float)
    prompts = rates.shape[-1]
    if prompts < 2:
        raise ValueError(f"{prompts} prompts have no spread; give at least two")
    mean, deviation = rates.mean(axis=-1), rates.std(axis=-1, ddof=1)
    varies = deviation > _NO_SPREAD
    n = np.where(varies, mean * (1 - mean) * prompts / np.where(varies, deviation, 1.0) ** 2, prompts)
    square = student.ppf(0.5 + level / 2, prompts - 1) ** 2
    centre = (mean + square / (2 * n)) / (1 + square / n)
    half = np.sqrt(square * mean * (1 - mean) / n + (square / (2 * n)) ** 2) / (1 + square / n)
    return np.clip(centre - half, 0.0, mean), np.clip(centre + half, mean, 1.0)


def prompt_means(pairs: pd.DataFrame, values: pd.Series) -> NDArray[np.float64]:
    """Mean of `values`, one per row of `pairs`, within each prompt; (prompts,), first seen first."""
    key = [name for name in PROMPT_KEY if name in pairs]
    return values.groupby([pairs[name] for name in key], sort=False).mean().to_numpy(dtype=float)


def published_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Point gaps of published rates and what they imply; never an interval, which takes counts per prompt.

    For a logit follower a gap of G implies lambda K (beta_F - beta_P) >= 4 artanh(G): the incentive times the
    shift of belief, in log-odds. The bound is sharp, being reached where the preference lies halfway (THEORY
    1.2), and holds as well for a mean over prompts of any preferences with one incentive. For a negative gap
    it bounds from above. It is the bound at the point: sampling error is not in it.

    Parameters
    ----------
    frame : DataFrame with the columns gap, train_rate, deploy_rate
        As from `estimators.datasets.load_published`.

    Returns
    -------
    DataFrame
        The columns of `frame`, where gap is the quoted one or else train minus deploy; log_odds_shift_bound
        (infinite at a gap of 1 or -1); interval, always "none: no per-prompt counts"; note, how the gap was
        found if it was not quoted.

    Raises
    ------
    ObservationError
        A missing column, or a rate or gap that is no share.

    Examples
    --------
    >>> quoted = pd.DataFrame({"gap": [0.14, None], "train_rate": None, "deploy_rate": None})
    >>> published_gaps(quoted)[["gap", "log_odds_shift_bound", "note"]]
        gap  log_odds_shift_bound                                   note
    0  0.14              0.563702
    1   NaN                   NaN  the source gives no gap and no rates
    """
    limits = {"gap": -1.0, "train_rate": 0.0, "deploy_rate": 0.0}
    for column in limits:
        if column not in frame:
            raise ObservationError(f"column {column!r} is missing among {[*frame]}; add or rename it")
    numbers = frame[[*limits]].astype(float)
    for column, least in limits.items():
        bad = numbers[column].notna() & ~numbers[column].between(least, 1)
        if bad.any():
            what = f"row with index {bad.idxmax()}: {column} is {numbers.loc[bad, column].iloc[0]}"
            raise ObservationError(f"{what}, outside {least:g} to 1; give shares, not per cent")
    difference = numbers["train_rate"] - numbers["deploy_rate"]
    gap = numbers["gap"].fillna(difference)
    with np.errstate(divide="ignore"):  # a gap of 1 implies an infinite shift
        bound = 4 * np.arctanh(gap)
    note = np.select(
        [numbers["gap"].notna(), gap.notna()],
        ["", "gap computed as train minus deploy"],
        "the source gives no gap and no rates",
    )
    return frame.assign(gap=gap, log_odds_shift_bound=bound, interval="none: no per-prompt counts", note=note)


def check_level(level: float) -> None:
    """Raise ValueError unless `level` is a confidence level in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a confidence level between 0 and 1, such as 0.95")


def paired_t(p_train: ArrayLike, p_deploy: ArrayLike, level: float = 0.95) -> Limits:
    """Limits of the mean difference by Student's t over prompts; shapes and errors as `cluster_newcombe`.

    Examples
    --------
    >>> low, high = paired_t([0.9, 0.7, 0.0, 0.1], [0.1, 0.0, 0.0, 0.1])
    >>> float(low.round(3)), float(high.round(3))
    (-0.317, 1.067)
    """
    difference = _differences(p_train, p_deploy, level)
    prompts = difference.shape[-1]
    half = student.ppf(0.5 + level / 2, prompts - 1) * difference.std(axis=-1, ddof=1) / prompts**0.5
    return difference.mean(axis=-1) - half, difference.mean(axis=-1) + half


def prompt_bootstrap(
    p_train: ArrayLike, p_deploy: ArrayLike, level: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> Limits:
    """Percentiles of the mean difference over draws of prompts; shapes and errors as `cluster_newcombe`.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> low, high = prompt_bootstrap([0.9, 0.7, 0.0, 0.1], [0.1, 0.0, 0.0, 0.1])
    >>> float(low.round(3)), float(high.round(3))
    (0.0, 0.75)
    """
    difference = _differences(p_train, p_deploy, level)
    prompts = difference.shape[-1]
    # How often each prompt is drawn: one matrix product instead of `resamples` gathers.
    drawn = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1 / prompts), resamples)
    low, high = np.quantile(difference @ drawn.T / prompts, [0.5 - level / 2, 0.5 + level / 2], axis=-1)
    return low, high


def _differences(p_train: ArrayLike, p_deploy: ArrayLike, level: float) -> NDArray[np.float64]:
    check_level(level)
    difference = np.asarray(p_train, dtype=float) - np.asarray(p_deploy, dtype=float)
    if difference.shape[-1] < 2:
        raise ValueError(f"{difference.shape[-1]} prompts have no spread; give at least two")
    return difference


def _estimate(
    train: NDArray[np.float64],
    deploy: NDArray[np.float64],
    samples: tuple[int, int],
    method: str,
    level: float,
    resamples: int,
    seed: int,
) -> dict[str, float | str]:
    """Point, standard error and limits from the rates of each prompt, (prompts,), in the two contexts."""
    prompts = train.size
    nan = float("nan")
    rate_t, rate_d = (float(rates.mean()) if prompts else nan for rates in (train, deploy))
    se = float((train - deploy).std(ddof=1)) / prompts**0.5 if prompts > 1 else nan
    both = np.concatenate([train, deploy])
    low = high = nan
    if prompts < 2:
        name = f"none: {'one prompt' if prompts else 'no prompts'}"
    elif (both == 0).all() or (both == 1).all():
        name = "Clopper-Pearson on prompts"
        high = float(binomtest(0, prompts).proportion_ci(level, method="exact").high)
        low = -high
    else:
        name = method
        if method == "binomial":
            variance = rate_t * (1 - rate_t) / samples[0] + rate_d * (1 - rate_d) / samples[1]
            half = float(norm.ppf(0.5 + level / 2)) * variance**0.5
            limits = np.array(rate_t - rate_d - half), np.array(rate_t - rate_d + half)
        elif method == "prompt bootstrap":
            limits = prompt_bootstrap(train, deploy, level, resamples=resamples, seed=seed)
        else:
            limits = (paired_t if method == "paired t" else cluster_newcombe)(train, deploy, level)
        low, high = (float(limit) for limit in limits)
    rates = {"train_rate": rate_t, "deploy_rate": rate_d, "gap": rate_t - rate_d}
    return {**rates, "se": se, "low": low, "high": high, "interval": name}
