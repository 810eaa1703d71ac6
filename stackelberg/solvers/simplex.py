"""Dense simplex kernels: the pivot, the ratio test, and the best commitment for a reply profile.

All programs here are solved on the dual, whose every iterate bounds the primal from above; see
:mod:`~stackelberg.solvers.master` for why.
"""

import numpy as np

from stackelberg.solvers.state import (
    BROKEN,
    CAPPED,
    CUTOFF,
    EMPTY,
    OPTIMAL,
    STOP,
    WORK,
    Flags,
    Floats,
    Game,
    Ints,
)
from stackelberg.solvers.tiers import inlined, kernel

TOLERANCE = 1e-9
"""Smallest reduced cost and pivot that count, on scaled data."""
UNBOUNDED = 1e300


@inlined
def dot(table: Floats, row: int, x: Floats) -> float:
    """Row times x."""
    total = 0.0
    for i in range(x.size):
        total += table[row, i] * x[i]
    return total


@inlined
def eliminate(inverse: Floats, level: Floats, direction: Floats, row: int, step: float) -> None:
    """Pivot: the entering column, with coordinates ``direction``, takes over ``row`` at level ``step``.

    ``inverse`` is the basis' inverse transposed: entry [i, r] belongs to equation i and basic row r.
    """
    m = direction.size
    pivot = direction[row]
    scale = 1.0 / pivot
    for r in range(m):
        level[r] -= direction[r] * step
    level[row] = step
    direction[row] = 0.0  # so that the inner loop needs no exception
    for i in range(m):
        factor = inverse[i, row] * scale
        if factor != 0.0:
            for r in range(m):
                inverse[i, r] -= direction[r] * factor
        inverse[i, row] = factor
    direction[row] = pivot


@inlined
def ratio_test(inverse: Floats, column: Floats, direction: Floats, level: Floats, top: int) -> int:
    """Coordinates of the column in the basis, into ``direction``; the row that blocks it first, or -1.

    Row ``top`` never leaves (t is free).  Ties go to the larger pivot.
    """
    m = direction.size
    for r in range(m):
        direction[r] = 0.0
    for i in range(m):
        a = column[i]
        if a != 0.0:
            for r in range(m):
                direction[r] += a * inverse[i, r]
    leaving = -1
    step = UNBOUNDED
    for r in range(m):
        a = direction[r]
        if r != top and a > TOLERANCE:
            ratio = max(level[r], 0.0) / a
            if ratio < step - 1e-15 or (ratio <= step + 1e-15 and a > direction[leaving]):
                step = ratio
                leaving = r
    return leaving


@inlined
def best_reply(by_action: Floats, l: int, x: Floats, utility: Floats, first: int) -> int:
    """Follower payoffs of type l at x, into ``utility``; the best reply, ``first`` where it ties."""
    n, m = utility.size, x.size
    for j in range(n):
        utility[j] = 0.0
    for i in range(m):
        weight = x[i]
        if abs(weight) > 1e-13:
            row = l * m + i
            for j in range(n):
                utility[j] += weight * by_action[row, j]
    best = first
    for j in range(n):
        if utility[j] > utility[best]:
            best = j
    return best


@kernel
def profile_lp(
    game: Game,
    objective: Floats,
    types: Ints,
    replies: Ints,
    count: int,
    facet: Floats,
    facets: int,
    cutoff: float,
    x: Floats,
    value: Floats,
    counters: Ints,
) -> int:
    """Maximise objective x over X where the first ``count`` listed types play the listed replies.

    The same simplex on the dual, without cuts: min t, rows t - ... >= objective.  ``x`` and ``value[0]`` get
    the optimum.  Returns OPTIMAL, EMPTY, CUTOFF (value at most ``cutoff``), CAPPED or BROKEN.
    """
    m = objective.size
    memory = (
        np.zeros((m, m)),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty(game.replies),
        np.zeros(count, np.uint8),
    )
    return solve_profile(
        game, objective, types, replies, count, facet, facets, cutoff, x, value, counters, *memory
    )


@inlined
def solve_profile(
    game: Game,
    objective: Floats,
    types: Ints,
    replies: Ints,
    count: int,
    facet: Floats,
    facets: int,
    cutoff: float,
    x: Floats,
    value: Floats,
    counters: Ints,
    inverse: Floats,
    level: Floats,
    column: Floats,
    direction: Floats,
    utility: Floats,
    flagged: Flags,
) -> int:
    """:func:`profile_lp` in memory that it is given: zeros in ``inverse`` and ``flagged``."""
    m, n = objective.size, game.replies
    follower, by_action, perturbation = game.follower, game.follower_by_action, game.perturbation
    top = 0
    for i in range(m):
        direction[i] = objective[i] + perturbation[i]
        if direction[i] > direction[top]:
            top = i
    for i in range(m):
        inverse[i, i] = -1.0
        inverse[top, i] = 1.0
        level[i] = direction[top] - direction[i]
    level[top] = direction[top]
    for _ in range(60 + 12 * m):
        value[0] = level[top]
        if value[0] <= cutoff:
            return CUTOFF
        if not abs(value[0]) < UNBOUNDED:
            return BROKEN
        counters[WORK] += m * (m + facets + count * n)
        if counters[WORK] > counters[STOP]:
            return CAPPED
        cost, entering, kind = -TOLERANCE, -1, -1  # kind: -1 surplus, -2 facet, k the k-th listed type
        for i in range(m):
            x[i] = inverse[i, top]
            column[i] = 0.0
            if x[i] < cost:
                cost, entering = x[i], i
        for h in range(facets):
            a = dot(facet, h, x)
            if a < cost:
                cost, entering, kind = a, h, -2
        for late in range(2):  # types whose rows were violated before come first
            if late == 1 and entering >= 0:
                break
            for k in range(count):
                if flagged[k] != 1 - late:
                    continue
                own = replies[k]
                j = best_reply(by_action, types[k], x, utility, own)
                a = utility[own] - utility[j]
                if a < -TOLERANCE:
                    flagged[k] = 1
                if a < cost:
                    cost, entering, kind = a, j, k
        if entering < 0:
            return OPTIMAL
        if kind == -1:
            column[entering] = -1.0
        elif kind == -2:
            for i in range(m):
                column[i] = -facet[entering, i]
        else:
            first = types[kind] * n
            for i in range(m):
                column[i] = follower[first + entering, i] - follower[first + replies[kind], i]
        row = ratio_test(inverse, column, direction, level, top)
        if row < 0:
            return EMPTY
        eliminate(inverse, level, direction, row, max(level[row], 0.0) / direction[row])
    return CAPPED
