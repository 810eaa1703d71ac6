"""Every exact method and peer side by side: ``python -m benchmarks.solvers``; ``--smoke`` for tiny sizes.

Interrupt it and run it again: it goes on where it stopped.  A peer that has run out of time twice on a size
does not run on that size's other seeds.
"""

import argparse
import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import measure, methods, report
from benchmarks.instances import ROWS, SEEDS, SMOKE, Size, instance

HERE = Path(__file__).parent
TIMEOUTS = 2


def run(
    rows: dict[str, tuple[Size, ...]],
    seeds: tuple[int, ...],
    chosen: dict[str, Callable[..., measure.Record]],
    limit: float,
    path: Path,
) -> None:
    """Measure what is not measured yet."""
    records = measure.read(path)
    done = {(r["size"], r["seed"], r["method"]) for r in records}
    machine = measure.machine()
    for size in (size for sizes in rows.values() for size in sizes):
        for seed in seeds:
            game = instance(size, seed)
            for name, method in chosen.items():
                key = (str(size), seed, name)
                timeouts = sum(
                    r["status"] in ("time-limit", "killed")
                    for r in records
                    if (r["size"], r["method"]) == (str(size), name)
                )
                if key in done or timeouts >= TIMEOUTS or not methods.fits(name, game):
                    continue
                record = measure.in_child(partial(method, game, limit), limit)
                record |= {
                    "size": str(size),
                    "seed": seed,
                    "method": name,
                    "limit": limit,
                    "machine": machine,
                }
                records.append(record)
                measure.append(path, record)
                took = record.get("seconds", float("nan"))
                print(f"{size} seed {seed} {name}: {record['status']} {took:.4g} s", flush=True)


def warm(chosen: dict[str, Callable[..., measure.Record]], rows: dict[str, tuple[Size, ...]]) -> None:
    """Load and compile what the methods need, before children are forked from this process."""
    for package in ("cvxpy", "highspy", "pyscipopt", "gurobipy"):
        if importlib.util.find_spec(package):
            importlib.import_module(package)
    sizes = [size for sizes in rows.values() for size in sizes]
    games = [
        instance(size, 0) for size in (Size("uniform", 2, 5, 3000), Size("uniform", 3, 5, 40), *sizes[:2])
    ]
    for name in methods.OURS:
        for game in games:
            if name in chosen and methods.fits(name, game):
                chosen[name](game, 5.0)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.solvers")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, two seeds, five seconds")
    parser.add_argument("--rows", nargs="*", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--methods", nargs="*", help="by name, such as dobss+highs")
    parser.add_argument("--seeds", nargs="*", type=int, default=None)
    parser.add_argument("--limit", type=float, default=None, help="seconds per run (60)")
    parser.add_argument("--records", type=Path, default=None, help="where results are kept, one JSON a line")
    parser.add_argument(
        "--page", type=Path, default=None, help="the Markdown page to write; the plot goes beside it"
    )
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    given = parser.parse_args(arguments)

    rows = SMOKE if given.smoke else ROWS
    rows = {name: sizes for name, sizes in rows.items() if not given.rows or name in given.rows}
    available = methods.available()
    for name in given.methods or ():
        if name not in available:
            parser.error(f"method {name!r} is not available: choose from {', '.join(available)}")
    chosen = {name: m for name, m in available.items() if not given.methods or name in given.methods}
    seeds = tuple(given.seeds or (SEEDS[:2] if given.smoke else SEEDS))
    limit = given.limit or (5.0 if given.smoke else 60.0)
    stem = "smoke" if given.smoke else "solvers"
    path = given.records or HERE / "results" / f"{stem}.jsonl"
    docs = HERE.parent / "docs" / "benchmarks"
    page = given.page or (path.with_suffix(".md") if given.smoke else docs / "solvers.md")

    if not given.report_only:
        warm(chosen, rows)
        run(rows, seeds, chosen, limit, path)
    records = measure.read(path)
    report.plot(records, rows, page.with_suffix(".png"))
    page.write_text(report.page(records, rows, page.with_suffix(".png").name))
    print(report.table(records, rows))
    print(f"written to {page}")


if __name__ == "__main__":
    main()
