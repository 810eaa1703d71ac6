"""Bounding a node: its master program, the cuts that it lacks, and an incumbent from its commitment.

The root, and where few leader actions meet many types every node, gets envelope cuts; elsewhere re-cutting
below the root costs more than the nodes that it saves.
"""

from stackelberg.solvers.ascent import NOTHING, ascend, leader_value, normalised, threshold
from stackelberg.solvers.envelope_cuts import NO_CUT, separate
from stackelberg.solvers.master import master_lp, refactor, trivial_basis
from stackelberg.solvers.reduction import FACET_ADDED, INSIDE, outside_hull
from stackelberg.solvers.simplex import best_reply, dot
from stackelberg.solvers.state import (
    ABSOLUTE_GAP,
    ACTIVE,
    BROKEN,
    CUTOFF,
    EMPTY,
    FACETS,
    NODES,
    OPTIMAL,
    REPAIRS,
    ROOT,
    SEPARATIONS,
    SHARED,
    TAIL,
    VALUE,
    VECTORS,
    WORK,
    Best,
    Cuts,
    Floats,
    Game,
    Ints,
    Options,
    Pool,
    Scratch,
    Tree,
)
from stackelberg.solvers.tiers import inlined, kernel
from stackelberg.solvers.tree import log_leaf

CLOSED, OPENED, UNFINISHED = 0, 1, 2
NODES_WITH_ASCENT, ASCENT_EVERY = 64, 16


@inlined
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


@inlined
def activate(cuts: Cuts, counters: Ints, cut: int) -> None:
    """Let the master price a cut."""
    if cuts.is_active[cut] == 0:
        cuts.active[counters[ACTIVE]] = cut
        cuts.is_active[cut] = 1
        counters[ACTIVE] += 1


@inlined
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


@inlined
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


@inlined
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


@inlined
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


@inlined
def flag_basic_cones(game: Game, cuts: Cuts, s: Scratch) -> None:
    """Flag the fixed types that have a row in the basis: their other rows are likely to be violated too."""
    n, m = game.replies, s.x.size
    first_cone = 1 + m + cuts.facet.shape[0]
    first_bound = first_cone + game.types * n * n
    for r in range(m):
        number = s.basis.column[r]
        if first_cone <= number < first_bound:
            s.flagged[(number - first_cone) // (n * n)] = 1


@inlined
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
    rounds = options.root_rounds if is_root == 1 else options.rounds
    round_number, stalled, repaired, previous = 0, 0, 0, -NOTHING
    ray = s.ray
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
