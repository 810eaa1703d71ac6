"""How far branch and bound gets on games beyond the main table, gap against time: ``python -m benchmarks.large``.

Each instance is searched on two threads and on one, until it is proved or its time is over.  Interrupt it and
run it again: it goes on where it stopped.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import measure
from benchmarks.instances import SEEDS, Size, instance
from stackelberg.game import BayesianStackelbergGame
from stackelberg.solvers.presolve import presolve
from stackelberg.solvers.resumable import Search

HERE = Path(__file__).parent
GOALS: dict[Size, tuple[float, str]] = {
    Size("uniform", 10, 10, 20): (10.0, "4 of 5"),
    Size("uniform", 5, 5, 100): (10.0, "4 of 5"),
    Size("covariant -0.5", 5, 5, 100): (10.0, "4 of 5"),
    Size("covariant -0.5", 20, 20, 10): (60.0, "as many as we can"),
    Size("uniform", 10, 10, 30): (60.0, "as many as we can"),
}
"""Sizes with their seconds and how many seeds are to be proved."""
SMOKE: dict[Size, tuple[float, str]] = {Size("uniform", 4, 4, 6): (5.0, "all")}
STEP = 0.25
"""Seconds between two looks at the gap."""
FACTOR = 1.1
"""Searches may take this many times their goal."""


def search(game: BayesianStackelbergGame, limit: float, threads: int) -> measure.Record:
    """Gap against time."""
    started = time.perf_counter()
    found = Search(presolve(game))
    trace: list[tuple[float, int, float, float]] = []
    finished = False
    while not finished and time.perf_counter() - started < limit:
        finished = found.advance(deadline=time.perf_counter() + STEP, threads=threads)
        trace.append((time.perf_counter() - started, found.nodes, found.value, found.bound))
    return {
        "status": "optimal" if finished else "time-limit",
        "seconds": trace[-1][0],
        "nodes": found.nodes,
        "value": found.value,
        "trace": trace,
    }


def run(
    sizes: dict[Size, tuple[float, str]], seeds: tuple[int, ...], threaded: tuple[int, ...], path: Path
) -> None:
    """Measure what is not measured yet, on each of these numbers of threads."""
    done = {(r["size"], r["seed"], r["threads"]) for r in measure.read(path)}
    machine = measure.machine()
    for size, (goal, _) in sizes.items():
        for seed in seeds:
            for threads in threaded:
                if (str(size), seed, threads) in done:
                    continue
                limit = FACTOR * goal
                record = measure.in_child(partial(search, instance(size, seed), limit, threads), limit)
                record |= {"size": str(size), "seed": seed, "threads": threads, "machine": machine}
                measure.append(path, record)
                print(
                    f"{size} seed {seed}, {threads} threads: {record['status']} {record['seconds']:.4g} s",
                    flush=True,
                )


def gap_at(record: measure.Record, seconds: float) -> float:
    """Relative gap that was left when so much time had passed."""
    _, _, value, bound = [point for point in record["trace"] if point[0] <= seconds][-1]
    return (
        0.0
        if record["status"] == "optimal" and record["seconds"] <= seconds
        else (bound - value) / abs(value)
    )


def table(records: list[measure.Record], sizes: dict[Size, tuple[float, str]]) -> str:
    """Markdown: how many seeds were proved in time, the gaps that were left, and what threads brought."""
    lines = [
        "| size | time | proved on two threads, of | goal | seconds on two threads, by seed | gap left in time "
        "| one thread over two, median |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, (goal, wanted) in sizes.items():
        rows = {(r["seed"], r["threads"]): r for r in records if r["size"] == str(size)}
        two = [r for (_, threads), r in sorted(rows.items()) if threads == 2]
        shown = ", ".join(f"{'> ' * (r['status'] != 'optimal')}{r['seconds']:.3g}" for r in two)
        proved = sum(r["status"] == "optimal" and r["seconds"] <= goal for r in two)
        gaps = ", ".join(f"{gap_at(r, goal):.2g}" for r in two)
        both = [
            rows[seed, 1]["seconds"] / r["seconds"]
            for (seed, threads), r in rows.items()
            if threads == 2 and r["status"] == rows.get((seed, 1), {}).get("status") == "optimal"
        ]
        speed = f"{median(both):.2f}× ({len(both)} seeds)" if both else "–"
        lines.append(
            f"| {size} | {goal:g} s | {proved}, {len(two)} | {wanted} | {shown} | {gaps} | {speed} |"
        )
    return "\n".join(lines)


def plot(records: list[measure.Record], sizes: dict[Size, tuple[float, str]], path: Path) -> None:
    """Relative gap against seconds on two threads, a panel per size, a line per seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * len(sizes), 3.2), layout="constrained")
    axes = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for ax, (size, (goal, _)) in zip(axes, sizes.items(), strict=True):
        for r in (r for r in records if r["size"] == str(size) and r["threads"] == 2):
            seconds = [point[0] for point in r["trace"]]
            gaps = [max((bound - value) / abs(value), 1e-9) for _, _, value, bound in r["trace"]]
            ax.plot(seconds, gaps, color="black", linewidth=1)
            if r["status"] == "optimal":
                ax.plot(seconds[-1:], [1e-9], "o", color="#0072B2", markersize=5, clip_on=False)
        ax.axvline(goal, color="#D55E00", linestyle="--", linewidth=1)
        ax.set(title=str(size), xlabel="seconds, two threads", yscale="log", ylim=(1e-9, 1))
        ax.title.set_fontsize(9)
    axes[0].set_ylabel("relative gap")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.large")
    parser.add_argument("--smoke", action="store_true", help="one tiny size, two seeds")
    parser.add_argument("--threads", nargs="*", type=int, default=[2, 1])
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    parser.add_argument("--records", type=Path, default=None, help="where results are kept, one JSON a line")
    parser.add_argument("--page", type=Path, default=None)
    given = parser.parse_args(arguments)

    sizes, seeds = (SMOKE, SEEDS[:2]) if given.smoke else (GOALS, SEEDS)
    path = given.records or HERE / "results" / ("smoke-large.jsonl" if given.smoke else "large.jsonl")
    page = given.page or (
        path.with_suffix(".md") if given.smoke else HERE.parent / "docs" / "benchmarks" / "large.md"
    )
    if not given.report_only:
        search(instance(Size("uniform", 10, 10, 20), 0), 60.0, 2)  # compiles before children are forked
        run(sizes, seeds, tuple(given.threads), path)
    records = measure.read(path)
    plot(records, sizes, page.with_suffix(".png"))
    where = records[-1]["machine"] if records else {}
    text = [
        "# How far branch and bound gets",
        "",
        "Games beyond the main table, searched on two threads and on one, a little longer than their time.",
        "Proved means that the gap is closed to 1e-8 of the range of payoffs by bounds in floats; the dashed line",
        "is the time.",
        "",
        table(records, sizes),
        "",
        f"![Gap against time]({page.with_suffix('.png').name})",
        "",
        measure.provenance(where, f"seeds {sorted({r['seed'] for r in records})}", "large"),
        "",
    ]
    page.write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
