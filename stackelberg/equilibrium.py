"""What solving a game returns: an equilibrium, the status of its search, a proof and a rational certificate.

Nothing here computes; the classes are frozen records with a shape on every field.  A result claims only
what was proved: :attr:`Equilibrium.certificate` says what that is.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import BayesianStackelbergGame

if TYPE_CHECKING:
    import pandas as pd


class Status(StrEnum):
    """How a search ended; ``advice`` says what to do next.

    optimal: no commitment does better as far as the method can tell, and the certificate says what is proved.
    gap: within the gap that was asked for.  time-limit, node-limit: the best strategy so far, NaN where none was
    found.  infeasible: no mixed strategy meets the game's constraints.  failed: the underlying solver broke down.
    """

    OPTIMAL = "optimal"
    GAP = "gap"
    TIME_LIMIT = "time-limit"
    NODE_LIMIT = "node-limit"
    INFEASIBLE = "infeasible"
    FAILED = "failed"

    @property
    def advice(self) -> str:
        """What to do next, in words."""
        return {
            Status.OPTIMAL: "nothing to do",
            Status.GAP: "ask for gap=0 to go on",
            Status.TIME_LIMIT: "raise time_limit",
            Status.NODE_LIMIT: "raise the node limit",
            Status.INFEASIBLE: "relax the game's constraints",
            Status.FAILED: "try another method",
        }[self]


class SolveError(RuntimeError):
    """A search that ended without any strategy; its text says why and what to do next."""

    def __init__(self, message: str, status: Status = Status.FAILED) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, eq=False)
class Proof:
    """Dual multipliers that bound the leader's value over every reply profile, in leaves that cover them all.

    A leaf fixes the replies :math:`a_l` of some types and leaves the others free.  A free type is bounded by
    a convex combination, with weights :math:`v`, of cuts :math:`\\alpha`; a cut of type l covers reply j by
    multipliers :math:`\\mu_j \\ge 0` with

    .. math:: \\alpha_i \\ge p_l R^l_{ij} + \\sum_k \\mu_{jk} (C^l_{ij} - C^l_{ik}) \\quad \\forall i,

    so that it exceeds what the leader gets wherever j is a best reply.  With non-negative :math:`y, z` and
    free :math:`w`, every commitment at which the fixed replies are best, and the free types reply anything
    that their cuts cover, is worth at most

    .. math:: \\max_i \\Big[\\sum_{l\\ \\text{fixed}} \\Big(p_l R^l_{i a_l}
              + \\sum_k y_{lk}(C^l_{i a_l} - C^l_{ik})\\Big) + \\sum_c v_c \\alpha_{ci}
              - (A_{ub}^T z)_i - (A_{eq}^T w)_i\\Big] + b_{ub}^T z + b_{eq}^T w

    whatever the multipliers, so rounding them costs tightness and never validity; a cut that rounding broke
    is repaired by shifting it up.

    Attributes
    ----------
    replies : ndarray of int, shape (leaves, types)
        -1 where the type is free.
    reply_multipliers : ndarray, shape (leaves, types, follower actions)
        :math:`y`, on the rows "the leaf's reply is at least as good as k".
    ub_multipliers : ndarray, shape (leaves, inequalities)
        :math:`z`.
    eq_multipliers : ndarray, shape (leaves, equalities)
        :math:`w`.
    cut_types : ndarray of int, shape (cuts,)
    cut_vectors : ndarray, shape (cuts, leader actions)
        :math:`\\alpha`.
    cut_multipliers : ndarray, shape (cuts, follower actions, follower actions)
        :math:`\\mu_{jk}`; row j is NaN where the cut does not cover reply j.
    cut_weights : ndarray, shape (leaves, cuts)
        :math:`v`; those of a free type's cuts sum to one, after rescaling.
    """

    replies: NDArray[np.int64]
    reply_multipliers: NDArray[np.float64]
    ub_multipliers: NDArray[np.float64]
    eq_multipliers: NDArray[np.float64]
    cut_types: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    cut_vectors: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    cut_multipliers: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 0)))
    cut_weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a solver hands to :func:`stackelberg.solve`: floats that a certificate has yet to check.

    Attributes
    ----------
    strategy : ndarray, shape (leader actions,)
        NaN where none was found.
    replies : ndarray of int, shape (types,)
    value : float
        The solver's own figure for the leader's value, in utils.
    bound : float
        The solver's own upper bound on it.
    status : Status
    message : str
    nodes : int
        Nodes or linear programs that the search needed.
    proof : Proof or None
    """

    strategy: NDArray[np.float64]
    replies: NDArray[np.int64]
    value: float
    bound: float
    status: Status
    message: str
    nodes: int
    proof: Proof | None = None


@dataclass(frozen=True)
class Certificate:
    """What exact rational arithmetic confirms about an equilibrium, the float payoffs taken as exact numbers.

    Attributes
    ----------
    claim : str
        "optimal" (the rational upper bound is within 1e-9 of the value, in units of the leader's payoffs),
        "feasible" (the replies are best replies and the value is the leader's payoff; nothing is proved
        about other commitments) or "near-tie" (no exact point supports the proposed value; this is the best
        one that a neighbouring profile supports).
    strategy : tuple of Fraction, shape (leader actions,)
    replies : tuple of int, shape (types,)
        Best replies, ties broken for the leader, both exactly.
    value : Fraction
        Leader's value in utils.
    upper_bound : Fraction or None
        No commitment gives the leader more; None where the method proves no bound.
    reply_gaps : tuple (types,) of tuple of Fraction
        What a type loses by another reply, in utils; all are non-negative, zero at its own.
    message : str
        The claim in words.
    """

    claim: str
    strategy: tuple[Fraction, ...]
    replies: tuple[int, ...]
    value: Fraction
    upper_bound: Fraction | None
    reply_gaps: tuple[tuple[Fraction, ...], ...]
    message: str

    def __repr__(self) -> str:
        return f"Certificate(claim={self.claim!r}, value={float(self.value):.10g}: {self.message})"


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A strong Stackelberg equilibrium: the leader's commitment and every type's reply to it.

    Attributes
    ----------
    game : BayesianStackelbergGame
        The game that it is an equilibrium of.
    strategy : ndarray, shape (leader actions,)
        Nearest floats to ``certificate.strategy``; replies recomputed from them may differ by rounding.
    replies : ndarray of int, shape (types,)
    reply_probabilities : ndarray, shape (types, follower actions)
        One-hot.
    value : float
        Leader's expected payoff in utils.
    follower_values : ndarray, shape (types,)
        Each type's own expected payoff in utils.
    bound : float
        The search's upper bound on the value, in floats; ``certificate.upper_bound`` is a proved one.
    status : Status
    message : str
    method : str
    nodes : int
        Nodes or linear programs that the search needed.
    seconds : float
        Wall time of the search and its certificate.
    certificate : Certificate or None
        None where the search found no strategy.
    proof : Proof or None
        Multipliers from which :func:`stackelberg.certify` derives its upper bound.
    """

    game: BayesianStackelbergGame
    strategy: NDArray[np.float64]
    replies: NDArray[np.int64]
    reply_probabilities: NDArray[np.float64]
    value: float
    follower_values: NDArray[np.float64]
    bound: float
    status: Status
    message: str
    method: str
    nodes: int
    seconds: float
    certificate: Certificate | None = None
    proof: Proof | None = None

    @property
    def strategy_table(self) -> "pd.DataFrame":
        """The commitment, one row per leader action: leader_action, probability."""
        import pandas as pd

        return pd.DataFrame({"leader_action": self.game.leader_actions, "probability": self.strategy})

    @property
    def reply_table(self) -> "pd.DataFrame":
        """The replies, one row per type: type, prior, reply, follower_value."""
        import pandas as pd

        labels = [actions[j] for actions, j in zip(self.game.follower_actions, self.replies, strict=True)]
        return pd.DataFrame(
            {
                "type": self.game.types,
                "prior": self.game.prior,
                "reply": labels,
                "follower_value": self.follower_values,
            }
        )

    def __repr__(self) -> str:
        played = [
            f"{label} {probability:.4g}"
            for label, probability in zip(self.game.leader_actions, self.strategy, strict=True)
            if not probability <= 1e-12
        ]
        replies = [
            f"{label}: {self.game.follower_actions[l][self.replies[l]]}"
            for l, label in enumerate(self.game.types)
            if self.certificate is not None
        ]
        claim = self.certificate.claim if self.certificate else "no certificate"
        return (
            f"Equilibrium(value {self.value:.6g}, {self.status} by {self.method}, certificate: {claim}\n"
            f"  leader   {_abridged(played)}\n"
            f"  replies  {_abridged(replies)})"
        )


def _abridged(parts: list[str], most: int = 6) -> str:
    more = len(parts) - most
    return ", ".join(parts[:most]) + (f", and {more} more" if more > 0 else "")
