"""The table of ratios and its plot, from the records."""

import math
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.instances import Size
from benchmarks.measure import Record, provenance
from benchmarks.methods import OURS

COLUMNS: dict[str, tuple[str, ...]] = {
    "DOBSS+CBC": ("dobss+cbc",),
    "DOBSS+HiGHS": ("dobss+highs",),
    "MIP-p-G+HiGHS": ("mip-p-g+highs",),
    "best formulation on Gurobi": ("dobss+gurobi", "mip-p-g+gurobi", "d2+gurobi"),
    "best formulation on SCIP": ("dobss+scip", "mip-p-g+scip", "d2+scip"),
    "multiple LPs": ("multiple-lps",),
    "OpenSpiel's LPs (one type)": ("open-spiel",),
}
"""Columns of the table: the best of these methods on each instance."""

Ratio = tuple[float, bool]
"""A ratio, and whether it is a lower bound only."""


def solved(records: list[Record], size: str, seed: int, methods: tuple[str, ...]) -> Ratio | None:
    """Fewest seconds of any of the methods on an instance, and whether all of them ran out of time."""
    rows = [r for r in records if (r["size"], r["seed"]) == (size, seed) and r["method"] in methods]
    done = [r["seconds"] for r in rows if r["status"] == "optimal"]
    if done:
        return min(done), False
    out = [r["seconds"] for r in rows if r["status"] in ("time-limit", "killed")]
    return (max(out), True) if out else None


def ratio(records: list[Record], size: str, methods: tuple[str, ...]) -> Ratio | None:
    """Median over seeds of peer's seconds over ours; a lower bound if the middle of it is."""
    found = []
    for seed in sorted({r["seed"] for r in records if r["size"] == size}):
        own, other = solved(records, size, seed, OURS), solved(records, size, seed, methods)
        if own is not None and other is not None and not own[1]:
            found.append((other[0] / own[0], other[1]))
    if not found:
        return None
    middle = median(r for r, _ in found)
    return middle, any(bounded and r <= middle for r, bounded in found)


def geometric_mean(ratios: list[Ratio | None]) -> Ratio | None:
    """Over the sizes of a row; a lower bound if any part is."""
    known = [r for r in ratios if r is not None]
    if not known:
        return None
    return math.exp(sum(math.log(r) for r, _ in known) / len(known)), any(bounded for _, bounded in known)


def shown(value: Ratio | None) -> str:
    """The ratio in three digits, ">" in front of a lower bound."""
    if value is None:
        return "–"
    number = f"{value[0]:,.0f}" if value[0] >= 10 else f"{value[0]:.1f}"
    return f"{'> ' if value[1] else ''}{number}×"


def table(records: list[Record], rows: dict[str, tuple[Size, ...]]) -> str:
    """Markdown: one row per family with the geometric mean over its sizes, and one per size below it."""
    lines = [
        "| family | ours, seconds | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for name, sizes in rows.items():
        means = [
            geometric_mean([ratio(records, str(s), methods) for s in sizes]) for methods in COLUMNS.values()
        ]
        lines.append(f"| **{name}** | | " + " | ".join(f"**{shown(m)}**" for m in means) + " |")
        for size in sizes:
            times = [solved(records, str(size), seed, OURS) for seed in {r["seed"] for r in records}]
            own = [t for t in times if t is not None]
            seconds = f"{median(t for t, _ in own):.2g}" if own else "–"
            cells = [shown(ratio(records, str(size), methods)) for methods in COLUMNS.values()]
            lines.append(f"| {size} | {seconds} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def disagreements(records: list[Record]) -> str:
    """How far the values of methods that claim the optimum of an instance are apart."""
    values = defaultdict(list)
    for r in records:
        if r["status"] == "optimal" and r.get("value") is not None:
            values[r["size"], r["seed"]].append((r["value"], r["method"]))
    spread = {
        key: (max(v)[0] - min(v)[0]) / max(1.0, abs(max(v)[0])) for key, v in values.items() if len(v) > 1
    }
    if not spread:
        return "No instance was solved by two methods."
    worst = max(spread, key=lambda key: spread[key])
    low, high = min(values[worst]), max(values[worst])
    return (
        f"{len(spread)} instances were solved by two methods or more; their values differ by at most "
        f"{spread[worst]:.1e} relative ({worst[0]}, seed {worst[1]}: {low[1]} against {high[1]})."
    )


def page(
    records: list[Record], rows: dict[str, tuple[Size, ...]], plot: str, missing: dict[str, str] | None = None
) -> str:
    """The page for the docs; ``missing`` says why methods could not be measured at all."""
    absent = [f"{name}: {why}" for name, why in (missing or {}).items()]
    where = dict(records[-1]["machine"]) if records else {}
    commits = dict.fromkeys(
        str(r["machine"].get("commit")) for r in records
    )  # a run may go on with newer code
    where["commit"] = " and ".join(commits)
    failed = sorted(
        {f"{r['method']} on {r['size']}: {r.get('message', '')}" for r in records if r["status"] == "error"}
    )
    return "\n".join(
        [
            "# How fast the exact solvers are",
            "",
            "Peers' seconds over ours, per instance, on one thread and in one run; median over seeds, and in",
            "the rows of families the geometric mean over sizes. A peer's model building and hand-over are",
            'not counted, nor is our rational re-check. ">" marks a lower bound: the peer ran out of time.',
            "",
            table(records, rows),
            "",
            f"![Seconds of each method]({plot})",
            "",
            disagreements(records),
            "",
            provenance(where, f"seeds {sorted({r['seed'] for r in records})}", "solvers"),
            *(["", "Could not run:", "", *[f"- {line}" for line in failed]] if failed else []),
            *(["", "Not installed here:", "", *[f"- {line}" for line in absent]] if absent else []),
            "",
        ]
    )


COLOURS = {
    "highs": "#0072B2",
    "cbc": "#E69F00",
    "scip": "#009E73",
    "gurobi": "#D55E00",
    "multiple-lps": "#CC79A7",
    "open-spiel": "#56B4E9",
}
"""Of Okabe & Ito (2008), as in stackelberg.plots; ours are black."""
DASHES = {"dobss": "-", "mip-p-g": "--", "d2": ":"}


def style(method: str) -> dict[str, Any]:
    """A solver has a colour and a formulation a dash."""
    if method in OURS:
        return {"color": "black", "linewidth": 2.5, "linestyle": "-" if method == OURS[0] else "--"}
    formulation, _, solver = method.partition("+")
    return {
        "color": COLOURS.get(solver or formulation, "#666666"),
        "linestyle": DASHES.get(formulation, "-"),
        "linewidth": 1,
    }


def plot(records: list[Record], rows: dict[str, tuple[Size, ...]], path: Path) -> None:
    """Seconds of every method against sizes, one panel per family; a triangle ran out of time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(rows), 4.5), layout="constrained")
    axes = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    methods = sorted({r["method"] for r in records}, key=lambda m: (m not in OURS, m))
    for ax, (name, sizes) in zip(axes, rows.items(), strict=True):
        for method in methods:
            points = []
            for k, size in enumerate(sizes):
                seeds = sorted({r["seed"] for r in records})
                found = [t for seed in seeds if (t := solved(records, str(size), seed, (method,)))]
                if found:
                    points.append((k, median(t for t, _ in found), any(bounded for _, bounded in found)))
            if points:
                places, seconds, _ = zip(*points, strict=True)
                (line,) = ax.plot(places, seconds, marker="o", markersize=3, label=method, **style(method))
                for k, s, out in points:
                    if out:
                        ax.plot([k], [s], marker="^", markersize=8, color=line.get_color())
        ax.set_xticks(range(len(sizes)), [str(s).replace(" ", "\n", 1) for s in sizes], fontsize=6)
        ax.set_title(name, fontsize=9)
        ax.set_yscale("log")
    axes[0].set_ylabel("seconds, median over seeds")
    handles: dict[str, Any] = {}
    for ax in axes:
        lines, labels = ax.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=5, fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
