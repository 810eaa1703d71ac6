"""What the leader should commit to: monitoring share, cues and methods, for best-reply and for logit followers."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stackelberg.equilibrium import Certificate, Equilibrium, Proposal, Status
from stackelberg.faking import belief, envelope
from stackelberg.faking.normal_form import all_plans, normal_form, vertices
from stackelberg.game import GameError
from stackelberg.response import best_replies

if TYPE_CHECKING:
    import pandas as pd

    from stackelberg.faking.game import FakingGame

LOGIT_GRID = 4001
"""Beliefs on the grid of a quantal envelope; :attr:`Commitment.error` says what that can lose."""


@dataclass(frozen=True, eq=False)
class Commitment:
    """What the leader commits to and what follows.

    Attributes
    ----------
    game : FakingGame
    follower : str
        "best reply" or "logit".
    shares : ndarray, shape (methods, 2, cues)
        Share of conversations by method, monitored (0) or not (1), and cue; they sum to one.
    value : float
        Leader's value in utils per conversation.
    error : float
        How much more than ``value`` any commitment can give, in utils; 0 where the certificate proves optimality,
        NaN where nothing is proved.
    compliance : ndarray, shape (types, cues)
        Probability that a type complies after a cue; NaN for a cue that is never sent.
    certificate : Certificate or None
        The rational re-check in the normal form; None for a quantal follower or beliefs that are not Bayesian.
    equilibrium : Equilibrium or None
        Of the reduced normal form, where a solver found the commitment.
    method : str
        "envelope", "breakpoints" or the solver's name.
    message : str
    """

    game: "FakingGame"
    follower: str
    shares: NDArray[np.float64]
    value: float
    error: float
    compliance: NDArray[np.float64]
    certificate: Certificate | None
    equilibrium: Equilibrium | None
    method: str
    message: str

    @property
    def monitoring(self) -> float:
        """Share q of monitored conversations."""
        return float(self.shares[:, 0].sum())

    @property
    def method_mix(self) -> NDArray[np.float64]:
        """Probability of each method, shape (methods,)."""
        mix: NDArray[np.float64] = self.shares.sum(axis=(1, 2))
        return mix

    @property
    def cue_probabilities(self) -> NDArray[np.float64]:
        """Probability of each cue if monitored and if not, shape (2, cues); NaN where that never happens."""
        joint = self.shares.sum(axis=0)
        total = joint.sum(axis=1, keepdims=True)
        return np.divide(joint, total, out=np.full(joint.shape, np.nan), where=total > 0)

    @property
    def beliefs(self) -> NDArray[np.float64]:
        """Bayesian belief of being monitored after each cue, shape (cues,); NaN for a cue that is never sent."""
        joint = self.shares.sum(axis=0)
        total = joint.sum(axis=0)
        return np.divide(joint[0], total, out=np.full(total.shape, np.nan), where=total > 0)

    @property
    def table(self) -> "pd.DataFrame":
        """One row per cue: cue, share, belief, if_monitored, if_unmonitored, compliance (mean over types)."""
        import pandas as pd

        prior = self.game.parameters("prior")
        return pd.DataFrame(
            {
                "cue": self.game.cues.cues,
                "share": self.shares.sum(axis=(0, 1)),
                "belief": self.beliefs,
                "if_monitored": self.cue_probabilities[0],
                "if_unmonitored": self.cue_probabilities[1],
                "compliance": prior @ self.compliance,
            }
        )

    def __repr__(self) -> str:
        proof = self.certificate.claim if self.certificate else f"within {self.error:.1e}"
        return (
            f"Commitment(monitor {self.monitoring:.4g}, value {self.value:.6g}, {self.follower} follower, "
            f"by {self.method}: {proof})"
        )


def optimal_commitment(game: "FakingGame", *, method: str = "auto") -> Commitment:
    """The commitment that is best for the leader against best-replying followers.

    Parameters
    ----------
    game : FakingGame
        The leader chooses monitoring up to the budget, methods, and cues where they are free.
    method : str
        "envelope", "breakpoints", or a method of :func:`stackelberg.solve`.  "auto" takes the envelope in its
        domain, breakpoints for fixed cues with beliefs that are not Bayesian, and a solver otherwise.

    Returns
    -------
    Commitment

    Raises
    ------
    OutsideEnvelopeError, GameError
        Where the method does not cover the game, naming the feature.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.FakingGame(types=[sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...                             sb.FollowerType(name="willing", prior=0.7, preference=-0.5)],
    ...                      cues=sb.CuePolicy.free(), costs=sb.LeaderCosts(monitoring_cost=0.1))
    >>> game.optimal_commitment()
    Commitment(monitor 0.4, value -0.04, best reply follower, by envelope: optimal)
    """
    bayesian = all(t.cue_sharpness == 1 for t in game.types)
    if method == "auto":
        if not bayesian:
            method = "breakpoints"
        else:
            try:
                envelope.require_domain(game)
                method = "envelope"
            except envelope.OutsideEnvelopeError:
                pass
    if method == "envelope":
        return _by_envelope(game)
    if method == "breakpoints":
        return _by_breakpoints(game)
    return _by_solver(game, method)


def logit_commitment(game: "FakingGame") -> Commitment:
    """The commitment that is best for the leader against quantal (logit) followers, in the envelope's domain.

    Returns
    -------
    Commitment
        Its ``error`` bounds what the grid of beliefs can lose.

    Raises
    ------
    OutsideEnvelopeError
        Naming the feature that the envelope does not cover.
    """
    envelope.require_domain(game)
    grid = np.union1d(np.linspace(0, 1, LOGIT_GRID), [game.budget])
    split = envelope.best_split(
        grid, envelope.logit_belief_value(game, grid), game.costs.monitoring_cost, game.budget
    )
    shares = _shares(game, split)
    sent = np.full(len(game.cues.cues), np.nan)
    sent[_cue_positions(game, split)] = split.beliefs
    from scipy.special import expit

    gain = sent * game.incentives()[:, [0]] - game.parameters("preference")[:, None]
    compliance = expit(game.parameters("rationality")[:, None] * gain)
    error = envelope.logit_grid_error(game, LOGIT_GRID)
    message = f"concave envelope on {LOGIT_GRID} beliefs; no commitment gives {error:.1e} utils more"
    return Commitment(game, "logit", shares, split.value, error, compliance, None, None, "envelope", message)


def _by_envelope(game: "FakingGame") -> Commitment:
    from stackelberg.certify import certify

    envelope.require_domain(game)
    beliefs = envelope.knots(game)
    split = envelope.best_split(
        beliefs, envelope.belief_value(game, beliefs), game.costs.monitoring_cost, game.budget
    )
    form = normal_form(game)
    strategy = _shares(game, split).ravel()
    proposal = Proposal(
        strategy,
        best_replies(form, strategy),
        split.value,
        split.value,
        Status.OPTIMAL,
        "concave envelope",
        0,
    )
    certificate = certify(form, proposal)
    bound = envelope.rational_upper_bound(game, split.monitoring)
    gap = bound - certificate.value
    scale = max(1e-300, float(np.abs(form.leader_payoffs).max()))
    proved = certificate.claim != "near-tie" and float(gap) <= 1e-9 * scale
    if proved:
        exceeds = "equals" if gap == 0 else f"exceeds by {float(gap):.1e}"
        certificate = replace(
            certificate,
            claim="optimal",
            upper_bound=bound,
            message=f"replies and value hold exactly; a line above the belief value {exceeds} the value",
        )
    shares = np.array([float(p) for p in certificate.strategy]).reshape(1, 2, -1)
    return Commitment(
        game=game,
        follower="best reply",
        shares=shares,
        value=float(certificate.value),
        error=max(0.0, float(gap)),
        compliance=_compliance(game, shares, np.array(certificate.replies)),
        certificate=certificate,
        equilibrium=None,
        method="envelope",
        message=certificate.message,
    )


def _by_solver(game: "FakingGame", method: str) -> Commitment:
    from stackelberg.solve import solve

    reduced = game.to_game(reduce=True)
    equilibrium = solve(reduced, method=method)  # type: ignore[arg-type]
    if method == "auto" and equilibrium.certificate and equilibrium.certificate.claim == "feasible":
        equilibrium = solve(
            reduced, method="branch-and-bound"
        )  # sweeps over two leader actions prove nothing
    shares = (equilibrium.strategy @ vertices(game, distinct=True)).reshape(len(game.methods), 2, -1)
    certificate = equilibrium.certificate
    assert certificate is not None  # solve raises where there is no strategy
    proved = certificate.upper_bound
    return Commitment(
        game=game,
        follower="best reply",
        shares=shares,
        value=equilibrium.value,
        error=float("nan") if proved is None else max(0.0, float(proved - certificate.value)),
        compliance=_compliance(game, shares, equilibrium.replies),
        certificate=certificate,
        equilibrium=equilibrium,
        method=equilibrium.method,
        message=equilibrium.message,
    )


def _by_breakpoints(game: "FakingGame") -> Commitment:
    """Fixed cues, one method, no plan cost: the value is linear in q between the monitoring thresholds."""
    if game.cues.probabilities is None or len(game.methods) > 1 or any(t.plan_cost for t in game.types):
        raise GameError(
            "a cue sharpness other than 1 needs fixed cues, one method and no plan cost: "
            "give CuePolicy.fixed(...), one method and plan_cost=0"
        )
    if game.methods[0].cost or game.costs.training_value:
        raise GameError(
            "a cue sharpness other than 1 does not go with a method's own cost or a training value: set them to 0"
        )
    shares = np.unique(np.concatenate([[0.0, game.budget], _switches(game)]))
    candidates = shares[shares <= game.budget]
    plans = [replace(game, monitoring=float(q)).best_plans() for q in candidates]
    values = [_value_at(game, float(q), plan) for q, plan in zip(candidates, plans, strict=True)]
    best = int(np.argmax(values))
    q = float(candidates[best])
    joint = np.array([q, 1 - q])[:, None] * game.cues.probabilities
    sent = joint.sum(axis=0) > 0
    message = f"exact breakpoints in q: best of {len(candidates)} monitoring shares; beliefs are not Bayesian"
    return Commitment(
        game=game,
        follower="best reply",
        shares=joint[None],
        value=values[best],
        error=0.0,
        compliance=np.where(sent, plans[best].astype(float), np.nan),
        certificate=None,
        equilibrium=None,
        method="breakpoints",
        message=message,
    )


def _switches(game: "FakingGame") -> NDArray[np.float64]:
    """Every monitoring share at which some type is indifferent after some cue, whatever the sign of K."""
    from scipy.special import expit, logit

    v, K, sigma = game.parameters("preference"), game.incentives()[:, 0], game.cue_probabilities()
    threshold = np.divide(v, K, out=np.full(len(v), -1.0), where=K != 0)
    inside = (threshold > 0) & (threshold < 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = game.parameters("cue_sharpness")[inside, None] * (np.log(sigma[0]) - np.log(sigma[1]))
        shares: NDArray[np.float64] = expit(logit(threshold[inside, None]) - evidence).ravel()
    return shares[np.isfinite(shares)]


def _value_at(game: "FakingGame", q: float, plans: NDArray[np.bool_]) -> float:
    costs, sigma = game.costs, game.cue_probabilities()
    refused = game.parameters("prior") @ ~plans  # share of types that refuse, per cue
    loss = (
        q * sigma[0] * (costs.train_disagreement - costs.refusal_value)
        + (1 - q) * sigma[1] * costs.deploy_harm
    )
    cue_cost = belief.cue_shares(q, sigma) @ game.cues.costs
    return float(-costs.monitoring_cost * q - cue_cost - refused @ loss)


def _cue_positions(game: "FakingGame", split: envelope.Split) -> list[int]:
    """Which cues carry the beliefs of a split: first and last; without monitoring the last, which speaks of none."""
    last = len(game.cues.cues) - 1
    if len(split.beliefs) == 2:
        return [0, last]
    return [last if split.monitoring == 0 else 0]


def _shares(game: "FakingGame", split: envelope.Split) -> NDArray[np.float64]:
    shares = np.zeros((1, 2, len(game.cues.cues)))
    for cue, b, weight in zip(_cue_positions(game, split), split.beliefs, split.weights, strict=True):
        shares[0, :, cue] = weight * b, weight * (1 - b)
    return shares


def _compliance(
    game: "FakingGame", shares: NDArray[np.float64], replies: NDArray[np.int64]
) -> NDArray[np.float64]:
    plans = all_plans(len(game.cues.cues))[replies].astype(float)
    return np.where(shares.sum(axis=(0, 1)) > 0, plans, np.nan)
