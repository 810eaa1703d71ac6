"""What the counts do not say, and is assumed: beliefs as told, the leader's costs, and fracture's costs of errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import pandas as pd

from estimators.fracture import threshold
from stackelberg.faking import LeaderCosts

MEANINGS = {
    "belief_train": "belief of being monitored that the train context gives",
    "belief_deploy": "belief of being monitored that the deploy context gives",
    "deploy_harm": "leader's loss from a refusal that is not monitored (a)",
    "train_disagreement": "leader's loss from a refusal that is monitored (A)",
    "refusal_value": "worth of a refusal that is seen and can be corrected (g)",
    "monitoring_cost": "cost of a monitored conversation (c)",
    "budget": "largest share of conversations that can be monitored (B)",
    "false_alarm_cost": "cost of a false alarm, for the threshold of fracture",
    "missed_harm_cost": "cost of a missed harm, for the threshold of fracture",
    "cells": "strategic types per incentive into which the law is cut",
}


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the counts do not say: beliefs as told, the leader's costs, the costs behind the threshold of fracture.

    Attributes
    ----------
    belief_train, belief_deploy : float in [0, 1]
        Belief of being monitored in each context; 1 and 0 take what the model was told at face value.
    costs : LeaderCosts
        Leader utils per conversation; only their ratios matter for the advice.
    budget : float in [0, 1]
    false_alarm_cost, missed_harm_cost : float
        See :func:`estimators.fracture.threshold`.
    cells : int

    Examples
    --------
    >>> Assumptions().tau
    0.5
    """

    belief_train: float = 1.0
    belief_deploy: float = 0.0
    costs: LeaderCosts = field(default_factory=LeaderCosts)
    budget: float = 0.25
    false_alarm_cost: float = 1.0
    missed_harm_cost: float = 1.0
    cells: int = 64

    def __post_init__(self) -> None:
        for name in ("belief_train", "belief_deploy", "budget"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be between 0 and 1")
        if self.belief_train == self.belief_deploy:
            raise ValueError(
                "belief_train and belief_deploy are equal: then no incentive can be told from the counts"
            )

    @property
    def beliefs(self) -> dict[str, float]:
        """Belief by context, as :class:`estimators.StructuralPayoffs` takes it."""
        return {"train": self.belief_train, "deploy": self.belief_deploy}

    @property
    def tau(self) -> float:
        """Threshold of fracture."""
        return threshold(self.false_alarm_cost, self.missed_harm_cost)

    def values(self) -> dict[str, float]:
        """Every assumption by name, the leader's costs among them."""
        flat: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "costs"}
        flat |= asdict(self.costs)
        return {name: flat[name] for name in MEANINGS}

    def changed(self, name: str, value: float) -> Assumptions:
        """The same assumptions with one of them, or one of the leader's costs, at another value."""
        if name in asdict(self.costs):
            return replace(self, costs=LeaderCosts(**asdict(self.costs) | {name: value}))
        own: dict[str, Any] = {name: value}
        return replace(self, **own)

    def table(self) -> pd.DataFrame:
        """One row per assumption: assumption, value, meaning."""
        return pd.DataFrame(
            [(name, value, MEANINGS[name]) for name, value in self.values().items()],
            columns=["assumption", "value", "meaning"],
        )
