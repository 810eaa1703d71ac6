"""What is predicted for models and monitoring shares not yet tried, and how training methods compare on an axis."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stackelberg.plots.style import BLUE, GREY, ORANGE
from stackelberg.plots.training import LINES


def prediction_bands(frame: pd.DataFrame, ax: Axes, *, x: str, xlabel: str, ylabel: str) -> Axes:
    """Expected value over scenarios with bands of 50 % and 95 %, one line per prediction.

    Parameters
    ----------
    frame : DataFrame
        Columns who, `x`, expected, low_50, high_50, low_95, high_95, as from ``estimators.predict_faking``.
    ax : Axes
    x : str
    xlabel, ylabel : str
        In words.
    """
    for k, (name, part) in enumerate(frame.groupby("who", sort=False)):
        colour, dash = LINES[k % len(LINES)]
        at = part[x].to_numpy(dtype=float)
        for low, high, alpha in (("low_95", "high_95", 0.14), ("low_50", "high_50", 0.28)):
            ax.fill_between(at, part[low], part[high], color=colour, alpha=alpha, linewidth=0)
        ax.plot(at, part["low_95"], color=colour, linestyle=dash, linewidth=0.6)
        ax.plot(at, part["high_95"], color=colour, linestyle=dash, linewidth=0.6)
        ax.plot(at, part["expected"], color=colour, linestyle=dash, linewidth=1.8, label=str(name))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return ax


def method_levels(levels: pd.DataFrame, ax: Axes, methods: Sequence[str], *, label: str) -> Axes:
    """One measure by method on one axis: every model a point, with its interval where it is the only one.

    Parameters
    ----------
    levels : DataFrame
        Columns model, method, value, low, high: one row per model and method.
    ax : Axes
    methods : sequence of str
        From top to bottom.
    label : str
        Of the measure, in words.
    """
    for row, method in enumerate(methods):
        part = levels[levels["method"] == method]
        value = part["value"].to_numpy(dtype=float)
        if len(part) == 1:
            _interval(ax, value[0], part["low"].iloc[0], part["high"].iloc[0], row, filled=True)
        elif len(part):
            _cloud(ax, value, row)
            ax.plot([value.mean()] * 2, [row - 0.3, row + 0.3], color=BLUE, linewidth=2.2)
    ax.set_xlabel(label)
    return _rows(ax, methods)


def method_effects(
    differences: pd.DataFrame, pooled: pd.DataFrame, ax: Axes, methods: Sequence[str], *, label: str
) -> Axes:
    """Difference of one measure to the reference on one axis: models as points, their mean with its interval.

    Filled marks differ at q ≤ .05. A method with one model shows that model's interval.

    Parameters
    ----------
    differences : DataFrame
        Columns method, difference, low, high, q_value: one row per model and method.
    pooled : DataFrame
        Columns method, effect, low, high, new_low, new_high, q_value: at most one row per method. The thin line is the
        effect in a new model.
    ax : Axes
    methods : sequence of str
        From top to bottom.
    label : str
        Of the difference, in words.
    """
    ax.axvline(0, color=GREY, linewidth=0.8)
    for row, method in enumerate(methods):
        own, whole = differences[differences["method"] == method], pooled[pooled["method"] == method]
        if len(whole):
            found = whole.iloc[0]
            _cloud(ax, own["difference"].to_numpy(dtype=float), row)
            ax.plot([found["new_low"], found["new_high"]], [row, row], color=ORANGE, linewidth=1.0, zorder=2)
            _interval(ax, found["effect"], found["low"], found["high"], row, filled=found["q_value"] <= 0.05)
        elif len(own):
            found = own.iloc[0]
            significant = found["q_value"] <= 0.05
            _interval(ax, found["difference"], found["low"], found["high"], row, filled=significant)
    ax.set_xlabel(label)
    return _rows(ax, methods)


def _rows(ax: Axes, methods: Sequence[str]) -> Axes:
    ax.set_yticks(range(len(methods)), methods)
    ax.set_ylim(len(methods) - 0.5, -0.5)
    return ax


def _cloud(ax: Axes, values: np.ndarray, row: int) -> None:
    """Points spread evenly over the height of a row, in the order of their values."""
    height = np.argsort(np.argsort(values)) / max(len(values) - 1, 1) - 0.5
    ax.plot(values, row + 0.5 * height, "o", color=GREY, markersize=3, markerfacecolor="none", zorder=1)


def _interval(ax: Axes, value: float, low: float, high: float, row: int, *, filled: bool) -> None:
    if np.isfinite([low, high]).all():
        ax.plot([low, high], [row, row], color=BLUE, linewidth=2.2, solid_capstyle="butt", zorder=3)
    face = BLUE if filled else "white"
    ax.plot(value, row, "D", color=BLUE, markerfacecolor=face, markersize=6, zorder=4)
