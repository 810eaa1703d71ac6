"""Exact sweeps for two or three leader actions, any number of types.

**Two actions.**  On a segment :math:`x(s) = P + s (Q - P)` every type's best reply follows the upper envelope
of its payoff lines.  Walking it (:func:`.sweep.walk`) gives, per type, the leader's payoff as linear pieces,
and at each breakpoint the most that the tied replies give the leader.  :func:`.sweep.best_of_events` passes
over the breakpoints of all types in order, keeping the sum of the pieces; at each point it adds what all
types tied there give beyond their pieces, so ties of several types at one point count together.  Between
breakpoints the sum is linear, so the best point is one of them or an end.  The cost is at most
:math:`O(L n^2 + L n \\log L n)` for L types with n replies; most breakpoints are never sorted.

**Three actions.**  The commitments are a polygon, cut into cells by the lines on which a type is indifferent.
Inside a cell the value is convex (a maximum of linear functions, where replies are duplicates), so it is
best at a corner, which lies on a side of the polygon or on a line where two replies tie *and are best*:
:func:`.sweep.sweep_lines` sweeps all these segments.  The cost is quadratic in the number of types.

Leader constraints cut the interval, or the polygon.  Payoffs are scaled per type, so that one tolerance
serves all; a type with fewer replies than others repeats its first, which changes nothing.
"""

import time
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stackelberg.equilibrium import Proposal, SolveError, Status
from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import best_replies, payoff_scale, replies_value
from stackelberg.solvers import kernels, settle, sweep

Floats = NDArray[np.float64]

INTERPRETED_WORK = 20_000
"""Up to this many replies looked at, running interpreted is faster than loading the compiler."""
BLOCK_SECONDS = 0.2


def cells(game: BayesianStackelbergGame, *, time_limit: float | None = None) -> Proposal:
    """Solve a game with two or three leader actions by sweeping over its cells.

    Parameters
    ----------
    game : BayesianStackelbergGame
    time_limit : float, optional
        Seconds; looked at between types, and by the sweep of three actions only.

    Returns
    -------
    Proposal
        ``nodes`` counts the segments swept.

    Raises
    ------
    SolveError
        If the leader has another number of actions.
    """
    types, rows, most = game.shape
    if rows not in (2, 3):
        raise SolveError(
            f"cells sweeps games with two or three leader actions, not {rows}: "
            'use method="auto", "dobss" or "strong-milp"'
        )
    started = time.perf_counter()
    corners = _interval(game) if rows == 2 else _polygon(game)
    if len(corners) == 0:
        nothing = np.full(rows, np.nan), np.zeros(types, dtype=int), np.nan, -np.inf, Status.INFEASIBLE
        return Proposal(*nothing, "no mixed strategy meets the game's constraints", 0)
    work = types * most if rows == 2 else types * types * most**3 // 2
    if work > INTERPRETED_WORK:
        kernels.compile_kernels(sweep)
    in_time = True
    if rows == 2:
        x, replies, value = _sweep_interval(game, corners)
        segments = 1
    else:
        x, segments, in_time = _sweep_all_lines(game, corners, time_limit, started)
        replies = best_replies(game, x)
        value, _ = replies_value(game, x, replies)
    return Proposal(
        strategy=x,
        replies=replies,
        value=value,
        bound=value if in_time else np.inf,
        status=Status.OPTIMAL if in_time else Status.TIME_LIMIT,
        message=f"swept {segments} segment{'s' if segments > 1 else ''} of the leader's commitments",
        nodes=segments,
    )


def _sweep_interval(game: BayesianStackelbergGame, ends: Floats) -> tuple[Floats, NDArray[np.int64], float]:
    """Two actions: the best commitment between both ends, the replies to it, and its value."""
    R, C = (A[None] for A in _filled(game))
    strategy, units = np.empty((1, 2)), np.empty((1, game.shape[0]))
    with kernels.announced(sweep, "the sweep over commitments"):
        sweep.sweep_games(R, C, game.prior[None], ends[0, 1], ends[-1, 1], 0, 1, strategy, units)
        if not kernels.is_compiled(settle):
            few = best_replies(game, strategy[0])
            return strategy[0], few, replies_value(game, strategy[0], few)[0]
        value, replies = np.empty(1), np.empty((1, game.shape[0]), dtype=np.int64)
        settle.settle_games(R, C, game.prior[None], units, 0, 1, strategy, value, replies)
    return strategy[0], replies[0], float(value[0])


def _sweep_all_lines(
    game: BayesianStackelbergGame, corners: Floats, time_limit: float | None, started: float
) -> tuple[Floats, int, bool]:
    """Sides first, then the types' lines in short blocks, so that it can be interrupted."""
    D, V = _scaled(game)
    x = np.full(3, np.nan)
    with kernels.announced(sweep, "the sweep over commitments"):
        best, segments = sweep.sweep_lines(D, V, corners, -1, 0, -np.inf, x)
    first, block = 0, 1
    while first < len(D):
        if time_limit is not None and time.perf_counter() - started > time_limit:
            break
        began = time.perf_counter()
        last = min(first + block, len(D))
        best, swept = sweep.sweep_lines(D, V, corners, first, last, best, x)
        segments, first = segments + swept, last
        if time.perf_counter() - began < BLOCK_SECONDS / 2:
            block *= 2
    return np.clip(x, 0, None) / np.clip(x, 0, None).sum(), segments, first == len(D)


def _filled(game: BayesianStackelbergGame) -> tuple[Floats, Floats]:
    """Payoffs of leader and follower, where a type's missing replies repeat its first."""
    R, C = game.leader_payoffs, game.follower_payoffs
    if game.follower_action_counts.min() == game.shape[2]:
        return R, C
    is_action = game.is_action[:, None, :]
    return np.where(is_action, R, R[:, :, :1]), np.where(is_action, C, C[:, :, :1])


def _scaled(game: BayesianStackelbergGame) -> tuple[Floats, Floats]:
    """Scaled payoffs of follower and leader, (types, replies, leader actions)."""
    R, C = _filled(game)
    scale = payoff_scale(game)
    follower = (C - C[:, :, :1]) / np.where(scale > 0, scale, 1.0)[:, None, None]
    leader = game.prior[:, None, None] * R / (np.abs(R).max() or 1.0)
    return np.ascontiguousarray(follower.transpose(0, 2, 1)), np.ascontiguousarray(leader.transpose(0, 2, 1))


def _interval(game: BayesianStackelbergGame) -> Floats:
    """Both ends of the leader's commitments (1 - s, s), exact up to the last rounding; empty if none."""
    low, high = Fraction(0), Fraction(1)
    if (more := game.constraints) is not None:
        rows = [(A, b) for A, b in zip(more.A_ub, more.b_ub, strict=True)]
        for A, b in zip(more.A_eq, more.b_eq, strict=True):
            rows += [(A, b), (-A, -b)]
        for A, b in rows:
            slope, room = Fraction(A[1]) - Fraction(A[0]), Fraction(b) - Fraction(A[0])
            if slope > 0:
                high = min(high, room / slope)
            elif slope < 0:
                low = max(low, room / slope)
            elif room < 0:
                return np.empty((0, 2))
    if low > high:
        return np.empty((0, 2))
    return np.array([[1 - float(s), float(s)] for s in (low, high)])


def _polygon(game: BayesianStackelbergGame) -> Floats:
    """Corners of the leader's commitments, (corners, 3), in order: the triangle cut by each row in turn."""
    corners = np.eye(3)
    if (more := game.constraints) is None:
        return corners
    rows = np.vstack([b[:, None] - A for A, b in ((more.A_ub, more.b_ub), (more.A_eq, more.b_eq))])
    rows = np.vstack([rows, -rows[len(more.b_ub) :]])  # x sums to one, so each row is now: slack = row x >= 0
    for row in rows:
        row = row / (np.abs(row).max() or 1.0)
        slack = corners @ row
        slack[np.abs(slack) <= sweep.TIE] = 0.0
        kept = []
        for a in range(len(corners)):
            b = (a + 1) % len(corners)
            if slack[a] >= 0:
                kept.append(corners[a])
            if slack[a] * slack[b] < 0:
                share = slack[a] / (slack[a] - slack[b])
                kept.append(corners[a] + share * (corners[b] - corners[a]))
        corners = np.array(kept).reshape(-1, 3)
    return corners
