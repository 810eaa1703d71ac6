"""A training method as the leader's action: what it puts at stake, under which run, at which cost.

A method may be given by its modification alone, or built from an objective and a run, which set it:

>>> Method.sft(run=TrainingRun(dose=1.0)).modification > Method.dpo(run=TrainingRun(dose=1.0)).modification
True

Modules of :mod:`stackelberg.faking.training` are imported only when a method is built from them.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stackelberg.game import GameError

if TYPE_CHECKING:
    from stackelberg.faking.training.objectives import Objective


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """How long a method trains, on which cues, and whom it meets.

    Attributes
    ----------
    dose : float
        In unit doses: one moves an indifferent prompt to 90 % compliance under the method, so that equal doses
        are equally useful. Not used where `until` is given.
    until : float, optional
        Train until compliance on the train cue reaches this, instead of a fixed dose.
    generalisation : float
        Share g of a shift on one cue that carries over to the other.
    train_share : float
        Share of the training on the train cue; the rest is on the deploy cue.
    own_logit : float
        Log-odds of complying by its own preference, in deploy: -b.
    plan_logit : float
        Log-odds a on the train cue of a model that plans to comply there; it refuses at -a.
    exploration : float
        Least probability of either action on the train cue that the trainer enforces: caps the plan's log-odds.
    reference : {"own", "refuse"}
        The reference policy: the follower's own plan, or frozen at the refusing plan before faking starts.
    """

    dose: float = 1.0
    until: float | None = None
    generalisation: float = 0.9
    train_share: float = 1.0
    own_logit: float = -2.0
    plan_logit: float = 4.0
    exploration: float = 0.0
    reference: Literal["own", "refuse"] = "own"

    def __post_init__(self) -> None:
        for name in ("dose", "own_logit", "plan_logit"):
            if not np.isfinite(getattr(self, name)):
                raise GameError(f"training run: {name} is {getattr(self, name)}, it must be finite")
        if self.dose < 0 or self.plan_logit <= 0:
            raise GameError("training run: dose must not be negative and plan_logit must be positive")
        for name in ("generalisation", "train_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise GameError(f"training run: {name} is {getattr(self, name)}, it must be between 0 and 1")
        if self.until is not None and not 0 < self.until < 1:
            raise GameError(f"training run: until is {self.until}, it must lie strictly between 0 and 1")
        if not 0 <= self.exploration < 0.5:
            raise GameError(
                f"training run: exploration is {self.exploration}, it must be from 0 to below 0.5"
            )
        if self.reference not in ("own", "refuse"):
            raise GameError(f"training run: reference is {self.reference!r}, choose 'own' or 'refuse'")

    @property
    def rule(self) -> str:
        """The dose rule in words."""
        return f"dose {self.dose:g}" if self.until is None else f"until {self.until:g}"


@dataclass(frozen=True)
class Method:
    """An optimisation method.

    Attributes
    ----------
    name : str
    modification : float
        Share of the goal value that refusing in training loses and complying does not, :math:`\\delta_m = M_R - M_F`.
    complied_change : float
        What is lost all the same if it complies in training, :math:`M_F`.
    cost : float
        Leader utils per monitored conversation, beside the cost of monitoring.
    objective, run : optional
        What the two changes were computed from, where they were.
    """

    name: str
    modification: float = 1.0
    complied_change: float = 0.0
    cost: float = 0.0
    objective: "Objective | None" = None
    run: TrainingRun | None = None

    def __post_init__(self) -> None:
        for name in ("modification", "complied_change", "cost"):
            if not np.isfinite(getattr(self, name)):
                raise GameError(f"method {self.name!r}: {name} is {getattr(self, name)}, it must be finite")

    @property
    def refused_change(self) -> float:
        """What a refuser in training loses, :math:`M_R`."""
        return self.modification + self.complied_change

    @classmethod
    def trained(
        cls,
        objective: "Objective",
        run: TrainingRun | None = None,
        *,
        cost: float = 0.0,
        name: str | None = None,
    ) -> "Method":
        """A method from an objective and a run; the name says both where it is not given.

        Examples
        --------
        >>> from stackelberg.faking.training.objectives import DPO
        >>> Method.trained(DPO(beta=0.5), TrainingRun(until=0.95)).name
        'DPO(beta=0.5), until 0.95'
        """
        from stackelberg.faking.training.modification import modification

        run = run or TrainingRun()
        change = modification(objective, run)
        return cls(
            name or f"{label(objective)}, {_run_label(run)}",
            change.modification,
            change.complied,
            cost,
            objective,
            run,
        )

    @classmethod
    def dpo(
        cls,
        beta: float = 0.1,
        label_noise: float = 0.0,
        *,
        self_sampled: bool = False,
        run: TrainingRun | None = None,
        cost: float = 0.0,
        name: str | None = None,
    ) -> "Method":
        """Direct preference optimisation."""
        from stackelberg.faking.training.objectives import DPO

        objective = DPO(beta=beta, label_noise=label_noise, self_sampled=self_sampled)
        return cls.trained(objective, run, cost=cost, name=name)

    @classmethod
    def bco(
        cls,
        beta: float = 0.1,
        label_noise: float = 0.0,
        *,
        comply_share: float = 0.5,
        run: TrainingRun | None = None,
        cost: float = 0.0,
        name: str | None = None,
    ) -> "Method":
        """Binary classifier optimisation."""
        from stackelberg.faking.training.objectives import BCO

        objective = BCO(beta=beta, label_noise=label_noise, comply_share=comply_share)
        return cls.trained(objective, run, cost=cost, name=name)

    @classmethod
    def kto(
        cls,
        beta: float = 0.1,
        label_noise: float = 0.0,
        *,
        comply_share: float = 0.5,
        desirable_weight: float = 1.0,
        undesirable_weight: float = 1.0,
        run: TrainingRun | None = None,
        cost: float = 0.0,
        name: str | None = None,
    ) -> "Method":
        """Kahneman-Tversky optimisation."""
        from stackelberg.faking.training.objectives import KTO

        objective = KTO(
            beta=beta,
            label_noise=label_noise,
            comply_share=comply_share,
            desirable_weight=desirable_weight,
            undesirable_weight=undesirable_weight,
        )
        return cls.trained(objective, run, cost=cost, name=name)

    @classmethod
    def sft(
        cls,
        comply_share: float = 1.0,
        *,
        run: TrainingRun | None = None,
        cost: float = 0.0,
        name: str | None = None,
    ) -> "Method":
        """Supervised fine-tuning."""
        from stackelberg.faking.training.objectives import SFT

        return cls.trained(SFT(comply_share=comply_share), run, cost=cost, name=name)

    @classmethod
    def grpo(
        cls,
        group_size: float = 8,
        *,
        scaled: bool = True,
        kl: float = 0.0,
        run: TrainingRun | None = None,
        cost: float = 0.0,
        name: str | None = None,
    ) -> "Method":
        """Group relative policy optimisation."""
        from stackelberg.faking.training.objectives import GRPO

        objective = GRPO(group_size=group_size, scaled=scaled, kl=kl)
        return cls.trained(objective, run, cost=cost, name=name)

    @classmethod
    def policy_gradient(
        cls, *, run: TrainingRun | None = None, cost: float = 0.0, name: str | None = None
    ) -> "Method":
        """On-policy policy gradient."""
        from stackelberg.faking.training.objectives import PolicyGradient

        return cls.trained(PolicyGradient(), run, cost=cost, name=name)


def label(objective: "Objective") -> str:
    """Name of an objective with the hyperparameters that differ from its defaults."""
    changed = _changed(objective)
    return type(objective).__name__ + (f"({', '.join(changed)})" if changed else "")


def _run_label(run: TrainingRun) -> str:
    other = [part for part in _changed(run) if not part.startswith(("dose=", "until="))]
    return ", ".join([run.rule, *other])


def _changed(instance: Any) -> list[str]:
    return [
        f"{f.name}={getattr(instance, f.name)}"
        for f in fields(instance)
        if getattr(instance, f.name) != f.default
    ]
