"""Best-first branch and bound over the types' replies: kernels that advance a search held in arrays.

A node fixes the replies of some types; its bound is the master program of
:mod:`~stackelberg.solvers.simplex`.  :func:`run` repeats, until the best bound is within the gap of the
incumbent or the budget is spent:

1. take the open node with the largest bound and solve its master program from the parent's basis, adding
   known cuts and hull facets that its solution violates;
2. at the root (and below it, where few leader actions meet many types) add envelope cuts and repeat 1;
3. ascend from its commitment x: reply profile at x, best commitment for that profile, and so on while the
   value rises; each is feasible, the best is the incumbent;
4. strong branching: for the few types with the largest gap between bound and payoff solve the child of every
   reply, strike the replies whose child cannot beat the incumbent, and branch on the type whose children
   have the smallest sum of bounds.

A node that is closed is a *leaf*; the leaves' bases are logged for the proof of optimality.
"""

import numpy as np

from stackelberg.solvers.envelope_cuts import NO_CUT, price_reply, separate
from stackelberg.solvers.reduction import FACET_ADDED, INSIDE, outside_hull
from stackelberg.solvers.simplex import (
    best_reply,
    dot,
    master_lp,
    profile_lp,
    refactor,
    trivial_basis,
)
from stackelberg.solvers.state import (
    ABSOLUTE_GAP,
    ACTIVE,
    BROKEN,
    CHILDREN,
    CUTOFF,
    EMPTY,
    FACETS,
    FINISHED,
    FREE,
    LEAVES,
    LEAVES_LOST,
    NODES,
    OFFSET,
    OPEN,
    OPTIMAL,
    OUT_OF_BUDGET,
    OUT_OF_SLOTS,
    RELATIVE_GAP,
    REPAIRS,
    ROOT,
    SEPARATIONS,
    SHARED,
    STARTS,
    TAIL,
    UNRESOLVED,
    USED,
    VALUE,
    VECTORS,
    WORK,
    Basis,
    Best,
    Cuts,
    Floats,
    Game,
    Ints,
    Options,
    Pool,
    Scratch,
    SmallInts,
    Tree,
)
from stackelberg.solvers.tiers import entry, kernel

TIE = 1e-8
"""Replies this close (of a type's stake) count as tied; the certificate settles what is exact."""
NOTHING = -1e300
CLOSED, OPENED, UNFINISHED = 0, 1, 2
NO_CHILD, OUT_OF_TIME, ALL_FIXED = -1, -2, -3
NODES_WITH_ASCENT, ASCENT_EVERY = 64, 16
ROOT_ROUNDS = 60


@kernel
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


@kernel
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
def push(tree: Tree, counters: Ints, bound: float, slot: int) -> None:
    """Add a node to the heap."""
    i = counters[OPEN]
    counters[OPEN] += 1
    while i > 0:
        parent = (i - 1) >> 1
        if tree.bound[parent] >= bound:
            break
        tree.bound[i], tree.slot[i] = tree.bound[parent], tree.slot[parent]
        i = parent
    tree.bound[i], tree.slot[i] = bound, slot


@kernel
def pop(tree: Tree, counters: Ints) -> int:
    """Take the node with the largest bound off the heap; its slot."""
    slot = tree.slot[0]
    counters[OPEN] -= 1
    last = counters[OPEN]
    bound, moved = tree.bound[last], tree.slot[last]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        if child + 1 < last and tree.bound[child + 1] > tree.bound[child]:
            child += 1
        if tree.bound[child] <= bound:
            break
        tree.bound[i], tree.slot[i] = tree.bound[child], tree.slot[child]
        i = child
    tree.bound[i], tree.slot[i] = bound, moved
    return slot


@kernel
def log_leaf(best: Best, fixed: SmallInts, basis: Basis, ray: int) -> None:
    """Remember a closed node: what it fixes, and the basis (and ray) whose multipliers bound it."""
    counters = best.counters
    k = counters[LEAVES]
    if k >= best.leaf_fixed.shape[0]:
        counters[LEAVES_LOST] = 1
        return
    counters[LEAVES] = k + 1
    m = basis.column.size
    for l in range(fixed.size):
        best.leaf_fixed[k, l] = fixed[l]
        best.leaf_basis[k, m + l] = basis.key[l]
    for r in range(m):
        best.leaf_basis[k, r] = basis.column[r]
    best.leaf_basis[k, m + fixed.size] = ray
    best.leaf_cuts[k] = counters[SHARED]


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


@kernel
def open_root(game: Game, cuts: Cuts, pool: Pool, tree: Tree, best: Best, s: Scratch) -> None:
    """Strike replies that are nowhere best, set each type's trivial bound, and push the root."""
    L, n, m = game.types, game.replies, s.x.size
    counters = best.counters
    strategies = game.points.shape[0] - 1
    zero, mixture, multiplier = np.zeros(strategies), np.empty(strategies), np.empty(n)
    for r in range(L * n):
        cuts.owner[r] = r // n
        if (
            best.allowed[r] != 0
            and price_reply(game, pool, r // n, r % n, zero, 1e-10, mixture, multiplier, counters) == EMPTY
        ):
            best.allowed[r] = 0
    for l in range(L):
        c = L * n + l
        cuts.owner[c] = cuts.shared[l] = 0
        cuts.owner[c], cuts.shared[l] = l, c
        for i in range(m):
            most = NOTHING
            for r in range(l * n, l * n + n):
                most = max(most, cuts.vector[r, i])
            cuts.vector[c, i] = most
        for j in range(n):
            cuts.covers[c, j] = 1
    counters[VECTORS], counters[SHARED] = L * n + L, L
    trivial_basis(game, cuts, s.basis, s)
    for l in range(L):
        tree.fixed[0, l] = -1
        tree.basis[0, m + l] = s.basis.key[l]
    for r in range(m):
        tree.basis[0, r] = s.basis.column[r]
    for r in range(L * n):
        tree.allowed[0, r] = best.allowed[r]
    tree.local[0, 0] = 0
    counters[USED] = 1
    push(tree, counters, -NOTHING, 0)


@kernel
def load_node(game: Game, cuts: Cuts, tree: Tree, best: Best, slot: int, s: Scratch) -> int:
    """Copy a node into scratch, activate the cuts of its basis, and refactor.  Returns t's row."""
    L, n, m = game.types, game.replies, s.x.size
    counters = best.counters
    first_bound = 1 + m + cuts.facet.shape[0] + L * n * n
    for l in range(L):
        s.fixed[l] = tree.fixed[slot, l]
        s.basis.key[l] = tree.basis[slot, m + l]
        s.flagged[l] = 0
    for r in range(m):
        s.basis.column[r] = tree.basis[slot, r]
    for r in range(L * n):
        s.allowed[r] = tree.allowed[slot, r] & best.allowed[r]
    for k in range(1 + tree.local[slot, 0]):
        s.local[k] = tree.local[slot, k]
    counters[ACTIVE] = 0
    top = 0
    for r in range(m + L):
        cut = s.basis.column[r] - first_bound if r < m else s.basis.key[r - m]
        if r < m and s.basis.column[r] == 0:
            top = r
        if cut >= L * n and s.fixed[cuts.owner[cut]] < 0:
            activate(cuts, counters, cut)
    if refactor(game, cuts, s.basis, s) == BROKEN:
        top = repair(game, cuts, counters, s)
    return top


@kernel
def repair(game: Game, cuts: Cuts, counters: Ints, s: Scratch) -> int:
    """Start the node's basis afresh: it was singular or not a number.  Returns t's row."""
    counters[REPAIRS] += 1
    top = trivial_basis(game, cuts, s.basis, s)
    refactor(game, cuts, s.basis, s)
    return top


@kernel
def activate(cuts: Cuts, counters: Ints, cut: int) -> None:
    """Let the master price a cut."""
    if cuts.is_active[cut] == 0:
        cuts.active[counters[ACTIVE]] = cut
        cuts.is_active[cut] = 1
        counters[ACTIVE] += 1


@kernel
def activate_violated(game: Game, cuts: Cuts, counters: Ints, s: Scratch) -> int:
    """Activate each free type's most violated cut among those that hold here; how many there were."""
    vector, owner, shared, is_active = cuts.vector, cuts.owner, cuts.shared, cuts.is_active
    x, theta, worst, violating, fixed, local = s.x, s.theta, s.most_violated, s.violating, s.fixed, s.local
    shared_count, key = counters[SHARED], s.basis.key
    for l in range(game.types):
        worst[l] = -1e-8
        violating[l] = -1
        theta[l] = dot(vector, key[l], x)
    for k in range(shared_count + local[0]):
        cut = shared[k] if k < shared_count else local[1 + k - shared_count]
        l = owner[cut]
        if fixed[l] < 0 and is_active[cut] == 0:
            a = dot(vector, cut, x) - theta[l]
            if a < worst[l]:
                worst[l] = a
                violating[l] = cut
    found = 0
    for l in range(game.types):
        if violating[l] >= 0:
            activate(cuts, counters, violating[l])
            found += 1
    counters[WORK] += counters[SHARED] * s.x.size
    return found


@kernel
def measure_gaps(game: Game, cuts: Cuts, s: Scratch) -> None:
    """For each free type, how far its bound exceeds what it gives at the node's commitment ``s.y``."""
    n, by_action, vector, key = game.replies, game.follower_by_action, cuts.vector, s.basis.key
    x, y, utility, fixed, gap, theta = s.x, s.y, s.utility, s.fixed, s.gap, s.theta
    for l in range(game.types):
        gap[l] = 0.0
        if fixed[l] < 0:
            theta[l] = dot(vector, key[l], x)
            most = utility[best_reply(by_action, l, y, utility, 0)] - 1e-9
            value = NOTHING
            for j in range(n):
                if utility[j] >= most:
                    value = max(value, dot(vector, l * n + j, y))
            gap[l] = max(theta[l] - value, 0.0)


@kernel
def confining_rows(game: Game, cuts: Cuts, counters: Ints, s: Scratch) -> int:
    """Rows that local cuts may use, into ``s.cone``: the fixed types' cones and the facets; how many."""
    n, m = game.replies, s.x.size
    count = 0
    for l in range(game.types):
        own = l * n + s.fixed[l]
        for k in range(n):
            if s.fixed[l] >= 0 and k != s.fixed[l]:
                for i in range(m):
                    s.cone[count, i] = game.follower[own, i] - game.follower[l * n + k, i]
                count += 1
    for h in range(counters[FACETS]):
        for i in range(m):
            s.cone[count, i] = cuts.facet[h, i]
        count += 1
    return count


@kernel
def add_cuts(
    game: Game, cuts: Cuts, pool: Pool, best: Best, options: Options, is_root: int, s: Scratch
) -> int:
    """Separate every type with a gap at ``s.y``; how many cuts were added."""
    L, n = game.types, game.replies
    counters = best.counters
    is_local = 1 if options.local_cuts == 1 and is_root == 0 else 0
    rows = confining_rows(game, cuts, counters, s) if is_local == 1 else 0
    most_local = s.local.size - 1
    added = 0
    for l in range(L):
        if s.gap[l] <= 0.1 * max(best.numbers[ABSOLUTE_GAP], 1e-8) or counters[VECTORS] >= cuts.owner.size:
            continue
        target = s.theta[l] - max(1e-8, (0.1 if is_local == 1 else 0.05) * s.gap[l])
        counters[SEPARATIONS] += 1
        cut = counters[VECTORS]
        gradient = cuts.vector[cut]
        value = separate(
            game,
            pool,
            cuts.vector,
            s.allowed,
            l,
            s.y,
            s.cone,
            rows,
            is_local,
            target,
            gradient,
            s.utility,
            counters,
        )
        if not (value < target and value < NO_CUT):
            continue
        counters[VECTORS] += 1
        cuts.owner[cut] = l
        for j in range(n):
            cuts.covers[cut, j] = s.allowed[l * n + j]
        if is_local == 0:
            cuts.shared[counters[SHARED]] = cut
            counters[SHARED] += 1
        elif s.local[0] < most_local:
            s.local[0] += 1
            s.local[s.local[0]] = cut
        else:
            s.local[1 + cut % most_local] = cut
        activate(cuts, counters, cut)
        added += 1
    return added


@kernel
def flag_basic_cones(game: Game, cuts: Cuts, s: Scratch) -> None:
    """Flag the fixed types that have a row in the basis: their other rows are likely to be violated too."""
    n, m = game.replies, s.x.size
    first_cone = 1 + m + cuts.facet.shape[0]
    first_bound = first_cone + game.types * n * n
    for r in range(m):
        number = s.basis.column[r]
        if first_cone <= number < first_bound:
            s.flagged[(number - first_cone) // (n * n)] = 1


@kernel
def bound_node(
    game: Game,
    cuts: Cuts,
    pool: Pool,
    best: Best,
    options: Options,
    top: int,
    parent_bound: float,
    s: Scratch,
    stop: int,
    result: Floats,
) -> int:
    """Steps 1 to 3 at the node in scratch: CLOSED, OPENED or UNFINISHED (budget).

    ``result[0]`` gets the bound, ``result[1]`` t's row and ``result[2]`` the last status of the master.
    """
    counters, numbers = best.counters, best.numbers
    is_root = 1 if counters[ROOT] < 2 else 0
    rounds = ROOT_ROUNDS if is_root == 1 else options.rounds
    round_number, stalled, repaired, previous = 0, 0, 0, -NOTHING
    ray = np.empty(1, np.int64)
    while True:
        flag_basic_cones(game, cuts, s)
        for l in range(game.types):
            s.child_flagged[l] = s.flagged[l]
        cutoff = threshold(numbers)
        status = master_lp(game, cuts, counters, s.fixed, s.child_flagged, s.basis, top, cutoff, s, ray)
        if status == BROKEN:
            if repaired == 0:
                repaired = 1
                top = repair(game, cuts, counters, s)
                continue
            bound = parent_bound  # give up on this program: its parent's bound still holds
            for i in range(s.x.size):
                s.x[i] = 1.0 / s.x.size
        else:
            bound = min(s.basis.level[top], parent_bound)
        result[0], result[1], result[2] = bound, top, status
        if status in (EMPTY, CUTOFF) or bound <= cutoff:
            log_leaf(best, s.fixed, s.basis, ray[0])
            return CLOSED
        if status == OPTIMAL and activate_violated(game, cuts, counters, s) > 0:
            continue
        normalised(s.x, s.y)
        outside = INSIDE
        if game.is_reduced == 1 and status != BROKEN:
            outside = outside_hull(game, cuts.facet, counters, s.y)
        if outside == FACET_ADDED:
            continue
        if (game.is_constrained == 0 or status == OPTIMAL) and (
            counters[NODES] <= NODES_WITH_ASCENT
            or counters[NODES] % ASCENT_EVERY == 0
            or leader_value(game, cuts.vector, s.y, s.profile, s.utility) > numbers[VALUE]
        ):
            ascend(game, cuts, best, s.y)
        if bound <= threshold(numbers):
            log_leaf(best, s.fixed, s.basis, -1)
            return CLOSED
        measure_gaps(game, cuts, s)
        if round_number >= rounds or status == BROKEN:
            return OPENED
        if round_number > 0 and previous - bound < (numbers[TAIL] if is_root == 1 else 0.1) * (
            bound - numbers[VALUE]
        ):
            stalled += 1
            if is_root == 0 or game.is_reduced == 0 or stalled >= 3:
                return OPENED
        else:
            stalled = 0
        previous = bound
        round_number += 1
        if is_root == 1 and counters[WORK] > stop:
            return UNFINISHED
        if add_cuts(game, cuts, pool, best, options, is_root, s) == 0:
            return OPENED
        if is_root == 1 and refactor(game, cuts, s.basis, s) == BROKEN:
            top = repair(game, cuts, counters, s)


@kernel
def copy_basis(source: Basis, target: Basis) -> None:
    """Copy all arrays of a basis."""
    inverse, level, column, key = source.inverse, source.level, source.column, source.key
    inverse_to, level_to, column_to, key_to = target.inverse, target.level, target.column, target.key
    m = level.size
    for r in range(m):
        column_to[r] = column[r]
        level_to[r] = level[r]
        for i in range(m):
            inverse_to[r, i] = inverse[r, i]
    for l in range(key.size):
        key_to[l] = key[l]


@kernel
def solve_child(
    game: Game, cuts: Cuts, best: Best, l: int, j: int, top: int, cutoff: float, s: Scratch, ray: Ints
) -> int:
    """The master program of the child in which type l plays j, from the node's basis."""
    child = s.child
    copy_basis(s.basis, child)
    for k in range(game.types):
        s.child_flagged[k] = s.flagged[k]
    s.fixed[l] = j
    s.child_flagged[l] = 1
    best.counters[CHILDREN] += 1
    return master_lp(game, cuts, best.counters, s.fixed, s.child_flagged, child, top, cutoff, s, ray)


@kernel
def choose_branch(
    game: Game, cuts: Cuts, best: Best, options: Options, top: int, bound: float, s: Scratch, stop: int
) -> int:
    """Step 4, strong branching: the type to branch on, or NO_CHILD, OUT_OF_TIME, ALL_FIXED.

    Row 0 of ``s.child_bound`` and ``s.child_basis`` get the children of the answer.
    """
    L, n, m = game.types, game.replies, s.x.size
    counters = best.counters
    is_root = counters[ROOT] < 2
    cutoff = threshold(best.numbers)
    chosen, least = ALL_FIXED, -NOTHING
    ray = np.empty(1, np.int64)
    flag_basic_cones(game, cuts, s)
    for _ in range(L if is_root else options.candidates):
        l = -1
        for k in range(L):
            if s.fixed[k] < 0 and s.gap[k] >= 0.0 and (l < 0 or s.gap[k] > s.gap[l]):
                l = k
        if l < 0 or (s.gap[l] <= 1e-9 and chosen >= 0):
            return chosen
        s.gap[l] = -1.0
        score, alive, complete = 0.0, 0, True
        for j in range(n):
            s.child_bound[1, j] = NOTHING
            if s.allowed[l * n + j] == 0:
                continue
            status = solve_child(game, cuts, best, l, j, top, cutoff, s, ray)
            child_bound = bound if status == BROKEN else min(s.child.level[top], bound)
            if status in (EMPTY, CUTOFF) or child_bound <= cutoff:
                s.allowed[l * n + j] = 0
                if is_root:
                    best.allowed[l * n + j] = 0
                log_leaf(best, s.fixed, s.child, ray[0])
                continue
            source = s.basis if status == BROKEN else s.child
            s.child_bound[1, j] = child_bound
            for r in range(m):
                s.child_basis[1, j, r] = source.column[r]
            for k in range(L):
                s.child_basis[1, j, m + k] = source.key[k]
            alive += 1
            score += child_bound - cutoff
            if score >= least and not is_root:
                complete = False
                break
        s.fixed[l] = -1
        if alive == 0:
            return NO_CHILD
        if complete and score < least:
            least, chosen = score, l
            for j in range(n):
                s.child_bound[0, j] = s.child_bound[1, j]
                for r in range(m + L):
                    s.child_basis[0, j, r] = s.child_basis[1, j, r]
        if is_root and counters[WORK] > stop:
            return OUT_OF_TIME
    return chosen


@kernel
def store(game: Game, tree: Tree, slot: int, s: Scratch) -> None:
    """Copy the node in scratch, without its basis, into a slot."""
    for l in range(game.types):
        tree.fixed[slot, l] = s.fixed[l]
    for r in range(s.allowed.size):
        tree.allowed[slot, r] = s.allowed[r]
    for k in range(1 + s.local[0]):
        tree.local[slot, k] = s.local[k]


@kernel
def put_back(game: Game, tree: Tree, best: Best, slot: int, bound: float, s: Scratch) -> None:
    """Return the node in scratch, with its basis, to the slot that it was just taken from."""
    m = s.x.size
    best.counters[FREE] -= 1
    store(game, tree, slot, s)
    for r in range(m):
        tree.basis[slot, r] = s.basis.column[r]
    for l in range(game.types):
        tree.basis[slot, m + l] = s.basis.key[l]
    push(tree, best.counters, bound, slot)


@kernel
def push_children(game: Game, tree: Tree, best: Best, l: int, s: Scratch) -> None:
    """Store the children of type l that can still beat the incumbent."""
    counters = best.counters
    cutoff = threshold(best.numbers)
    for j in range(game.replies):
        if s.allowed[l * game.replies + j] == 0 or s.child_bound[0, j] <= cutoff:
            continue
        if counters[FREE] > 0:
            counters[FREE] -= 1
            slot = tree.free[counters[FREE]]
        else:
            slot = counters[USED]
            counters[USED] += 1
        store(game, tree, slot, s)
        for r in range(s.x.size + game.types):
            tree.basis[slot, r] = s.child_basis[0, j, r]
        tree.fixed[slot, l] = j
        push(tree, counters, s.child_bound[0, j], slot)


@entry
def run(
    game: Game, cuts: Cuts, pool: Pool, tree: Tree, best: Best, options: Options, s: Scratch, budget: int
) -> int:
    """Advance the search by about ``budget`` multiply-adds: FINISHED, OUT_OF_BUDGET or OUT_OF_SLOTS.

    May be called again, compiled or not, on the same arrays; a node is never half done between calls.
    """
    counters, numbers = best.counters, best.numbers
    stop = counters[WORK] + budget
    result = np.empty(3)
    if counters[USED] == 0:
        if make_starts(game, cuts, pool, best, options, s, stop) == OUT_OF_BUDGET:
            return OUT_OF_BUDGET
        open_root(game, cuts, pool, tree, best, s)
    while counters[OPEN] > 0:
        if tree.bound[0] <= threshold(numbers):
            break
        if counters[WORK] > stop or counters[NODES] >= options.nodes:
            return OUT_OF_BUDGET
        if counters[USED] + game.replies >= tree.bound.size:
            return OUT_OF_SLOTS
        counters[NODES] += 1
        parent_bound = tree.bound[0]
        slot = pop(tree, counters)
        tree.free[counters[FREE]] = slot
        counters[FREE] += 1
        top = load_node(game, cuts, tree, best, slot, s)
        outcome = bound_node(game, cuts, pool, best, options, top, parent_bound, s, stop, result)
        bound, top = result[0], int(result[1])
        for k in range(counters[ACTIVE]):
            cuts.is_active[cuts.active[k]] = 0
        if outcome == CLOSED:
            continue
        if outcome == UNFINISHED:
            counters[NODES] -= 1
            put_back(game, tree, best, slot, bound, s)
            return OUT_OF_BUDGET
        l = choose_branch(game, cuts, best, options, top, bound, s, stop)
        if l == OUT_OF_TIME:
            counters[NODES] -= 1
            put_back(game, tree, best, slot, bound, s)
            return OUT_OF_BUDGET
        if (
            l == ALL_FIXED
        ):  # every reply is fixed, and yet the bound is not met: keep it, and say so at the end
            numbers[UNRESOLVED] = max(numbers[UNRESOLVED], bound)
            log_leaf(best, s.fixed, s.basis, -1)
        elif l >= 0:
            if counters[ROOT] == 0 and result[2] != BROKEN:  # cut once more, with the replies that are left
                counters[ROOT] = 1
                put_back(game, tree, best, slot, bound, s)
                continue
            counters[ROOT] = 2
            push_children(game, tree, best, l, s)
    return FINISHED
