"""Kernels for very many small games: exact, without allocation, one game after the other.

**Preparation** (:func:`prepare`).  Leader payoffs are weighted by the prior, and all payoffs divided by their
scale, so that one tolerance serves all; a type's follower payoffs are taken relative to its first reply,
which changes no best reply.  A reply is dropped if another is strictly better for the type at every pure
commitment, or never worse for the type nor for the leader.  What is left has one row per (type, reply),
types by falling leader stakes, ``rows begin[d] .. begin[d + 1] - 1`` for the d-th, replies that promise the
leader most first; and one column per leader action.

All of it is one file because numba's disk cache watches one file's time stamp.

**Two leader actions** (:func:`best_breakpoint`).  With :math:`x = (1-s, s)` the leader's value, ties broken
in its favour, is piecewise linear and upper semicontinuous in s; each piece ends at 0, at 1, or where some
type is indifferent between two replies.  We evaluate it at all of these.

**More** (:func:`depth_first`).  Depth-first search over reply profiles.  A partial profile is bounded by the
linear program over the commitments at which it is a best reply, every open type crediting the leader with
its best payoff, action by action; the first incumbent is the best pure commitment.  A child whose objective
has no coefficient above the incumbent needs no linear program.

**The linear program** (:func:`cone_lp`), :math:`\\max c x` over the simplex and the rows
:math:`(D_a - D_k) x \\ge 0`, is solved on its dual by a primal simplex: the dual objective falls towards the
optimum, so every iterate is a valid bound and the search stops as soon as it is below the incumbent; rows are
priced as they are violated; no phase 1 is needed.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.kernels import entry, inner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEARCH_TIE = 1e-10
"""Ties that the search relies on, in scaled payoffs: tighter than the rule's 1e-9, which then keeps them."""
RULE_TIE = 1e-9
"""The tie rule's own tolerance, :data:`stackelberg.response.TIE_TOLERANCE`; a test compares them."""
STAKES_FLOOR = 1e-5
"""Smallest unit of ties as a share of the largest payoff, as in :func:`stackelberg.response.payoff_scale`."""
IMPROVEMENT = 1e-10
"""A node must promise this much more than the incumbent, in scaled leader payoffs."""
PIVOT = 1e-9
PERTURBATION = 1e-11

OPTIMAL, STALLED, EMPTY, CUTOFF = 0, 1, 2, 3  # how a linear program ends: only the first two leave a bound


@inner
def measure(R: Floats, C: Floats, prior: Floats, g: int, order: Ints, unit: Floats, stakes: Floats) -> float:
    """Order the types by the leader's stakes, fill the units of their ties; returns the leader's scale."""
    _, K, m, n = R.shape
    leader_scale = 0.0
    for l in range(K):
        least = R[g, l, 0, 0]
        most = least
        widest = 0.0
        largest = 0.0
        for i in range(m):
            low = C[g, l, i, 0]
            high = low
            for j in range(n):
                least = min(least, R[g, l, i, j])
                most = max(most, R[g, l, i, j])
                low = min(low, C[g, l, i, j])
                high = max(high, C[g, l, i, j])
            widest = max(widest, high - low)
            largest = max(largest, max(high, -low))
        leader_scale = max(leader_scale, max(most, -least))
        unit[l] = max(widest, STAKES_FLOOR * largest)
        stakes[l] = prior[g, l] * (most - least)
        d = l
        while d > 0 and stakes[order[d - 1]] < stakes[l]:
            order[d] = order[d - 1]
            d -= 1
        order[d] = l
    return leader_scale


@inner
def mark_redundant(first: int, last: int, V: Floats, D: Floats, keeps: Ints) -> None:
    """Set ``keeps`` to 0 for the rows of one type that another row makes dispensable, to 1 for the others."""
    m = V.shape[1]
    for j in range(last - first):
        keeps[j] = 1
    for j in range(first, last):
        for k in range(first, j):
            least = D[k, 0] - D[j, 0]  # what the type gains by k over j: range over pure commitments
            most = least
            for i in range(1, m):
                gain = D[k, i] - D[j, i]
                least = min(least, gain)
                most = max(most, gain)
            if least > SEARCH_TIE or (least >= 0.0 and pays_as_well(k, j, V)):
                keeps[j - first] = 0
            elif most < -SEARCH_TIE or (most <= 0.0 and pays_as_well(j, k, V)):
                keeps[k - first] = 0


@inner
def pays_as_well(k: int, j: int, V: Floats) -> bool:
    """Whether row k gives the leader no less than row j at every pure commitment."""
    pays = True
    for i in range(V.shape[1]):
        pays = pays and V[k, i] >= V[j, i]
    return pays


@inner
def highest_payoff(V: Floats, row: int) -> float:
    """The most that a reply can give the leader."""
    most = V[row, 0]
    for i in range(1, V.shape[1]):
        most = max(most, V[row, i])
    return most


@inner
def sort_rows(first: int, last: int, V: Floats, D: Floats) -> None:
    """Replies that promise the leader most come first: good incumbents early, insertion sort."""
    for j in range(first + 1, last):
        row = j
        while row > first and highest_payoff(V, row) > highest_payoff(V, row - 1):
            for i in range(V.shape[1]):
                V[row, i], V[row - 1, i] = V[row - 1, i], V[row, i]
                D[row, i], D[row - 1, i] = D[row - 1, i], D[row, i]
            row -= 1


@inner
def prepare(
    R: Floats,
    C: Floats,
    prior: Floats,
    g: int,
    V: Floats,
    D: Floats,
    begin: Ints,
    order: Ints,
    unit: Floats,
    stakes: Floats,
    keeps: Ints,
) -> None:
    """Scale game g, order its types and drop redundant replies."""
    _, K, m, n = R.shape
    leader_scale = measure(R, C, prior, g, order, unit, stakes)
    row = 0
    for d in range(K):
        l = order[d]
        begin[d] = row
        weight = prior[g, l] / leader_scale if leader_scale > 0.0 else 0.0
        factor = 1.0 / unit[l] if unit[l] > 0.0 else 1.0
        for i in range(m):
            first = C[g, l, i, 0]
            for j in range(n):
                V[row + j, i] = weight * R[g, l, i, j]
                D[row + j, i] = factor * (C[g, l, i, j] - first)
        # Rows are judged against all others before any is dropped; moving them up keeps their order.
        mark_redundant(row, row + n, V, D, keeps)
        kept = 0
        for j in range(n):
            if keeps[j] == 1:
                if kept < j:
                    for i in range(m):
                        V[row + kept, i] = V[row + j, i]
                        D[row + kept, i] = D[row + j, i]
                kept += 1
        sort_rows(row, row + kept, V, D)
        row += kept
    begin[K] = row


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
            if own[row - first] >= highest - SEARCH_TIE:
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
            improves = (D[row, i] >= highest - SEARCH_TIE) & (V[row, i] > most)  # & costs no branch
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
                level = D[j, 0] * x[0] + D[j, 1] * x[1] + SEARCH_TIE
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
def best_pure(c: Floats, nudge: Floats, levels: Floats) -> int:
    """Best pure commitment; ``levels``: its perturbed worth, and by how much it beats the others."""
    top = 0
    highest = 0.0
    for i in range(c.size):
        levels[i] = c[i] + nudge[i]
        if i == 0 or levels[i] > highest:
            highest = levels[i]
            top = i
    for r in range(c.size):
        levels[r] = highest - levels[r]
    levels[top] = highest
    return top


@inner
def first_bound(column: Floats, levels: Floats, top: int) -> float:
    """What the dual comes down to by its first pivot, before any basis is built; -inf if unbounded."""
    step = np.inf
    for r in range(column.size):
        speed = column[top] - column[r]
        if speed > PIVOT:
            step = min(step, levels[r] / speed)
    return levels[top] - column[top] * step


@inner
def pure_basis(top: int, inverse: Floats) -> None:
    """Basis inverse of the dual at a pure commitment."""
    m = inverse.shape[0]
    for r in range(m):
        for i in range(m):
            inverse[r, i] = 0.0
        inverse[r, r] = -1.0
        inverse[r, top] = 1.0


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
def most_violated(x: Floats, rows: Ints, depth: int, D: Floats, begin: Ints) -> tuple[int, int]:
    """Most violated at x: (i, -1) for x_i >= 0, (a, k) for "row a is no worse than row k", else (-1, -1)."""
    m = x.size
    lowest = -SEARCH_TIE
    entering = -1
    better = -1
    for i in range(m):
        if x[i] < lowest:
            lowest = x[i]
            entering = i
    for d in range(depth):
        row = rows[d]
        own = 0.0
        for i in range(m):
            own += D[row, i] * x[i]
        for k in range(begin[d], begin[d + 1]):
            slack = own
            for i in range(m):
                slack -= D[k, i] * x[i]
            if slack < lowest:
                lowest = slack
                entering = row
                better = k
    return entering, better


@inner
def most_violated_pure(i: int, rows: Ints, depth: int, D: Floats, begin: Ints) -> tuple[int, int]:
    """The same at a pure commitment."""
    lowest = -SEARCH_TIE
    entering = -1
    better = -1
    for d in range(depth):
        own = D[rows[d], i]
        for k in range(begin[d], begin[d + 1]):
            if own - D[k, i] < lowest:
                lowest = own - D[k, i]
                entering = rows[d]
                better = k
    return entering, better


@inner
def cone_lp(
    c: Floats,
    rows: Ints,
    depth: int,
    cutoff: float,
    D: Floats,
    begin: Ints,
    x: Floats,
    nudge: Floats,
    inverse: Floats,
    levels: Floats,
    column: Floats,
    rate: Floats,
) -> int:
    """Maximise c x over the commitments at which the first ``depth`` types play ``rows``; optimum into x.

    The dual is min t subject to t >= c_i + sum of u (D_a - D_k)_i.  Its basis holds t in row ``top`` for
    ever, and slacks or multipliers u elsewhere; row ``top`` of the basis inverse is the primal x.
    """
    m = c.size
    top = best_pure(c, nudge, levels)
    entering, better = most_violated_pure(top, rows, depth, D, begin)
    if entering < 0:
        for i in range(m):
            x[i] = 0.0
        x[top] = 1.0
        return OPTIMAL
    for i in range(m):
        column[i] = D[better, i] - D[entering, i]
    if first_bound(column, levels, top) <= cutoff:
        return CUTOFF  # half of all programs end here
    pure_basis(top, inverse)
    for _ in range(60 + 12 * m):
        if not pivot(inverse, levels, column, rate, top):
            return EMPTY
        if levels[top] <= cutoff:
            return CUTOFF
        for i in range(m):
            x[i] = inverse[top, i]
        entering, better = most_violated(x, rows, depth, D, begin)
        if entering < 0:
            return OPTIMAL
        for i in range(m):
            column[i] = 0.0 if better < 0 else D[better, i] - D[entering, i]
        if better < 0:
            column[entering] = -1.0
    return STALLED


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


@inner
def settle(
    R: Floats, C: Floats, prior: Floats, g: int, x: Floats, unit: Floats, own: Floats, replies: Ints
) -> float:
    """Replies at x by the tie rule, from the payoffs as given, and the leader's value in utils."""
    _, K, m, n = R.shape
    value = 0.0
    for l in range(K):
        highest = 0.0
        for j in range(n):
            a = 0.0
            for i in range(m):
                a += C[g, l, i, j] * x[i]
            own[j] = a
            if j == 0 or a > highest:
                highest = a
        highest -= RULE_TIE * unit[l]
        chosen = -1
        most = 0.0
        for j in range(n):
            if own[j] >= highest:
                a = 0.0
                for i in range(m):
                    a += R[g, l, i, j] * x[i]
                if chosen < 0 or a > most:
                    most = a
                    chosen = j
        replies[g, l] = chosen
        value += prior[g, l] * most
    return value


@entry
def settle_games(
    R: Floats,
    C: Floats,
    prior: Floats,
    units: Floats,
    first: int,
    last: int,
    strategy: Floats,
    value: Floats,
    replies: Ints,
) -> None:
    """Replies and values of games ``first`` to ``last - 1`` at commitments and units of ties given."""
    own = np.empty(R.shape[3])
    for g in range(first, last):
        value[g] = settle(R, C, prior, g, strategy[g], units[g], own, replies)


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
    V, D = (
        np.empty((K * n, m)),
        np.empty((K * n, m)),
    )  # payoffs of leader and follower, one row per (type, reply)
    begin, order = np.empty(K + 1, np.int64), np.empty(K, np.int64)  # first row of each type, and which type
    unit, stakes = (
        np.empty(K),
        np.empty(K),
    )  # unit of a type's ties and the leader's stakes, by the game's index
    keeps, own = np.empty(n, np.int64), np.empty(n)  # whether a reply stays, what it is worth to the type
    profile = np.empty(K, np.int64)  # row played by each type
    x, best, objective = np.empty(m), np.empty(m), np.empty(m)
    committed, promised = (
        np.empty((K + 1, m)),
        np.empty((K + 1, m)),
    )  # by types fixed, and by open ones at most
    inverse, levels = np.empty((m, m)), np.empty(m)  # basis inverse and basic variables of the dual
    column, rate = np.empty(m), np.empty(m)  # entering column, and the same in the basis
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
