"""Run a sweep: chunks of points, here or on an executor, each kept as it is finished; one tidy frame out.

What a point gives depends neither on the executor nor on its number of workers, nor on where a run was
interrupted: every game is solved by itself, and randomness is drawn per point from the seed.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.equilibrium import SolveError
from stackelberg.faking import FakingGame
from stackelberg.faking.numbers import template_numbers
from stackelberg.files import game_record
from stackelberg.game import BayesianStackelbergGame, GameError
from stackelberg.solve import solve
from stackelberg.sweep.outcomes import joined, row_of
from stackelberg.sweep.points import points
from stackelberg.sweep.store import open_store, read_chunk, write_chunk
from stackelberg.sweep.templates import Template, batch_of, game_at, require_names, solved_form

if TYPE_CHECKING:
    import pandas as pd

BATCHED_POINTS = 16_384
"""Points in a chunk of a batch: its payoffs fit into a cache, and 1,000,000 points make 62 files."""
CHUNKS, MOST_POINTS = 500, 256
"""About how many chunks a sweep has that takes its points one by one, and the most points in one."""
IN_FLIGHT = 64
"""Chunks handed to an executor ahead of what is finished."""


def sweep(
    template: Template,
    grid: "Mapping[Any, Any] | pd.DataFrame",
    fn: Callable[..., Any] = solve,
    *,
    executor: Executor | None = None,
    resume: str | Path | None = None,
    progress: bool = False,
    draws: int | None = None,
    seed: int = 0,
    batch: bool | None = None,
    chunk: int | None = None,
) -> "pd.DataFrame":
    """Vary named numbers of a game and collect one row per point; a point that fails is a row that says why.

    Parameters
    ----------
    template : FakingGame, BayesianStackelbergGame or callable
        Numbers of a faking game are named ``monitoring``, ``preference[TYPE]``, ``informativeness``, ... (see
        :mod:`stackelberg.faking.numbers`), payoffs ``leader_payoffs[TYPE, LEADER ACTION, FOLLOWER ACTION]``.
        A callable takes a point, a dict of values by name, and returns what ``fn`` takes.
    grid : mapping or DataFrame
        Values, distributions (with ``draws``) or joint posterior draws by name; see :func:`stackelberg.sweep.points`.
    fn : callable
        Takes a game and returns a number, a mapping of columns, an ``Equilibrium`` or a ``Commitment``; the default
        solves, faking games in their reduced form.  A function with an argument ``rng`` gets a generator of its own
        per point.
    executor : concurrent.futures.Executor, optional
        Any: a process pool, or ``Client(...).get_executor()`` of Dask for several machines.
    resume : path, optional
        Folder where finished chunks are kept as Parquet.  Given again, the sweep goes on where it stopped; a folder
        of another sweep is refused.  A function is known by its name and code, not by what it closes over.
    progress : bool
        Whether to show a bar on stderr.
    draws, seed : int
        For distributions and for ``rng``.
    batch : bool, optional
        Whether :func:`stackelberg.solve_batch` takes all points at once.  By default where ``fn`` is ``solve`` (or
        ``status_quo`` for a faking game) and the games are small; its values carry no certificate.  With False
        every point is solved by itself, with the columns ``bound``, ``claim`` and ``method``.
    chunk : int, optional
        Points per chunk, the unit of work and of what an interruption loses.

    Returns
    -------
    DataFrame
        The varied columns; ``status`` ("optimal" or another word of :class:`stackelberg.Status` where a game was
        solved, "ok" for other functions, "failed" where one raised), ``message``; then the results, NaN where failed.

    Raises
    ------
    GameError
        For a name that the template does not know, a bad axis, or a folder that cannot be resumed.
    SolveError
        Where a worker process died, saying how much was finished.
    TypeError
        Where ``fn`` returns something that is no row.

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...          sb.FollowerType(name="willing", prior=0.7, preference=-0.5)]
    >>> game = sb.FakingGame(types=types, cues=sb.CuePolicy.free())
    >>> found = sweep(game, {"budget": [0.2, 0.4, 1.4]})
    >>> found[["budget", "status", "value", "monitoring_chosen", "faking_share"]].round(3)
       budget   status  value  monitoring_chosen  faking_share
    0     0.2  optimal  -0.17                0.2           0.3
    1     0.4  optimal  -0.04                0.4           0.0
    2     1.4   failed    NaN                NaN           NaN
    >>> found["message"].iloc[2]
    'budget is 1.4: it must be between 0 and 1'
    """
    table = points(grid, draws=draws, seed=seed)
    require_names(template, [str(name) for name in table.columns])
    if not len(table):
        raise GameError("the grid has no points: give every axis at least one value")
    batched = batch_of(template, fn, batch) is not None
    size = chunk or (BATCHED_POINTS if batched else min(MOST_POINTS, -(-len(table) // CHUNKS)))
    if size < 1:
        raise GameError(f"chunk is {chunk}: give at least 1 point per chunk")
    starts = range(0, len(table), size)
    done: set[int] = set()
    if resume is not None:
        done = open_store(resume, _manifest(template, table, fn, batched, seed, size)) & set(
            range(len(starts))
        )
    work = partial(run_chunk, template, fn, batched, seed, 1 if executor is not None else None)
    columns = {str(name): table[name].to_numpy() for name in table.columns}
    jobs = (
        (k, start, {name: values[start : start + size] for name, values in columns.items()})
        for k, start in enumerate(starts)
        if k not in done
    )
    chunks: dict[int, pd.DataFrame] = {}
    with _bar(len(table), sum(min(size, len(table) - starts[k]) for k in done), progress) as bar:
        try:
            for k, frame in _finished(work, jobs, executor):
                if resume is not None:
                    write_chunk(resume, k, frame)
                chunks[k] = frame
                bar.update(len(frame))
        except BrokenExecutor as error:
            kept = (
                f"start again with resume={str(resume)!r}" if resume else "give resume= a folder to keep them"
            )
            raise SolveError(
                f"a worker process died after {len(chunks) + len(done)} of {len(starts)} chunks ({error}); {kept}"
            ) from None
    return joined([chunks[k] if k in chunks else read_chunk(resume or "", k) for k in range(len(starts))])


def run_chunk(
    template: Template,
    fn: Callable[..., Any],
    batched: bool,
    seed: int,
    threads: int | None,
    start: int,
    columns: Mapping[str, NDArray[Any]],
) -> "pd.DataFrame":
    """The rows of consecutive points, of which the first has number ``start``; what a worker runs."""
    import pandas as pd

    count = len(next(iter(columns.values())))
    good = np.zeros(count, dtype=bool)
    outcome: dict[str, Any] = {}
    if batched and (solve_all := batch_of(template, fn, True)) is not None:
        try:
            good, outcome = solve_all(columns, threads)
        except (GameError, SolveError):  # one game of the chunk; found below, one by one
            good = np.zeros(count, dtype=bool)
    one = partial(_row, template, solved_form(template, fn), _takes_rng(fn), seed, start, columns)
    words = {"status": "optimal" if fn is solve else "ok", "message": ""}
    results = pd.DataFrame(words | outcome, index=np.arange(good.sum()))
    if not good.all():
        alone = pd.DataFrame([one(point) for point in np.flatnonzero(~good).tolist()])
        order = np.argsort(np.concatenate([np.flatnonzero(good), np.flatnonzero(~good)]))
        results = joined([results, alone] if good.any() else [alone]).iloc[order].reset_index(drop=True)
    given = pd.DataFrame(dict(columns))
    clash = [name for name in given.columns if name in results.columns]
    if clash:
        raise TypeError(
            f"a sweep's function returned a column {clash[0]!r} that is varied: name it otherwise"
        )
    return pd.concat([given, results], axis=1)


def _row(
    template: Template,
    fn: Callable[..., Any],
    takes_rng: bool,
    seed: int,
    start: int,
    columns: Mapping[str, NDArray[Any]],
    point: int,
) -> dict[str, Any]:
    try:
        game = game_at(template, columns, point)
        result = fn(game, rng=np.random.default_rng([seed, start + point])) if takes_rng else fn(game)
    except (GameError, SolveError) as error:
        status = str(error.status) if isinstance(error, SolveError) else "failed"
        return {"status": status, "message": str(error)}
    except Exception as error:  # a point's failure is a row, whatever it was
        return {"status": "failed", "message": f"{type(error).__name__}: {error}"}
    return {"status": "ok", "message": ""} | row_of(result)


def _takes_rng(fn: Callable[..., Any]) -> bool:
    try:
        return "rng" in inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return False


def _finished(
    work: Callable[..., "pd.DataFrame"], jobs: Iterator[tuple[int, int, Any]], executor: Executor | None
) -> "Iterator[tuple[int, pd.DataFrame]]":
    """Number and rows of every chunk, as they come."""
    if executor is None:
        for k, start, columns in jobs:
            yield k, work(start, columns)
        return
    running: dict[Future[Any], int] = {}
    try:
        for k, start, columns in jobs:
            running[executor.submit(work, start, columns)] = k
            if len(running) >= IN_FLIGHT:
                yield from _collect(running)
        while running:
            yield from _collect(running)
    finally:
        for future in running:
            future.cancel()


def _collect(running: "dict[Future[Any], int]") -> "Iterator[tuple[int, pd.DataFrame]]":
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        yield running.pop(future), future.result()


def _bar(total: int, initial: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=total, initial=initial, desc="sweep", unit=" points", unit_scale=True, disable=not progress
    )


def _manifest(
    template: Template, table: "pd.DataFrame", fn: Callable[..., Any], batched: bool, seed: int, size: int
) -> dict[str, str | int]:
    """What tells one sweep from another."""
    import pandas as pd

    import stackelberg

    cells = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()
    return {
        "points": f"{len(table)} of {', '.join(map(str, table.columns))}, {_digest(cells)}",
        "template": _identity(template),
        "fn": _identity(fn) + (" in batches" if batched else ""),
        "seed": seed,
        "chunk": size,
        "version": stackelberg.__version__,
    }


def _identity(given: Any) -> str:
    if isinstance(given, FakingGame):
        numbers = {name: values.tolist() for name, values in template_numbers(given).items()}
        caps = None if given.cues.caps is None else given.cues.caps.tolist()
        names = [t.name for t in given.types], [repr(m) for m in given.methods], given.cues.cues
        return f"FakingGame {_digest(json.dumps([numbers, caps, names]).encode())}"
    if isinstance(given, BayesianStackelbergGame):
        return f"BayesianStackelbergGame {_digest(json.dumps(game_record(given)).encode())}"
    if isinstance(given, partial):
        return f"partial({_identity(given.func)}, {given.args!r}, {given.keywords!r})"
    name = getattr(given, "__qualname__", repr(given))
    code = getattr(given, "__code__", None)
    if code is None or given.__module__.startswith("stackelberg."):  # the version stands for our own code
        return str(name)
    constants = [c for c in code.co_consts if not inspect.iscode(c)]
    return f"{name} {_digest(code.co_code + repr(constants).encode() + repr(code.co_names).encode())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
