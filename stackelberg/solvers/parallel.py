"""Threads over open nodes: deal them out, run each share for a while, and gather them again.

Kernels release Python's global lock, and below the root a search without local cuts only reads the cut
table, so that threads need no locks: each has its own tree, incumbent, facets and scratch.  Dealing by rank
of bound, round robin, gives every thread promising nodes; gathering after every round shares the incumbent
and leaves a search that one thread could go on with.

Facets of the hull that a thread finds are appended to the common ones when gathered, and the basis columns
that name them are renumbered.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers import state as st
from stackelberg.solvers.state import Best, Cuts, Game, Scratch, Tree

ADDED = (st.NODES, st.PIVOTS, st.SEPARATIONS, st.CHILDREN, st.REPAIRS, st.WORK)
"""Counters that gathering adds up."""


class Worker(NamedTuple):
    """What one thread owns; the rest of the arrays are shared."""

    cuts: Cuts
    tree: Tree
    best: Best
    scratch: Scratch


def deal(game: Game, cuts: Cuts, tree: Tree, best: Best, threads: int) -> list[Worker]:
    """Workers that hold the open nodes between them."""
    count = best.counters[st.OPEN]
    order = np.argsort(-tree.bound[:count], kind="stable")
    local = tree.local.shape[1] - 1
    workers = []
    for k in range(threads):
        mine = order[k::threads]
        share = st.new_tree(1024 + 2 * len(mine), game, local)
        fill(share, 0, tree, tree.slot[mine], tree.bound[mine])
        own_cuts = cuts._replace(
            active=np.zeros_like(cuts.active),
            is_active=np.zeros_like(cuts.is_active),
            facet=cuts.facet.copy(),
        )
        counters = best.counters.copy()
        counters[[st.OPEN, st.FREE, st.USED, st.LEAVES]] = len(mine), 0, len(mine), 0
        room = len(best.leaf_fixed) - best.counters[st.LEAVES]
        own_best = best._replace(
            x=best.x.copy(),
            numbers=best.numbers.copy(),
            counters=counters,
            leaf_fixed=np.zeros((room, game.types), np.int32),
            leaf_basis=np.zeros((room, best.leaf_basis.shape[1]), np.int32),
            leaf_cuts=np.zeros(room, np.int64),
        )
        workers.append(Worker(own_cuts, share, own_best, st.new_scratch(game, own_cuts, local)))
    return workers


def fill(tree: Tree, at: int, source: Tree, slots: NDArray[Any], bounds: NDArray[Any]) -> None:
    """Copy nodes into slots ``at`` and after; where the bounds fall, that is a heap."""
    part = slice(at, at + len(slots))
    for name in ("fixed", "basis", "allowed", "local"):
        getattr(tree, name)[part] = getattr(source, name)[slots]
    tree.bound[part], tree.slot[part] = bounds, np.arange(at, at + len(slots))


def gather(game: Game, cuts: Cuts, tree: Tree, best: Best, workers: list[Worker]) -> Tree:
    """Put everything that the workers hold back into the search; its tree."""
    counters = best.counters
    before = counters.copy()
    m = best.x.size
    total = sum(int(w.best.counters[st.OPEN]) for w in workers)
    common = st.new_tree(max(1024, 2 * total), game, tree.local.shape[1] - 1)
    trivial = np.concatenate([trivial_columns(game, cuts), game.types * game.replies + np.arange(game.types)])
    at = 0
    for worker in workers:
        mine, logged = worker.best.counters, int(worker.best.counters[st.LEAVES])
        old, found = int(before[st.FACETS]), int(mine[st.FACETS])
        offset = int(counters[st.FACETS]) - old
        fits = found + offset <= len(cuts.facet)
        if fits:
            cuts.facet[old + offset : found + offset] = worker.cuts.facet[old:found]
            counters[st.FACETS] += found - old
        for basis in (worker.tree.basis, worker.best.leaf_basis[:logged]):
            columns = basis[:, :m]
            own_facet = (columns > m + old) & (columns <= m + found)  # 1 + m + h names facet h
            if fits:
                columns[own_facet] += offset
            else:  # no room for its facets: start the nodes that use them afresh
                basis[own_facet.any(axis=1), : m + game.types] = trivial
        count = int(mine[st.OPEN])
        fill(common, at, worker.tree, worker.tree.slot[:count], worker.tree.bound[:count])
        at += count
        start = int(counters[st.LEAVES])
        kept = min(logged, len(best.leaf_fixed) - start)
        best.leaf_fixed[start : start + kept] = worker.best.leaf_fixed[:kept]
        best.leaf_basis[start : start + kept] = worker.best.leaf_basis[:kept]
        best.leaf_cuts[start : start + kept] = worker.best.leaf_cuts[:kept]
        counters[st.LEAVES] += kept
        counters[st.LEAVES_LOST] |= int(mine[st.LEAVES_LOST] or kept < logged)
        for c in ADDED:
            counters[c] += mine[c] - before[c]
        if worker.best.numbers[st.VALUE] > best.numbers[st.VALUE]:
            best.numbers[st.VALUE], best.x[:] = worker.best.numbers[st.VALUE], worker.best.x
        unresolved = worker.best.numbers[st.UNRESOLVED]
        best.numbers[st.UNRESOLVED] = max(best.numbers[st.UNRESOLVED], unresolved)
    order = np.argsort(-common.bound[:total], kind="stable")
    common.bound[:total], common.slot[:total] = common.bound[order], order
    counters[[st.OPEN, st.FREE, st.USED]] = total, 0, total
    return common


def trivial_columns(game: Game, cuts: Cuts) -> NDArray[np.int32]:
    """Basic columns of the basis that always exists: see :func:`~stackelberg.solvers.master.trivial_basis`."""
    first = game.types * game.replies
    height = game.perturbation + cuts.vector[first : first + game.types].sum(axis=0)
    columns = 1 + np.arange(len(height), dtype=np.int32)
    columns[int(np.argmax(height))] = 0
    return columns
