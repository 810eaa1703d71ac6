"""A Bayesian Stackelberg game: two payoff arrays, a prior over follower types, and what the leader may mix.

The leader commits to a mixed strategy :math:`x \\in X \\subseteq \\Delta(I)`; nature draws a follower type
:math:`l` with probability :math:`p_l`; the follower sees :math:`x` and its own type and plays a best reply
:math:`j`.  Payoffs are :math:`R^l_{ij}` to the leader and :math:`C^l_{ij}` to the follower (Paruchuri,
Pearce, Marecki, Tambe, Ordonez & Kraus, AAMAS 2008).  Axes are (type, leader action, follower action) for
both players, everywhere in this library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PRIOR_TOLERANCE = 1e-9
"""How far a prior may be from summing to one: float rounding of user input, not a licence to be careless."""


class GameError(ValueError):
    """A game that cannot be built, in one sentence that names the culprit and the mend."""


@dataclass(frozen=True, eq=False)
class LeaderConstraints:
    """What a game adds to the simplex of mixed strategies: ``A_ub x <= b_ub``, ``A_eq x = b_eq``.

    Attributes
    ----------
    A_ub : ndarray, shape (inequalities, leader actions)
    b_ub : ndarray, shape (inequalities,)
    A_eq : ndarray, shape (equalities, leader actions)
    b_eq : ndarray, shape (equalities,)

    Raises
    ------
    GameError
        If a matrix comes without its right-hand side, shapes disagree, or an entry is not finite.

    Examples
    --------
    >>> LeaderConstraints(A_ub=[[0, 1, 1]], b_ub=[0.3])
    LeaderConstraints(1 inequality, 0 equalities, 3 leader actions)
    """

    A_ub: NDArray[np.float64]
    b_ub: NDArray[np.float64]
    A_eq: NDArray[np.float64]
    b_eq: NDArray[np.float64]

    def __init__(
        self,
        A_ub: ArrayLike | None = None,
        b_ub: ArrayLike | None = None,
        A_eq: ArrayLike | None = None,
        b_eq: ArrayLike | None = None,
    ) -> None:
        given = [np.asarray(A, dtype=float) for A in (A_ub, A_eq) if A is not None]
        columns = given[0].shape[-1] if given and given[0].ndim == 2 else 0
        for name, A, b in (("ub", A_ub, b_ub), ("eq", A_eq, b_eq)):
            if (A is None) != (b is None):
                raise GameError(f"constraints give only one of A_{name} and b_{name}: give both or neither")
            matrix = np.zeros((0, columns)) if A is None else np.array(A, dtype=float)
            bound = np.zeros(0) if b is None else np.array(b, dtype=float)
            if matrix.ndim != 2 or bound.ndim != 1 or len(matrix) != len(bound):
                raise GameError(
                    f"A_{name} has shape {matrix.shape} and b_{name} {bound.shape}: "
                    "they must be (rows, leader actions) and (rows,)"
                )
            if matrix.shape[1] != columns:
                raise GameError(
                    f"A_ub has {columns} columns and A_eq {matrix.shape[1]}: both need one per leader action"
                )
            if not (np.isfinite(matrix).all() and np.isfinite(bound).all()):
                raise GameError(f"A_{name} or b_{name} has an entry that is not finite: remove or replace it")
            _freeze(self, **{f"A_{name}": matrix, f"b_{name}": bound})

    def __repr__(self) -> str:
        inequalities, equalities = len(self.b_ub), len(self.b_eq)
        return (
            f"LeaderConstraints({inequalities} inequalit{'y' if inequalities == 1 else 'ies'}, "
            f"{equalities} equalit{'y' if equalities == 1 else 'ies'}, {self.A_ub.shape[1]} leader actions)"
        )


@dataclass(frozen=True, eq=False)
class BayesianStackelbergGame:
    """Payoffs, prior, labels and leader constraints of a Bayesian Stackelberg game.

    Parameters
    ----------
    leader_payoffs, follower_payoffs : array_like, shape (types, leader actions, follower actions)
        Utils.  Or a list of one (leader actions, follower actions) array per type, where types have
        different numbers of follower actions.
    prior : array_like, shape (types,)
        Probabilities; they must sum to one within 1e-9 and are not rescaled.
    leader_actions : sequence of str, optional
    follower_actions : sequence of str, or one such sequence per type, optional
    types : sequence of str, optional
    constraints : LeaderConstraints, optional
        What the leader's mixed strategy must satisfy beyond the simplex.
    name : str, optional

    Attributes
    ----------
    leader_payoffs, follower_payoffs : ndarray, shape (types, leader actions, follower actions)
        Read-only; NaN where a type has no such follower action.
    follower_action_counts : ndarray of int, shape (types,)
    follower_actions : tuple (types,) of tuple of str

    Raises
    ------
    GameError
        Naming the type, action or row that is wrong.

    Examples
    --------
    Conitzer & Sandholm (EC 2006), the two-by-two example: commitment makes the follower reply "right".

    >>> game = BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0],
    ...                                leader_actions=["up", "down"], follower_actions=["left", "right"])
    >>> game
    BayesianStackelbergGame(1 type, 2 leader actions, 2 follower actions)
    """

    leader_payoffs: NDArray[np.float64]
    follower_payoffs: NDArray[np.float64]
    prior: NDArray[np.float64]
    follower_action_counts: NDArray[np.int64]
    leader_actions: tuple[str, ...]
    follower_actions: tuple[tuple[str, ...], ...]
    types: tuple[str, ...]
    constraints: LeaderConstraints | None
    name: str

    def __init__(
        self,
        leader_payoffs: ArrayLike | Sequence[ArrayLike],
        follower_payoffs: ArrayLike | Sequence[ArrayLike],
        prior: ArrayLike,
        *,
        leader_actions: Sequence[str] | None = None,
        follower_actions: Sequence[str] | Sequence[Sequence[str]] | None = None,
        types: Sequence[str] | None = None,
        constraints: LeaderConstraints | None = None,
        name: str = "",
    ) -> None:
        leader, follower = _matrices(leader_payoffs, "leader"), _matrices(follower_payoffs, "follower")
        if len(leader) != len(follower):
            raise GameError(
                f"leader payoffs have {len(leader)} types and follower payoffs {len(follower)}: "
                "give both the same types"
            )
        count = len(leader)
        type_labels = _labels(types, count, "type", "types")
        rows = leader[0].shape[0]
        for label, R, C in zip(type_labels, leader, follower, strict=True):
            if R.shape != C.shape:
                raise GameError(
                    f"type {label!r}: leader payoffs have shape {R.shape} and follower payoffs {C.shape}; "
                    "both must be (leader actions, follower actions)"
                )
            if R.shape[0] != rows:
                raise GameError(
                    f"type {label!r} has {R.shape[0]} leader actions and type {type_labels[0]!r} {rows}: "
                    "every type must face the same leader actions"
                )
        leader_labels = _labels(leader_actions, rows, "leader action", "leader actions")
        counts = np.array([R.shape[1] for R in leader])
        follower_labels = _follower_labels(follower_actions, counts, type_labels)
        for player, payoffs in (("leader", leader), ("follower", follower)):
            for l, matrix in enumerate(payoffs):
                for i, j in np.argwhere(~np.isfinite(matrix))[:1]:
                    raise GameError(
                        f"{player} payoff of type {type_labels[l]!r} at ({leader_labels[i]!r}, "
                        f"{follower_labels[l][j]!r}) is {matrix[i, j]}: payoffs must be finite"
                    )
        probabilities = _prior(prior, type_labels)
        if constraints is not None and constraints.A_ub.shape[1] != rows:
            raise GameError(
                f"constraints have {constraints.A_ub.shape[1]} columns and the game {rows} leader actions: "
                "give one column per leader action"
            )
        _freeze(
            self,
            leader_payoffs=_padded(leader, counts),
            follower_payoffs=_padded(follower, counts),
            prior=probabilities,
            follower_action_counts=counts,
            leader_actions=leader_labels,
            follower_actions=follower_labels,
            types=type_labels,
            constraints=constraints,
            name=name,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(types, leader actions, largest number of follower actions)."""
        types, rows, columns = self.leader_payoffs.shape
        return types, rows, columns

    def payoffs(self, type_index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Leader and follower payoffs of one type, each (leader actions, this type's follower actions)."""
        count = self.follower_action_counts[type_index]
        return self.leader_payoffs[type_index, :, :count], self.follower_payoffs[type_index, :, :count]

    @property
    def is_action(self) -> NDArray[np.bool_]:
        """Whether a type has a follower action, shape (types, follower actions)."""
        return np.arange(self.shape[2]) < self.follower_action_counts[:, None]

    def __repr__(self) -> str:
        types, rows, _ = self.shape
        low, high = self.follower_action_counts.min(), self.follower_action_counts.max()
        columns = f"{low}" if low == high else f"{low} to {high}"
        title = f"{self.name!r}, " if self.name else ""
        return (
            f"BayesianStackelbergGame({title}{types} type{'s' if types > 1 else ''}, "
            f"{rows} leader action{'s' if rows > 1 else ''}, "
            f"{columns} follower action{'s' if high > 1 else ''})"
        )


def _freeze(instance: Any, **fields: Any) -> None:
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        object.__setattr__(instance, name, value)


def _matrices(payoffs: ArrayLike | Sequence[ArrayLike], player: str) -> list[NDArray[np.float64]]:
    try:
        matrices = [np.array(matrix, dtype=float) for matrix in payoffs]  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise GameError(
            f"{player} payoffs are not numbers of shape (types, leader actions, follower actions): {error}"
        ) from None
    if not matrices:
        raise GameError(f"{player} payoffs are empty: give at least one type")
    for l, matrix in enumerate(matrices):
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise GameError(
                f"{player} payoffs of type {l} have shape {matrix.shape}: "
                "each type needs a non-empty (leader actions, follower actions) table"
            )
    return matrices


def _padded(matrices: list[NDArray[np.float64]], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    padded = np.full((len(matrices), matrices[0].shape[0], counts.max()), np.nan)
    for l, matrix in enumerate(matrices):
        padded[l, :, : counts[l]] = matrix
    return padded


def _labels(given: Sequence[str] | None, count: int, noun: str, plural: str) -> tuple[str, ...]:
    if given is None:
        return tuple(f"{noun} {i}" for i in range(count))
    labels = tuple(str(label) for label in given)
    if len(labels) != count:
        raise GameError(f"{len(labels)} labels for {count} {plural}: give one label per {noun}")
    if len(set(labels)) != count:
        twice = next(label for label in labels if labels.count(label) > 1)
        raise GameError(f"label {twice!r} names two {plural}: labels must differ")
    return labels


def _follower_labels(
    given: Sequence[str] | Sequence[Sequence[str]] | None, counts: NDArray[np.int64], types: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    per_type: Sequence[Any]
    if given is None or len(given) == 0 or isinstance(given[0], str):
        per_type = [given] * len(counts)
    elif len(given) != len(counts):
        raise GameError(
            f"follower_actions has {len(given)} lists for {len(counts)} types: give one list, or one per type"
        )
    else:
        per_type = given
    return tuple(
        _labels(labels, count, "follower action", f"follower actions of type {label!r}")
        for labels, count, label in zip(per_type, counts.tolist(), types, strict=True)
    )


def _prior(prior: ArrayLike, types: tuple[str, ...]) -> NDArray[np.float64]:
    try:
        probabilities = np.array(prior, dtype=float)
    except (TypeError, ValueError):
        raise GameError("the prior is not a list of numbers: give one probability per type") from None
    if probabilities.shape != (len(types),):
        raise GameError(
            f"the prior has shape {probabilities.shape} for {len(types)} types: give one probability per type"
        )
    for label, probability in zip(types, probabilities, strict=True):
        if not (np.isfinite(probability) and probability >= 0):
            raise GameError(f"the prior of type {label!r} is {probability}: it must be a probability")
    total = probabilities.sum()
    if abs(total - 1) > PRIOR_TOLERANCE:
        raise GameError(
            f"the prior sums to {total:.12g}, not one: rescale it (types {', '.join(map(repr, types[:5]))})"
        )
    return probabilities
