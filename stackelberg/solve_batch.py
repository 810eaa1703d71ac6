"""Very many small games at once: arrays in, arrays out.

The kernels are :mod:`stackelberg.solvers.tiny`, and :mod:`stackelberg.solvers.sweep` for two leader actions
and many types.  This module checks the arrays, decides between interpreted and compiled, and shares the games
out to threads.  Every game is solved by itself, so the answers do not depend on the number of threads.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackelberg.equilibrium import SolveError
from stackelberg.game import PRIOR_TOLERANCE, BayesianStackelbergGame, GameError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_PROGRAMS = 200_000
"""A game whose search needs more linear programs than this is handed to :func:`stackelberg.solve`."""
SWEPT_REPLIES = 64
"""From this many (type, reply) pairs on, games with two leader actions are swept rather than enumerated."""
INTERPRETED_PROGRAMS = 500
"""The same limit while kernels run interpreted; the game then starts again, compiled."""
INTERPRETED_SECONDS_PER_CELL = 8e-6
"""Least time that an interpreted game takes per type, leader action and reply."""
LOADING_SECONDS, COMPILING_SECONDS = 0.5, 2.5
"""How long to run interpreted before loading kernels from the disk cache, or compiling them."""
FIRST_ROUND_CELLS, ROUND_SECONDS = 20_000, 0.1
"""Payoffs per thread in the first round of games, and how long later rounds should take about."""


@dataclass(frozen=True, eq=False)
class BatchEquilibria:
    """Strong Stackelberg equilibria of a batch of games.

    Attributes
    ----------
    value : ndarray, shape (games,)
        Leader's expected payoff in utils: that of ``replies`` at ``strategy``.
    strategy : ndarray, shape (games, leader actions)
    replies : ndarray of int, shape (games, types)
        Best replies to ``strategy`` by the tie rule of :func:`stackelberg.best_replies`.
    """

    value: Floats
    strategy: Floats
    replies: Ints

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        games, types = self.replies.shape
        counts = (games, "game"), (types, "type"), (self.strategy.shape[1], "leader action")
        return f"BatchEquilibria({', '.join(f'{k} {noun}{"s" if k != 1 else ""}' for k, noun in counts)})"


def solve_batch(
    leader_payoffs: ArrayLike,
    follower_payoffs: ArrayLike,
    prior: ArrayLike,
    *,
    threads: int | None = None,
) -> BatchEquilibria:
    """Solve many small games of one shape exactly, the leader free on the simplex.

    Parameters
    ----------
    leader_payoffs, follower_payoffs : array_like, shape (games, types, leader actions, follower actions)
        Utils.  NaN for both players, at every leader action, where a type lacks its last follower actions.
    prior : array_like, shape (games, types) or (types,)
        Probabilities; each row must sum to one.
    threads : int, optional
        At most this many; by default as many as this process may use cores, or ``OMP_NUM_THREADS`` where
        that is set, as it is in the workers of process pools such as joblib's and dask's.

    Returns
    -------
    BatchEquilibria

    Raises
    ------
    GameError
        Naming the game and the type that are wrong.

    Notes
    -----
    Values agree with :func:`stackelberg.solve` to 1e-9 of the largest payoff, but carry no certificate: where
    one is needed, ``solve`` the game.  The search is exponential in the types; it is made for games of up to
    about five actions and types, with any number of types for two leader actions.  Larger games are handed to
    :func:`stackelberg.solve` one by one.

    Few games run interpreted, at once; more are compiled first (once a machine, some seconds, announced on
    stderr).

    Examples
    --------
    >>> import numpy as np, stackelberg as sb
    >>> batch = sb.solve_batch(np.array([[[[2, 4], [1, 3]]], [[[0, -10], [-1, -6]]]]),
    ...                        np.array([[[[1, 0], [0, 1]]], [[[0, 10], [0, -90]]]]), [1.0])
    >>> batch.value.round(9), batch.strategy.round(9).tolist(), batch.replies.tolist()
    (array([ 3.5, -0.1]), [[0.5, 0.5], [0.9, 0.1]], [[1], [0]])
    """
    R, C, p = _checked(leader_payoffs, follower_payoffs, prior)
    games, types, rows, replies = R.shape
    if threads is not None and threads < 1:
        raise SolveError(f"threads is {threads}: give at least 1, or None for all cores")
    workers = available_threads() if threads is None else threads
    value, strategy = np.empty(games), np.empty((games, rows))
    chosen = np.empty((games, types), dtype=np.int64)
    if rows == 2 and types * replies >= SWEPT_REPLIES:
        _sweep(R, C, p, value, strategy, chosen, workers)
    else:
        programs = np.full(games, -1)
        _search(R, C, p, value, strategy, chosen, programs, workers)
        for g in np.flatnonzero(programs < 0):
            value[g], strategy[g], chosen[g] = _solve_one(R[g], C[g], p[g])
    for array in (value, strategy, chosen):
        array.setflags(write=False)
    return BatchEquilibria(value, strategy, chosen)


def available_threads() -> int:
    """Cores that this process may use, or ``OMP_NUM_THREADS`` where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(limit))) if limit.isdigit() else cores


def _search(
    R: Floats,
    C: Floats,
    p: Floats,
    value: Floats,
    strategy: Floats,
    chosen: Ints,
    programs: Ints,
    workers: int,
) -> None:
    """Solve all games in place by the kernels for tiny games; ``programs`` stays -1 where they gave up."""
    from stackelberg.solvers import kernels, tiny

    games, cells = len(R), R[0].size if len(R) else 0
    out = (value, strategy, chosen, programs)
    first = 0
    if not kernels.is_compiled(tiny):
        patience = LOADING_SECONDS if kernels.seems_cached(tiny) else COMPILING_SECONDS
        patience -= kernels.interpreted_seconds(tiny)  # of all calls so far: a loop of small batches adds up
        if games * cells * INTERPRETED_SECONDS_PER_CELL < patience:
            with kernels.interpreted(tiny):
                first = _interpreted(R, C, p, out, time.perf_counter() + patience)
        if first == games:
            return
        kernels.compile_kernels(tiny)
    with kernels.announced(tiny, "the solver of small games"):
        tiny.solve_games(R, C, p, first, min(first + 1, games), MOST_PROGRAMS, *out)
    _in_chunks(
        first + 1,
        games,
        cells,
        workers,
        lambda begin, end: tiny.solve_games(R, C, p, begin, end, MOST_PROGRAMS, *out),
    )


def _interpreted(
    R: Floats, C: Floats, p: Floats, out: tuple[Floats, Floats, Ints, Ints], deadline: float
) -> int:
    """Solve games interpreted until the deadline, or one that is too large; returns the first not solved."""
    from stackelberg.solvers import tiny

    for g in range(len(R)):
        if time.perf_counter() > deadline:
            return g
        tiny.solve_games(R, C, p, g, g + 1, INTERPRETED_PROGRAMS, *out)
        if out[3][g] < 0:
            return g
    return len(R)


def _sweep(
    R: Floats, C: Floats, p: Floats, value: Floats, strategy: Floats, chosen: Ints, workers: int
) -> None:
    """Two leader actions and many types: sweep over the commitments of each game, in place."""
    from stackelberg.solvers import kernels, settle, sweep

    games, cells = len(R), R[0].size if len(R) else 0
    units = np.empty(R.shape[:2])

    def solve(begin: int, end: int) -> None:
        sweep.sweep_games(R, C, p, 0.0, 1.0, begin, end, strategy, units)
        settle.settle_games(R, C, p, units, begin, end, strategy, value, chosen)

    if games * cells * INTERPRETED_SECONDS_PER_CELL > LOADING_SECONDS:
        kernels.compile_kernels(sweep)
    compiled = kernels.is_compiled(sweep)
    with kernels.announced(sweep, "the sweep over commitments"):
        solve(0, min(1, games))
    _in_chunks(1, games, cells, workers if compiled else 1, solve)


def _in_chunks(first: int, last: int, cells: int, workers: int, solve: Callable[[int, int], None]) -> None:
    """Call ``solve(begin, end)`` on consecutive chunks, on threads: kernels hold no lock while they run.

    Rounds grow until they take a fraction of a second, so that Ctrl-C works whatever a game takes.
    """
    size = max(FIRST_ROUND_CELLS // max(cells, 1), 4) * workers
    pool = ThreadPoolExecutor(workers, thread_name_prefix="stackelberg") if workers > 1 else None
    try:
        while first < last:
            end = min(first + size, last)
            started = time.perf_counter()
            if pool is None or end - first < 32 * workers:
                solve(first, end)
            else:
                starts = range(first, end, -(-(end - first) // (16 * workers)))  # enough to even out
                for _ in pool.map(solve, starts, [*starts[1:], end]):
                    pass
            first = end
            seconds = time.perf_counter() - started
            size = size * 4 if seconds < ROUND_SECONDS else max(size // 2, workers)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _solve_one(R: Floats, C: Floats, p: Floats) -> tuple[float, Floats, Ints]:
    from stackelberg.solve import solve

    equilibrium = solve(BayesianStackelbergGame(R, C, p))
    return equilibrium.value, equilibrium.strategy, equilibrium.replies


def _checked(
    leader_payoffs: ArrayLike, follower_payoffs: ArrayLike, prior: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """The arrays as contiguous floats; missing replies repeat the type's first, which changes nothing."""
    R, C = _array(leader_payoffs, "leader payoffs"), _array(follower_payoffs, "follower payoffs")
    for name, A in (("leader", R), ("follower", C)):
        if A.ndim != 4 or 0 in A.shape[1:]:
            raise GameError(
                f"{name} payoffs have shape {A.shape}: "
                "they must be (games, types, leader actions, follower actions), none of the last three 0"
            )
    if R.shape != C.shape:
        raise GameError(
            f"leader payoffs have shape {R.shape} and follower payoffs {C.shape}: both must be the same"
        )
    games, types, _, _ = R.shape
    p = _array(prior, "the prior")
    if p.shape not in ((types,), (games, types)):
        raise GameError(
            f"the prior has shape {p.shape}: it must be ({types},), or ({games}, {types}) with a row per game"
        )
    p = np.ascontiguousarray(np.broadcast_to(p, (games, types)))
    for g, l in np.argwhere(~(np.isfinite(p) & (p >= 0)))[:1]:
        raise GameError(f"game {g}, type {l}: the prior is {p[g, l]}; it must be a probability")
    totals = p.sum(axis=1)
    for (g,) in np.argwhere(np.abs(totals - 1) > PRIOR_TOLERANCE)[:1]:
        raise GameError(f"game {g}: the prior sums to {totals[g]:.12g}, not one; rescale it")
    if not (np.isfinite(R).all() and np.isfinite(C).all()):
        missing = (np.isnan(R) & np.isnan(C)).all(axis=2, keepdims=True)
        missing &= np.logical_and.accumulate(missing[..., ::-1], axis=3)[..., ::-1]  # the last ones only
        R, C = np.where(missing, R[..., :1], R), np.where(missing, C[..., :1], C)
        for name, A in (("leader", R), ("follower", C)):
            for g, l, i, j in np.argwhere(~np.isfinite(A))[:1]:
                raise GameError(
                    f"game {g}, type {l}: the {name} payoff at leader action {i}, follower action {j} is "
                    f"{A[g, l, i, j]}; it must be finite (NaN for both players where there is no such reply)"
                )
    return R, C, p


def _array(given: ArrayLike, name: str) -> Floats:
    try:
        return np.ascontiguousarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise GameError(f"{name} are not an array of numbers: {error}") from None
