"""Training methods: curves over dose, what a method puts at stake, and the regions in which each is the answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stackelberg.plots.style import BLUE, GREEN, GREY, ORANGE, PINK, RED

LINES = (
    (BLUE, "-"),
    (ORANGE, "--"),
    (GREEN, "-."),
    (RED, ":"),
    (PINK, (0, (5, 1, 1, 1, 1, 1))),
    (GREY, "-"),
)
"""Colour and dash of a method, told apart without colour too."""


def method_curves(frame: pd.DataFrame, ax: Axes, *, x: str, y: str, xlabel: str, ylabel: str) -> Axes:
    """One line per method, in the order of the frame.

    Parameters
    ----------
    frame : DataFrame
        Columns method, `x` and `y`.
    ax : Axes
    x, y : str
    xlabel, ylabel : str
        In words.
    """
    for k, (name, part) in enumerate(frame.groupby("method", sort=False)):
        colour, dash = LINES[k % len(LINES)]
        ax.plot(part[x], part[y], color=colour, linestyle=dash, linewidth=1.8, label=str(name))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return ax


def modification_plane(plane: pd.DataFrame, ax: Axes, *, patience: Sequence[float] = ()) -> Any:
    """What one method puts at stake over generalisation and dose; returns the mesh, for a colour bar.

    Parameters
    ----------
    plane : DataFrame
        Columns generalisation, dose and modification, on a full grid, of one method.
    ax : Axes
    patience : sequence of float
        Numbers of deploy conversations per trained one; a line is drawn where faking starts to pay at each.
    """
    table = plane.pivot(index="generalisation", columns="dose", values="modification")
    dose, g = table.columns.to_numpy(dtype=float), table.index.to_numpy(dtype=float)
    values = table.to_numpy(dtype=float)
    ax.set_xscale("log")
    mesh = ax.pcolormesh(dose, g, values, cmap="cividis", vmin=0, vmax=1, shading="nearest", rasterized=True)
    levels = sorted({1 / d for d in patience})
    if levels and values.max() > levels[0]:
        from matplotlib.patheffects import AbstractPathEffect, withStroke

        halo: list[AbstractPathEffect] = [
            withStroke(linewidth=2.6, foreground="black")
        ]  # white lines must show on yellow too
        lines = ax.contour(dose, g, values, levels=levels, colors="white", linewidths=1.2)
        lines.set_path_effects(halo)
        for text in ax.clabel(lines, fmt={level: f"D = {1 / level:.3g}" for level in levels}, fontsize=7):
            text.set_path_effects(halo)
            across, up = ax.transAxes.inverted().transform(ax.transData.transform(text.get_position()))
            text.set_visible(0.08 < across < 0.92 and 0.08 < up < 0.92)  # elsewhere it would be cut
    ax.set_xlabel("dose, unit doses")
    ax.set_ylabel("generalisation g")
    return mesh


def method_regions(regions: pd.DataFrame, ax: Axes, methods: Sequence[str]) -> Axes:
    """Which method is the answer over generalisation and dose, with a legend of those that occur.

    Parameters
    ----------
    regions : DataFrame
        Columns generalisation, dose and method, on a full grid, as ``stackelberg.faking.choice.method_regions``.
    ax : Axes
    methods : sequence of str
        In the order of their colours; "any" (several do as well) and "none" are grey and white.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    names = [*methods, "any", "none"]
    colours = [*(LINES[k % len(LINES)][0] for k in range(len(methods))), "#DDDDDD", "white"]
    hatches = ["", "//", "..", "xx", "\\\\", "++"]
    table = regions.pivot(index="generalisation", columns="dose", values="method")
    codes = table.map(names.index).to_numpy(dtype=float)
    dose, g = table.columns.to_numpy(dtype=float), table.index.to_numpy(dtype=float)
    colormap = ListedColormap(colours)
    top = len(names) - 0.5
    ax.pcolormesh(dose, g, codes, cmap=colormap, vmin=-0.5, vmax=top, shading="nearest", rasterized=True)
    present = [k for k in range(len(names)) if (codes == k).any()]
    handles = []
    for k in present:
        hatch = hatches[k % len(hatches)] if k < len(methods) else ""
        if hatch:  # a hatch tells the regions apart in grey
            inside = np.where(codes == k, 1.0, 0.0)
            ax.contourf(dose, g, inside, levels=[0.5, 1.5], colors="none", hatches=[hatch])
        handles.append(
            Patch(facecolor=colours[k], hatch=hatch, edgecolor="black", linewidth=0.4, label=names[k])
        )
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, frameon=False)
    ax.set_xscale("log")
    ax.set(xlim=(dose[0], dose[-1]), ylim=(g[0], g[-1]))  # where the hatches end
    ax.set_xlabel("dose, unit doses")
    ax.set_ylabel("generalisation g")
    return ax
