"""The arrays of a branch-and-bound search: plain tuples of arrays, the same for both tiers and every thread.

Sizes: L types, n replies a type, m0 leader actions, m coordinates in which the search runs (m = m0 unless
:mod:`~stackelberg.solvers.reduction` found fewer), F facet rows at most.  A reply of a type has the number
``r = l * n + j``.

Everything is scaled: leader payoffs are weighted by the prior and shifted into :math:`[0, p_l]`, follower
payoffs are centred over the replies and divided by the type's stake, so that one tolerance fits all.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SmallInts = NDArray[np.int32]
Flags = NDArray[np.uint8]

# Counters: places in Best.counters.
OPEN, FREE, USED = 0, 1, 2  # open nodes in the heap, recycled node slots, node slots ever used
VECTORS, SHARED, ACTIVE, FACETS = 3, 4, 5, 6  # rows of Cuts in use
NODES, PIVOTS, SEPARATIONS, CHILDREN, REPAIRS = 7, 8, 9, 10, 11  # statistics
WORK = 12  # multiply-adds, roughly: the kernels' clock
STARTS, ROOT = 13, 14  # progress before the tree: starts tried; 0 fresh, 1 pruned once, 2 branched
LEAVES, LEAVES_LOST = 15, 16  # leaves logged for the proof; 1 when the log overflowed
STOP = 17  # work at which kernels give up what they are doing, however unfinished
COUNTERS = 18

# Numbers: places in Best.numbers.
VALUE, ABSOLUTE_GAP, RELATIVE_GAP, TAIL, OFFSET = 0, 1, 2, 3, 4
UNRESOLVED = 5  # largest bound of a node whose replies are all fixed and whose program was not solved
NUMBERS = 6

# What a linear program or a node comes back with.
OPTIMAL, EMPTY, CUTOFF, CAPPED, BROKEN = 0, 1, 2, 3, 4
# What the search comes back with.
FINISHED, OUT_OF_BUDGET, OUT_OF_SLOTS = 0, 1, 2


class Game(NamedTuple):
    """The scaled game, in the coordinates of the search and in the original ones."""

    types: int
    replies: int
    is_reduced: int
    is_constrained: int
    """1 where facet rows cut the simplex from the start, so that its corners need not be feasible."""
    follower: Floats
    """(L n, m): follower payoffs, one row a reply."""
    follower_by_action: Floats
    """(L m, n): the same, one row a coordinate."""
    pure_leader: Floats
    """(L n, m0): leader payoffs of the pure strategies."""
    pure_follower: Floats
    """(L n, m0)."""
    points: Floats
    """(m0 + 1, m): the pure strategies in the search's coordinates; the last row is minus their centre."""
    perturbation: Floats
    """(m,): right-hand sides of the x-rows, tiny and positive: they break ties and keep bounds valid."""


class Cuts(NamedTuple):
    """Rows that bound what a type can give the leader, and rows that bound x."""

    vector: Floats
    """(capacity, m): first the leader's payoffs (L n), then a trivial bound per type, then envelope cuts."""
    owner: Ints
    """(capacity,): the type."""
    shared: Ints
    """(capacity,): rows that are valid at every node."""
    active: Ints
    """(capacity,): rows that the current linear program prices."""
    is_active: Flags
    """(capacity,)."""
    covers: Flags
    """(capacity, n): replies that an envelope cut dominates."""
    facet: Floats
    """(F, m): rows h with h x >= 0 for every commitment."""


class Pool(NamedTuple):
    """What separations remember: points of the envelope, and a warm basis of each pricing program."""

    point: Floats
    """(L capacity, m)."""
    value: Floats
    """(L capacity,)."""
    reply: Ints
    """(L capacity,)."""
    size: Ints
    """(L,)."""
    inverse: Floats
    """(L n, n, n), transposed."""
    column: Ints
    """(L n, n + 1): basic columns; the last entry is 0 fresh, 1 warm, 2 empty."""
    level: Floats
    """(L n, n)."""


class Tree(NamedTuple):
    """Open nodes: a heap of bounds over slots."""

    bound: Floats
    """(capacity,): the heap."""
    slot: Ints
    """(capacity,): the heap's slots."""
    free: Ints
    """(capacity,): recycled slots."""
    fixed: SmallInts
    """(capacity, L): the reply that a type is fixed to, or -1."""
    basis: SmallInts
    """(capacity, m + L): basic columns, then key rows."""
    allowed: Flags
    """(capacity, L n)."""
    local: SmallInts
    """(capacity, 1 + most): how many local cuts, and which."""


class Best(NamedTuple):
    """The incumbent, the counters, and what holds for the whole tree."""

    x: Floats
    """(m,)."""
    numbers: Floats
    counters: Ints
    allowed: Flags
    """(L n,): replies that are not ruled out everywhere."""
    leaf_fixed: SmallInts
    """(log, L)."""
    leaf_basis: SmallInts
    """(log, m + L + 1): basic columns, key rows, and the column whose ray proves emptiness or -1."""
    leaf_cuts: Ints
    """(log,): shared cuts that there were: later ones may cover fewer replies."""


class Options(NamedTuple):
    """Settings that the size of the game decides."""

    local_cuts: int
    root_rounds: int
    rounds: int
    candidates: int
    starts: int
    nodes: int
    """Node limit."""
    grace: int
    """Work beyond the budget that a node may take before its programs are broken off."""


class Basis(NamedTuple):
    """A working basis of the master program."""

    inverse: Floats
    """(m, m), transposed: entry [i, r] belongs to row i of the program and row r of the basis."""
    level: Floats
    """(m,)."""
    column: SmallInts
    """(m,)."""
    key: SmallInts
    """(L,): each type's key row of Cuts."""


class Scratch(NamedTuple):
    """Memory that kernels reuse; nothing in it outlives a node."""

    result: Floats
    """(3,): see :func:`~stackelberg.solvers.node.bound_node`."""
    step: Floats
    """(1,)."""
    ray: Ints
    """(1,)."""
    x: Floats
    y: Floats
    column: Floats
    direction: Floats
    square: Floats
    """(m, 2 m)."""
    utility: Floats
    """(n,)."""
    key_rate: Floats
    key_level: Floats
    key_seen: Flags
    key_list: Ints
    flagged: Flags
    """(L,): fixed types whose rows are priced first."""
    child_flagged: Flags
    gap: Floats
    theta: Floats
    most_violated: Floats
    violating: Ints
    fixed: SmallInts
    allowed: Flags
    local: SmallInts
    profile: Ints
    basis: Basis
    child: Basis
    child_bound: Floats
    """(2, n): of the best candidate and of the one under test."""
    child_basis: SmallInts
    """(2, n, m + L)."""
    cone: Floats
    """(L n + F, m): rows that confine local cuts."""


def new_basis(m: int, types: int) -> Basis:
    """An uninitialised basis."""
    return Basis(np.zeros((m, m)), np.zeros(m), np.zeros(m, np.int32), np.zeros(types, np.int32))


def new_scratch(game: Game, cuts: Cuts, local_capacity: int) -> Scratch:
    """Scratch memory of one thread."""
    L, n, m = game.types, game.replies, game.perturbation.size
    return Scratch(
        result=np.zeros(3),
        step=np.zeros(1),
        ray=np.zeros(1, np.int64),
        x=np.zeros(m),
        y=np.zeros(m),
        column=np.zeros(m),
        direction=np.zeros(m),
        square=np.zeros((m, 2 * m)),
        utility=np.zeros(n),
        key_rate=np.zeros(L),
        key_level=np.zeros(L),
        key_seen=np.zeros(L, np.uint8),
        key_list=np.zeros(L + 1, np.int64),
        flagged=np.zeros(L, np.uint8),
        child_flagged=np.zeros(L, np.uint8),
        gap=np.zeros(L),
        theta=np.zeros(L),
        most_violated=np.zeros(L),
        violating=np.zeros(L, np.int64),
        fixed=np.zeros(L, np.int32),
        allowed=np.zeros(L * n, np.uint8),
        local=np.zeros(1 + local_capacity, np.int32),
        profile=np.zeros(L, np.int64),
        basis=new_basis(m, L),
        child=new_basis(m, L),
        child_bound=np.zeros((2, n)),
        child_basis=np.zeros((2, n, m + L), np.int32),
        cone=np.zeros((L * n + cuts.facet.shape[0], m)),
    )


def new_tree(capacity: int, game: Game, local_capacity: int) -> Tree:
    """An empty tree."""
    L, n, m = game.types, game.replies, game.perturbation.size
    return Tree(
        bound=np.empty(capacity),
        slot=np.empty(capacity, np.int64),
        free=np.empty(capacity, np.int64),
        fixed=np.empty((capacity, L), np.int32),
        basis=np.empty((capacity, m + L), np.int32),
        allowed=np.empty((capacity, L * n), np.uint8),
        local=np.empty((capacity, 1 + local_capacity), np.int32),
    )


def grown(tree: Tree) -> Tree:
    """The same tree with twice the room."""

    def twice(array: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([array, np.empty_like(array)])

    return Tree(*(twice(array) for array in tree))
