"""Presolve: a smaller game with the same value, scaled so that one tolerance fits everything.

Each step keeps an optimal commitment of the original game, by exact comparisons of the payoffs as given:

types of prior zero
    are dropped; their replies follow from the commitment.
replies
    j goes where some reply k gives the follower at least as much at every leader action, and either the
    leader too, or the follower strictly more: wherever j is a best reply, k is one, and no worse for the
    leader.  (Worse for the follower *somewhere* is not enough: ties are broken for the leader, so a reply
    that is best on a boundary only may be the one that the optimum needs.)
types
    with the same payoffs become one, with the sum of their priors.
leader actions
    i goes where some action leaves every follower type exactly as well off, enters the constraints alike,
    and pays the leader at least as much whatever the reply.

Replies that are nowhere best are left to the solver, which needs a linear program to tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import best_replies

SMALLEST_STAKE = 1e-5
"""Stakes below this share of the payoffs are judged in units of the latter: rounding sets the floor."""


@dataclass(frozen=True, eq=False)
class Presolved:
    """The smaller game (T types, M leader actions, N replies) and the way back.

    Attributes
    ----------
    leader : ndarray, shape (T, M, N)
        Weighted by the prior and shifted into [0, prior]; utils are ``unit * leader + offset`` after summing.
    follower : ndarray, shape (T, M, N)
        Centred over the replies, in units of the type's stake.  Types with fewer replies are padded by
        replies that are strictly worse than their first.
    rows : ndarray, shape (k, M)
        The constraints as rows that are non-negative at every commitment (which sums to one).
    row_scale : ndarray, shape (k,)
        What a row was divided by.
    row_source : ndarray of int, shape (k,)
        Its constraint: r for row r of A_ub; with u of those, u + 2 e and u + 2 e + 1 for row e of A_eq.
    unit, offset : float
    stake : ndarray, shape (T,)
    merged : tuple (T,) of ndarray of int
        The original types that a type stands for.
    replies : ndarray of int, shape (T, N)
        Original replies, -1 for padding.
    actions : ndarray of int, shape (M,)
        Original leader actions.
    stand_in : ndarray of int, shape (original leader actions,)
        Index in ``actions`` of the action that replaces each.
    """

    game: BayesianStackelbergGame
    leader: NDArray[np.float64]
    follower: NDArray[np.float64]
    rows: NDArray[np.float64]
    row_scale: NDArray[np.float64]
    row_source: NDArray[np.int64]
    unit: float
    offset: float
    stake: NDArray[np.float64]
    merged: tuple[NDArray[np.int64], ...]
    replies: NDArray[np.int64]
    actions: NDArray[np.int64]
    stand_in: NDArray[np.int64]

    def original_strategy(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """A commitment of the smaller game as one of the original."""
        strategy = np.zeros(self.game.shape[1])
        strategy[self.actions] = x
        return strategy

    def original_replies(
        self, profile: NDArray[np.int64], strategy: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Replies of all original types: the smaller game's, and best replies where the prior is zero."""
        if len(self.merged) == self.game.shape[0]:
            own: NDArray[np.int64] = self.replies[np.arange(len(profile)), profile]
            return own
        replies = np.zeros(self.game.shape[0], np.int64)
        if (self.game.prior == 0).any():
            replies = best_replies(self.game, strategy)
        for t, members in enumerate(self.merged):
            replies[members] = self.replies[t, profile[t]]
        return replies


def presolve(game: BayesianStackelbergGame) -> Presolved:
    """Drop what cannot matter, merge what is the same, and scale.

    Parameters
    ----------
    game : BayesianStackelbergGame

    Returns
    -------
    Presolved

    Examples
    --------
    Two identical types become one; the third reply is strictly dominated:

    >>> R, C = [[[2, 4, 9], [1, 3, 9]]] * 2, [[[1, 0, -1], [0, 1, -1]]] * 2
    >>> small = presolve(BayesianStackelbergGame(R, C, [0.4, 0.6]))
    >>> small.leader.shape, small.replies.tolist()
    ((1, 2, 2), [[0, 1]])
    """
    R, C, prior, is_reply = game.leader_payoffs, game.follower_payoffs, game.prior, game.is_action
    types = np.flatnonzero(prior > 0)
    if len(types) < len(prior):
        R, C, prior, is_reply = R[types], C[types], prior[types], is_reply[types]
    kept = is_reply & ~_needless_replies(R, C, is_reply)
    replaced_by = _needless_actions(R, C, kept, _constraint_columns(game))
    actions = stand_in = np.arange(len(replaced_by))
    if (replaced_by >= 0).any():
        actions = np.flatnonzero(replaced_by < 0)
        position = np.full(len(replaced_by), -1)
        position[actions] = np.arange(len(actions))
        stand_in = position[np.where(replaced_by < 0, stand_in, replaced_by)]
        R, C = R[:, actions], C[:, actions]
    merged = _same_types(R, C, kept, types)
    if len(merged) < len(types):
        first = np.searchsorted(types, [members[0] for members in merged])
        R, C, kept = R[first], C[first], kept[first]
        prior = np.array([game.prior[members].sum() for members in merged])
    return _scaled(game, R, C, kept, prior, merged, actions, stand_in)


def _needless_replies(
    R: NDArray[np.float64], C: NDArray[np.float64], is_reply: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which replies another one replaces, shape (types, replies)."""
    n = R.shape[2]
    if n == 1:
        return np.zeros(is_reply.shape, dtype=bool)
    no_less = (C[:, :, :, None] <= C[:, :, None, :]).all(axis=1)  # [l, j, k]: k gives the follower no less
    if not (no_less & ~np.eye(n, dtype=bool)).any():
        return np.zeros(is_reply.shape, dtype=bool)
    more = (C[:, :, :, None] < C[:, :, None, :]).all(axis=1)
    leader_too = (R[:, :, :, None] <= R[:, :, None, :]).all(axis=1)
    both = is_reply[:, :, None] & is_reply[:, None, :]
    replaces = both & (more | (no_less & leader_too))
    earlier = np.tri(n, k=-1, dtype=bool)  # of two that replace each other the first stays
    return (replaces & (~replaces.transpose(0, 2, 1) | earlier)).any(axis=2)


def _constraint_columns(game: BayesianStackelbergGame) -> NDArray[np.float64]:
    more = game.constraints
    return np.zeros((0, game.shape[1])) if more is None else np.vstack([more.A_ub, more.A_eq])


def _needless_actions(
    R: NDArray[np.float64], C: NDArray[np.float64], is_reply: NDArray[np.bool_], columns: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The leader action that replaces each, or -1, shape (leader actions,)."""
    count = R.shape[1]
    replaced_by = np.full(count, -1)
    mask = is_reply[:, None, :]
    if not is_reply.all():
        C = np.where(mask, C, 0.0)
    keys = C.transpose(1, 0, 2).reshape(count, -1) + 0.0  # + 0.0: no negative zeros
    if len(columns):
        keys = np.hstack([keys, columns.T + 0.0])
    groups: dict[bytes, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key.tobytes(), []).append(i)
    if len(groups) == count:
        return replaced_by
    payoffs = np.where(mask, R, 0.0).transpose(1, 0, 2).reshape(count, -1)
    for group in groups.values():
        for i in reversed(group) if len(group) > 1 else ():  # of equal ones the first stays
            for other in group:
                if other != i and replaced_by[other] < 0 and (payoffs[other] >= payoffs[i]).all():
                    replaced_by[i] = other
                    break
    for i in range(count):  # whoever replaced it may have been replaced since
        while replaced_by[i] >= 0 and replaced_by[replaced_by[i]] >= 0:
            replaced_by[i] = replaced_by[replaced_by[i]]
    return replaced_by


def _same_types(
    R: NDArray[np.float64], C: NDArray[np.float64], is_reply: NDArray[np.bool_], types: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    if len({C[t].tobytes() for t in range(len(C))}) == len(C):
        return tuple(types[:, None])
    groups: dict[tuple[bytes, bytes, bytes], list[int]] = {}
    mask = is_reply[:, None, :]
    R, C = np.where(mask, R, 0.0), np.where(mask, C, 0.0)
    for t, l in enumerate(types.tolist()):
        groups.setdefault((R[t].tobytes(), C[t].tobytes(), is_reply[t].tobytes()), []).append(l)
    return tuple(np.array(members) for members in groups.values())


def _scaled(
    game: BayesianStackelbergGame,
    R: NDArray[np.float64],
    C: NDArray[np.float64],
    is_reply: NDArray[np.bool_],
    prior: NDArray[np.float64],
    merged: tuple[NDArray[np.int64], ...],
    actions: NDArray[np.int64],
    stand_in: NDArray[np.int64],
) -> Presolved:
    if is_complete := bool(is_reply.all()):
        replies = np.arange(is_reply.size).reshape(is_reply.shape) % is_reply.shape[1]
        size = np.abs(C).max(axis=(1, 2))
        C = C - C.sum(axis=2, keepdims=True) / C.shape[2]
        most = np.abs(C).max(axis=(1, 2))
    else:
        replies, R, C, shown = _moved_first(is_reply, R, C)
        size = np.where(shown, np.abs(C), 0.0).max(axis=(1, 2))
        C = C - np.where(shown, C, 0.0).sum(axis=2, keepdims=True) / shown.sum(axis=2, keepdims=True)
        most = np.where(shown, np.abs(C), 0.0).max(axis=(1, 2))
    stake = np.maximum(most, SMALLEST_STAKE * size)
    stake[stake == 0] = 1.0
    C /= stake[:, None, None]
    if not is_complete:
        C = np.where(shown, C, C[:, :, :1] - 1.0)
        R = np.where(shown, R, R[:, :, :1])
    low = float(R.min())
    unit = float(R.max()) - low or 1.0
    equations, source, scale = _rows(game, actions)
    return Presolved(
        game=game,
        leader=(R - low) / unit * prior[:, None, None],
        follower=C,
        rows=equations,
        row_scale=scale,
        row_source=source,
        unit=unit,
        offset=low * float(prior.sum()),
        stake=stake,
        merged=merged,
        replies=replies,
        actions=actions,
        stand_in=stand_in,
    )


def _moved_first(
    is_reply: NDArray[np.bool_], R: NDArray[np.float64], C: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Each type's replies first, then padding: their numbers or -1, payoffs, and which are replies."""
    order = np.argsort(~is_reply, axis=1, kind="stable")[:, : int(is_reply.sum(axis=1).max())]
    real = np.take_along_axis(is_reply, order, axis=1)
    R, C = (np.take_along_axis(payoffs, order[:, None, :], axis=2) for payoffs in (R, C))
    return np.where(real, order, -1), R, C, real[:, None, :]


def _rows(
    game: BayesianStackelbergGame, actions: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Constraints as homogeneous rows: on the simplex b - A x is (b 1' - A) x."""
    if (more := game.constraints) is None:
        return np.zeros((0, len(actions))), np.zeros(0, np.int64), np.zeros(0)
    equal = more.b_eq[:, None] - more.A_eq
    both = np.stack([equal, -equal], axis=1).reshape(-1, game.shape[1])
    rows = np.vstack([more.b_ub[:, None] - more.A_ub, both])[:, actions]
    needed = np.flatnonzero((rows < 0).any(axis=1))  # others hold on all of the simplex
    scale = np.abs(rows[needed]).max(axis=1, initial=0.0)
    return rows[needed] / scale[:, None], needed, scale
