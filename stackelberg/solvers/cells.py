"""Exact sweeps for two or three leader actions, any number of types.

**Two actions.**  On a segment :math:`x(s) = P + s (Q - P)` every type's best reply follows the upper envelope
of its payoff lines.  Walking it (:func:`.sweep.walk`) gives, per type, the leader's payoff as linear pieces,
and at each breakpoint the most that the tied replies give the leader.  :func:`.sweep.sweep_segment` sorts
the breakpoints of all types and passes over them once, keeping the sum of the pieces; at each point it adds
what all types tied there give beyond their pieces, so ties of several types at one point count together.
Between breakpoints the sum is linear, so the best point is one of them or an end.  The cost is
:math:`O(L n^2 + L n \\log L n)` for L types with n replies.

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
from stackelberg.solvers import sweep, tiers

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
    D, V = _scaled(game)
    work = types * most if rows == 2 else types * types * most**3 // 2
    if work > INTERPRETED_WORK:
        tiers.compile_kernels(sweep)
    in_time = True
    if rows == 2:
        (C0, C1), (R0, R1) = ([A @ x for x in (corners[0], corners[-1])] for A in (D, V))
        with tiers.announced(sweep, "the sweep over commitments"):
            _, place = sweep.sweep_pair(C0, C1, R0, R1)
        x = corners[0] + place * (corners[-1] - corners[0])
        segments = 1
    else:
        x, segments, in_time = _sweep_all_lines(D, V, corners, time_limit, started)
    x = np.clip(x, 0, None) / np.clip(x, 0, None).sum()
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


def _sweep_all_lines(
    D: Floats, V: Floats, corners: Floats, time_limit: float | None, started: float
) -> tuple[Floats, int, bool]:
    """Sides first, then the types' lines in short blocks, so that it can be interrupted."""
    x = np.full(3, np.nan)
    with tiers.announced(sweep, "the sweep over commitments"):
        best, segments = sweep.sweep_lines(D, V, corners, -1, 0, -np.inf, x)
    first, block = 0, 1
    while first < len(D):
        if time_limit is not None and time.perf_counter() - started > time_limit:
            return x, segments, False
        began = time.perf_counter()
        last = min(first + block, len(D))
        best, swept = sweep.sweep_lines(D, V, corners, first, last, best, x)
        segments, first = segments + swept, last
        if time.perf_counter() - began < BLOCK_SECONDS / 2:
            block *= 2
    return x, segments, True


def _scaled(game: BayesianStackelbergGame) -> tuple[Floats, Floats]:
    """Scaled payoffs of follower and leader, (types, replies, leader actions); see the module on padding."""
    follower, leader = (
        np.where(game.is_action[:, None, :], A, A[:, :, :1])
        for A in (game.follower_payoffs, game.leader_payoffs)
    )
    scale = payoff_scale(game)
    follower = (follower - follower[:, :, :1]) / np.where(scale > 0, scale, 1.0)[:, None, None]
    leader = game.prior[:, None, None] * leader / (np.abs(leader).max() or 1.0)
    return tuple(np.ascontiguousarray(A.transpose(0, 2, 1)) for A in (follower, leader))  # type: ignore[return-value]


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
