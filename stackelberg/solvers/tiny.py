"""Kernels for very many small games: exact, without allocation, one game after the other.

A game is first prepared (:mod:`stackelberg.solvers.tiny_prepare`): scaled, types ordered, replies dropped.

**Two leader actions** (:func:`best_breakpoint`).  With :math:`x = (1-s, s)` the leader's value, ties broken
in its favour, is piecewise linear and upper semicontinuous in s; each piece ends at 0, at 1, or where some
type is indifferent between two replies.  We evaluate it at all of these.

**More** (:func:`depth_first`).  Depth-first search over reply profiles.  A partial profile is bounded by the
linear program over the commitments at which it is a best reply, every open type crediting the leader with
its best payoff, action by action; the first incumbent is the best pure commitment.  A child whose objective
has no coefficient above the incumbent needs no linear program.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.cone_lp import EMPTY, OPTIMAL, PERTURBATION, cone_lp, normalise
from stackelberg.solvers.kernels import entry, inner
from stackelberg.solvers.settle import settle
from stackelberg.solvers.tiny_prepare import prepare

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIE = 1e-10
"""Ties that the search relies on, in scaled payoffs: tighter than the rule's 1e-9, which then keeps them."""
IMPROVEMENT = 1e-10
"""A node must promise this much more than the incumbent, in scaled leader payoffs."""


@inner
def value_at(x: Floats, V: Floats, D: Floats, begin: Ints, own: Floats, profile: Ints) -> float:
    """Leader's scaled value at a commitment, ties for the leader; fills the rows played."""
    m = x.size
    total = 0.0
    for d in range(profile.size):
        first = begin[d]
        highest = 0.0
        for row in range(first, begin[d + 1]):
            a = 0.0
            for i in range(m):
                a += D[row, i] * x[i]
            own[row - first] = a
            if row == first or a > highest:
                highest = a
        most = 0.0
        chosen = -1
        for row in range(first, begin[d + 1]):
            if own[row - first] >= highest - TIE:
                a = 0.0
                for i in range(m):
                    a += V[row, i] * x[i]
                if chosen < 0 or a > most:
                    most = a
                    chosen = row
        profile[d] = chosen
        total += most
    return total


@inner
def value_at_pure(i: int, V: Floats, D: Floats, begin: Ints, profile: Ints) -> float:
    """The same at a pure commitment."""
    total = 0.0
    for d in range(profile.size):
        chosen = begin[d]
        highest = D[chosen, i]
        for row in range(chosen + 1, begin[d + 1]):
            highest = max(highest, D[row, i])
        most = -np.inf
        for row in range(begin[d], begin[d + 1]):
            improves = (D[row, i] >= highest - TIE) & (V[row, i] > most)  # & costs no branch
            most = V[row, i] if improves else most
            chosen = row if improves else chosen
        profile[d] = chosen
        total += most
    return total


@inner
def copy(source: Floats, target: Floats) -> None:
    """Copy a vector; slices cost more."""
    for i in range(source.size):
        target[i] = source[i]


@inner
def best_breakpoint(
    V: Floats, D: Floats, begin: Ints, own: Floats, profile: Ints, x: Floats, best: Floats
) -> None:
    """Two leader actions: the best of both pure commitments and all indifference points, into ``best``."""
    incumbent = best_pure_commitment(V, D, begin, profile, best)
    for d in range(profile.size):
        for j in range(begin[d], begin[d + 1]):
            for k in range(begin[d], j):
                at_0 = D[j, 0] - D[k, 0]
                at_1 = D[j, 1] - D[k, 1]
                if at_0 * at_1 >= 0.0:
                    continue
                x[1] = at_0 / (at_0 - at_1)
                x[0] = 1.0 - x[1]
                level = D[j, 0] * x[0] + D[j, 1] * x[1] + TIE
                is_best = True  # a point where the pair is beaten ends no piece
                for q in range(begin[d], begin[d + 1]):
                    if D[q, 0] * x[0] + D[q, 1] * x[1] > level:
                        is_best = False
                        break
                if is_best:
                    total = value_at(x, V, D, begin, own, profile)
                    if total > incumbent:
                        incumbent = total
                        copy(x, best)


@inner
def best_pure_commitment(V: Floats, D: Floats, begin: Ints, profile: Ints, best: Floats) -> float:
    """First incumbent, and its value; a uniform start or a linear program save less than they cost."""
    incumbent = -np.inf
    chosen = 0
    for i in range(best.size):
        best[i] = 0.0
        total = value_at_pure(i, V, D, begin, profile)
        if total > incumbent:
            incumbent = total
            chosen = i
    best[chosen] = 1.0
    return incumbent


@inner
def promise(V: Floats, begin: Ints, promised: Floats) -> None:
    """``promised[d]``: the most that types d, d + 1, ... add to the leader's payoff, action by action."""
    K = begin.size - 1
    m = V.shape[1]
    for i in range(m):
        promised[K, i] = 0.0
    for d in range(K - 1, -1, -1):
        for i in range(m):
            most = V[begin[d], i]
            for row in range(begin[d] + 1, begin[d + 1]):
                most = max(most, V[row, i])
            promised[d, i] = promised[d + 1, i] + most


@inner
def depth_first(
    limit: int,
    V: Floats,
    D: Floats,
    begin: Ints,
    rows: Ints,
    x: Floats,
    best: Floats,
    objective: Floats,
    committed: Floats,
    promised: Floats,
    nudge: Floats,
    inverse: Floats,
    levels: Floats,
    column: Floats,
    rate: Floats,
) -> int:
    """Search all profiles, the optimum into ``best``; returns linear programs solved, -1 where cut short."""
    K, m = rows.size, x.size
    incumbent = best_pure_commitment(V, D, begin, rows, best)
    promise(V, begin, promised)
    for i in range(m):
        committed[0, i] = 0.0
    programs = 0
    complete = True
    d = 0
    rows[0] = begin[0] - 1
    while d >= 0:
        rows[d] += 1
        row = rows[d]
        if row == begin[d + 1]:
            d -= 1
            continue
        largest = 0.0
        for i in range(m):
            committed[d + 1, i] = committed[d, i] + V[row, i]
            objective[i] = committed[d + 1, i] + promised[d + 1, i]
            if i == 0 or objective[i] > largest:
                largest = objective[i]
        cutoff = incumbent + IMPROVEMENT
        if largest <= cutoff:
            continue
        if programs >= limit:
            return -1
        programs += 1
        ended = cone_lp(objective, rows, d + 1, cutoff, D, begin, x, nudge, inverse, levels, column, rate)
        if ended >= EMPTY:
            continue
        if d < K - 1:
            d += 1
            rows[d] = begin[d] - 1
        elif ended == OPTIMAL:
            total = normalise(x, objective)
            if total > incumbent:
                incumbent = total
                copy(x, best)
        else:
            complete = False
    return programs if complete else -1


@entry
def solve_games(
    R: Floats,
    C: Floats,
    prior: Floats,
    first: int,
    last: int,
    limit: int,
    value: Floats,
    strategy: Floats,
    replies: Ints,
    programs: Ints,
) -> None:
    """Solve games ``first`` to ``last - 1`` of (games, types, leader actions, replies) arrays, in place.

    ``programs`` counts linear programs, -1 where a game reached the limit; its outputs are then feasible,
    not optimal.
    """
    _, K, m, n = R.shape
    # Working arrays, allocated once; kernels take them one by one (a tuple costs a reference count each).
    # Payoffs of leader and follower, one row per (type, reply); first row of each type, and which type it is:
    V, D = np.empty((K * n, m)), np.empty((K * n, m))
    begin, order = np.empty(K + 1, np.int64), np.empty(K, np.int64)
    # Unit of a type's ties and the leader's stakes in it; whether a reply stays, what it is worth to the type:
    unit, stakes = np.empty(K), np.empty(K)
    keeps, own = np.empty(n, np.int64), np.empty(n)
    # Row played by each type; commitments; payoffs of the types that are fixed, and most of those that are not:
    profile = np.empty(K, np.int64)
    x, best, objective = np.empty(m), np.empty(m), np.empty(m)
    committed, promised = np.empty((K + 1, m)), np.empty((K + 1, m))
    # The dual's basis inverse, basic variables, entering column, and that column in the basis:
    inverse, levels = np.empty((m, m)), np.empty(m)
    column, rate = np.empty(m), np.empty(m)
    nudge = PERTURBATION * (1.0 + 0.6180339887 * np.arange(1, m + 1) % 1.0)
    for g in range(first, last):
        prepare(R, C, prior, g, V, D, begin, order, unit, stakes, keeps)
        programs[g] = 0
        if m == 1:
            best[0] = 1.0
        elif m == 2:
            best_breakpoint(V, D, begin, own, profile, x, best)
        else:
            programs[g] = depth_first(
                limit,
                V,
                D,
                begin,
                profile,
                x,
                best,
                objective,
                committed,
                promised,
                nudge,
                inverse,
                levels,
                column,
                rate,
            )
        for i in range(m):
            strategy[g, i] = best[i]
        value[g] = settle(R, C, prior, g, best, unit, own, replies)
