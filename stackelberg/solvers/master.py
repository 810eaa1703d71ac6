"""The bounding program of a node, and a primal simplex on its dual with key cuts.

**The bounding program** at a node where some types' replies are fixed to :math:`a_l`:

.. math::
    \\max_{x \\in X} \\sum_l \\theta_l \\quad\\text{s.t.}\\quad
    \\theta_l \\le \\alpha x \\;\\forall \\alpha \\in \\text{cuts of } l, \\qquad
    \\theta_l \\le p_l R^l_{a_l} x,\\; (C^l_{a_l} - C^l_k) x \\ge 0 \\;\\forall k \\text{ (fixed } l\\text{)},
    \\qquad h x \\ge 0 \\;\\forall \\text{ facets } h

with :math:`X` the simplex.  **Its dual**, with weights :math:`w` on cuts that sum to one in each type:

.. math:: \\min t \\;\\text{s.t.}\\;
          t \\ge \\Big[\\sum_c w_c \\alpha_c + \\sum_{l,k} y_{lk}(C^l_{a_l} - C^l_k) + \\sum_h z_h h\\Big]_i
          \\;\\forall i, \\quad \\sum_{c \\in l} w_c = 1, \\quad w, y, z \\ge 0

Why the dual: every iterate's :math:`t` is a valid upper bound on the node, so that one may stop at any time;
fixing a reply only adds columns, so that a child starts from its parent's basis; and no leaving row means
that the region is empty.  The dual prices of the rows are the commitment :math:`x`.

**Key cuts** (generalised upper bounds, Dantzig & Van Slyke 1967).  Each convexity row keeps one basic cut,
its key, out of the working basis, which is then m by m instead of (m + L) by (m + L).

Columns of the master carry these numbers, with F the capacity for facets:
``0`` t; ``1 + i`` surplus of row i; ``1 + m + h`` facet; ``first_cone + r n + k`` the row "reply r is as good
as reply k of its type"; ``first_bound + c`` row c of the cut table.
"""

from stackelberg.solvers.simplex import TOLERANCE, UNBOUNDED, best_reply, dot, eliminate, ratio_test
from stackelberg.solvers.state import (
    ACTIVE,
    BROKEN,
    CAPPED,
    CUTOFF,
    EMPTY,
    FACETS,
    OPTIMAL,
    PIVOTS,
    STOP,
    WORK,
    Basis,
    Cuts,
    Flags,
    Floats,
    Game,
    Ints,
    Scratch,
    SmallInts,
)
from stackelberg.solvers.tiers import inlined, kernel


@inlined
def master_column(
    follower: Floats,
    vector: Floats,
    owner: Ints,
    facet: Floats,
    key: SmallInts,
    replies: int,
    number: int,
    column: Floats,
) -> None:
    """The master's column of a number, into ``column``; a cut's is relative to its type's key."""
    m, n = column.size, replies
    first_cone = 1 + m + facet.shape[0]
    first_bound = first_cone + key.size * n * n
    if number <= m:
        for i in range(m):
            column[i] = 1.0 if number == 0 else 0.0
        if number > 0:
            column[number - 1] = -1.0
    elif number < first_cone:
        for i in range(m):
            column[i] = -facet[number - 1 - m, i]
    elif number < first_bound:
        own = (number - first_cone) // n
        other = own // n * n + (number - first_cone) % n
        for i in range(m):
            column[i] = follower[other, i] - follower[own, i]
    else:
        cut = number - first_bound
        reference = key[owner[cut]]
        for i in range(m):
            column[i] = vector[reference, i] - vector[cut, i]


@kernel
def refactor(game: Game, cuts: Cuts, basis: Basis, s: Scratch) -> int:
    """Inverse and levels of a basis from its column numbers (Gauss-Jordan); BROKEN where singular."""
    square, column = s.square, s.column
    m = column.size
    for r in range(m):
        master_column(
            game.follower,
            cuts.vector,
            cuts.owner,
            cuts.facet,
            basis.key,
            game.replies,
            basis.column[r],
            column,
        )
        for i in range(m):
            square[i, r] = column[i]
            square[r, m + i] = 0.0
        square[r, m + r] = 1.0
    for k in range(m):
        pivot = k
        for r in range(k + 1, m):
            if abs(square[r, k]) > abs(square[pivot, k]):
                pivot = r
        if not abs(square[pivot, k]) >= 1e-13:
            return BROKEN
        for i in range(k, 2 * m):
            held = square[pivot, i]
            square[pivot, i] = square[k, i]
            square[k, i] = held
        scale = 1.0 / square[k, k]
        for i in range(k, 2 * m):
            square[k, i] *= scale
        for r in range(m):
            factor = square[r, k]
            if r != k and factor != 0.0:
                for i in range(k, 2 * m):
                    square[r, i] -= factor * square[k, i]
    for i in range(m):
        column[i] = game.perturbation[i]
        for l in range(game.types):
            column[i] += cuts.vector[basis.key[l], i]
    for r in range(m):
        a = 0.0
        for i in range(m):
            basis.inverse[i, r] = square[r, m + i]
            a += square[r, m + i] * column[i]
        basis.level[r] = a
    return OPTIMAL


@kernel
def trivial_basis(game: Game, cuts: Cuts, basis: Basis, s: Scratch) -> int:
    """The basis that always exists: t against the surpluses, keys at the trivial bounds.  Returns t's row."""
    L, m = game.types, s.column.size
    first = L * game.replies
    top = 0
    for l in range(L):
        basis.key[l] = first + l
    for i in range(m):
        basis.column[i] = 1 + i
        s.direction[i] = game.perturbation[i]
        for l in range(L):
            s.direction[i] += cuts.vector[first + l, i]
        if s.direction[i] > s.direction[top]:
            top = i
    basis.column[top] = 0
    return top


@inlined
def price_master(
    by_action: Floats,
    vector: Floats,
    owner: Ints,
    active: Ints,
    active_count: int,
    facet: Floats,
    facets: int,
    fixed: SmallInts,
    flagged: Flags,
    key: SmallInts,
    x: Floats,
    utility: Floats,
) -> int:
    """The most negative reduced cost: surpluses and facets, flagged fixed types, cuts, other fixed types."""
    L, n, m = key.size, utility.size, x.size
    first_cone = 1 + m + facet.shape[0]
    first_bound = first_cone + L * n * n
    cost, entering = -TOLERANCE, -1
    for i in range(m):
        if x[i] < cost:
            cost, entering = x[i], 1 + i
    for h in range(facets):
        a = dot(facet, h, x)
        if a < cost:
            cost, entering = a, 1 + m + h
    for late in range(2):
        if late == 1:
            if entering < 0:
                last, reference = -1, 0.0
                for z in range(active_count):
                    cut = active[z]
                    l = owner[cut]
                    if fixed[l] < 0 and key[l] != cut:
                        if l != last:
                            reference = dot(vector, key[l], x)
                            last = l
                        a = (dot(vector, cut, x) - reference) * L
                        if a < cost:
                            cost, entering = a, first_bound + cut
            if entering >= 0:
                return entering
        for l in range(L):
            own = fixed[l]
            if own >= 0 and flagged[l] == 1 - late:
                j = best_reply(by_action, l, x, utility, own)
                a = utility[own] - utility[j]
                payoff = l * n + own
                if a < -TOLERANCE:
                    flagged[l] = 1
                if a < cost:
                    cost, entering = a, first_cone + payoff * n + j
                if key[l] != payoff:
                    a = (dot(vector, payoff, x) - dot(vector, key[l], x)) * L
                    if a < -TOLERANCE:
                        flagged[l] = 1
                    if a < cost:
                        cost, entering = a, first_bound + payoff
    return entering


@inlined
def blocking_key(
    owner: Ints,
    column: SmallInts,
    level: Floats,
    direction: Floats,
    first_bound: int,
    entering: int,
    row: int,
    key_rate: Floats,
    key_level: Floats,
    seen: Flags,
    listed: Ints,
    step: Floats,
) -> int:
    """Extend the ratio test to the keys: the type whose key blocks first, or -1; ``step[0]`` gets the ratio.

    A key's level is 1 minus the levels of its type's other basic cuts, and its rate likewise.
    """
    best, pivot, blocking = UNBOUNDED, 0.0, -1
    if row >= 0:
        best, pivot = max(level[row], 0.0) / direction[row], direction[row]
    count = 0
    if entering >= first_bound:
        l = owner[entering - first_bound]
        key_rate[l] = key_level[l] = 1.0
        seen[l] = 1
        listed[0] = l
        count = 1
    for r in range(direction.size):
        number = column[r]
        if number >= first_bound:
            l = owner[number - first_bound]
            if seen[l] == 0:
                seen[l] = 1
                key_rate[l] = 0.0
                key_level[l] = 1.0
                listed[count] = l
                count += 1
            key_rate[l] -= direction[r]
            key_level[l] -= level[r]
    for k in range(count):
        l = listed[k]
        seen[l] = 0
        rate = key_rate[l]
        if rate > TOLERANCE:
            ratio = max(key_level[l], 0.0) / rate
            if ratio < best - 1e-15 or (ratio <= best + 1e-15 and rate > pivot):
                best, pivot, blocking = ratio, rate, l
    step[0] = best
    return blocking


@kernel
def demote_key(
    owner: Ints,
    inverse: Floats,
    level: Floats,
    column: SmallInts,
    key: SmallInts,
    direction: Floats,
    first_bound: int,
    l: int,
    key_rate: float,
    key_level: float,
    row_sum: Floats,
) -> int:
    """Make another basic cut of type l its key, so that the old key can leave; its row, or -1 for none.

    The working basis' row of the new key becomes that of the old one: minus the sum of the type's rows.
    """
    m = direction.size
    row = -1
    for i in range(m):
        row_sum[i] = 0.0
    for r in range(m):
        number = column[r]
        if number >= first_bound and owner[number - first_bound] == l:
            row = r
            for i in range(m):
                row_sum[i] -= inverse[i, r]
    if row >= 0:
        for i in range(m):
            inverse[i, row] = row_sum[i]
        level[row], direction[row] = key_level, key_rate
        old = key[l]
        key[l] = column[row] - first_bound
        column[row] = first_bound + old
    return row


@kernel
def master_lp(
    game: Game,
    cuts: Cuts,
    counters: Ints,
    fixed: SmallInts,
    flagged: Flags,
    basis: Basis,
    top: int,
    cutoff: float,
    s: Scratch,
    ray: Ints,
) -> int:
    """Minimise t from a feasible basis, until optimal or t <= ``cutoff``.

    Returns OPTIMAL, EMPTY (no commitment fits the fixed replies; ``ray[0]`` is the column that proves it),
    CUTOFF, CAPPED or BROKEN (not a number).  ``s.x`` is the commitment that goes with the bound.
    """
    # Local names: taking an array out of a tuple inside the loop costs as much as a short row operation.
    follower, by_action, n = game.follower, game.follower_by_action, game.replies
    vector, owner, active, facet = cuts.vector, cuts.owner, cuts.active, cuts.facet
    inverse, level, column, key = basis.inverse, basis.level, basis.column, basis.key
    entering_column, direction, x, utility = s.column, s.direction, s.x, s.utility
    key_rate, key_level, seen, listed = s.key_rate, s.key_level, s.key_seen, s.key_list
    m = x.size
    active_count, facets = counters[ACTIVE], counters[FACETS]
    first_bound = 1 + m + facet.shape[0] + key.size * n * n
    step = s.step
    ray[0] = -1
    status, pivots = CAPPED, 0
    work = m * (2 * m + active_count + facets + 4 * key.size)
    left = max(counters[STOP] - counters[WORK], 0) // work + 1
    for _ in range(min(500 + 30 * (m + key.size), left)):
        if level[top] <= cutoff:
            status = CUTOFF
            break
        if not abs(level[top]) < UNBOUNDED:
            status = BROKEN
            break
        pivots += 1
        for i in range(m):
            x[i] = inverse[i, top]
        entering = price_master(
            by_action, vector, owner, active, active_count, facet, facets, fixed, flagged, key, x, utility
        )
        if entering < 0:
            status = OPTIMAL
            break
        master_column(follower, vector, owner, facet, key, n, entering, entering_column)
        row = ratio_test(inverse, entering_column, direction, level, top)
        l = blocking_key(
            owner,
            column,
            level,
            direction,
            first_bound,
            entering,
            row,
            key_rate,
            key_level,
            seen,
            listed,
            step,
        )
        if row < 0 and l < 0:
            ray[0] = entering
            status = EMPTY
            break
        if l >= 0:
            row = demote_key(
                owner, inverse, level, column, key, direction, first_bound, l, key_rate[l], key_level[l],
                entering_column,
            )  # fmt: skip
            if row < 0:  # the entering cut is of the same type and becomes its key
                for r in range(m):
                    level[r] -= step[0] * direction[r]
                key[l] = entering - first_bound
                continue
        eliminate(inverse, level, direction, row, step[0])
        column[row] = entering
    counters[PIVOTS] += pivots
    counters[WORK] += pivots * work
    return status
