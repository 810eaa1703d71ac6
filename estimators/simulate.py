"""Simulate counts from a stated or fitted model, refit them, and say how far estimates and intervals are to be trusted.

For R replicates: bias = mean(θ̂) − θ, RMSE = √mean (θ̂ − θ)², coverage = share of 95 % intervals that hold θ. The
Cramér–Rao bound of a reported θ = g(ψ) is √(∇g' I(ψ)⁻¹ ∇g), I the expected information of the design at the truth;
RMSE/bound near one says that no unbiased estimator does better (Cramér 1946, section 32.3). Every figure carries its
Monte Carlo error: with R = 1000 a ratio is known to 2.2 % and a coverage of .95 to .7 points.

A model is any object with the four functions of `Recoverable`; nothing is registered or inherited. A replicate draws
from a seed of its own, so results depend neither on the number of workers nor on where a run was interrupted.
"""

from __future__ import annotations

import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zlib import crc32

import numpy as np
import pandas as pd
from tqdm import tqdm

from estimators.count_cells import CountCells
from estimators.design import Design
from estimators.information_bound import cramer_rao
from estimators.newton import EstimationWarning
from estimators.recovery import Recovery

__all__ = ["Design", "Estimate", "Recoverable", "Recovery", "Refit", "cramer_rao", "recover"]


_FAILURES = (ValueError, ArithmeticError, np.linalg.LinAlgError, EstimationWarning)


class Estimate(NamedTuple):
    """An estimate with its standard error and interval; NaN where there is none."""

    value: float
    se: float
    low: float
    high: float


@dataclass(frozen=True)
class Refit:
    """What one refit reports.

    Attributes
    ----------
    estimates : mapping from parameter to Estimate
        By the names of `Recoverable.parameters`; others are kept, and have no truth to compare with.
    verdicts : mapping from name to a word, number or truth value
        What the fit decided, such as the number of classes; `Recovery.verdicts` counts them.
    """

    estimates: Mapping[str, Estimate]
    verdicts: Mapping[str, str | float | bool] = field(default_factory=dict)

    @classmethod
    def of(cls, summary: pd.DataFrame, **verdicts: str | float | bool) -> Refit:
        """From a frame with columns parameter, estimate, se, low, high: what `.summary` of an estimator is."""
        columns = (summary[c].astype(float) for c in ("estimate", "se", "low", "high"))
        rows = zip(summary["parameter"].astype(str), zip(*columns, strict=True), strict=True)
        return cls({name: Estimate(*row) for name, row in rows}, verdicts)


class Recoverable(Protocol):
    """A stated or fitted model together with the estimator that is to recover it.

    Its `repr` must tell it apart from others (that of a frozen dataclass does): it guards a resumed run. More than one
    worker needs it to pickle.
    """

    def parameters(self) -> Mapping[str, float]:
        """True values of what a refit reports, on the scale on which it is to be judged."""

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts drawn from the truth."""

    def refit(self, cells: CountCells, rng: np.random.Generator) -> Refit:
        """Fit them. A ValueError, ArithmeticError or EstimationWarning is a counted failure."""

    def bound(self, design: Design) -> Mapping[str, float]:
        """Cramér–Rao bounds by parameter, as `cramer_rao` gives them; leave out what has none."""


def recover(
    model: Recoverable,
    design: Design,
    *,
    replicates: int = 1000,
    seed: int = 0,
    workers: int = 1,
    resume: Path | str | None = None,
    progress: bool = False,
) -> Recovery:
    """Simulate from a model, refit and compare, `replicates` times.

    Parameters
    ----------
    model : Recoverable
    design : Design
    replicates : int
    seed : int
        With the number of the replicate it seeds that replicate.
    workers : int
        Processes; a script that asks for more than one needs the guard ``if __name__ == "__main__"``.
    resume : path, optional
        A file of JSON lines that is continued; every finished replicate is a line.
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError
        No replicate or worker asked for, or a file of another model, design or seed.

    Examples
    --------
    A binomial rate, whose bound is √(p(1 − p)/(N n)):

    >>> class Rate:
    ...     def parameters(self): return {"p": 0.3}
    ...     def simulate(self, design, rng): return design.counted(rng.binomial(design.n, 0.3))
    ...     def refit(self, cells, rng):
    ...         p = (cells.weights @ cells.k).sum() / (cells.weights @ cells.n).sum()
    ...         se = np.sqrt(p * (1 - p) / (cells.weights @ cells.n).sum())
    ...         return Refit({"p": Estimate(p, se, p - 1.96 * se, p + 1.96 * se)})
    ...     def bound(self, design): return {"p": np.sqrt(0.3 * 0.7 / design.n.sum())}
    >>> found = recover(Rate(), Design.regular(50, 10, [0.0]), replicates=200)
    >>> found.table[["ratio", "ratio_se", "coverage"]].round(2)
       ratio  ratio_se  coverage
    0   0.98      0.06      0.97
    """
    if replicates < 1 or workers < 1:
        raise ValueError(f"replicates and workers must be at least 1, got {replicates} and {workers}")
    head = {"model": repr(model), "design": _fingerprint(design), "seed": seed}
    path = None if resume is None else Path(resume)
    records = {} if path is None else _read(path, head)
    missing = [r for r in range(replicates) if r not in records]
    with ExitStack() as open_now:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open_now.enter_context(path.open("a", encoding="utf-8"))
            if not file.tell():
                file.write(json.dumps(head) + "\n")
        fresh = _run(partial(_replicate, model, design, seed), missing, workers, open_now)
        for record in tqdm(fresh, total=len(missing), desc="recover", disable=not progress, leave=False):
            records[record["replicate"]] = record
            if path is not None:
                file.write(json.dumps(record) + "\n")
                file.flush()
    kept = [records[r] for r in range(replicates)]
    return Recovery(
        replicates=pd.DataFrame(
            [(r["replicate"], name, *e) for r in kept for name, e in r["estimates"].items()],
            columns=["replicate", "parameter", *("estimate", "se", "low", "high")],
        ),
        decisions=pd.DataFrame(
            [(r["replicate"], name, str(value)) for r in kept for name, value in r["verdicts"].items()],
            columns=["replicate", "verdict", "value"],
        ),
        failures=pd.DataFrame(
            [(r["replicate"], r["failed"]) for r in kept if r["failed"]], columns=["replicate", "reason"]
        ),
        truth=dict(model.parameters()),
        bound=dict(model.bound(design)),
        runs=replicates,
    )


def _replicate(model: Recoverable, design: Design, seed: int, replicate: int) -> dict[str, Any]:
    """One simulation and refit, as plain values; the two draw from streams of their own."""
    drawing, fitting = np.random.default_rng([seed, replicate]).spawn(2)
    record: dict[str, Any] = {"replicate": replicate, "estimates": {}, "verdicts": {}, "failed": ""}
    cells = model.simulate(design, drawing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", EstimationWarning)
            fit = model.refit(cells, fitting)
    except _FAILURES as error:
        return record | {"failed": f"{type(error).__name__}: {error}"}
    estimates = {name: [float(x) for x in estimate] for name, estimate in fit.estimates.items()}
    verdicts = {
        name: value.item() if isinstance(value, np.generic) else value for name, value in fit.verdicts.items()
    }
    return record | {"estimates": estimates, "verdicts": verdicts}


def _run(
    one: Callable[[int], dict[str, Any]], replicates: list[int], workers: int, open_now: ExitStack
) -> Iterator[dict[str, Any]] | Iterable[dict[str, Any]]:
    if workers == 1 or len(replicates) < 2:
        return map(one, replicates)
    # A fresh interpreter per worker: forking a process with threads (numba, BLAS) can hang.
    pool = open_now.enter_context(
        ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    )
    return pool.map(one, replicates, chunksize=max(1, min(8, len(replicates) // (2 * workers))))


def _fingerprint(design: Design) -> str:
    content = np.ascontiguousarray(design.n).tobytes() + np.ascontiguousarray(design.beliefs).tobytes()
    return f"{design.n.shape[0]}x{design.n.shape[1]}-{crc32(content):08x}"


def _read(path: Path, head: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Finished replicates; a line cut short by an interruption is removed, to be run again."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    if not whole:
        return {}
    first, *rest = whole.splitlines()
    if json.loads(first) != head:
        raise ValueError(f"{path} holds another model, design or seed: {first}; name another file to resume")
    return {record["replicate"]: record for record in map(json.loads, rest)}
