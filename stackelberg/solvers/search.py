"""Best-first branch and bound over the types' replies: kernels that advance a search held in arrays.

A node fixes the replies of some types; its bound is the master program of
:mod:`~stackelberg.solvers.master`.  :func:`run` repeats, until the best bound is within the gap of the
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

from stackelberg.solvers.ascent import NOTHING, make_starts, threshold
from stackelberg.solvers.branching import ALL_FIXED, OUT_OF_TIME, choose_branch, push_children
from stackelberg.solvers.master import trivial_basis
from stackelberg.solvers.node import CLOSED, UNFINISHED, bound_node, load_node
from stackelberg.solvers.pricing import price_reply
from stackelberg.solvers.state import (
    ACTIVE,
    BROKEN,
    EMPTY,
    FINISHED,
    FREE,
    NODES,
    OPEN,
    OUT_OF_BUDGET,
    OUT_OF_SLOTS,
    ROOT,
    SHARED,
    STOP,
    UNRESOLVED,
    USED,
    VECTORS,
    WORK,
    Best,
    Cuts,
    Game,
    Options,
    Pool,
    Scratch,
    Tree,
)
from stackelberg.solvers.tiers import entry, inlined
from stackelberg.solvers.tree import log_leaf, pop, push, put_back


@inlined
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


@entry
def run(
    game: Game, cuts: Cuts, pool: Pool, tree: Tree, best: Best, options: Options, s: Scratch, budget: int
) -> int:
    """Advance the search by about ``budget`` multiply-adds: FINISHED, OUT_OF_BUDGET or OUT_OF_SLOTS.

    May be called again, compiled or not, on the same arrays; a node is never half done between calls.
    """
    counters, numbers = best.counters, best.numbers
    stop = counters[WORK] + budget
    counters[STOP] = stop + max(budget, options.grace)
    result = s.result
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
            if counters[ROOT] == 0 and options.root_rounds > 0 and result[2] != BROKEN:
                # cut once more, with the replies that are left
                counters[ROOT] = 1
                put_back(game, tree, best, slot, bound, s)
                continue
            counters[ROOT] = 2
            push_children(game, tree, best, l, s)
    return FINISHED
