"""How time and memory grow with types, leader actions and follower actions: ``python -m benchmarks.growth``.

One size grows and the others stay, in games with independent uniform payoffs.  A method that passes the cap on
an axis is not tried on its larger sizes.  Interrupt it and run it again: it goes on where it stopped.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from benchmarks import measure, methods, solvers
from benchmarks.instances import Size

SEEDS = (3000, 3001, 3002)
"""Apart from 1000 to 1004, which are the table's."""
CAP = 10.0

AXES: dict[str, tuple[str, tuple[int, int, int], int, int]] = {
    "types": ("types, each 5 × 5 actions", (5, 5, 0), 2, 512),
    "leader actions": ("leader actions, 5 replies, 4 types", (0, 5, 4), 2, 512),
    "follower actions": ("replies per type, 5 leader actions, 4 types", (5, 0, 4), 2, 512),
    "types, two leader actions": ("types, each 2 × 5 actions", (2, 5, 0), 2, 131_072),
    "both players' actions, one type": ("actions of each player, one type", (0, 0, 1), 2, 256),
}
"""Label of an axis; leader actions, follower actions and types, 0 where they grow; from; to, by doubling."""

COLOURS = {
    "branch-and-bound": "#000000",
    "cells": "#E69F00",
    "multiple-lps": "#CC79A7",
    "open-spiel": "#56B4E9",
    "dobss+highs": "#0072B2",
    "mip-p-g+highs": "#009E73",
    "d2+highs": "#F0E442",
    "mip-p-g+gurobi": "#D55E00",
    "dobss+cbc": "#0072B2",
    "mip-p-g+cbc": "#009E73",
    "dobss+scip": "#0072B2",
    "mip-p-g+scip": "#009E73",
}
"""Okabe and Ito's; the methods that are measured unless others are named are the first eight."""
NAMES = {
    "branch-and-bound": "ours, branch and bound",
    "cells": "ours, sweep over cells",
    "multiple-lps": "multiple LPs on HiGHS",
    "open-spiel": "OpenSpiel's LPs on HiGHS",
}
USUAL = tuple(COLOURS)[:8]
WORDS = {"dobss": "DOBSS", "mip-p-g": "MIP-p-G", "d2": "D2"}
SOLVERS = {"highs": "HiGHS", "cbc": "CBC", "scip": "SCIP", "gurobi": "Gurobi", "cplex": "CPLEX"}
MOST_TICKS = 6
COLUMNS = ("seconds", "build_seconds", "megabytes", "value")


def sizes(axis: str, most: int | None = None) -> tuple[Size, ...]:
    """Sizes along an axis, small to large."""
    _, fixed, first, last = AXES[axis]
    doubling = takewhile(lambda k: k <= min(last, most or last), (first * 2**i for i in count()))
    return tuple(Size("uniform", *(n or k for n in fixed)) for k in doubling)


def place(axis: str, size: Size) -> int:
    """What grows, at a size."""
    _, fixed, _, _ = AXES[axis]
    given = (size.leader_actions, size.follower_actions, size.types)
    return next(k for k, n in zip(given, fixed, strict=True) if not n)


def passed(records: list[measure.Record], size: Size, method: str, cap: float) -> bool:
    """Whether a method is too slow at a size, model building counted: as soon as two runs of it are."""
    rows = [r for r in records if (r["size"], r["method"]) == (str(size), method)]
    slow = [
        r["status"] != "optimal" or r.get("seconds", 0) + (r.get("build_seconds") or 0) > cap for r in rows
    ]
    return sum(slow) >= min(2, len(rows)) > 0


def run(
    axes: list[str],
    chosen: dict[str, Callable[..., measure.Record]],
    seeds: tuple[int, ...],
    cap: float,
    path: Path,
    most: int | None = None,
) -> None:
    """Measure what is not measured yet, each axis until every method has passed the cap."""
    for axis in axes:
        left = dict(chosen)
        for size in sizes(axis, most):
            solvers.run({axis: (size,)}, seeds, left, cap, path)
            records = measure.read(path)
            left = {name: method for name, method in left.items() if not passed(records, size, name, cap)}


def table(records: list[measure.Record], axes: list[str], most: int | None = None) -> pd.DataFrame:
    """One row per axis, size, seed and method; memory of CBC, a process of its own, is not seen."""
    rows: list[dict[str, Any]] = []
    for axis in axes:
        for size in sizes(axis, most):
            shape = {"leader_actions": size.leader_actions, "follower_actions": size.follower_actions}
            for r in records:
                if r["size"] == str(size):
                    known = {name: r.get(name) for name in ("seed", "method", "status", *COLUMNS)}
                    known |= {"megabytes": None} if r["method"].endswith("+cbc") else {}
                    rows.append({"axis": axis, **shape, "types": size.types, **known})
    return pd.DataFrame(rows)


def style(method: str) -> dict[str, Any]:
    """Ours are drawn thick; solvers other than HiGHS and Gurobi have dashes."""
    dashes = {"cbc": "--", "scip": ":"}.get(method.partition("+")[2], "-")
    own = method in methods.OURS
    return {
        "color": COLOURS.get(method, "#666666"),
        "linestyle": dashes,
        "linewidth": 2.6 if own else 1.4,
        "zorder": 3 if own else 2,
    }


def named(method: str) -> str:
    """A method in words."""
    formulation, _, solver = method.partition("+")
    return NAMES.get(method, f"{WORDS.get(formulation, formulation)} on {SOLVERS.get(solver, solver)}")


def line(rows: pd.DataFrame, axis: str, column: str) -> Iterator[tuple[int, float]]:
    """Points of one method: median over the seeds that it solved, most of them solved."""
    for size in sizes(axis):
        at = rows[
            (rows["leader_actions"] == size.leader_actions)
            & (rows["follower_actions"] == size.follower_actions)
            & (rows["types"] == size.types)
        ]
        done = at.loc[at["status"] == "optimal", column].dropna()
        if len(done) and 2 * len(done) > len(at):
            yield place(axis, size), median(done)


def sizes_of(rows: pd.DataFrame) -> list[str]:
    """The sizes of a table's rows, as records name them."""
    shape = rows[["leader_actions", "follower_actions", "types"]].drop_duplicates()
    return [str(Size("uniform", *map(int, row))) for row in shape.to_numpy()]


def plot(frame: pd.DataFrame, column: str, label: str, path: Path) -> None:
    """One panel per axis, log-log; the legend takes a panel of its own."""
    from matplotlib.figure import Figure

    axes = list(dict.fromkeys(frame["axis"]))
    across = min(3, len(axes) + 1)
    down = -(-(len(axes) + 1) // across)
    figure = Figure(figsize=(4.2 * across, 3.4 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    handles: dict[str, Any] = {}
    for panel, axis in zip(grid, axes, strict=False):
        here = frame[frame["axis"] == axis]
        for method in sorted(
            set(here["method"]), key=lambda m: list(COLOURS).index(m) if m in COLOURS else 99
        ):
            points = list(line(here[here["method"] == method], axis, column))
            if points:
                x, y = zip(*points, strict=True)
                # a floor: what is below a page of memory, or the clock's resolution, is noise
                floor = 0.1 if column == "megabytes" else 1e-6
                drawn = panel.plot(x, [max(v, floor) for v in y], marker="o", markersize=3.5, **style(method))
                handles.setdefault(named(method), drawn[0])
        panel.set(xscale="log", yscale="log", xlabel=AXES[axis][0], title=f"growing {axis}")
        measured = [place(axis, size) for size in sizes(axis) if str(size) in set(sizes_of(here))]
        ticks = measured[:: -(-len(measured) // MOST_TICKS)]
        panel.set_xticks(ticks, [f"{k:,}" for k in ticks])
        panel.set_xticks([], minor=True)
        panel.tick_params(labelleft=True)
        panel.grid(which="major", color="#DDDDDD", linewidth=0.6)
        panel.set_ylabel(label)
    for panel in grid[len(axes) :]:
        panel.axis("off")
    grid[len(axes)].legend(list(handles.values()), list(handles), loc="center", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def largest(frame: pd.DataFrame) -> str:
    """Markdown: the largest size that each method solved on each axis, most seeds within the cap."""
    axes = list(dict.fromkeys(frame["axis"]))
    lines = ["| method | " + " | ".join(axes) + " |", "|---" * (len(axes) + 1) + "|"]
    for method in dict.fromkeys(frame["method"]):
        cells = []
        for axis in axes:
            rows = frame[(frame["method"] == method) & (frame["axis"] == axis)]
            points = list(line(rows, axis, "seconds"))
            memory = dict(line(rows, axis, "megabytes"))
            if not points:
                cells.append("–")
                continue
            size, seconds = points[-1]
            used = f", {memory[size]:,.0f} MB" if size in memory else ""
            cells.append(f"{size:,} in {seconds:.2g} s{used}")
        lines.append(f"| {named(method)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(frame: pd.DataFrame, records: list[measure.Record], cap: float) -> str:
    """The page for the docs."""
    seeds = ", ".join(map(str, sorted(set(frame["seed"]))))
    skipped = [f"- {name}: {why}" for name, why in methods.missing().items()]
    return "\n".join(
        [
            "# How time and memory grow",
            "",
            "Independent uniform payoffs, integers 0 to 100; one thread; median over seeds. Seconds are the",
            "search's alone, without building models; memory is what a process needed on top of the game and",
            "the loaded libraries, model included: a few megabytes are the process itself. A line ends where",
            f"two of its runs took more than {cap:g} s, building counted, or the solver's licence does not allow",
            "the size. All runs: [growth.csv](growth.csv).",
            "",
            "![Seconds against sizes](growth.png)",
            "",
            "![Megabytes against sizes](growth_memory.png)",
            "",
            "The largest size that each method solved on each axis:",
            "",
            largest(frame),
            "",
            measure.provenance(records[-1]["machine"], f"seeds {seeds}", "growth"),
            *(["", "Not installed here:", "", *skipped] if skipped else []),
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.growth")
    parser.add_argument("--axes", nargs="*", choices=list(AXES), default=list(AXES), metavar="AXIS")
    parser.add_argument("--methods", nargs="*", help=f"unless given, of {', '.join(USUAL)} those installed")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--cap", type=float, default=CAP, help="seconds per run (10)")
    parser.add_argument("--most", type=int, default=None, help="largest size on any axis")
    parser.add_argument("--records", type=Path, default=here / "results" / "growth.jsonl")
    parser.add_argument("--docs", type=Path, default=here.parent / "docs" / "benchmarks")
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    given = parser.parse_args(arguments)
    available = methods.available()
    for name in given.methods or ():
        if name not in available:
            parser.error(f"method {name!r} is not available: choose from {', '.join(available)}")
    chosen = {name: available[name] for name in given.methods or USUAL if name in available}
    if not given.report_only:
        for name, why in methods.missing().items():
            print(f"skipped {name}: {why}", flush=True)
        solvers.warm(chosen, {axis: sizes(axis, given.most)[:1] for axis in given.axes})
        run(given.axes, chosen, tuple(given.seeds), given.cap, given.records, given.most)
    records = measure.read(given.records)
    frame = table(records, given.axes, given.most)
    given.docs.mkdir(parents=True, exist_ok=True)
    frame.to_csv(given.docs / "growth.csv", index=False)
    plot(frame, "seconds", "search, seconds", given.docs / "growth.png")
    plot(frame, "megabytes", "peak memory, megabytes", given.docs / "growth_memory.png")
    (given.docs / "growth.md").write_text(page(frame, records, given.cap))
    print(largest(frame))


if __name__ == "__main__":
    main()
