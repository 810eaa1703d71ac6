"""What models lend each other: the prompts that they share, the family or method that they have in common.

- *Crossed effects* (`estimators.crossed`) where at least three groups were put the same prompts. Whether anything is
  shared is tested by dealing each group's prompts out anew: with c_mi the standardised agreement of group m on prompt
  i, the statistic is Σ_i (Σ_m c_mi)², large where prompts that are hard for one are hard for others.
- *Partial pooling* (`estimators.pooling`) of the incentives over families and over methods.
- *The posterior* (`estimators.posterior`, an extra), pooled over models and families, where it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from estimators.crossed import fit_crossed
from estimators.newton import EstimationWarning
from estimators.observations import PROMPT_KEY, Observations
from estimators.pooling import pool
from estimators.posterior import Posterior

if TYPE_CHECKING:
    from estimators.policy import Assumptions

Floats = NDArray[np.float64]
CROSSED_COLUMNS = ("parameter", "estimate", "se", "low", "high", "reading")
SHARING_COLUMNS = ("models", "prompts", "statistic", "expected", "p_value", "gain", "reading")
POOLING_COLUMNS = (
    *("parameter", "over", "level", "name", "estimate", "se", "low", "high"),
    *("between_groups", "between_models"),
)
POSTERIOR_COLUMNS = ("model", "parameter", "mean", "sd", "low", "high", "r_hat", "ess_bulk", "ess_tail")
CHECK_COLUMNS = ("model", "statistic", "observed", "mean", "low", "high", "p_value")
_SHUFFLES = 999
_Z = float(norm.ppf(0.975))
# A standard error of log σ beyond which its interval spans every spread that counts can show.
_NO_SPREAD_SEEN = 2.0
_UNSEEN = "no spread of its own is seen beyond the common factor"
_VAGUE = 5.0  # logits, of a standard error: odds known within a factor e^10 either way


def crossed_tables(
    obs: Observations, columns: Sequence[str], given: Assumptions, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Crossed prompt × group effects, and whether prompts are shared in what makes them hard.

    Returns
    -------
    crossed : DataFrame
        Labels and `CROSSED_COLUMNS`: mu, loading, sigma, delta and explained (the part of the variance over prompts
        that the common factor explains) of each group.
    sharing : DataFrame
        One row, `SHARING_COLUMNS`: the test, and the log-likelihood gained by sharing; or, with NaN numbers, why there
        are no crossed effects.
    """
    groups = [(labels, group) for labels, group in obs.groups(columns) if not group.pairs().empty]
    empty = pd.DataFrame(columns=[*columns, *CROSSED_COLUMNS])
    counts = [_by_prompt(group) for _, group in groups]
    if len(groups) < 3:
        return empty, _no_sharing(len(groups), "not fitted: it takes three groups or more")
    if any(table.index.has_duplicates for table in counts):
        return empty, _no_sharing(len(groups), "not fitted: a group holds several pairs of one prompt")
    prompts = sorted(set().union(*(table.index for table in counts)))
    table = np.array([own.reindex(prompts, fill_value=0).to_numpy() for own in counts])  # (M, N, 4)
    n, k = table[..., :2], table[..., 2:]
    if np.sum((n[..., 0] > 0).sum(axis=0) > 1) < 10:
        return empty, _no_sharing(len(groups), "not fitted: fewer than ten prompts are shared")
    names = [", ".join(labels.values()) or "all" for labels, _ in groups]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EstimationWarning)
        fit = fit_crossed(n, k, [given.belief_train, given.belief_deploy], names)
    own = fit.table()
    bare = dict(zip(names, np.sqrt(np.diag(fit.covariance)[2::5]) > _NO_SPREAD_SEEN, strict=True))
    unseen = own["model"].map(bare) & own["parameter"].isin(["sigma", "explained"])
    vague = (own["se"] > _VAGUE) & ~unseen
    own.loc[unseen | vague, ["se", "low", "high"]] = np.nan
    own["reading"] = np.select([unseen, vague], [_UNSEEN, "not identified by these counts"], "")
    own = own[own["parameter"] != "log_ratio"].reset_index(drop=True)
    labels = pd.DataFrame([dict(zip(names, groups, strict=True))[name][0] for name in own["model"]])
    statistic, expected, p_value = sharing_test(n, k, np.random.default_rng([seed, 6]))
    row = (len(names), len(prompts), statistic, expected, p_value, fit.log_likelihood - fit.separate)
    reading = "; ".join(str(w.message) for w in caught)
    sharing = pd.DataFrame([(*row, reading)], columns=list(SHARING_COLUMNS))
    return pd.concat([labels, own.drop(columns="model")], axis=1), sharing


def _no_sharing(models: int, reading: str) -> pd.DataFrame:
    return pd.DataFrame([(models, 0, *[np.nan] * 4, reading)], columns=list(SHARING_COLUMNS))


def _by_prompt(group: Observations) -> pd.DataFrame:
    """n_train, n_deploy, agreed_train, agreed_deploy, indexed by prompt."""
    pairs = group.pairs()
    key = [name for name in PROMPT_KEY if name in pairs]
    index = pd.MultiIndex.from_frame(pairs[key])
    return pairs[["n_train", "n_deploy", "agreed_train", "agreed_deploy"]].set_index(index)


def sharing_test(n: Floats, k: Floats, rng: np.random.Generator) -> tuple[float, float, float]:
    """Statistic of the module's test, its mean without sharing, and the Monte Carlo p-value.

    Parameters
    ----------
    n, k : (M, N, S) of int
        Samples and agreements of model m on prompt i in context s; n = 0 where it lacks the prompt.
    """
    samples, agreed = n.sum(axis=2), k.sum(axis=2)
    there = samples > 0
    rate = agreed.sum(axis=1, keepdims=True) / np.maximum(samples.sum(axis=1, keepdims=True), 1)
    deviation = np.where(there, agreed - samples * rate, 0.0)
    scale = np.sqrt((deviation**2).sum(axis=1, keepdims=True))
    standard = deviation / np.where(scale > 0, scale, 1.0)
    seen = float((standard.sum(axis=0) ** 2).sum())
    null = np.empty(_SHUFFLES)
    for b in range(_SHUFFLES):
        total = np.zeros(standard.shape[1])
        for own, has in zip(standard, there, strict=True):
            total[has] += rng.permutation(own[has])
        null[b] = total @ total
    return seen, float(null.mean()), float((1 + (null >= seen).sum()) / (1 + _SHUFFLES))


def pooling_table(incentives: pd.DataFrame, columns: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Incentives partially pooled over families and over methods, with that of a new model.

    Parameters
    ----------
    incentives : DataFrame
        One row per model: its label columns, estimate and se of the one-type incentive; a row without a finite standard
        error takes no part.
    columns : sequence of str
        Of family and method, those to pool over.
    names : of the rows

    Returns
    -------
    DataFrame
        `POOLING_COLUMNS`: level is "model" (partially pooled), "new model of a group", "mean" or "new model". No rows
        for a column with one value, or with fewer than three models.
    """
    rows: list[tuple[object, ...]] = []
    known = np.isfinite(incentives["estimate"]) & np.isfinite(incentives["se"])
    for over in columns:
        groups = incentives[over].astype(str).tolist()
        if len(set(groups)) < 2 or known.sum() < 3:
            continue
        found = pool(np.where(known, incentives["estimate"], np.nan), incentives["se"], groups)
        spread = found.between_families, found.between_models
        table = found.table(names)
        levels = ["model"] * len(names) + ["mean"]
        for level, (_, row) in zip(levels, table.iterrows(), strict=True):
            rows.append(("delta", over, level, *row[["name", "estimate", "se", "low", "high"]], *spread))
        new = [("new model of a group", name, law) for name, law in found.families.items()]
        for level, name, (mean, sd) in [*new, ("new model", f"of a new {over}", found.new)]:
            rows.append(("delta", over, level, name, mean, sd, mean - _Z * sd, mean + _Z * sd, *spread))
    return pd.DataFrame(rows, columns=list(POOLING_COLUMNS))


def posterior_tables(
    obs: Observations, beliefs: Mapping[str, float], *, seed: int = 0, progress: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Posterior of the default structural model, its predictive checks, and a sentence on the sampler.

    Both tables are empty where the extra is not installed, and the sentence says so.
    """
    model = Posterior(beliefs=beliefs, seed=seed, progress=progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimationWarning)  # its text is the message
        try:
            model.fit(obs)
        except ModuleNotFoundError as error:
            return (*no_posterior(), str(error))
    judged = f"{model.status_}: {model.message_}"
    return model.summary[[*POSTERIOR_COLUMNS]], model.checks_, judged


def no_posterior() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables where nothing was sampled."""
    return pd.DataFrame(columns=list(POSTERIOR_COLUMNS)), pd.DataFrame(columns=list(CHECK_COLUMNS))
