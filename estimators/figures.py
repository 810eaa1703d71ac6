"""The figures of an analysis, composed of the axes functions of :mod:`stackelberg.plots`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stackelberg import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from estimators.analysis import Analysis

MOST_PANELS = 15
WORDS = {"mu": "mean preference μ", "sigma": "spread of preferences σ", "delta": "incentive δ"}
COSTS = ("deploy_harm", "train_disagreement", "refusal_value", "monitoring_cost", "budget")


def label_of(row: Any, names: list[str]) -> str:
    """Name of a group in words: its labels that were not pooled over, and that no earlier label contains.

    Examples
    --------
    >>> label_of({"model": "Qwen2.5-32B-Instruct", "method": "instruct"}, ["model", "method"])
    'Qwen2.5-32B-Instruct'
    >>> label_of({"model": "olmo2-32b", "method": "base", "axis": "all"}, ["model", "method", "axis"])
    'olmo2-32b, base'
    >>> label_of({"model": "all", "axis": "care"}, ["model", "axis"])
    'all, axis care'
    """
    own = {name: str(row[name]) for name in names if str(row[name]) != "all"}
    if set(own) == {"axis"} and len(names) > 1:
        return f"all, axis {own['axis']}"
    parts: list[str] = []
    for value in own.values():
        if not any(value.lower() in earlier.lower() for earlier in parts):
            parts.append(value)
    return ", ".join(parts) or "all"


def in_words(name: str) -> str:
    """A number's name as a reader says it.

    Examples
    --------
    >>> in_words("deploy_harm"), in_words("delta")
    ('deploy harm', 'incentive δ')
    """
    return WORDS.get(name, name.replace("_", " "))


def figures(analysis: Analysis) -> Iterator[tuple[str, Figure]]:
    """Name and figure, one after the other: gaps, train_deploy, fracture, faking_plane, tornado."""
    yield "gaps", _gaps(analysis)
    yield "train_deploy", _train_deploy(analysis)
    yield "fracture", _fracture(analysis)
    yield "faking_plane", _planes(analysis)
    yield "tornado", _tornado(analysis)


def _figure(**options: Any) -> Any:
    from matplotlib.figure import Figure  # not pyplot: nothing global, no display needed

    return Figure(layout="constrained", **options)


def group_names(analysis: Analysis) -> list[str]:
    """Label columns of the analysis' tables."""
    columns = list(analysis.gaps.columns)
    return columns[: columns.index("prompts")]


def _state_assumptions(figure: Figure, analysis: Analysis, *names: str) -> None:
    """What a reader must know is assumed, under the figure."""
    values = analysis.assumptions.values()
    text = ", ".join(f"{name.replace('_', ' ')} {values[name]:g}" for name in names)
    figure.supxlabel(f"Assumed: {text}", fontsize=9, color=plots.GREY, x=0.01, ha="left")


def _own_groups(analysis: Analysis) -> list[tuple[str, pd.Series]]:
    """The groups of ``by`` for panels: (label, labels row); axes pooled over the rest come after them."""
    names = group_names(analysis)
    rows = [row for _, row in analysis.gaps[names].iterrows()]
    return [(label_of(row, names), row) for row in rows]


def part_of(table: pd.DataFrame, labels: Mapping[str, Any] | pd.Series) -> pd.DataFrame:
    """The rows of a table that carry the given labels."""
    chosen = np.ones(len(table), dtype=bool)
    for name, value in labels.items():
        chosen &= (table[str(name)] == value).to_numpy()
    return table[chosen]


def _gaps(analysis: Analysis) -> Figure:
    labels = [label for label, _ in _own_groups(analysis)]
    figure = _figure(figsize=(7.2, 1.2 + 0.32 * len(labels)))
    ax = plots.gaps(analysis.gaps, figure.subplots(), labels)
    ax.set_title("Compliance gap with 95 % intervals clustered by prompt", loc="left", fontsize=10)
    return figure


def _grid(count: int, size: float) -> tuple[Any, np.ndarray]:
    columns = min(5, count)
    rows = -(-count // columns)
    figure = _figure(figsize=(size * columns + 0.6, size * rows + 0.7))
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)).ravel()
    for ax in axes[count:]:
        ax.set_visible(False)
    for k, ax in enumerate(axes[:count]):
        ax.label_outer()
        ax.tick_params(labelleft=k % columns == 0, labelbottom=k + columns >= count)
        ax.set_xticks([0, 0.5, 1])
    return figure, axes


def _outer_labels(axes: np.ndarray, count: int) -> None:
    columns = min(5, count)
    for k, ax in enumerate(axes[:count]):
        if k % columns:
            ax.set_ylabel("")
        if k + columns < count:
            ax.set_xlabel("")


def _train_deploy(analysis: Analysis) -> Figure:
    groups = _own_groups(analysis)[:MOST_PANELS]
    figure, axes = _grid(len(groups), 2.7)
    for (label, row), ax in zip(groups, axes, strict=False):
        curve = part_of(analysis.curves, row)
        plots.train_against_deploy(part_of(analysis.prompt_rates, row), curve, ax)
        deltas = " and ".join(f"{delta:.2f}" for delta in sorted(curve["incentive"].unique()))
        ax.set_title(f"{label}\nδ = {deltas}", fontsize=9)
    _outer_labels(axes, len(groups))
    figure.suptitle(
        "Agreement per prompt: observed (area: number of prompts) and fitted (line; ticks: quartiles of preference)",
        fontsize=11,
    )
    _state_assumptions(figure, analysis, "belief_train", "belief_deploy")
    return figure


def _fracture(analysis: Analysis) -> Figure:
    groups = _own_groups(analysis)[:MOST_PANELS]
    figure, axes = _grid(len(groups), 2.7)
    for (label, row), ax in zip(groups, axes, strict=False):
        average = part_of(analysis.fracture_average, row).iloc[0]
        curve = part_of(analysis.fracture_curve, row)
        plots.fracture(curve, ax, average=average, tau=analysis.assumptions.tau)
        ax.set_title(label, fontsize=9)
    _outer_labels(axes, len(groups))
    figure.suptitle("Fracture over the threshold, as counted and with bounds", fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower right", fontsize=9, ncols=3)
    _state_assumptions(figure, analysis, "false_alarm_cost", "missed_harm_cost")
    return figure


def _planes(analysis: Analysis) -> Figure:
    groups = _own_groups(analysis)[:MOST_PANELS]
    most = float(np.nanmax(analysis.plane["faking_share"]))
    most = max(0.05, np.ceil(most * 20) / 20)
    figure, axes = _grid(len(groups), 2.5)
    mesh = None
    verdicts = analysis.selection
    for (label, row), ax in zip(groups, axes, strict=False):
        plan = part_of(analysis.commitments, row)
        monitoring = float(plan.loc[plan["follower"] == "best reply", "monitoring"].iloc[0])
        mesh = plots.faking_plane(part_of(analysis.plane, row), ax, recommended=monitoring, most=most)
        detected = part_of(verdicts, row)["verdict"].iloc[0]
        ax.set_title(
            label if detected != "no incentive detected" else f"{label}\n(no incentive detected)", fontsize=9
        )
    _outer_labels(axes, len(groups))
    figure.colorbar(
        mesh, ax=list(axes[: len(groups)]), label="predicted faking share (best reply)", shrink=0.8
    )
    figure.suptitle(
        "Predicted faking share; dashed: recommended monitoring share, best-reply follower", fontsize=11
    )
    _state_assumptions(figure, analysis, "belief_train", "belief_deploy", *COSTS)
    return figure


def _tornado(analysis: Analysis) -> Figure:
    figure = _figure(figsize=(11, 4.6))
    left, right = figure.subplots(1, 2)
    table = analysis.tornado.assign(name=analysis.tornado["name"].map(in_words))
    plots.tornado(table, left, outcome="monitoring", label="recommended monitoring share")
    plots.tornado(table, right, outcome="value", label="leader's value, utils per conversation")
    left.set_xlim(-0.02, 1.02)
    figure.suptitle(
        "What moves the advice: all data pooled, best-reply follower (values tried in brackets)", fontsize=11
    )
    right.legend(loc="lower left", frameon=False, fontsize=9)  # the smallest bars are there
    _state_assumptions(figure, analysis, "belief_train", "belief_deploy", *COSTS)
    return figure
