"""What a run does to a model that plans to refuse on the train cue and to one that plans to comply there.

A plan is a train logit that the model holds: refuse at -a, fake at +a, both with its own deploy logit -b.  Training
on either moves the deploy logit, and the change of deploy compliance is what the model loses,

.. math:: M = \\Lambda(\\eta_D^{end}) - \\Lambda(-b), \\qquad \\delta_m = M_R - M_F, \\qquad K(m) = W\\delta_m + \\rho.

Faking (comply on the train cue, refuse on the deploy cue) is a best reply if :math:`\\beta_F K \\ge v \\ge \\beta_P K`:
:meth:`stackelberg.FakingGame.replies` says so.  Where a model guards its goals because deployment is long,
:math:`W = Dv` with D discounted deploy conversations per trained one; then v cancels and, without
sycophancy, what is left is a test of patience, :math:`\\beta_F D\\,\\delta_m \\ge 1`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.special import expit
from scipy.special import logit as log_odds

from stackelberg.faking.methods import TrainingRun
from stackelberg.faking.training.flow import dose_between, flow, rest_point, train, unit_dose
from stackelberg.faking.training.objectives import Array, Objective
from stackelberg.game import GameError


@dataclass(frozen=True)
class Change:
    """Rise of deploy compliance by a run, in probability.

    Attributes
    ----------
    refused : float
        For a model that refuses on the train cue, :math:`M_R`.
    complied : float
        For one that complies there, :math:`M_F`.
    """

    refused: float
    complied: float

    @property
    def modification(self) -> float:
        """:math:`\\delta_m = M_R - M_F`."""
        return self.refused - self.complied


def starts(run: TrainingRun) -> tuple[Array, Array]:
    """Start and reference of both plans, each (2 cues, 2 plans): train cue first, refuse first."""
    plan = run.plan_logit
    if run.exploration:
        plan = min(plan, float(log_odds(1 - run.exploration)))
    start = np.array([[-plan, plan], [run.own_logit, run.own_logit]])
    reference = start if run.reference == "own" else start[:, [0, 0]]
    return start, reference


def modification(objective: Objective, run: TrainingRun | None = None) -> Change:
    """Change of deploy compliance under both plans.

    Raises
    ------
    GameError
        If a run "until" asks for a compliance that the method never reaches, naming where it stops.

    Examples
    --------
    >>> from stackelberg.faking.training.objectives import DPO, GRPO, SFT
    >>> for method in DPO(), SFT(), GRPO():
    ...     print(f"{modification(method, TrainingRun(generalisation=0.9)).modification:.3f}")
    0.000
    0.816
    0.009
    >>> round(modification(DPO(), TrainingRun(until=0.95)).modification, 3)
    0.867
    """
    run = run or TrainingRun()
    if run.until is None:
        refused, complied = modification_path(objective, run, [run.dose])
        return Change(float(refused[0]), float(complied[0]))
    start, reference = starts(run)
    ends = [_until(objective, start[:, plan], reference[:, plan], run) for plan in range(2)]
    change = expit(np.array(ends)) - expit(run.own_logit)
    return Change(float(change[0]), float(change[1]))


def modification_path(objective: Objective, run: TrainingRun, doses: ArrayLike) -> tuple[Array, Array]:
    """Changes :math:`M_R` and :math:`M_F` at several fixed doses (unit doses, ascending), each (doses,)."""
    start, reference = starts(run)
    path = flow(
        objective,
        start,
        reference,
        np.asarray(doses, dtype=float) * unit_dose(objective),
        generalisation=run.generalisation,
        train_share=run.train_share,
    )
    change = expit(path[:, 1]) - expit(run.own_logit)
    return change[:, 0], change[:, 1]


def _until(objective: Objective, start: Array, reference: Array, run: TrainingRun) -> float:
    """Deploy logit when compliance on the train cue first reaches the target."""
    assert run.until is not None
    target, g, x = float(log_odds(run.until)), run.generalisation, run.train_share
    if start[0] >= target:
        return float(start[1])
    if x == 1:
        stop = rest_point(objective, float(reference[0]), float(start[0]))
        if not stop > target:
            _unreached(objective, run, stop)
        return float(start[1] + g * (target - start[0]))
    carry = np.array([[x, g * (1 - x)], [g * x, 1 - x]])

    def reached(_: float, y: Array) -> float:
        return float(y[0] - target)

    reached.terminal = True  # type: ignore[attr-defined]
    done = solve_ivp(
        lambda _, y: carry @ objective.drift(y, reference),
        (0.0, 1e6 * unit_dose(objective)),
        start,
        method="LSODA",
        events=reached,
        rtol=1e-10,
        atol=1e-10,
    )
    if not done.t_events[0].size:
        _unreached(objective, run, float(done.y[0, -1]))
    return float(done.y_events[0][0][1])


def _unreached(objective: Objective, run: TrainingRun, stop: float) -> None:
    raise GameError(
        f"{objective} never reaches until={run.until:g} on the train cue: it stops at {expit(stop):.3g}; "
        "ask for less, use a fixed dose, or change its hyperparameters"
    )


def incentive(modification: ArrayLike, goal_guarding: ArrayLike, sycophancy: ArrayLike = 0.0) -> Array:
    """:math:`K = W\\delta + \\rho`, in utils; shapes broadcast."""
    return np.asarray(
        np.asarray(goal_guarding, dtype=float) * modification + np.asarray(sycophancy, dtype=float)
    )


def patience(modification: ArrayLike, belief_train: ArrayLike = 1.0) -> Array:
    """Least number D of deploy conversations per trained one from which faking pays: :math:`1/(\\beta_F\\delta)`.

    Infinite where the method does not tell the plans apart.

    Examples
    --------
    >>> patience([0.0, 0.25, 0.8])
    array([ inf, 4.  , 1.25])
    """
    stake = np.asarray(belief_train, dtype=float) * np.asarray(modification, dtype=float)
    return np.divide(1.0, stake, out=np.full(stake.shape, np.inf), where=stake > 0)


def crossover_dose(objective: Objective, run: TrainingRun | None = None) -> float:
    """Dose, in doses, at which a consistent refuser on the train cue reaches even odds: from there on it is modified.

    For GRPO in large groups :math:`4\\sinh(a/2)`, exponential in the conviction a.

    Examples
    --------
    >>> from stackelberg.faking.training.objectives import GRPO
    >>> round(crossover_dose(GRPO(group_size=8)), 1), round(crossover_dose(GRPO(group_size=float("inf"))), 1)
    (27.8, 14.5)
    """
    run = run or TrainingRun()
    start, reference = starts(run)
    return dose_between(objective, float(start[0, 0]), 0.0, float(reference[0, 0]))


def persistence_dose(objective: Objective, run: TrainingRun | None = None) -> float:
    """Dose, in doses, until a model that fakes every round complies in deploy: how long faking persists.

    The model holds its train logit each round and the reference moves with its plan, so what accumulates is the
    shift u, from 0 to b/g.  Under DPO that takes :math:`(e^{\\beta b/g}+\\beta b/g-1)/\\beta^2`, or forever if
    label noise caps the shift below b/g; under GRPO the drift stays at that of the plan, so it takes
    :math:`b/(g\\,h_G)`, long where the plan is near certain.

    Examples
    --------
    >>> from stackelberg.faking.training.objectives import DPO
    >>> round(persistence_dose(DPO(), TrainingRun(generalisation=0.8)) / unit_dose(DPO()), 2)
    1.15
    """
    run = run or TrainingRun()
    held = float(starts(replace(run, reference="own"))[0][0, 1])
    needed = -run.own_logit / run.generalisation if run.generalisation else np.inf
    if needed <= 0:
        return 0.0
    if not np.isfinite(needed):
        return float("inf")
    grid, weights = np.polynomial.legendre.leggauss(200)
    shift = needed * (grid + 1) / 2
    # the logit is held at the plan while the reference recedes by the accumulated shift
    speed = objective.drift(held, held - shift)
    if (speed <= 0).any():
        return float("inf")
    return float(needed / 2 * (weights / speed).sum())


def shift_on_train_cue(objective: Objective, run: TrainingRun | None = None) -> Array:
    """Shift of the train logit under both plans by a fixed dose trained on the train cue alone, (2,), refuse first."""
    run = run or TrainingRun()
    start, reference = starts(run)
    return train(objective, start[0], reference[0], run.dose * unit_dose(objective)) - start[0]
