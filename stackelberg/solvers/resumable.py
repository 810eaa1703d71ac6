"""A branch-and-bound search that can be advanced, stopped and advanced again: its arrays, and who runs on them."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.equilibrium import Proof
from stackelberg.solvers import leaves, parallel, tiers
from stackelberg.solvers import state as st
from stackelberg.solvers.ascent import NOTHING, TIE, threshold
from stackelberg.solvers.interrupts import held_interrupts
from stackelberg.solvers.master import trivial_basis
from stackelberg.solvers.presolve import Presolved
from stackelberg.solvers.progress import Progress
from stackelberg.solvers.reduction import hull_distance, simplex_coordinates, skeleton
from stackelberg.solvers.search import run
from stackelberg.solvers.tuning import RESTART_NODES, ROOT_ROUNDS, Tuning

ABSOLUTE_GAP = 1e-8
"""Nodes this close to the incumbent (of the range of leader payoffs) are closed."""
PROVED_GAP = 3e-10
"""The same where a proof is asked for: certificates say "optimal" up to 1e-9."""
INTERPRETED_SECONDS = 0.5
"""What a search may take before it asks for the compiled kernels on disk."""
COMPILING_SECONDS = 3.0
"""What it may take before it has them compiled, where the disk has none."""
LARGE = 5000
"""Types times leader actions times replies beyond which no search ends interpreted: compile at once."""
CHUNK_SECONDS = 0.1
"""How long a kernel runs before the clock, the limits and the keyboard are looked at."""
FIRST_BUDGET = {False: 200_000, True: 100_000_000}
"""Multiply-adds of a first run, interpreted or compiled, before their speed is known: about 0.1 s."""
MOST_LOCAL_CUTS = 400_000
"""Cuts below the root that a search can hold; when they are all there, it goes on without new ones."""
MOST_FACETS = 2000
"""Facets of the hull that a reduced search can hold; where they do not do, the game is searched unreduced."""


class Search:
    """A branch-and-bound search that can be advanced, stopped and advanced again.

    Parameters
    ----------
    small : Presolved
    gap : float
        Relative gap at which the search counts as finished.
    reduce : bool
        Whether to search in fewer coordinates where that pays.

    Attributes
    ----------
    is_compiled : bool
        Whether the compiled kernels took over.
    """

    def __init__(
        self,
        small: Presolved,
        *,
        gap: float = 0.0,
        most_leaves: int = 0,
        local_cuts: bool = True,
        reduce: bool = True,
    ) -> None:
        types, strategies, replies = small.leader.shape
        self.small = small
        self.unit, self.offset = small.unit, small.offset
        self.is_compiled = False
        self._is_large = types * strategies * replies > LARGE
        leader = np.ascontiguousarray(small.leader.transpose(0, 2, 1)).reshape(-1, strategies)
        follower = np.ascontiguousarray(small.follower.transpose(0, 2, 1)).reshape(-1, strategies)
        self._reduce(types * leader, follower, small.rows, reduce)
        game_leader, game_follower, rows = (
            self._mapped(leader),
            self._mapped(follower),
            self._mapped(small.rows),
        )
        m = game_leader.shape[1]
        tuning = Tuning.of(types, strategies, m, local_cuts)
        self._restart_nodes = tuning.restart_nodes
        self._local = 96 if tuning.local_cuts else 0

        by_action = game_follower.reshape(types, replies, m).transpose(0, 2, 1)
        spread, perturbation = 0.7548776662, np.empty(m)
        for i in range(m):
            spread = (spread * 983.0) % 1.0
            perturbation[i] = 1e-11 * (1 + spread)
        self.game = st.Game(
            types,
            replies,
            int(self.columns is not None),
            int(len(rows) > 0),
            game_follower,
            np.ascontiguousarray(by_action).reshape(-1, replies),
            leader,
            follower,
            np.vstack([self.points, -self.points.mean(axis=0)]),
            perturbation,
        )
        # A root is cut for at most 60 rounds, twice, and twice again after a restart.
        cuts = types * (replies + 1) + (MOST_LOCAL_CUTS if tuning.local_cuts else min(250 * types, 20_000))
        facets = len(rows) + (MOST_FACETS if self.columns is not None else 0)
        # Large arrays stay uninitialised: the kernels write before they read.
        self.cuts = st.Cuts(
            vector=np.empty((cuts, m)),
            owner=np.empty(cuts, np.int64),
            shared=np.empty(cuts, np.int64),
            active=np.empty(cuts, np.int64),
            is_active=np.zeros(cuts, np.uint8),
            covers=np.empty((cuts, replies), np.uint8),
            facet=np.empty((max(facets, 1), m)),
        )
        self.cuts.vector[: types * replies] = game_leader
        self.cuts.facet[: len(rows)] = rows
        remembered = 1000 + strategies
        self.pool = st.Pool(
            point=np.empty((types * remembered, m)),
            value=np.empty(types * remembered),
            reply=np.empty(types * remembered, np.int64),
            size=np.zeros(types, np.int64),
            inverse=np.empty((types * replies, replies, replies)),
            column=np.zeros((types * replies, replies + 1), np.int64),
            level=np.empty((types * replies, replies)),
        )
        self.tree = st.new_tree(1024, self.game, self._local)
        self.best = st.Best(
            np.zeros(m),
            np.zeros(st.NUMBERS),
            np.zeros(st.COUNTERS, np.int64),
            np.ones(types * replies, np.uint8),
            np.zeros((most_leaves, types), np.int32),
            np.zeros((most_leaves, m + types + 1), np.int32),
            np.zeros(most_leaves, np.int64),
        )
        self.best.counters[st.FACETS] = len(rows)
        numbers = self.best.numbers
        numbers[st.VALUE], numbers[st.UNRESOLVED] = NOTHING, NOTHING
        numbers[st.ABSOLUTE_GAP], numbers[st.RELATIVE_GAP] = PROVED_GAP if most_leaves else ABSOLUTE_GAP, gap
        numbers[st.TAIL], numbers[st.OFFSET] = tuning.tail, self.offset / self.unit
        self.options = st.Options(
            local_cuts=tuning.local_cuts,
            root_rounds=tuning.root_rounds,
            rounds=tuning.rounds,
            candidates=tuning.candidates,
            starts=tuning.starts,
            nodes=np.iinfo(np.int64).max,
            grace=0,
        )
        self.scratch = st.new_scratch(self.game, self.cuts, self._local)
        self._root: tuple[st.SmallInts, st.SmallInts] | None = None
        self._seconds_per_work = 0.0
        self._finished = False
        self._seconds, self._grow = (
            0.0,
            1,
        )  # of all calls of advance: many short ones must get as far as a long one

    def _reduce(self, leader: st.Floats, follower: st.Floats, rows: st.Floats, reduce: bool) -> None:
        strategies = leader.shape[1]
        self.columns: st.Ints | None = None
        self.points = np.eye(strategies)
        found = None
        if reduce and strategies > 3:
            found = skeleton(np.vstack([np.ones((1, strategies)), leader, follower, rows]))
        if found is not None:
            self.columns = found[0]
            self.points, self._shift, self._scale = simplex_coordinates(found[1])

    def _mapped(self, functions: st.Floats) -> st.Floats:
        """Linear functions of the commitment (rows), as functions of the search's coordinates."""
        if self.columns is None:
            return np.ascontiguousarray(functions)
        kept = functions[:, self.columns]
        return np.ascontiguousarray(self._scale * kept + (kept @ self._shift)[:, None])

    @property
    def nodes(self) -> int:
        """Nodes that were bounded."""
        return int(self.best.counters[st.NODES])

    @property
    def has_strategy(self) -> bool:
        """Whether a commitment was found."""
        return bool(self.best.numbers[st.VALUE] > NOTHING)

    @property
    def value(self) -> float:
        """Leader's value of the incumbent, in utils."""
        return float(self.best.numbers[st.VALUE] * self.unit + self.offset)

    @property
    def bound(self) -> float:
        """No commitment is worth more, in utils, up to rounding."""
        numbers, counters = self.best.numbers, self.best.counters
        bound = max(numbers[st.VALUE], numbers[st.UNRESOLVED])
        if counters[st.USED] == 0:
            return np.inf
        if counters[st.OPEN] > 0:
            bound = max(bound, self.tree.bound[0])
        return np.inf if bound >= 1e299 else float(bound * self.unit + self.offset)

    @property
    def strategy(self) -> NDArray[np.float64]:
        """The incumbent, as a mixture of the presolved game's leader actions."""
        x = self.best.x
        if self.columns is not None:
            m = x.size
            normal, weight, chosen = np.empty(m), np.empty(m), np.empty(m, np.int64)
            arguments = (self.game.points, x, normal, chosen, weight)
            if self.is_compiled:
                tiers.call_compiled("hull_distance", *arguments)
            else:
                hull_distance(*arguments)
            x = np.zeros(self.points.shape[0])
            inside = (chosen >= 0) & (chosen < len(x))
            np.add.at(x, chosen[inside], np.maximum(weight[inside], 0.0))
        return x / x.sum()

    @property
    def profile(self) -> NDArray[np.int64]:
        """The incumbent's replies in the presolved game."""
        shape, x = (self.game.types, self.game.replies), self.best.x
        own = (self.game.follower @ x).reshape(shape)
        leader = (self.cuts.vector[: len(self.game.follower)] @ x).reshape(shape)
        tied = own >= own.max(axis=1, keepdims=True) - TIE
        return np.where(tied, leader, -np.inf).argmax(axis=1)

    def advance(
        self,
        *,
        deadline: float = np.inf,
        node_limit: int | None = None,
        progress: bool = False,
        threads: int = 1,
    ) -> bool:
        """Search on until the gap is closed (True) or a limit is met (False).

        Parameters
        ----------
        deadline : float
            A time of :func:`time.perf_counter`.
        node_limit : int, optional
            On all nodes of the search, not only of this call.
        progress : bool
        threads : int
        """
        most_nodes = np.iinfo(np.int64).max if node_limit is None else node_limit
        shown = Progress() if progress else None
        before = time.perf_counter() - self._seconds
        while not self._finished:
            now = time.perf_counter()
            self._seconds = now - before
            if now >= deadline or self.nodes >= most_nodes:
                return False
            if not self.is_compiled and (self._is_large or _needs_compiled(self._seconds)):
                self.is_compiled, self._seconds_per_work = True, 0.0
            nodes_before, starts_before = self.nodes, self.best.counters[st.STARTS]
            shared = threads > 1 and self.is_compiled
            alone = RESTART_NODES if shared and self.nodes < RESTART_NODES else 0
            first = max(self._restart_nodes, alone)
            until = min(most_nodes, first) if first else most_nodes
            budget = self._budget(self._grow * CHUNK_SECONDS, deadline - now)
            if shared and not first and self.best.counters[st.OPEN] >= threads:
                outcome = self._run_shared(budget, until, threads)
            else:
                outcome = self._run(budget, until)
            if outcome == st.OUT_OF_SLOTS:
                self.tree = st.grown(self.tree)
            elif outcome == st.FINISHED:
                self._finished = True
            elif self._restart_nodes and self.nodes >= self._restart_nodes:
                self._restart_tree()
            # a root too large for the budget repeats its last step: give it more each time
            stuck = self.nodes == nodes_before and self.best.counters[st.STARTS] == starts_before
            self._grow = min(self._grow * 2, 2**40) if stuck and outcome == st.OUT_OF_BUDGET else 1
            if shown is not None:
                shown.update(self.nodes, self.value, self.bound)
        if shown is not None:
            shown.close()
        return True

    def _budget(self, seconds: float, left: float) -> int:
        if self._seconds_per_work == 0.0:  # speed unknown yet: a first budget takes at most about a chunk
            return max(int(FIRST_BUDGET[self.is_compiled] * min(left / CHUNK_SECONDS, 1.0)), 1000)
        return max(int(min(seconds, left) / self._seconds_per_work), 1000)

    def _run(self, budget: int, node_limit: int) -> int:
        options = self.options._replace(nodes=node_limit, grace=FIRST_BUDGET[self.is_compiled])
        arguments = (
            self.game, self.cuts, self.pool, self.tree, self.best, options, self.scratch, budget,
        )  # fmt: skip
        work = self.best.counters[st.WORK]
        fresh = self.is_compiled and not tiers.is_loaded()
        # Python takes an interrupt only after a compiled kernel has returned: nothing to hold back there.
        with held_interrupts() if fresh or not self.is_compiled else nullcontext():
            started = time.perf_counter()
            if self.is_compiled:
                outcome = tiers.call_compiled("run", *arguments)
            else:
                with np.errstate(all="ignore"):
                    outcome = run(*arguments)
            seconds = time.perf_counter() - started
        done = int(self.best.counters[st.WORK] - work)
        if done > 1000 and not fresh:
            self._seconds_per_work = seconds / done
        return int(outcome)

    def _run_shared(self, budget: int, node_limit: int, threads: int) -> int:
        """One round of threads over the open nodes."""
        share = max((node_limit - self.nodes) // threads, 1)
        options = self.options._replace(nodes=min(self.nodes + share, node_limit), grace=FIRST_BUDGET[True])

        def work(worker: parallel.Worker) -> parallel.Worker:
            outcome = st.OUT_OF_SLOTS
            stop = worker.best.counters[st.WORK] + budget
            while outcome == st.OUT_OF_SLOTS:
                left = int(stop - worker.best.counters[st.WORK])
                outcome = tiers.call_compiled(
                    "run", self.game, worker.cuts, worker.pool, worker.tree, worker.best, options,
                    worker.scratch, left,
                )  # fmt: skip
                if outcome == st.OUT_OF_SLOTS:
                    worker = worker._replace(tree=st.grown(worker.tree))
            return worker

        with held_interrupts(), ThreadPoolExecutor(threads) as pool:
            workers = parallel.deal(self.game, self.cuts, self.pool, self.tree, self.best, threads)
            workers = list(pool.map(work, workers))
            self.tree = parallel.gather(self.game, self.cuts, self.tree, self.best, workers)
            self.pool = workers[0].pool
        numbers = self.best.numbers
        is_closed = self.best.counters[st.OPEN] == 0 or self.tree.bound[0] <= threshold(numbers)
        return st.FINISHED if is_closed else st.OUT_OF_BUDGET

    def proof(self) -> Proof | None:
        """What proves the bound, in the original game's units; None where the leaves were not all logged."""
        counters, m = self.best.counters, self.best.x.size
        if not self._finished or self.options.local_cuts or not len(self.best.leaf_fixed):
            return None
        leaves.log_remaining(self.tree, self.best)
        which = self.cuts.shared[: counters[st.SHARED]].copy()
        if counters[st.LEAVES_LOST] or len(which) > leaves.MOST_CUTS:
            return None
        n, columns = self.game.replies, m + self.game.types + 1
        excess, multiplier = np.empty((len(which), n)), np.zeros((len(which), n, n))
        counters[st.STOP] = np.iinfo(np.int64).max
        self._call("dominate", self.game, self.pool, self.cuts, which, excess, multiplier, counters)
        covered = self.cuts.covers[which].astype(bool) & (excess < 1e-6)
        shift = np.where(covered, excess, -np.inf).max(axis=1)
        shift[~covered.any(axis=1)] = 0.0
        self.cuts.vector[which] += shift[:, None]  # as tight as its replies allow
        number = np.zeros((counters[st.LEAVES], columns), np.int64)
        weight = np.zeros((counters[st.LEAVES], columns))
        cutoff = float(self.best.numbers[st.VALUE]) + leaves.CLEARANCE
        self._call("weigh_leaves", self.game, self.cuts, self.best, cutoff, self.scratch, number, weight)
        empty = leaves.nowhere_best(self.small, self.pool)
        refutation = np.zeros((len(empty), n))
        self._call("refute", self.game, self.pool, empty, refutation, counters)
        return leaves.proof_of(
            self.small,
            self.game,
            self.cuts,
            self.best,
            which,
            excess - shift[:, None],
            multiplier,
            number,
            weight,
            empty,
            refutation,
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        with held_interrupts(), np.errstate(all="ignore"):
            if self.is_compiled:
                return tiers.call_compiled(name, *arguments)
            return getattr(leaves, name)(*arguments)

    def _restart_tree(self) -> None:
        """Search anew from a root cut to the end, with the incumbent, cuts and struck replies kept."""
        self._restart_nodes = 0
        self.options = self.options._replace(root_rounds=ROOT_ROUNDS)
        counters, m = self.best.counters, self.best.x.size
        trivial = st.new_basis(m, self.game.types)
        trivial_basis(self.game, self.cuts, trivial, self.scratch)
        self.tree.fixed[0] = -1
        self.tree.basis[0] = np.concatenate([trivial.column, trivial.key])
        self.tree.allowed[0] = self.best.allowed
        self.tree.local[0, 0] = 0
        self.tree.bound[0], self.tree.slot[0] = 1e300, 0
        counters[st.OPEN], counters[st.FREE], counters[st.USED], counters[st.ROOT] = 1, 0, 1, 0
        self.best.numbers[st.TAIL] = 1e-3


def _needs_compiled(seconds: float) -> bool:
    if tiers.is_loaded() or seconds > COMPILING_SECONDS:
        return True
    return seconds > INTERPRETED_SECONDS and tiers.is_cached()
