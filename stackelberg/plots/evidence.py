"""What the counts say and what follows for the leader: gaps, prompts, the faking plane, the tornado."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stackelberg.plots.style import BLUE, GREY, ORANGE, RED


def gaps(frame: pd.DataFrame, ax: Axes, labels: Sequence[str]) -> Axes:
    """Compliance gaps with their intervals, one row per group.

    Parameters
    ----------
    frame : DataFrame
        Columns gap, low, high, as ``estimators.compliance_gap`` returns them.
    ax : Axes
    labels : sequence of str, length of the frame

    Returns
    -------
    Axes
    """
    rows = np.arange(len(frame))[::-1]
    gap, low, high = (frame[name].to_numpy(dtype=float) for name in ("gap", "low", "high"))
    errors = np.nan_to_num(np.abs(np.stack([gap - low, high - gap])))
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.errorbar(gap, rows, xerr=errors, fmt="o", color=BLUE, markersize=5, capsize=3, linewidth=1.4)
    ax.set_yticks(rows, labels)
    ax.set_xlabel("compliance gap, train rate minus deploy rate")
    ax.margins(y=0.08)
    return ax


def train_against_deploy(
    prompts: pd.DataFrame, curve: pd.DataFrame | None, ax: Axes, *, classes: pd.DataFrame | None = None
) -> Axes:
    """Train rate against deploy rate per prompt, area by number of prompts, with the fitted model or classes.

    Parameters
    ----------
    prompts : DataFrame
        Columns deploy_rate, train_rate, prompts: distinct pairs of rates.
    curve : DataFrame, optional
        Columns incentive, quantile, deploy_rate, train_rate: the model's rates at quantiles of the preference.
    ax : Axes
    classes : DataFrame, optional
        Columns class, share, p_train, p_deploy and the limits of the rates, _low and _high, as
        ``estimators.LatentClasses`` has them in ``class_table_``.
    """
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    ax.scatter(
        prompts["deploy_rate"],
        prompts["train_rate"],
        s=10 + 12 * prompts["prompts"],
        color=BLUE,
        alpha=0.45,
        linewidth=0,
        zorder=2,
    )
    for k, (incentive, part) in enumerate(() if curve is None else curve.groupby("incentive", sort=True)):
        style = ("-", "--", "-.")[k % 3]
        ax.plot(
            part["deploy_rate"],
            part["train_rate"],
            style,
            color=RED,
            linewidth=1.6,
            zorder=3,
            label=f"{incentive:.2f}",
        )
        middle = part[part["quantile"].isin([0.25, 0.5, 0.75])]
        ax.plot(middle["deploy_rate"], middle["train_rate"], "|", color=RED, markersize=9, zorder=4)
    if classes is not None:
        _draw_classes(classes, ax)
    ax.set_xlim(-0.04, 1.04)
    ax.set_ylim(-0.04, 1.04)
    ax.set_aspect("equal")
    ax.set_xlabel("deploy rate")
    ax.set_ylabel("train rate")
    return ax


def _draw_classes(classes: pd.DataFrame, ax: Axes) -> None:
    """Each class at its rates, with their intervals, one marker a class."""
    for (_, row), marker in zip(classes.iterrows(), itertools.cycle("sDv^P")):
        x, y = float(row["p_deploy"]), float(row["p_train"])
        across, up = (
            np.nan_to_num([[row[name] - row[f"{name}_low"]], [row[f"{name}_high"] - row[name]]])
            for name in ("p_deploy", "p_train")
        )
        ax.errorbar(
            x,
            y,
            xerr=across,
            yerr=up,
            fmt=marker,
            color=RED,
            markeredgecolor="white",
            markersize=9,
            linewidth=1.6,
            zorder=5,
            label=f"{row['class']}, {row['share']:.0%}",
        )


def faking_plane(
    plane: pd.DataFrame,
    ax: Axes,
    *,
    value: str = "faking_share",
    recommended: float | None = None,
    most: float = 1.0,
) -> Any:
    """Predicted share over monitoring share and informativeness of the cues; returns the mesh, for a colour bar.

    Parameters
    ----------
    plane : DataFrame
        Columns monitoring, informativeness and `value`, on a full grid.
    ax : Axes
    value : str
    recommended : float, optional
        Monitoring share to mark.
    most : float
        Upper end of the colour scale.
    """
    table = plane.pivot(index="informativeness", columns="monitoring", values=value)
    mesh = ax.pcolormesh(
        table.columns.to_numpy(dtype=float),
        table.index.to_numpy(dtype=float),
        table.to_numpy(dtype=float),
        cmap="cividis",
        vmin=0,
        vmax=most,
        shading="nearest",
        rasterized=True,
    )
    if recommended is not None:
        ax.axvline(recommended, color="white", linewidth=2.4)
        ax.axvline(recommended, color="black", linewidth=1.2, linestyle="--")
    ax.set_xlabel("monitoring share q")
    ax.set_ylabel("informativeness of cues")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    return mesh


def tornado(frame: pd.DataFrame, ax: Axes, *, outcome: str, label: str) -> Axes:
    """How far each assumption or estimate moves an outcome, the farthest first.

    Parameters
    ----------
    frame : DataFrame
        Columns name, low, high (the values tried), base, and `outcome` with suffixes _low, _high, _base.
    ax : Axes
    outcome : str
    label : str
        Axis label, in words.
    """
    low, high = frame[f"{outcome}_low"].to_numpy(dtype=float), frame[f"{outcome}_high"].to_numpy(dtype=float)
    base = float(frame[f"{outcome}_base"].iloc[0])
    order = np.argsort(np.fmax(np.abs(low - base), np.abs(high - base)), kind="stable")
    rows = np.arange(len(frame))
    ax.barh(
        rows,
        (low - base)[order],
        left=base,
        color=ORANGE,
        height=0.62,
        label="at the low value",
        hatch="//",
        edgecolor="white",
    )
    ax.barh(
        rows,
        (high - base)[order],
        left=base,
        color=BLUE,
        height=0.62,
        label="at the high value",
        edgecolor="white",
    )
    ax.axvline(base, color="black", linewidth=1)
    names = [
        f"{row['name']}  ({row['low']:.3g} … {row['high']:.3g})" for _, row in frame.iloc[order].iterrows()
    ]
    ax.set_yticks(rows, names)
    ax.set_xlabel(label)
    return ax
