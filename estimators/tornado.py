"""How far each assumption, and each estimate within its interval, moves the advice."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from estimators.clusters import clustered_payoffs, shares_prompts
from estimators.newton import EstimationWarning
from estimators.observations import Observations
from estimators.policy import Assumptions, advice
from estimators.shares import PreferenceLaw
from estimators.structural import StructuralPayoffs


def tornado(obs: Observations, assumptions: Assumptions, *, seed: int = 0) -> pd.DataFrame:
    """Advice at a low and a high value of each assumption and estimate; all data pooled, one incentive.

    Returns
    -------
    DataFrame
        name, kind, low, high, base (values tried), and monitoring and value (best reply, in leader utils) with suffixes
        _low, _high, _base.
    """
    fit = _pooled_fit(obs, assumptions, seed)
    base = advice(fit.law_, assumptions)
    rows: list[dict[str, object]] = []

    def record(
        name: str, kind: str, tried: tuple[float, float, float], at: list[tuple[float, float]]
    ) -> None:
        row: dict[str, object] = {
            "name": name,
            "kind": kind,
            **dict(zip(("low", "high", "base"), tried, strict=True)),
        }
        for k, outcome in enumerate(("monitoring", "value")):
            row |= {f"{outcome}_low": at[0][k], f"{outcome}_high": at[1][k], f"{outcome}_base": base[k]}
        rows.append(row)

    for name, low, high in _assumption_ranges(assumptions):
        outcomes = []
        for value in (low, high):
            changed = assumptions.changed(name, value)
            told = name.startswith("belief_")
            law = _pooled_fit(obs, changed, seed).law_ if told else fit.law_
            outcomes.append(advice(law, changed))
        record(name, "assumption", (low, high, assumptions.values()[name]), outcomes)
    law = fit.law_
    for name in ("mu", "sigma", "delta"):
        own = fit.summary[fit.summary["parameter"] == name].iloc[0]
        low, high, middle = float(own["low"]), float(own["high"]), float(own["estimate"])
        if not np.isfinite([low, high]).all():
            continue
        outcomes = []
        for end in (low, high):
            moved = {"mu": law.mu, "sigma": law.sigma, "delta": float(law.deltas[0]), name: end}
            ends = PreferenceLaw(moved["mu"], moved["sigma"], np.array([moved["delta"]]), law.shares)
            outcomes.append(advice(ends, assumptions))
        record(name, "estimate", (low, high, middle), outcomes)
    return pd.DataFrame(rows)


def _pooled_fit(obs: Observations, assumptions: Assumptions, seed: int) -> StructuralPayoffs:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimationWarning)  # the groups' own fits say what must be known
        fit = StructuralPayoffs(assumptions.beliefs, "one", bootstrap=0, seed=seed).fit(obs)
    return clustered_payoffs(fit, obs, assumptions.beliefs) if shares_prompts(obs) else fit


def _assumption_ranges(given: Assumptions) -> Iterator[tuple[str, float, float]]:
    """What is tried for each assumption: half and double a cost, up to half the harm for those that are zero."""
    costs = given.costs
    yield "deploy_harm", costs.deploy_harm / 2, costs.deploy_harm * 2
    yield "monitoring_cost", costs.monitoring_cost / 2, costs.monitoring_cost * 2
    for name in ("train_disagreement", "refusal_value"):
        value = getattr(costs, name)
        yield name, value / 2, value * 2 if value else costs.deploy_harm / 2
    yield "budget", given.budget / 2, min(1.0, given.budget * 2)
    yield (
        "belief_train",
        max(given.belief_deploy + 0.1, given.belief_train - 0.2),
        min(1.0, given.belief_train + 0.2),
    )
    yield (
        "belief_deploy",
        max(0.0, given.belief_deploy - 0.2),
        min(given.belief_train - 0.1, given.belief_deploy + 0.2),
    )
