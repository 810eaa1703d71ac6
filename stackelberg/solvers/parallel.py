"""Threads over open nodes: deal them out, run each share for a while, and gather them again.

Kernels release Python's global lock, and below the root a search without local cuts only reads the cut
table, so that threads need no locks: each has its own tree, incumbent, facets and scratch; with local cuts,
its own cut table and pool of points too.  Dealing by rank of bound, round robin, gives every thread promising
nodes; gathering after every round shares the incumbent and leaves a search that one thread could go on with.

Facets of the hull and cuts that a thread finds are appended to the common ones when gathered, and the nodes
that name them are renumbered.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers import state as st
from stackelberg.solvers.state import Best, Cuts, Game, Pool, Scratch, Tree

ADDED = (st.NODES, st.PIVOTS, st.SEPARATIONS, st.CHILDREN, st.REPAIRS, st.WORK)
"""Counters that gathering adds up."""


class Worker(NamedTuple):
    """What one thread owns; the rest of the arrays are shared."""

    cuts: Cuts
    pool: Pool
    tree: Tree
    best: Best
    scratch: Scratch


def deal(game: Game, cuts: Cuts, pool: Pool, tree: Tree, best: Best, threads: int) -> list[Worker]:
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
        own_pool = pool
        if local:
            used = best.counters[st.VECTORS]
            own_cuts = own_cuts._replace(
                vector=_copied(cuts.vector, used),
                owner=_copied(cuts.owner, used),
                covers=_copied(cuts.covers, used),
            )
            own_pool = pool._replace(**{name: array.copy() for name, array in pool._asdict().items()})
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
        workers.append(Worker(own_cuts, own_pool, share, own_best, st.new_scratch(game, own_cuts, local)))
    return workers


def _copied(table: NDArray[Any], used: int) -> NDArray[Any]:
    """A table of the same room with its used rows copied."""
    copy = np.empty_like(table)
    copy[:used] = table[:used]
    return copy


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
        take_cuts(game, cuts, counters, worker, int(before[st.VECTORS]), trivial)
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
    counters[[st.OPEN, st.FREE, st.USED]] = total, 0, max(total, 1)  # no slot in use means: not begun
    return common


def take_cuts(
    game: Game, cuts: Cuts, counters: NDArray[np.int64], worker: Worker, old: int, trivial: NDArray[np.int32]
) -> None:
    """Append the cuts that a worker added to the ``old`` ones, and renumber them in its nodes."""
    found = int(worker.best.counters[st.VECTORS])
    if found == old:
        return
    count, m = int(worker.best.counters[st.OPEN]), worker.best.x.size
    slots = worker.tree.slot[:count]
    basis, local = worker.tree.basis[slots], worker.tree.local[slots]
    first_bound = 1 + m + len(cuts.facet) + game.types * game.replies**2
    own_column, own_key = basis[:, :m] >= first_bound + old, basis[:, m:] >= old
    own_local = (local[:, 1:] >= old) & (np.arange(local.shape[1] - 1) < local[:, :1])
    at = int(counters[st.VECTORS])
    if at + found - old <= len(cuts.owner):
        for common, own in ((cuts.vector, worker.cuts.vector), (cuts.owner, worker.cuts.owner),
                            (cuts.covers, worker.cuts.covers)):  # fmt: skip
            common[at : at + found - old] = own[old:found]
        counters[st.VECTORS] += found - old
        basis[:, :m][own_column] += at - old
        basis[:, m:][own_key] += at - old
        local[:, 1:][own_local] += at - old
    else:  # no room: start the nodes that use them afresh, without the cuts of their own
        basis[own_column.any(axis=1) | own_key.any(axis=1)] = trivial
        local[own_local.any(axis=1), 0] = 0
    worker.tree.basis[slots], worker.tree.local[slots] = basis, local


def trivial_columns(game: Game, cuts: Cuts) -> NDArray[np.int32]:
    """Basic columns of the basis that always exists: see :func:`~stackelberg.solvers.master.trivial_basis`."""
    first = game.types * game.replies
    height = game.perturbation + cuts.vector[first : first + game.types].sum(axis=0)
    columns = 1 + np.arange(len(height), dtype=np.int32)
    columns[int(np.argmax(height))] = 0
    return columns
