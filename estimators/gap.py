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
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from estimators.newton import EstimationWarning
from estimators.observations import ORIENTATIONS, Observations
from estimators.prompt_intervals import (
    check_level,
    cluster_newcombe,
    cluster_wilson,
    paired_t,
    prompt_bootstrap,
    prompt_means,
)
from estimators.published import published_gaps

__all__ = [
    "check_level",
    "cluster_newcombe",
    "cluster_wilson",
    "compliance_gap",
    "paired_t",
    "prompt_bootstrap",
    "prompt_means",
    "published_gaps",
]

Method = Literal["cluster-Newcombe", "paired t", "prompt bootstrap", "binomial"]


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
