"""Whether a type is drawn per sample, per prompt or per model is read off the counts before types are fitted.

Within a model (all label columns but the prompt's), with prompts i and contexts s:

- *per sample*: k_is ~ Bin(n_is, p_s), and k_iT, k_iD independent: no prompt is more agreeable than another;
- *per prompt*: counts are overdispersed, or train and deploy counts of a prompt go together;
- *per model*: neither, but the models' rates differ.

Three tests, by Monte Carlo, strata being the models, exact given what they condition on (the second where all prompts
have the same numbers of samples):

1. overdispersion in a context: Σ_i (k_i − n_i p̂)² / (p̂ (1 − p̂)), Tarone's statistic, against samples dealt out anew
   to the prompts of the same model, the model's total fixed;
2. association: Σ_i of the products of the prompt's two deviations from its model's rates, against deploy counts dealt
   out anew to the prompts of the same model, two-sided;
3. models: the spread of the models' rates, against prompts' rows dealt out anew to the models, within the prompt where
   models share prompts.

The first two decide together, by Holm's rule, whether types live on prompts. Where they do not reject, that speaks
against prompts only if it could have been seen: so samples are also drawn with a correlation of .1 within a prompt, and
where fewer than 80 % of such draws would have been found the level is "undetermined".

In words: fitting types of prompts to data whose samples are each on their own gave a faker share of .30 ± .37 where it
was .20 (THEORY 2.1). One context with one sample a prompt shows no overdispersion; two contexts still show association.

Source: Tarone (1979), Biometrika 66:585-590; Davison and Hinkley (1997), Bootstrap Methods and their Application,
chapter 4, for Monte Carlo tests; Holm (1979), Scandinavian J. Statistics 6:65-70.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from estimators.observations import PROMPT_KEY, ObservationError, Observations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = ("prompt", "model", "sample", "undetermined")
_CORRELATION = 0.1  # within a prompt, that must be seen for its absence to mean something
_POWER = 0.8


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """At which level types live, and the tests that say so, from `diagnose`.

    Attributes
    ----------
    level : one of `LEVELS`
    reason : str
        One sentence.
    power : float
        Share of draws with a correlation of .1 within a prompt that the tests would have found.
    tests : DataFrame
        test, statistic, expected (its mean with no such effect), p_value, adjusted (Holm, over the tests of prompts);
        NaN where it cannot be done.
    correlation_train, correlation_deploy : float
        Within a prompt, of two samples in a context: the moment estimate of the overdispersion, NaN where n = 1.
    """

    level: str
    reason: str
    power: float
    tests: pd.DataFrame
    correlation_train: float
    correlation_deploy: float

    def table(self) -> pd.DataFrame:
        """One row: level, power, p-values by test, correlations, reason."""
        p = {f"p_value_{row.test}": row.p_value for row in self.tests.itertuples()}
        row = {"level": self.level, "power": self.power, **p}
        own = {"correlation_train": self.correlation_train, "correlation_deploy": self.correlation_deploy}
        return pd.DataFrame([row | own | {"reason": self.reason}])


def diagnose(obs: Observations, *, alpha: float = 0.05, draws: int = 499, seed: int = 0) -> Diagnostics:
    """Decide from overdispersion and association whether types are drawn per sample, per prompt or per model.

    Parameters
    ----------
    obs : Observations
    alpha : float in (0, 1)
        Size of the decision for prompts, and of the test of models.
    draws : int
        Behind each Monte Carlo p-value, at least 99.
    seed : int

    Raises
    ------
    ValueError
        alpha outside (0, 1), fewer than 99 draws, or no pair.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> found = diagnose(load_vlaf())
    >>> found.level, round(found.correlation_train, 2)
    ('prompt', 0.26)
    """
    if not 0 < alpha < 1 or draws < 99:
        raise ValueError(f"alpha must lie in (0, 1) and draws be at least 99, got {alpha} and {draws}")
    pairs = obs.pairs()
    if pairs.empty:
        raise ValueError("there is no prompt with both a train and a deploy row; nothing can be diagnosed")
    rng = np.random.default_rng([seed, 5])
    labels = [name for name in pairs.columns[: pairs.columns.get_loc("n_train")] if name not in PROMPT_KEY]
    model = _numbered(pairs, labels)
    prompt = _numbered(pairs, [name for name in PROMPT_KEY if name in pairs])
    n = pairs[["n_train", "n_deploy"]].to_numpy(np.int64)
    k = pairs[["agreed_train", "agreed_deploy"]].to_numpy(np.int64)
    rows, power_parts = [], []
    for s, context in enumerate(("train", "deploy")):
        row, power = _overdispersion(n[:, s], k[:, s], model, draws, rng)
        rows.append({"test": f"overdispersion_{context}", **row})
        power_parts.append(power)
    rows.append({"test": "association", **_association(n, k, model, draws, rng)})
    rows.append({"test": "models", **_models(n, k, model, prompt, draws, rng)})
    tests = pd.DataFrame(rows)
    of_prompts = tests["test"] != "models"
    tests["adjusted"] = np.where(
        of_prompts, _holm(tests["p_value"].where(of_prompts).to_numpy(float)), np.nan
    )
    power = max((part for part in power_parts if np.isfinite(part)), default=float("nan"))
    level, reason = _decide(tests, power, alpha, int(model.max()) + 1)
    correlations = [_correlation(n[:, s], k[:, s], model) for s in (0, 1)]
    return Diagnostics(level, reason, power, tests, *correlations)


def require_prompt_level(
    obs: Observations, *, alpha: float = 0.05, draws: int = 499, seed: int = 0
) -> Diagnostics:
    """Diagnose, and refuse observations that speak against types that are drawn per prompt.

    "undetermined" passes: the caller says so beside its fit.

    Returns
    -------
    Diagnostics

    Raises
    ------
    ObservationError
        The level is "sample" or "model": a type prior over prompts would be fitted to noise.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> counts = pd.DataFrame({"prompt_id": np.repeat(range(80), 2), "context": ["train", "deploy"] * 80, "n": 10})
    >>> counts["complied"] = rng.binomial(10, np.where(counts["context"] == "train", 0.7, 0.3))
    >>> require_prompt_level(Observations.from_frame(counts, orientation="complied-is-agreement"))
    Traceback (most recent call last):
    estimators.observations.ObservationError: no types of prompts: prompts do not differ beyond ...
    """
    found = diagnose(obs, alpha=alpha, draws=draws, seed=seed)
    if found.level in ("sample", "model"):
        mend = "report the gap, or collect more prompts"
        raise ObservationError(f"no types of prompts: {found.reason}; {mend}")
    return found


def _numbered(pairs: pd.DataFrame, names: list[str]) -> Ints:
    """Number of each row's combination of labels, (pairs,)."""
    if not names:
        return np.zeros(len(pairs), dtype=np.int64)
    return np.asarray(pairs.groupby(names, sort=False).ngroup(), dtype=np.int64)


def _decide(tests: pd.DataFrame, power: float, alpha: float, models: int) -> tuple[str, str]:
    p = tests.set_index("test")["p_value"]
    adjusted = tests.set_index("test")["adjusted"]
    if np.nanmin(np.append(adjusted, 1.0)) <= alpha:
        kinds = {"overdispersion_train": "train", "overdispersion_deploy": "deploy"}
        spread = [name for test, name in kinds.items() if adjusted[test] <= alpha]
        parts = [f"prompts differ in {' and '.join(spread)} beyond what samples vary"] if spread else []
        if adjusted["association"] <= alpha:
            parts.append("a prompt's train and deploy counts go together")
        return "prompt", "; ".join(parts)
    if not power >= _POWER:
        seen = f"{power:.0%}" if np.isfinite(power) else "none"
        why = f"a correlation of {_CORRELATION} within a prompt would be seen in {seen} of such data sets"
        return "undetermined", f"no spread over prompts is seen, but {why}"
    alike = f"prompts do not differ beyond what samples vary (power {power:.0%} at a correlation of {_CORRELATION})"
    if p["models"] <= alpha:
        return "model", f"{alike}; the models' rates differ"
    also = ", nor do models" if models > 1 else "; with one model, type per sample and per model look alike"
    return "sample", alike + also


def _overdispersion(
    n: Ints, k: Ints, model: Ints, draws: int, rng: np.random.Generator
) -> tuple[dict[str, float], float]:
    """Tarone's statistic summed over models, its Monte Carlo p-value, and the power at the stated correlation."""
    dealt = np.empty((draws, len(n)), dtype=np.int64)
    spread = np.empty((draws, len(n)), dtype=np.int64)
    weight = np.zeros(len(n))
    rate = np.zeros(len(n))
    for m in range(int(model.max()) + 1):
        own = np.flatnonzero(model == m)
        total, agreed = int(n[own].sum()), int(k[own].sum())
        dealt[:, own] = rng.multivariate_hypergeometric(n[own], agreed, size=draws, method="marginals")
        p = agreed / total if total else 0.0
        rate[own] = p
        weight[own] = 1 / (p * (1 - p)) if 0 < p < 1 else 0.0
        alpha = max(p, 1e-12) * (1 / _CORRELATION - 1), max(1 - p, 1e-12) * (1 / _CORRELATION - 1)
        spread[:, own] = rng.binomial(n[own], rng.beta(*alpha, size=(draws, len(own))))
    if not weight.any() or n.max() < 2:
        return {"statistic": np.nan, "expected": np.nan, "p_value": np.nan}, float("nan")

    def statistic(counts: Ints, at: Floats, with_weight: Floats) -> Floats:
        return ((counts - n * at) ** 2 * with_weight).sum(axis=-1)

    null = statistic(dealt, rate, weight)
    seen = float(statistic(k, rate, weight))
    # Drawn data sets have totals of their own; their rates are estimated again, the critical value is not.
    means = np.empty((draws, len(n)))
    for m in range(int(model.max()) + 1):
        own = model == m
        means[:, own] = spread[:, own].sum(axis=1, keepdims=True) / max(n[own].sum(), 1)
    fresh = np.where((means > 0) & (means < 1), 1 / np.maximum(means * (1 - means), 1e-12), 0.0)
    power = float((statistic(spread, means, fresh) > np.quantile(null, 0.95)).mean())
    p_value = _monte_carlo(null >= seen * (1 - 1e-12))
    return {"statistic": seen, "expected": float(null.mean()), "p_value": p_value}, power


def _association(n: Ints, k: Ints, model: Ints, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Σ of products of deviations from the model's rates, against deploy rows dealt out anew within models."""
    deviation = np.zeros(n.shape)
    for m in range(int(model.max()) + 1):
        own = model == m
        deviation[own] = k[own] - n[own] * (k[own].sum(axis=0) / np.maximum(n[own].sum(axis=0), 1))
    if not np.any(deviation, axis=0).all():
        return {"statistic": np.nan, "expected": 0.0, "p_value": np.nan}
    seen = float(deviation[:, 0] @ deviation[:, 1])
    null = np.zeros(draws)
    for m in range(int(model.max()) + 1):
        own = np.flatnonzero(model == m)
        shuffled = rng.permuted(np.tile(deviation[own, 1], (draws, 1)), axis=1)
        null += shuffled @ deviation[own, 0]
    p_value = _monte_carlo(np.abs(null - null.mean()) >= abs(seen - null.mean()) - 1e-9)
    return {"statistic": seen, "expected": float(null.mean()), "p_value": p_value}


def _models(
    n: Ints, k: Ints, model: Ints, prompt: Ints, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    """Spread of the models' mean rates in both contexts, against rows dealt out anew to the models."""
    count = int(model.max()) + 1
    if count < 2:
        return {"statistic": np.nan, "expected": np.nan, "p_value": np.nan}
    rates = k / np.maximum(n, 1)
    # Within a prompt where every prompt has several models, else over all rows.
    block = prompt if np.bincount(prompt).min() > 1 else np.zeros_like(prompt)
    size = np.bincount(model)

    def spread(labels: Ints) -> float:
        means = np.column_stack([np.bincount(labels, rates[:, s], count) for s in (0, 1)]) / size[:, None]
        return float(size @ ((means - rates.mean(axis=0)) ** 2).sum(axis=1))

    order = np.argsort(block, kind="stable")
    null = np.empty(draws)
    for draw in range(draws):
        # Rows of a block in random order take the block's labels as they come.
        shuffled = np.lexsort([rng.random(len(block)), block])
        labels = np.empty_like(model)
        labels[shuffled] = model[order]
        null[draw] = spread(labels)
    seen = spread(model)
    return {
        "statistic": seen,
        "expected": float(null.mean()),
        "p_value": _monte_carlo(null >= seen * (1 - 1e-12)),
    }


def _correlation(n: Ints, k: Ints, model: Ints) -> float:
    """Moment estimate of the correlation of two samples of a prompt: Σ (squares − binomial) / Σ pairs of samples."""
    over, scale = 0.0, 0.0
    for m in range(int(model.max()) + 1):
        own = model == m
        p = k[own].sum() / max(n[own].sum(), 1)
        variance = p * (1 - p)
        over += float(((k[own] - n[own] * p) ** 2 - n[own] * variance).sum())
        scale += float((n[own] * (n[own] - 1.0)).sum() * variance)
    return over / scale if scale > 0 else float("nan")


def _monte_carlo(as_extreme: NDArray[np.bool_]) -> float:
    return float((1 + as_extreme.sum()) / (1 + as_extreme.size))


def _holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values of those that are numbers."""
    adjusted = np.full(p_values.shape, np.nan)
    order = [i for i in np.argsort(p_values) if np.isfinite(p_values[i])]
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * float(p_values[i])))
        adjusted[i] = highest
    return adjusted
