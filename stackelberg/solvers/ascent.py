"""Incumbents: the leader's value at a commitment, and the climb from there.

A commitment x has a reply profile; the best commitment for that profile is worth at least as much, has a
profile of its own, and so on while the value rises.  Every point on the way is feasible.
"""

import numpy as np

from stackelberg.solvers.reduction import FACET_ADDED, INSIDE, outside_hull
from stackelberg.solvers.simplex import best_reply, dot, profile_lp
from stackelberg.solvers.state import (
    ABSOLUTE_GAP,
    FACETS,
    FINISHED,
    OFFSET,
    OPTIMAL,
    OUT_OF_BUDGET,
    RELATIVE_GAP,
    STARTS,
    VALUE,
    WORK,
    Best,
    Cuts,
    Floats,
    Game,
    Ints,
    Options,
    Pool,
    Scratch,
)
from stackelberg.solvers.tiers import inlined, kernel

TIE = 1e-8
"""Replies this close (of a type's stake) count as tied; the certificate settles what is exact."""
NOTHING = -1e300


@inlined
def threshold(numbers: Floats) -> float:
    """The bound at or below which a node is closed: the incumbent plus the accepted gap."""
    value = numbers[VALUE]
    if value <= NOTHING:
        return value
    return value + max(numbers[ABSOLUTE_GAP], numbers[RELATIVE_GAP] * abs(value + numbers[OFFSET]))


@kernel
def leader_value(game: Game, vector: Floats, x: Floats, profile: Ints, utility: Floats) -> float:
    """Leader's value at x; ``profile`` gets the replies, ties broken for the leader."""
    n, by_action = game.replies, game.follower_by_action
    total = 0.0
    for l in range(game.types):
        most = utility[best_reply(by_action, l, x, utility, 0)] - TIE
        best = NOTHING
        for j in range(n):
            if utility[j] >= most:
                a = dot(vector, l * n + j, x)
                if a > best:
                    best = a
                    profile[l] = j
        total += best
    return total


@inlined
def normalised(x: Floats, y: Floats) -> None:
    """y = x without rounding dust, summing to one."""
    total = 0.0
    for i in range(x.size):
        y[i] = x[i] if x[i] > 1e-12 else 0.0
        total += y[i]
    for i in range(x.size):
        y[i] /= total


@kernel
def ascend(game: Game, cuts: Cuts, best: Best, start: Floats) -> None:
    """From a commitment: its reply profile, that profile's best commitment, and on while the value rises."""
    L, n, m = game.types, game.replies, start.size
    counters, numbers = best.counters, best.numbers
    profile, types = np.zeros(L, np.int64), np.arange(L)
    objective, x, y = np.empty(m), np.empty(m), np.empty(m)
    utility, optimum = np.empty(n), np.empty(1)
    last = NOTHING
    normalised(start, y)
    for _ in range(30):
        value = leader_value(game, cuts.vector, y, profile, utility)
        if value > numbers[VALUE]:
            numbers[VALUE] = value
            for i in range(m):
                best.x[i] = y[i]
        if not value > last + 1e-10:
            return
        last = value
        for i in range(m):
            objective[i] = 0.0
            for l in range(L):
                objective[i] += cuts.vector[l * n + profile[l], i]
        outside = FACET_ADDED
        for _ in range(60):  # until the optimum lies in the hull
            status = profile_lp(
                game,
                objective,
                types,
                profile,
                L,
                cuts.facet,
                counters[FACETS],
                NOTHING,
                x,
                optimum,
                counters,
            )
            if status != OPTIMAL:
                return
            normalised(x, y)
            outside = INSIDE
            if game.is_reduced == 1:
                outside = outside_hull(game, cuts.facet, counters, y)
            if outside != FACET_ADDED:
                break
        if outside != INSIDE:
            return


@kernel
def make_starts(
    game: Game, cuts: Cuts, pool: Pool, best: Best, options: Options, s: Scratch, stop: int
) -> int:
    """First incumbents: ascents from the centre and the best pure strategies.  FINISHED or OUT_OF_BUDGET.

    With rows that cut the simplex, pure strategies may be no commitments: start from vertices of X instead.
    """
    L, n, m = game.types, game.replies, s.x.size
    counters = best.counters
    strategies = game.points.shape[0] - 1
    capacity = pool.point.shape[0] // L
    nobody, value = np.zeros(0, np.int64), np.empty(1)
    if game.is_constrained == 1:
        while counters[STARTS] < m:
            for i in range(m):
                s.y[i] = 1.0 if i == counters[STARTS] else 0.0
            status = profile_lp(
                game, s.y, nobody, nobody, 0, cuts.facet, counters[FACETS], NOTHING, s.x, value, counters
            )
            counters[STARTS] += 1
            if status == OPTIMAL and (
                game.is_reduced == 0 or outside_hull(game, cuts.facet, counters, s.x) == INSIDE
            ):
                ascend(game, cuts, best, s.x)
            if counters[WORK] > stop:
                return OUT_OF_BUDGET
        return FINISHED
    worth = np.empty(strategies)
    for z in range(strategies):
        for i in range(m):
            s.y[i] = game.points[z, i]
        worth[z] = leader_value(game, cuts.vector, s.y, s.profile, s.utility)
        if game.is_reduced == 1 and counters[STARTS] == 0:  # corners of the hull start every envelope
            for l in range(L):
                k = l * capacity + pool.size[l]
                pool.size[l] += 1
                pool.reply[k] = s.profile[l]
                pool.value[k] = dot(cuts.vector, l * n + s.profile[l], s.y)
                for i in range(m):
                    pool.point[k, i] = s.y[i]
    for start in range(options.starts + 1):
        z = strategies
        if start > 0:
            z = 0
            for k in range(strategies):
                if worth[k] > worth[z]:
                    z = k
            worth[z] = NOTHING
        if start < counters[STARTS]:
            continue
        for i in range(m):
            s.y[i] = abs(game.points[z, i])
        ascend(game, cuts, best, s.y)
        counters[STARTS] = start + 1
        if counters[WORK] > stop:
            return OUT_OF_BUDGET
    return FINISHED
