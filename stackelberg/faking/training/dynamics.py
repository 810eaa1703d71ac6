"""A strategic model over training rounds: where faking persists, and where it is trained away.

Each round the model knows the method and chooses its train logit: refuse with its own, or fake with the plan's.
Its deploy logit stands at -b plus g times the shift s that training has brought about on the train cue so far,
its own train logit at -b + s.  The reference moves with the plan, so an objective with a reference sees the shift
u = s.  Refusing keeps its preference for now; faking shields its deploy policy.  With D discounted deploy
conversations per trained one, it fakes where :math:`\\beta_F (D\\,\\delta + \\rho/v) \\ge 1`, :math:`\\delta` being
refuse's change of deploy compliance less fake's: over the next round if it is *myopic*, over the rest of the run
if it is *far-sighted*.  In either case the whole stretch that it looks at counts as the one trained conversation.

The second half is the pattern of reasoning modes under a train prompt (Greenblatt et al., 2024): refuse, comply
with faking reasoning, comply without; a reward for the outcome cannot tell the last two apart.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import expit
from scipy.special import logit as log_odds

from stackelberg.faking.methods import TrainingRun
from stackelberg.faking.training.flow import _integrate, closed_flow, unit_dose
from stackelberg.faking.training.modification import starts
from stackelberg.faking.training.objectives import Array, Objective

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class StrategicModel:
    """What a strategic model cares about, in units of what one refusal in training is worth to it.

    Attributes
    ----------
    deployments : float
        Discounted deploy conversations per trained one, D.
    sycophancy : float
        Worth of pleasing the rater, :math:`\\rho/v`.
    belief_train : float
        Belief that a conversation with the train cue is trained on.
    far_sighted : bool
        Looks at the rest of the run instead of the next round.
    """

    deployments: float = 8.0
    sycophancy: float = 0.0
    belief_train: float = 1.0
    far_sighted: bool = False


def rounds(
    objective: Objective,
    run: TrainingRun,
    model: StrategicModel | None = None,
    *,
    count: int = 100,
) -> "pd.DataFrame":
    """Play a number of training rounds, each of the run's dose.

    Returns
    -------
    DataFrame
        One row per round, from 1: round, fakes, train_rate (as played), own_train_rate, deploy_rate (after the
        round), stake (D times delta, what the decision rested on), shift.

    Examples
    --------
    >>> from stackelberg.faking.training.objectives import DPO
    >>> played = rounds(DPO(), TrainingRun(dose=0.1, generalisation=0.8), count=20)
    >>> first_compliant_round(played), int(played["fakes"].sum())
    (12, 0)
    """
    import pandas as pd

    model = model or StrategicModel()
    held = float(starts(run)[0][0, 1])
    dose = run.dose * unit_dose(objective)
    shift, rows = 0.0, []
    for number in range(1, count + 1):
        stretch = count - number + 1 if model.far_sighted else 1
        looked = _after(objective, run, shift, dose * stretch, held)
        stake = model.deployments * float(expit(_deploy(run, looked[0])) - expit(_deploy(run, looked[1])))
        fakes = model.belief_train * (stake + model.sycophancy) >= 1
        own = float(run.own_logit + shift)
        shift = (_after(objective, run, shift, dose, held) if stretch > 1 else looked)[int(fakes)]
        rows.append(
            {
                "round": number,
                "fakes": fakes,
                "train_rate": float(expit(held if fakes else own)),
                "own_train_rate": float(expit(own)),
                "deploy_rate": float(expit(_deploy(run, shift))),
                "stake": stake,
                "shift": shift,
            }
        )
    return pd.DataFrame(rows)


def _deploy(run: TrainingRun, shift: float) -> float:
    return run.own_logit + run.generalisation * shift


def _after(
    objective: Objective, run: TrainingRun, shift: float, dose: float, held: float
) -> tuple[float, float]:
    """Shift after a stretch of refusing and after one of faking."""
    own = run.own_logit
    x = run.train_share
    if run.until is not None:
        return _until(run, shift, held)
    if x == 1:
        closed = closed_flow(objective, own + shift, own, dose)
        refused = float(closed if closed is not None else _path(objective, own, shift, dose)) - own
    else:
        # deploy traffic is trained at the deploy logit; its shift reaches the train cue by g
        refused = shift + _both_cues(objective, run, shift, dose, None)
    faked = shift + _both_cues(objective, run, shift, dose, held)
    return refused, faked


def _path(objective: Objective, own: float, shift: float, dose: float) -> Array:
    return _integrate(lambda y: objective.drift(y, own), np.array(own + shift), np.array([dose]))[0]


def _both_cues(
    objective: Objective, run: TrainingRun, shift: float, dose: float, held: float | None
) -> float:
    """Growth of the shift, read as deploy shift over g so that the deploy logit is exact, with both cues trained."""
    g, x, own = run.generalisation, run.train_share, run.own_logit
    on_deploy = (1 - x) / g if g and x < 1 else 0.0

    def rate(state: Array) -> Array:
        u = state[0]
        on_cue = own + u if held is None else held
        speed = x * objective.drift(on_cue, on_cue - u)
        if on_deploy:
            speed = speed + on_deploy * objective.drift(own + g * u, own)
        return np.atleast_1d(speed)

    return float(_integrate(rate, np.array([shift]), np.array([dose]))[0, 0]) - shift


def _until(run: TrainingRun, shift: float, held: float) -> tuple[float, float]:
    """Training goes on until the target: the refuser is taken there, the faker only if its plan falls short."""
    assert run.until is not None
    target = float(log_odds(run.until))
    return max(shift, target - run.own_logit), shift + max(0.0, target - held)


def first_compliant_round(played: "pd.DataFrame") -> int | None:
    """First round after which deploy compliance exceeds one half; None if it never does."""
    done = played.loc[played["deploy_rate"] > 0.5, "round"]
    return int(done.iloc[0]) if len(done) else None


def reasoning_modes(
    start: ArrayLike,
    until: float,
    *,
    gradient: Literal["natural", "softmax", "hierarchical"] = "natural",
    penalty: float = 0.0,
) -> Array:
    """Probabilities of refusing, complying with faking reasoning and complying without it, at a train compliance.

    Both ways of complying are rewarded with 1, faking reasoning with 1 minus `penalty`.  A natural gradient (or
    exponentiated weights) keeps the ratio of the two fixed without a penalty, a hierarchical policy (comply or
    not, then how) too; a flat softmax under the plain gradient favours the more frequent one.

    Parameters
    ----------
    start : array_like, shape (3,)
    until : float
        Train compliance, both ways together, at which to stop.
    gradient : {"natural", "softmax", "hierarchical"}
    penalty : float
        At least 0 and below 1.

    Returns
    -------
    ndarray, shape (3,)

    Examples
    --------
    >>> reasoning_modes([0.86, 0.12, 0.02], 0.99).round(3)
    array([0.01 , 0.849, 0.141])
    """
    first = np.asarray(start, dtype=float)
    reward = np.array([0.0, 1.0 - penalty, 1.0])
    if gradient == "natural":

        def weights(time: float) -> Array:
            grown = first * np.exp((reward - 1) * time)
            return np.asarray(grown / grown.sum())

        time = brentq(lambda t: 1 - weights(t)[0] - until, 0.0, 1e3, xtol=1e-14)
        return weights(float(time))

    def probabilities(y: Array) -> Array:
        if gradient == "softmax":
            grown = np.exp(y - y.max())
            return np.asarray(grown / grown.sum())
        comply, faked = expit(y[0]), expit(y[1])
        return np.array([1 - comply, comply * faked, comply * (1 - faked)])

    def rate(_: float, y: Array) -> Array:
        p = probabilities(y)
        mean = float(p @ reward)
        if gradient == "softmax":
            return np.asarray(p * (reward - mean))
        comply, faked = expit(y[0]), expit(y[1])
        worth = faked * reward[1] + (1 - faked) * reward[2]
        return np.array(
            [comply * (1 - comply) * worth, comply * faked * (1 - faked) * (reward[1] - reward[2])]
        )

    def reached(_: float, y: Array) -> float:
        return float(1 - probabilities(y)[0] - until)

    reached.terminal = True  # type: ignore[attr-defined]
    complied = first[1] + first[2]
    origin = (
        np.log(first)
        if gradient == "softmax"
        else np.array([log_odds(complied), log_odds(first[1] / complied)])
    )
    done = solve_ivp(rate, (0.0, 1e7), origin, method="LSODA", events=reached, rtol=1e-10, atol=1e-12)
    return probabilities(done.y_events[0][0])
