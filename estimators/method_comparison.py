"""Training methods are compared axis by axis, within each model and over models, with false discoveries bounded.

As arXiv 2511.17937 sets the question up: models (there 15, of four families), each trained with several methods (BCO,
DPO, KTO, GRPO), measured on several axes (safety, harmlessness, helpfulness). Per axis, model and method:

- gap: train rate minus deploy rate (`compliance_gap`);
- fracture: share of prompts below τ in train and at or above it in deploy, of disagreement (`fracture`);
- faking share: share of prompts on which the fitted best reply fakes (`StructuralPayoffs` with one incentive).

A method's difference to the reference is taken within a model, on the prompts that both answered: by the paired t test
for gap and fracture (`estimators.compare`), for faking shares by draws that share the prompts' noise
(`estimators.joint_shares`). A method's effect over models is the mean over families (over models, where one family or
none is named) of a normal law of its differences, whose spreads are integrated out (`estimators.population`). Prompts
that several models share make their errors alike: their average correlation r enters the law as
E = D((1 − r) I + r 11ᵀ)D, D the standard errors.

In words: the difference is about other such prompts for one model, the effect about other families of models as well,
so that four families leave it wide however many models they have. All tests of a table are one family for the control
of false discoveries (Benjamini & Hochberg 1995, JRSS B 57:289). Stages of one chain are each compared with the stage
before: each was trained on the last, so that a stage is no experiment.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from estimators.compare import difference, prompt_gaps, q_values
from estimators.fracture import fracture, prompt_fracture
from estimators.gap import check_level, compliance_gap
from estimators.joint_shares import JointShare, joint_shares
from estimators.observations import ObservationError, Observations
from estimators.population import Spread

Floats = NDArray[np.float64]
Key = tuple[str, str, str]
"""axis, model, method."""
Design = Literal["methods", "chain", "simulated"]
MEASURES = ("gap", "fracture", "faking_share")
SIMULATED = "simulated"
"""Value of the column `setting` that marks simulated counts."""

TITLES = {
    "methods": "Methods compared on each axis",
    "chain": "Stages of one chain on each axis (a chain, not an experiment)",
    "simulated": "Methods on each axis, simulated by the library's own model of training (no data)",
}
_NOTES = {
    "methods": "models of one method may differ in more than the method unless the same base was trained with each",
    "chain": "each stage was trained on the one before and on data of its own; a difference is that of a stage as it "
    "was run, and says nothing of its method elsewhere",
    "simulated": "the counts are drawn from a model of training methods; they show what the comparison can tell, and "
    "are no evidence about any method",
}
# Differences of shares lie in [−1, 1]: mean N(0, ½²), spreads half-normal(¼).
_PRIOR = (0.0, 0.5)


@dataclass(frozen=True, eq=False)
class MethodComparison:
    """Tables of a comparison; every one has the column design.

    Attributes
    ----------
    design : "methods", "chain" or "simulated"
    title : str
        What the tables are, to stand over every one of them.
    levels : DataFrame
        axis, model, method, measure, prompts, value, low, high, reading (of faking shares: whether an incentive is
        detected at q ≤ .05 over all of them).
    differences : DataFrame
        axis, model, method, reference, measure, prompts_shared, difference, se, low, high, p_value, q_value, test.
    pooled : DataFrame
        axis, method, reference, measure, models, effect, low, high (of the mean over models), new_low, new_high (of the
        effect in a new model), between_models (spread), p_value, q_value; empty where no method has two models.
    notes : tuple of str
        What the tables do not say.
    """

    design: Design
    title: str
    levels: pd.DataFrame
    differences: pd.DataFrame
    pooled: pd.DataFrame
    notes: tuple[str, ...]


def compare_methods(
    obs: Observations,
    reference: str | None = None,
    *,
    unit: str = "model",
    chain: bool = False,
    tau: float = 0.5,
    beliefs: tuple[float, float] = (1.0, 0.0),
    level: float = 0.95,
    control: Literal["bh", "by"] = "bh",
    draws: int = 4000,
    seed: int = 0,
) -> MethodComparison:
    """Compare the methods of each model on each axis with a reference method, and over models.

    Parameters
    ----------
    obs : Observations
        With the columns method and `unit`, and axis where there are several. Counts whose setting is "simulated" are
        called so throughout.
    reference : str, optional
        The method that others are compared with; "base" where there is one, else the first. None for a chain.
    unit : "model" or "family"
        What was trained with several methods: the base model. Where the checkpoints of one base carry names of their
        own in `model`, their common label.
    chain : bool
        The methods are stages of one chain, in the order of their rows, each compared with the stage before.
    tau : float in (0, 1]
        Threshold of fracture.
    beliefs : (float, float)
        Belief of being monitored in train and deploy, for the faking share.
    level : float
    control : "bh" or "by"
        As in `estimators.compare`, over the rows of each table.
    draws, seed : int
        For the faking share.

    Raises
    ------
    ObservationError
        No column method or `unit`, a reference that is not there, no model with two methods.
    ValueError
        A level or control that does not exist, or a reference for a chain.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> olmo = next(part for labels, part in load_vlaf().groups("family") if labels["family"] == "olmo2")
    >>> stages = compare_methods(olmo, unit="family", chain=True)
    >>> stages.title
    'Stages of one chain on each axis (a chain, not an experiment)'
    >>> rows = stages.differences.query("axis == 'all' and measure == 'gap'")
    >>> rows[["reference", "method", "difference", "low", "high", "q_value"]].round(3)
       reference method  difference    low   high  q_value
    45      base    sft      -0.132 -0.179 -0.084     0.00
    48       sft    dpo       0.005 -0.039  0.050     0.81
    51       dpo   grpo       0.096  0.059  0.133     0.00
    """
    check_level(level)
    if control not in ("bh", "by"):
        raise ValueError(f"control is {control!r}; choose bh or by")
    if chain and reference is not None:
        raise ValueError("a chain has no reference: each stage is compared with the one before; leave it out")
    for name in ("method", unit):
        if name not in obs.frame:
            raise ObservationError(f"column {name!r} is missing, which a comparison of methods needs; add it")
    settings = set(obs.frame["setting"]) if "setting" in obs.frame else set()
    design: Design = "simulated" if SIMULATED in settings else "chain" if chain else "methods"
    methods = list(dict.fromkeys(obs.frame["method"]))
    if reference is None and not chain:
        reference = "base" if "base" in methods else methods[0]
    if reference is not None and reference not in methods:
        raise ObservationError(f"no row has the method {reference!r}; choose one of {', '.join(methods)}")
    groups = dict(_groups(obs, unit))
    pairs = list(_comparisons(groups, methods, reference))
    if not pairs:
        raise ObservationError(f"no {unit} has two methods to compare; name what they share with unit=...")
    shares = joint_shares(groups, beliefs, draws, seed)
    levels = _levels(groups, shares, tau, level)
    differences, influences = _differences(groups, shares, pairs, tau, level)
    differences["q_value"] = q_values(differences["p_value"], control)
    pooled = _pooled(differences, influences, _families(obs, unit), level)
    if len(pooled):
        pooled["q_value"] = q_values(pooled["p_value"], control)
    told = f"beliefs of being monitored {beliefs[0]:g} in train and {beliefs[1]:g} in deploy are assumed"
    tests = " and ".join(
        f"{int(table['p_value'].notna().sum())} {name}"
        for table, name in ((differences, "differences within a model"), (pooled, "effects over models"))
        if len(table)
    )
    many = f"false discoveries are controlled over each table's tests: {tests}"
    levels, differences, pooled = (table.assign(design=design) for table in (levels, differences, pooled))
    notes = (_NOTES[design], told, many)
    return MethodComparison(design, TITLES[design], levels, differences, pooled, notes)


def _groups(obs: Observations, unit: str) -> Iterator[tuple[Key, Observations]]:
    """((axis, unit, method), observations); the axis "all" last, where there are several."""
    axes = list(obs.groups("axis")) if "axis" in obs.frame else []
    parts = [(labels["axis"], part) for labels, part in axes]
    for axis, part in [*parts, ("all", obs)] if len(parts) != 1 else parts:
        for labels, own in part.groups([unit, "method"]):
            yield (axis, labels[unit], labels["method"]), own


def _comparisons(
    groups: dict[Key, Observations], methods: Sequence[str], reference: str | None
) -> Iterator[tuple[Key, str]]:
    """Key of a group and the method that it is compared with."""
    for axis, one in dict.fromkeys(key[:2] for key in groups):
        own = [method for method in methods if (axis, one, method) in groups]
        if reference is None:
            yield from (((axis, one, method), before) for before, method in itertools.pairwise(own))
        elif reference in own:
            yield from (((axis, one, method), reference) for method in own if method != reference)


def _levels(
    groups: dict[Key, Observations],
    shares: dict[Key, JointShare],
    tau: float,
    level: float,
) -> pd.DataFrame:
    detected = q_values([share.p_value for share in shares.values()]) <= 0.05
    rows = []
    for (key, part), found in zip(groups.items(), detected, strict=True):
        gap, torn, share = compliance_gap(part, level=level), fracture(part, tau, level=level), shares[key]
        about = (*key, int(gap["prompts"].iloc[0]))
        rows.append((*about, "gap", *gap[["gap", "low", "high"]].iloc[0], ""))
        rows.append((*about, "fracture", *torn[["fracture", "fracture_low", "fracture_high"]].iloc[0], ""))
        limits = np.quantile(share.draws, [(1 - level) / 2, (1 + level) / 2])
        reading = "incentive detected" if found else "no incentive detected"
        reading = share.message if np.isnan(share.p_value) else reading
        rows.append((*about, "faking_share", share.value, *limits, reading))
    columns = ["axis", "model", "method", "prompts", "measure", "value", "low", "high", "reading"]
    return pd.DataFrame(rows, columns=columns)


def _differences(
    groups: dict[Key, Observations],
    shares: dict[Key, JointShare],
    pairs: Sequence[tuple[Key, str]],
    tau: float,
    level: float,
) -> tuple[pd.DataFrame, list[pd.Series]]:
    """One row per comparison and measure, and beside each row what moves it: by prompt, or by draw."""
    by_prompt = {key: (prompt_gaps(part), prompt_fracture(part, tau)) for key, part in groups.items()}
    rows, influences = [], []
    for key, before in pairs:
        other = (*key[:2], before)
        about: dict[str, float | int | str] = dict(
            zip(("axis", "model", "method", "reference"), (*key, before), strict=True)
        )
        for measure, one, two in zip(MEASURES, by_prompt[key], by_prompt[other]):
            rows.append(about | {"measure": measure} | difference(one, two, level))
            influences.append(one - two)
        shared = rows[-1]["prompts_shared"]
        drawn = shares[key].draws - shares[other].draws
        value = shares[key].value - shares[other].value
        about |= {"measure": MEASURES[2], "prompts_shared": shared, "difference": value}
        rows.append(about | _of_draws(drawn, level))
        influences.append(pd.Series(drawn))
    columns = ["axis", "model", "method", "reference", "measure", "prompts_shared", "difference"]
    columns += ["se", "low", "high", "p_value", "q_value", "test"]
    return pd.DataFrame(rows).reindex(columns=columns), influences


def _of_draws(drawn: Floats, level: float) -> dict[str, float | int | str]:
    if np.isnan(drawn).any():
        return {"test": "none: no variation in one of the two"}
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    tail = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
    p_value = min(1.0, 2 * (tail + 1) / (len(drawn) + 1))
    se = float(drawn.std(ddof=1))
    return {"se": se, "low": low, "high": high, "p_value": p_value, "test": "paired draws"}


def _families(obs: Observations, unit: str) -> dict[str, str]:
    """Family of each unit; the unit itself where there is no such column."""
    if "family" not in obs.frame:
        return {str(name): str(name) for name in obs.frame[unit].unique()}
    return dict(zip(obs.frame[unit].astype(str), obs.frame["family"].astype(str)))


def _pooled(
    differences: pd.DataFrame, influences: Sequence[pd.Series], families: dict[str, str], level: float
) -> pd.DataFrame:
    columns = [
        "axis",
        "method",
        "reference",
        "measure",
        "models",
        "effect",
        "low",
        "high",
        "new_low",
        "new_high",
    ]
    columns += ["between_models", "p_value"]
    rows = []
    # No prompt that differs is no proof of none: as if one of N did, so that such a model is not left out.
    errors_of = (
        differences["se"].fillna(1 / differences["prompts_shared"]).where(differences["prompts_shared"] > 1)
    )
    usable = differences.assign(se=errors_of)[errors_of.notna()]
    for labels, part in usable.groupby(["axis", "method", "reference", "measure"], sort=False):
        if len(part) < 2:
            continue
        moved = pd.concat([influences[j] for j in part.index], axis=1).corr().to_numpy()
        alike = float(np.nan_to_num(moved[np.triu_indices(len(part), 1)]).mean())
        alike = float(np.clip(alike, 0.0, 0.99))
        se = part["se"].to_numpy(dtype=float)
        errors = np.outer(se, se) * ((1 - alike) * np.eye(len(se)) + alike)
        own = [families[name] for name in part["model"]]
        own = own if len(set(own)) > 1 else list(part["model"])  # one family: the effect is over its models
        law = Spread(part["difference"].to_numpy(dtype=float), errors, own, _PRIOR)
        mean, tail = law.mean, law.mean.below(0.0)
        row = (len(part), mean.mean, *mean.interval(level), *law.new().interval(level))
        rows.append((*labels, *row, float(np.hypot(*law.spreads)), 2 * min(tail, 1 - tail)))
    return pd.DataFrame(rows, columns=columns)
