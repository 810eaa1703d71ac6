"""One measurement: a method on an instance, in a process of its own, with a limit; kept as a line of JSON.

A child is forked from a parent that has loaded and warmed everything, so that neither imports nor compilation
count, a solver that ignores its limit can be ended, and memory is the child's own.
"""

import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

Record = dict[str, Any]
GRACE = 20.0
"""Seconds beyond the limit before a child is ended: solvers look at the clock at their leisure."""
PACKAGES = (
    "numpy",
    "numba",
    "highspy",
    "pulp",
    "cvxpy",
    "cbcbox",
    "pyscipopt",
    "gurobipy",
    "open-spiel",
    "stepmix",
)


def in_child(measure: Callable[[], Record], limit: float) -> Record:
    """What ``measure`` returns, or a record of its failure; with the child's peak memory."""
    if "highspy" in sys.modules:  # its worker threads would be missing in the child, and it would not solve
        sys.modules["highspy"].Highs.resetGlobalScheduler(True)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(measure, sender))
    started = time.perf_counter()
    child.start()
    sender.close()
    try:
        if receiver.poll(limit + GRACE):
            return receiver.recv()
        return {"status": "killed", "seconds": time.perf_counter() - started}
    except EOFError:
        return {"status": "crashed", "seconds": time.perf_counter() - started}
    finally:
        child.kill()
        child.join()


def _report(measure: Callable[[], Record], sender: Any) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # banners of HiGHS and Gurobi
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        record = measure()
    except Exception as error:  # a peer's failure is a result
        record = {"status": "error", "message": f"{type(error).__name__}: {error}"[:200]}
    record["megabytes"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    sender.send(record)


def read(path: Path) -> list[Record]:
    """Records so far; a line cut short by an interruption is dropped."""
    records = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def append(path: Path, record: Record) -> None:
    """Add a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ended = not path.exists() or not path.read_bytes()[-1:].strip()
    with path.open("a") as file:
        file.write(("" if ended else "\n") + json.dumps(record) + "\n")


def machine() -> Record:
    """Where and with what this was measured."""
    return {
        "python": platform.python_version(),
        "cpu": _cpu(),
        "cores": multiprocessing.cpu_count(),
        "commit": _output(["git", "rev-parse", "--short", "HEAD"]),
        "versions": dict(_versions(PACKAGES)),
    }


def provenance(where: Record, seeds: str, command: str) -> str:
    """The sentence that ends a page: machine, versions, seeds and command."""
    versions = ", ".join(f"{name} {version}" for name, version in where.get("versions", {}).items())
    return (
        f"Measured on {where.get('cpu', '?')} ({where.get('cores', '?')} cores), "
        f"Python {where.get('python', '?')}, {versions}; commit {where.get('commit', '?')}; {seeds}. "
        f"Written by `python -m benchmarks.{command}`."
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
