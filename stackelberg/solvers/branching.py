"""Strong branching: solve the children of the types with the largest gaps, and branch where they close most."""

from stackelberg.solvers.ascent import NOTHING, threshold
from stackelberg.solvers.master import master_lp
from stackelberg.solvers.node import flag_basic_cones
from stackelberg.solvers.state import (
    BROKEN,
    CHILDREN,
    CUTOFF,
    EMPTY,
    FREE,
    ROOT,
    USED,
    WORK,
    Basis,
    Best,
    Cuts,
    Game,
    Ints,
    Options,
    Scratch,
    Tree,
)
from stackelberg.solvers.tiers import inlined
from stackelberg.solvers.tree import log_leaf, push, store

NO_CHILD, OUT_OF_TIME, ALL_FIXED = -1, -2, -3


@inlined
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


@inlined
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


@inlined
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
    ray = s.ray
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
            if is_root and counters[WORK] > stop:
                s.fixed[l] = -1
                return OUT_OF_TIME
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
    return chosen


@inlined
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
