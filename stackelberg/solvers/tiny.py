"""Kernels for very many small games: exact, without allocation, one game after the other.

Every game is first scaled (:func:`scale_game`): leader payoffs are weighted by the prior, and payoffs divided
by their scale, so that one tolerance serves all.  A type's follower payoffs are taken relative to its first
reply, which changes no best reply.  Arrays have one row per (type, reply), ``row = type * n + reply``, and one
column per leader action.

**Two leader actions** (:func:`best_breakpoint`).  With :math:`x = (1-s, s)` the leader's value, ties broken in
its favour, is piecewise linear and upper semicontinuous in s; each piece ends at 0, at 1, or where some
type is indifferent between two replies.  We evaluate it at all of these.

**More** (:func:`depth_first`).  Depth-first search over reply profiles, types with the largest leader stakes
first.  A partial profile is bounded by the linear program over the commitments at which it is a best reply,
every open type crediting the leader with its best payoff, action by action; incumbents come from pure
commitments, the uniform one, and one linear program.  A child is skipped without a linear program if its
objective has no coefficient above the incumbent, or if its reply is strictly dominated.

**The linear program** (:func:`cone_lp`), :math:`\\max c x` over the simplex and the rows
:math:`(D_a - D_k) x \\ge 0`, is solved on its dual by a primal simplex: the dual objective falls towards the
optimum, so every iterate is a valid bound and the search stops as soon as it is below the incumbent; rows are
priced as they are violated; no phase 1 is needed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.tiers import entry, inner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEARCH_TIE = 1e-10
"""Ties that the search relies on, in scaled payoffs: tighter than the rule's 1e-9, which then keeps them."""
RULE_TIE = 1e-9
"""The tie rule's own tolerance, :data:`stackelberg.response.TIE_TOLERANCE`; a test compares them."""
STAKES_FLOOR = 1e-5
"""Smallest unit of ties as a share of the largest payoff: that of :func:`stackelberg.response.payoff_scale`."""
IMPROVEMENT = 1e-10
"""A node must promise this much more than the incumbent, in scaled leader payoffs."""
PIVOT = 1e-9
PERTURBATION = 1e-11

OPTIMAL, EMPTY, CUTOFF, STALLED = 0, 1, 2, 3


class Scratch(NamedTuple):
    """Working arrays of one thread, for games of one shape."""

    V: Floats  # (types * replies, leader actions) leader payoffs, prior included, scaled
    D: Floats  # (types * replies, leader actions) follower payoffs relative to reply 0, scaled
    x: Floats  # (leader actions,) commitment of the last linear program
    best: Floats  # (leader actions,) the incumbent
    own: Floats  # (replies,) follower's payoffs at a commitment
    objective: Floats  # (leader actions,)
    inverse: Floats  # (leader actions, leader actions) basis inverse of the dual
    levels: Floats  # (leader actions,) basic variables of the dual
    column: Floats  # (leader actions,) entering column
    rate: Floats  # (leader actions,) entering column in the basis
    committed: Floats  # (types + 1, leader actions) payoffs of the types fixed so far
    promised: Floats  # (types + 1, leader actions) most that the open types can add
    stakes: Floats  # (types,) range of the leader's payoffs
    order: Ints  # (types,) order of branching
    reply: Ints  # (types,) reply of the type at each depth
    profile: Ints  # (types,) replies of an evaluation, by type
    incumbent_profile: Ints  # (types,)


@inner
def new_scratch(K: int, m: int, n: int) -> Scratch:
    """Allocate for games of K types, m leader actions and n replies."""
    return Scratch(
        np.empty((K * n, m)),
        np.empty((K * n, m)),
        np.empty(m),
        np.empty(m),
        np.empty(n),
        np.empty(m),
        np.empty((m, m)),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty((K + 1, m)),
        np.empty((K + 1, m)),
        np.empty(K),
        np.empty(K, np.int64),
        np.empty(K, np.int64),
        np.empty(K, np.int64),
        np.empty(K, np.int64),
    )


@inner
def follower_scale(C: Floats) -> float:
    """Unit of a type's ties, from its payoffs (leader actions, replies): ``response.payoff_scale``."""
    m, n = C.shape
    stakes = 0.0
    largest = 0.0
    for i in range(m):
        low = C[i, 0]
        high = low
        for j in range(1, n):
            low = min(low, C[i, j])
            high = max(high, C[i, j])
        stakes = max(stakes, high - low)
        largest = max(largest, max(high, -low))
    return max(stakes, STAKES_FLOOR * largest)


@inner
def scale_game(R: Floats, C: Floats, prior: Floats, V: Floats, D: Floats) -> None:
    """Fill V and D from a game's payoffs (types, leader actions, replies)."""
    K, m, n = R.shape
    largest = 0.0
    for l in range(K):
        for i in range(m):
            for j in range(n):
                largest = max(largest, abs(R[l, i, j]))
    leader_unit = 1.0 / largest if largest > 0.0 else 1.0
    for l in range(K):
        scale = follower_scale(C[l])
        unit = 1.0 / scale if scale > 0.0 else 1.0
        weight = prior[l] * leader_unit
        for i in range(m):
            first = C[l, i, 0]
            for j in range(n):
                V[l * n + j, i] = weight * R[l, i, j]
                D[l * n + j, i] = unit * (C[l, i, j] - first)


@inner
def value_at(x: Floats, w: Scratch, n: int, profile: Ints) -> float:
    """Leader's scaled value at a commitment, ties for the leader; fills the profile."""
    m = x.size
    total = 0.0
    for l in range(profile.size):
        b = l * n
        highest = 0.0  # reply 0 has payoff 0
        for j in range(n):
            a = 0.0
            for i in range(m):
                a += w.D[b + j, i] * x[i]
            w.own[j] = a
            highest = max(highest, a)
        chosen = -1
        most = 0.0
        for j in range(n):
            if w.own[j] >= highest - SEARCH_TIE:
                a = 0.0
                for i in range(m):
                    a += w.V[b + j, i] * x[i]
                if chosen < 0 or a > most:
                    most = a
                    chosen = j
        profile[l] = chosen
        total += most
    return total


@inner
def keep(x: Floats, total: float, w: Scratch) -> float:
    """Make x the incumbent."""
    for i in range(x.size):
        w.best[i] = x[i]
    for l in range(w.profile.size):
        w.incumbent_profile[l] = w.profile[l]
    return total


@inner
def best_breakpoint(w: Scratch, K: int, n: int) -> None:
    """Two leader actions: the best of both pure commitments and all indifference points, into ``w.best``."""
    x = w.x
    x[0], x[1] = 1.0, 0.0
    incumbent = keep(x, value_at(x, w, n, w.profile), w)
    x[0], x[1] = 0.0, 1.0
    total = value_at(x, w, n, w.profile)
    if total > incumbent:
        incumbent = keep(x, total, w)
    for l in range(K):
        for j in range(l * n, l * n + n):
            for k in range(l * n, j):
                at_0 = w.D[j, 0] - w.D[k, 0]
                at_1 = w.D[j, 1] - w.D[k, 1]
                if at_0 * at_1 >= 0.0:
                    continue
                x[1] = at_0 / (at_0 - at_1)
                x[0] = 1.0 - x[1]
                level = w.D[j, 0] * x[0] + w.D[j, 1] * x[1] + SEARCH_TIE
                is_best = True  # a point where the pair is beaten ends no piece
                for q in range(l * n, l * n + n):
                    if w.D[q, 0] * x[0] + w.D[q, 1] * x[1] > level:
                        is_best = False
                        break
                if not is_best:
                    continue
                total = value_at(x, w, n, w.profile)
                if total > incumbent:
                    incumbent = keep(x, total, w)


@inner
def cone_lp(c: Floats, types: Ints, replies: Ints, depth: int, n: int, cutoff: float, w: Scratch) -> int:
    """Maximise c x over the commitments at which ``types[:depth]`` play ``replies[:depth]``; x into ``w.x``.

    The dual is min t subject to t >= c_i + sum of u (D_a - D_k)_i; its basis starts with t in the row of
    the largest c, where it stays, and slacks elsewhere.  Row ``top`` of the basis inverse is the primal x.
    """
    m = c.size
    inverse, levels, column, rate, x = w.inverse, w.levels, w.column, w.rate, w.x
    fraction = 0.6180339887
    top = 0
    for i in range(m):
        fraction = (fraction * 997.0) % 1.0  # a fixed pseudo-random upward perturbation: no cycling, valid bounds
        rate[i] = c[i] + PERTURBATION * (1.0 + fraction)
        if rate[i] > rate[top]:
            top = i
    for r in range(m):
        for i in range(m):
            inverse[r, i] = 0.0
        inverse[r, r] = -1.0
        inverse[r, top] = 1.0
        levels[r] = rate[top] - rate[r]
    levels[top] = rate[top]
    for _ in range(60 + 12 * m):
        if levels[top] <= cutoff:
            return CUTOFF
        lowest = -SEARCH_TIE
        entering = -1
        better = -1
        for i in range(m):
            x[i] = inverse[top, i]
            if x[i] < lowest:
                lowest = x[i]
                entering = i
        for d in range(depth):
            b = types[d] * n
            own = 0.0
            for i in range(m):
                own += w.D[b + replies[d], i] * x[i]
            for k in range(b, b + n):
                slack = own
                for i in range(m):
                    slack -= w.D[k, i] * x[i]
                if slack < lowest:
                    lowest = slack
                    entering = b + replies[d]
                    better = k
        if entering < 0:
            return OPTIMAL
        if better < 0:
            for i in range(m):
                column[i] = 0.0
            column[entering] = -1.0
        else:
            for i in range(m):
                column[i] = w.D[better, i] - w.D[entering, i]
        if not pivot(inverse, levels, column, rate, top):
            return EMPTY
    return STALLED


@inner
def pivot(inverse: Floats, levels: Floats, column: Floats, rate: Floats, top: int) -> bool:
    """Bring a column into the basis; False where no row limits it, so that the dual is unbounded."""
    m = rate.size
    leaving = -1
    step = 0.0
    for r in range(m):
        a = 0.0
        for i in range(m):
            a += inverse[r, i] * column[i]
        rate[r] = a
        if r != top and a > PIVOT:
            z = max(levels[r], 0.0) / a
            if leaving < 0 or z < step - 1e-15 or (z <= step + 1e-15 and a > rate[leaving]):
                step = z
                leaving = r
    if leaving < 0:
        return False
    scale = 1.0 / rate[leaving]
    for i in range(m):
        inverse[leaving, i] *= scale
    levels[leaving] = step
    for r in range(m):
        a = rate[r]
        if r != leaving and a != 0.0:
            levels[r] -= a * step
            for i in range(m):
                inverse[r, i] -= a * inverse[leaving, i]
    return True


@inner
def normalise(x: Floats, c: Floats) -> float:
    """Clip rounding below zero, rescale to one, and return c x."""
    total = 0.0
    for i in range(x.size):
        x[i] = max(x[i], 0.0)
        total += x[i]
    worth = 0.0
    for i in range(x.size):
        x[i] /= total
        worth += c[i] * x[i]
    return worth


@inner
def start(w: Scratch, K: int, m: int, n: int) -> float:
    """First incumbent: the best of the pure commitments and the uniform one, improved by its profile's LP."""
    incumbent = 0.0
    for z in range(m + 1):
        for i in range(m):
            w.x[i] = 1.0 / m if z == m else (1.0 if i == z else 0.0)
        total = value_at(w.x, w, n, w.profile)
        if z == 0 or total > incumbent:
            incumbent = keep(w.x, total, w)
    for l in range(K):
        w.order[l] = l
    for i in range(m):
        w.objective[i] = 0.0
        for l in range(K):
            w.objective[i] += w.V[l * n + w.incumbent_profile[l], i]
    cutoff = incumbent + IMPROVEMENT
    if cone_lp(w.objective, w.order, w.incumbent_profile, K, n, cutoff, w) == OPTIMAL:
        total = normalise(w.x, w.objective)
        if total > incumbent:
            incumbent = keep(w.x, total, w)
    return incumbent


@inner
def order_types(w: Scratch, K: int, m: int, n: int) -> None:
    """Branch on types by falling leader stakes; ``promised[d]`` is what types d, d+1, ... add at most."""
    for l in range(K):
        low = w.V[l * n, 0]
        high = low
        for row in range(l * n, l * n + n):
            for i in range(m):
                low = min(low, w.V[row, i])
                high = max(high, w.V[row, i])
        w.stakes[l] = high - low
        d = l
        while d > 0 and w.stakes[w.order[d - 1]] < w.stakes[l]:
            w.order[d] = w.order[d - 1]
            d -= 1
        w.order[d] = l
    for i in range(m):
        w.promised[K, i] = 0.0
        w.committed[0, i] = 0.0
    for d in range(K - 1, -1, -1):
        b = w.order[d] * n
        for i in range(m):
            most = w.V[b, i]
            for row in range(b + 1, b + n):
                most = max(most, w.V[row, i])
            w.promised[d, i] = w.promised[d + 1, i] + most


@inner
def is_dominated(row: int, b: int, n: int, m: int, D: Floats) -> bool:
    """Whether another reply of the same type is strictly better at every pure commitment."""
    for k in range(b, b + n):
        if k == row:
            continue
        dominated = True
        for i in range(m):
            if D[k, i] <= D[row, i] + SEARCH_TIE:
                dominated = False
                break
        if dominated:
            return True
    return False


@inner
def depth_first(w: Scratch, K: int, m: int, n: int, limit: int) -> int:
    """Search all reply profiles, the incumbent into ``w.best``; returns linear programs solved, -1 at the limit."""
    incumbent = start(w, K, m, n)
    order_types(w, K, m, n)
    programs = 0
    d = 0
    w.reply[0] = -1
    while d >= 0:
        w.reply[d] += 1
        if w.reply[d] >= n:
            d -= 1
            continue
        b = w.order[d] * n
        row = b + w.reply[d]
        largest = 0.0
        for i in range(m):
            w.committed[d + 1, i] = w.committed[d, i] + w.V[row, i]
            w.objective[i] = w.committed[d + 1, i] + w.promised[d + 1, i]
            if i == 0 or w.objective[i] > largest:
                largest = w.objective[i]
        if largest <= incumbent + IMPROVEMENT or is_dominated(row, b, n, m, w.D):
            continue
        if programs >= limit:
            return -1
        programs += 1
        ended = cone_lp(w.objective, w.order, w.reply, d + 1, n, incumbent + IMPROVEMENT, w)
        if ended == EMPTY or ended == CUTOFF:
            continue
        if d < K - 1:
            d += 1
            w.reply[d] = -1
        elif ended == OPTIMAL:
            total = normalise(w.x, w.objective)
            if total > incumbent:
                incumbent = keep(w.x, total, w)
    return programs


@inner
def settle(R: Floats, C: Floats, prior: Floats, x: Floats, own: Floats, replies: Ints) -> float:
    """Replies at x by the tie rule, from the payoffs as given, and the leader's value in utils."""
    K, m, n = R.shape
    value = 0.0
    for l in range(K):
        highest = 0.0
        for j in range(n):
            a = 0.0
            for i in range(m):
                a += C[l, i, j] * x[i]
            own[j] = a
            if j == 0 or a > highest:
                highest = a
        highest -= RULE_TIE * follower_scale(C[l])
        chosen = -1
        most = 0.0
        for j in range(n):
            if own[j] >= highest:
                a = 0.0
                for i in range(m):
                    a += R[l, i, j] * x[i]
                if chosen < 0 or a > most:
                    most = a
                    chosen = j
        replies[l] = chosen
        value += prior[l] * most
    return value


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
    """Solve games ``first`` to ``last - 1`` of arrays (games, types, leader actions, replies), outputs in place.

    ``programs`` counts linear programs, -1 where a game reached the limit; its outputs are then feasible,
    not optimal.
    """
    _, K, m, n = R.shape
    w = new_scratch(K, m, n)
    for b in range(first, last):
        programs[b] = 0
        if m == 1:
            w.best[0] = 1.0
        else:
            scale_game(R[b], C[b], prior[b], w.V, w.D)
            if m == 2:
                best_breakpoint(w, K, n)
            else:
                programs[b] = depth_first(w, K, m, n, limit)
        for i in range(m):
            strategy[b, i] = w.best[i]
        value[b] = settle(R[b], C[b], prior[b], w.best, w.own, replies[b])
