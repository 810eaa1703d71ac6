"""The tree in arrays: a heap of open nodes, slots to store them, and the log of closed ones."""

from stackelberg.solvers.state import (
    FREE,
    LEAVES,
    LEAVES_LOST,
    OPEN,
    SHARED,
    Basis,
    Best,
    Game,
    Ints,
    Scratch,
    SmallInts,
    Tree,
)
from stackelberg.solvers.tiers import inlined


@inlined
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


@inlined
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


@inlined
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


@inlined
def store(game: Game, tree: Tree, slot: int, s: Scratch) -> None:
    """Copy the node in scratch, without its basis, into a slot."""
    for l in range(game.types):
        tree.fixed[slot, l] = s.fixed[l]
    for r in range(s.allowed.size):
        tree.allowed[slot, r] = s.allowed[r]
    for k in range(1 + s.local[0]):
        tree.local[slot, k] = s.local[k]


@inlined
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
