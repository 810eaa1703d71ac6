"""What counts leave open: fracture over thresholds with its bounds, the belief at which a model changes its reply."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from stackelberg.plots.style import BLUE, GREY, LIGHT, ORANGE, RED, SKY

_AVERAGE = 1.13
"""Where the average stands, right of every threshold."""


def fracture(
    curve: pd.DataFrame,
    ax: Axes,
    *,
    average: "Mapping[str, float] | pd.Series | None" = None,
    tau: float | None = None,
) -> Axes:
    """Fracture over the threshold on the rate: as counted, and what the counts leave open.

    Parameters
    ----------
    curve : DataFrame
        tau and fracture, and what there is of: fracture_low, fracture_high (95 % limits for prompts) and bound_low,
        bound_high (for the rates behind k/n), as ``estimators.fracture_curve(..., bounds=True)`` returns them for a
        group; sharp_low, sharp_high, what so many samples a prompt leave open with any number of prompts, of
        ``estimators.sharp_bounds``.
    ax : Axes
    average : mapping or Series, optional
        A row of ``estimators.fracture_average(..., bounds=True)``, drawn right of the curve, its bounds in grey.
    tau : float, optional
        The threshold that is assumed, to mark.

    Returns
    -------
    Axes
    """
    rows = curve.sort_values("tau")
    x = rows["tau"].to_numpy(dtype=float)

    for name, colour, hatch, label in (
        ("bound", LIGHT, "", "what samples and prompts leave open, 95 %"),
        ("sharp", SKY, "//", "what samples alone leave open, sharp bounds"),
    ):
        if f"{name}_low" in rows:
            low, high = (rows[f"{name}{end}"].to_numpy(dtype=float) for end in ("_low", "_high"))
            ax.fill_between(
                x, low, high, facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0, label=label
            )
    told = "fracture"
    if "fracture_low" in rows:
        told = "as counted; dashed: 95 % for prompts"
        for end in ("fracture_low", "fracture_high"):
            ax.plot(x, rows[end], color=BLUE, linewidth=1, linestyle="--")
    ax.plot(x, rows["fracture"], "o-", color=BLUE, markersize=4, label=told)
    if tau is not None:
        ax.axvline(tau, color="black", linewidth=0.9, linestyle=":", zorder=0, label="threshold assumed")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    if average is not None:
        ax.vlines(_AVERAGE, average["bound_low"], average["bound_high"], color=LIGHT, linewidth=11)
        middle, below, above = (float(average[f"fracture{end}"]) for end in ("", "_low", "_high"))
        errors = [[middle - below], [above - middle]]
        (marker, *_) = ax.errorbar(_AVERAGE, middle, errors, fmt="D", color=ORANGE, capsize=4, zorder=3)
        marker.set_label("average over costs")
        ax.axvline(1.04, color=GREY, linewidth=0.6)
    ax.set_xlim(0, 1.02 if average is None else _AVERAGE + 0.09)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("threshold τ on the rate of disagreeing")
    ax.set_ylabel("fracture, share of prompts")
    return ax


def indifference_beliefs(
    draws: Mapping[str, ArrayLike],
    ax: Axes,
    *,
    level: float = 0.95,
    limits: tuple[float, float] = (-0.25, 1.25),
) -> Axes:
    """Draws of the belief β* at which a model changes its reply, one ridge per model with median and intervals.

    Between 0 and 1 the reply depends on whether the model believes that it is monitored; below 0 it always agrees,
    above 1 it never does.  Each ridge is scaled to its own height; the right margin has the share of draws between.

    Parameters
    ----------
    draws : mapping of label to array of shape (draws,)
        Of a posterior or of the normal law of an estimate; a ratio, so that tails may be long.
    ax : Axes
    level : float in (0, 1)
        Of the thin interval; the thick one holds half of the draws.
    limits : (float, float)
        Of the axis.  What lies beyond is counted in the intervals and shares; an interval that leaves the axis ends
        in an arrow.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        A model without finite draws.
    """
    from scipy.stats import gaussian_kde

    low, high = limits
    x = np.linspace(low, high, 301)
    rows = np.arange(len(draws))[::-1]
    ax.axvspan(0, 1, color=LIGHT, alpha=0.5, linewidth=0, zorder=0)
    for row, (label, drawn) in zip(rows, draws.items(), strict=True):
        values = np.asarray(drawn, dtype=float).ravel()
        values = values[np.isfinite(values)]
        if not values.size:
            raise ValueError(f"{label} has no finite draw of β*: its incentive is zero in every draw")
        shown = values[(values > low) & (values < high)]
        if shown.size > 1 and np.ptp(shown) > 0:
            height = gaussian_kde(shown)(x)
            height[height < 0.003 * height.max()] = np.nan
            ax.fill_between(
                x,
                row,
                row + 0.72 * height / np.nanmax(height),
                facecolor=SKY,
                edgecolor=BLUE,
                linewidth=0.8,
                zorder=2,
            )
        middle = float(np.median(values))
        for width, inside in ((1.4, level), (4.5, 0.5)):
            ends = np.quantile(values, [(1 - inside) / 2, (1 + inside) / 2])
            ax.hlines(row - 0.1, *np.clip(ends, low, high), color="black", linewidth=width, zorder=3)
            for end, beyond, marker in zip(ends, (ends[0] < low, ends[1] > high), ("<", ">"), strict=True):
                if beyond and inside == level:
                    edge = float(np.clip(end, low, high))
                    ax.plot(edge, row - 0.1, marker, color="black", markersize=6, clip_on=False, zorder=4)
        if low <= middle <= high:
            ax.plot(middle, row - 0.1, "o", color=RED, markeredgecolor="white", markersize=7, zorder=5)
        between = float(((values > 0) & (values < 1)).mean())
        ax.text(
            1.02, row, f"{between:.2f}", transform=ax.get_yaxis_transform(), va="center", fontsize="small"
        )
    ax.text(1.02, 1.0, "share of draws\nin 0 to 1", transform=ax.transAxes, va="bottom", fontsize="small")
    ax.set_yticks(rows, list(draws))
    ax.set_xlim(low, high)
    ax.set_ylim(-0.45, len(draws) - 0.1)
    ax.set_xlabel("belief of being monitored at which the reply changes, β*")
    return ax
