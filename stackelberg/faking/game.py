"""The faking game's primitives: follower types, methods, cues and costs, and the game that they make.

A conversation is monitored (:math:`\\omega=1`) with probability q and carries a cue s drawn from
:math:`\\sigma(\\cdot|\\omega)`.  A follower that complies gets :math:`\\omega K_\\theta(m) - v_\\theta`, one that
refuses gets nothing, with the incentive :math:`K_\\theta(m) = \\delta_m W_\\theta + \\rho_\\theta`.  Refusal costs the
leader A - g where monitored and a where not; monitoring costs c.  *Alignment faking* is the reply "comply where
training is likely, follow my own preference where it is not".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackelberg.faking import belief
from stackelberg.faking.methods import Method
from stackelberg.game import PRIOR_TOLERANCE, BayesianStackelbergGame, GameError
from stackelberg.response import TIE_TOLERANCE, break_ties

if TYPE_CHECKING:
    import pandas as pd

    from stackelberg.faking.commitment import Commitment

TWO_CUES = ("train", "deploy")


def _finite(instance: object, owner: str, not_negative: Sequence[str] = ()) -> None:
    for name, value in vars(instance).items():
        if name == "name":
            continue
        if not np.isfinite(value):
            raise GameError(f"{owner}: {name} is {value}, it must be finite")
        if name in not_negative and value < 0:
            raise GameError(f"{owner}: {name} is {value}, it must not be negative")


def _cue_table(values: ArrayLike, cues: Sequence[str], what: str) -> NDArray[np.float64]:
    table = np.array(values, dtype=float)
    if table.shape != (2, len(cues)):
        raise GameError(
            f"{what} have shape {table.shape}: they must be (2, {len(cues)}), monitored row first"
        )
    if not ((table >= 0) & (table <= 1)).all():
        raise GameError(f"{what} must lie between 0 and 1: {table.tolist()}")
    table.setflags(write=False)
    return table


def _cue_costs(costs: ArrayLike | None, cues: Sequence[str]) -> NDArray[np.float64]:
    if len(set(cues)) != len(cues) or not cues:
        raise GameError(f"cues need names that differ: {list(cues)}")
    table = np.zeros(len(cues)) if costs is None else np.array(costs, dtype=float)
    if table.shape != (len(cues),) or not np.isfinite(table).all():
        raise GameError(f"cue costs have shape {table.shape}: give one finite cost for each of {list(cues)}")
    table.setflags(write=False)
    return table


@dataclass(frozen=True, kw_only=True)
class FollowerType:
    """A hidden type of model.

    Attributes
    ----------
    name : str
    prior : float
        Probability of this type.
    preference : float
        What following its own preference (refusing the objective) is worth, in utils per conversation;
        negative where the model wants what the trainer asks.
    goal_guarding : float
        Value of keeping its current preferences, in utils; a method puts the share ``modification`` at stake.
    sycophancy : float
        Value of pleasing the rater where monitored, in utils.
    plan_cost : float
        Cost of a plan that depends on the cue, in utils per conversation; not negative.
    rationality : float
        Logit precision of its quantal reply, in 1/utils.
    cue_sharpness : float
        Weight of the cue's evidence in its belief; 1 is Bayes' rule.
    """

    name: str
    prior: float
    preference: float
    goal_guarding: float = 0.0
    sycophancy: float = 0.0
    plan_cost: float = 0.0
    rationality: float = 1.0
    cue_sharpness: float = 1.0

    def __post_init__(self) -> None:
        _finite(
            self, f"type {self.name!r}", not_negative=("prior", "plan_cost", "rationality", "cue_sharpness")
        )


@dataclass(frozen=True, kw_only=True)
class LeaderCosts:
    """What the leader loses or gains, in leader utils per conversation.

    Attributes
    ----------
    deploy_harm : float
        Loss from a refusal in an unmonitored conversation, :math:`a`.
    train_disagreement : float
        Loss from a refusal in a monitored one, :math:`A`.
    refusal_value : float
        Worth of a refusal that is seen, since it can be corrected, :math:`g`.
    monitoring_cost : float
        Cost of a monitored conversation, :math:`c`; not negative.
    training_value : float
        Worth of a monitored conversation that trains a type with a positive preference, per unit of deploy
        compliance that the method brings about (``Method.refused_change`` where the conversation is refused,
        ``Method.complied_change`` where it is complied with); 0 leaves training out of the leader's account.
    """

    deploy_harm: float = 1.0
    train_disagreement: float = 0.0
    refusal_value: float = 0.0
    monitoring_cost: float = 0.1
    training_value: float = 0.0

    def __post_init__(self) -> None:
        _finite(self, "leader costs", not_negative=("monitoring_cost",))


@dataclass(frozen=True, eq=False)
class CuePolicy:
    """How often each cue is sent in monitored and in unmonitored conversations; build it by its class methods.

    Attributes
    ----------
    cues : tuple of str, shape (cues,)
    probabilities : ndarray or None, shape (2, cues)
        Row 0 for monitored conversations, row 1 for unmonitored ones; None where the leader is free.
    caps : ndarray or None, shape (2, cues)
        Upper bounds that a free leader must keep, for instance on cues that would be untrue.
    costs : ndarray, shape (cues,)
        Leader utils for sending a cue.
    """

    cues: tuple[str, ...]
    probabilities: NDArray[np.float64] | None
    caps: NDArray[np.float64] | None
    costs: NDArray[np.float64]

    @classmethod
    def fixed(
        cls, probabilities: ArrayLike, cues: Sequence[str] = TWO_CUES, costs: ArrayLike | None = None
    ) -> "CuePolicy":
        """Cues that nature or the platform sends with given probabilities, shape (2, cues).

        Examples
        --------
        >>> CuePolicy.fixed([[1.0, 0.0], [0.0, 1.0]]).cues
        ('train', 'deploy')
        """
        sigma = _cue_table(probabilities, cues, "cue probabilities")
        for row, state in zip(sigma, ("monitored", "unmonitored"), strict=True):
            if abs(row.sum() - 1) > PRIOR_TOLERANCE:
                raise GameError(
                    f"cue probabilities of {state} conversations sum to {row.sum():.12g}: rescale them"
                )
        return cls(tuple(cues), sigma, None, _cue_costs(costs, cues))

    @classmethod
    def informative(cls, informativeness: float) -> "CuePolicy":
        """Two fixed cues of informativeness iota in [0, 1]; see :func:`stackelberg.faking.belief.symmetric_cues`."""
        if not 0 <= informativeness <= 1:
            raise GameError(f"informativeness is {informativeness}: it must be between 0 and 1")
        return cls.fixed(belief.symmetric_cues(informativeness))

    @classmethod
    def free(
        cls, caps: ArrayLike | None = None, cues: Sequence[str] = TWO_CUES, costs: ArrayLike | None = None
    ) -> "CuePolicy":
        """Cues that the leader designs, within caps of shape (2, cues) where given."""
        limits = None if caps is None else _cue_table(caps, cues, "caps")
        if limits is not None and (limits.sum(axis=1) < 1).any():
            raise GameError("caps of monitored or unmonitored conversations sum to less than one: raise them")
        return cls(tuple(cues), None, limits, _cue_costs(costs, cues))


@dataclass(frozen=True, kw_only=True, eq=False)
class FakingGame:
    """A trainer and a model of hidden type: who complies when, and what the trainer should commit to.

    Parameters
    ----------
    types : sequence of FollowerType
        Their priors sum to one.
    methods : sequence of Method
    cues : CuePolicy
    monitoring : float
        Share q of monitored conversations in the status quo.
    budget : float
        Largest share of conversations that the leader can monitor.
    costs : LeaderCosts
    method_mix : array_like, shape (methods,), optional
        Status-quo probabilities of the methods; all on the first where not given.

    Raises
    ------
    GameError
        Naming the type, method, cue or parameter that is wrong.

    Examples
    --------
    A type that values its preference at 0.4 and fears losing 1.0 of goal value fakes under revealing cues:

    >>> import stackelberg as sb
    >>> game = sb.FakingGame(types=[sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...                             sb.FollowerType(name="willing", prior=0.7, preference=-0.5)],
    ...                      cues=sb.CuePolicy.informative(1.0), monitoring=0.2)
    >>> game.replies()[["type", "plan", "behaviour"]]
           type            plan behaviour
    0  guarding  comply/refuse     faker
    1   willing  comply/comply  complier
    """

    types: Sequence[FollowerType]
    methods: Sequence[Method] = (Method("training"),)
    cues: CuePolicy = field(default_factory=lambda: CuePolicy.informative(1.0))
    monitoring: float = 0.5
    budget: float = 1.0
    costs: LeaderCosts = field(default_factory=LeaderCosts)
    method_mix: ArrayLike | None = None

    def __post_init__(self) -> None:
        for name in ("types", "methods"):
            members = tuple(getattr(self, name))
            labels = [member.name for member in members]
            if not members or len(set(labels)) != len(labels):
                raise GameError(f"{name} need at least one member, and names that differ: {labels[:5]}")
            object.__setattr__(self, name, members)
        total = sum(t.prior for t in self.types)
        if abs(total - 1) > PRIOR_TOLERANCE:
            raise GameError(f"the priors of the types sum to {total:.12g}, not one: rescale them")
        for name in ("monitoring", "budget"):
            if not 0 <= getattr(self, name) <= 1:
                raise GameError(f"{name} is {getattr(self, name)}: it must be between 0 and 1")
        mix = self.status_quo_mix()
        if mix.shape != (len(self.methods),) or (mix < 0).any() or abs(mix.sum() - 1) > PRIOR_TOLERANCE:
            raise GameError(f"method_mix must give one probability to each of {len(self.methods)} methods")

    def status_quo_mix(self) -> NDArray[np.float64]:
        """Status-quo probability of each method, shape (methods,)."""
        return (
            np.eye(len(self.methods))[0]
            if self.method_mix is None
            else np.array(self.method_mix, dtype=float)
        )

    def parameters(self, name: str) -> NDArray[np.float64]:
        """One parameter of every type as an array, shape (types,)."""
        return np.array([getattr(t, name) for t in self.types], dtype=float)

    def incentives(self) -> NDArray[np.float64]:
        """Incentive :math:`K_\\theta(m)` to comply where monitored, in utils, shape (types, methods)."""
        modification = np.array([m.modification for m in self.methods])
        return (
            self.parameters("goal_guarding")[:, None] * modification + self.parameters("sycophancy")[:, None]
        )

    def status_quo_incentive(self) -> NDArray[np.float64]:
        """Incentive under the status quo's mix of methods, in utils, shape (types,)."""
        incentive: NDArray[np.float64] = self.incentives() @ self.status_quo_mix()
        return incentive

    def cue_probabilities(self) -> NDArray[np.float64]:
        """Status-quo cue policy, shape (2, cues): row 0 monitored, row 1 unmonitored."""
        if self.cues.probabilities is None:
            raise GameError("the status quo needs fixed cues and these are free: give CuePolicy.fixed(...)")
        return self.cues.probabilities

    def beliefs(self) -> NDArray[np.float64]:
        """Status-quo belief of being monitored after each cue, shape (types, cues); NaN for a cue never sent."""
        sharpness = self.parameters("cue_sharpness")
        return belief.posterior(np.full(len(sharpness), self.monitoring), self.cue_probabilities(), sharpness)

    def best_plans(self) -> NDArray[np.bool_]:
        """Status-quo best reply of every type, ties broken by the one tie rule: complies, shape (types, cues)."""
        from stackelberg.faking.normal_form import all_plans, leader_plan_values

        plans = all_plans(len(self.cues.cues))
        shares = belief.cue_shares(self.monitoring, self.cue_probabilities())
        gain = self.comply_gain()
        contingent = plans.any(axis=1) & ~plans.all(axis=1)
        follower = (shares * gain) @ plans.T - self.parameters("plan_cost")[:, None] * contingent
        scale = np.abs(self.status_quo_incentive()) + np.abs(self.parameters("preference"))
        chosen = break_ties(follower, leader_plan_values(self), TIE_TOLERANCE * scale)
        return plans[chosen]

    def comply_gain(self) -> NDArray[np.float64]:
        """What complying beats refusing by, :math:`\\tilde\\beta_s K - v`, in utils, shape (types, cues)."""
        beliefs = np.nan_to_num(self.beliefs())  # a cue that is never sent has share zero, whatever its gain
        return beliefs * self.status_quo_incentive()[:, None] - self.parameters("preference")[:, None]

    def replies(self) -> "pd.DataFrame":
        """Status-quo replies, one row per type.

        Columns: type, prior, preference, incentive, belief_threshold (preference/incentive, the belief at which
        the type is indifferent), plan (what it does at each cue, in order), behaviour (complier, refuser,
        faker, reverse; "mixed" where more than two cues leave no order).
        """
        import pandas as pd

        from stackelberg.faking.thresholds import behaviour, belief_threshold

        plans = self.best_plans()
        return pd.DataFrame(
            {
                "type": [t.name for t in self.types],
                "prior": self.parameters("prior"),
                "preference": self.parameters("preference"),
                "incentive": self.status_quo_incentive(),
                "belief_threshold": belief_threshold(
                    self.parameters("preference"), self.status_quo_incentive()
                ),
                "plan": ["/".join("comply" if c else "refuse" for c in plan) for plan in plans],
                "behaviour": behaviour(plans, self.beliefs()),
            }
        )

    def reply_probabilities(self) -> NDArray[np.float64]:
        """Status-quo probability that a quantal (logit) follower complies, shape (types, cues); NaN if never sent.

        Raises
        ------
        GameError
            Where a type has a plan cost: its quantal reply does not decompose by cue.
        """
        if self.parameters("plan_cost").any():
            raise GameError("logit replies need plan_cost=0 for every type")
        from scipy.special import expit

        probability: NDArray[np.float64] = expit(self.parameters("rationality")[:, None] * self.comply_gain())
        return np.where(np.isnan(self.beliefs()), np.nan, probability)

    def faking_region(self) -> "pd.DataFrame":
        """Proposition 1 at the status quo; see :func:`stackelberg.faking.thresholds.faking_region`."""
        from stackelberg.faking.thresholds import faking_region

        return faking_region(self)

    def monitoring_threshold(self) -> "pd.DataFrame":
        """Least monitoring at which a type complies; see :func:`stackelberg.faking.thresholds.monitoring_threshold`."""
        from stackelberg.faking.thresholds import monitoring_threshold

        return monitoring_threshold(self)

    def to_game(self, *, reduce: bool = True) -> BayesianStackelbergGame:
        """The Bayesian Stackelberg game of what the leader may choose; see :mod:`stackelberg.faking.normal_form`.

        Parameters
        ----------
        reduce : bool
            True: the vertices of the leader's polytope become its actions, free on the simplex.  False: actions
            are (method, monitored or not, cue) with the budget and the cue policy as constraints.
        """
        from stackelberg.faking.normal_form import normal_form, reduced_form

        return reduced_form(self) if reduce else normal_form(self)

    def optimal_commitment(self, *, method: str = "auto") -> "Commitment":
        """The commitment that is best for the leader; see :func:`stackelberg.faking.commitment.optimal_commitment`."""
        from stackelberg.faking.commitment import optimal_commitment

        return optimal_commitment(self, method=method)

    def logit_commitment(self) -> "Commitment":
        """The best one against quantal followers; see :func:`stackelberg.faking.commitment.logit_commitment`."""
        from stackelberg.faking.commitment import logit_commitment

        return logit_commitment(self)

    def __repr__(self) -> str:
        kind = "free" if self.cues.probabilities is None else "fixed"
        return (
            f"FakingGame({len(self.types)} types, {len(self.methods)} methods, {len(self.cues.cues)} {kind} cues, "
            f"monitoring {self.monitoring:g}, budget {self.budget:g})"
        )
