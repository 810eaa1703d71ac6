"""Games and equilibria: value curve, reply regions on the simplex, phase diagram, an equilibrium at a glance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from stackelberg.plots.style import AREAS, BLUE, HATCHES, RED


def value_curve(
    curve: pd.DataFrame, ax: Axes, *, label: str, optimum: tuple[float, float] | None = None
) -> Axes:
    """Leader's value against the probability of its first action, reply regions shaded.

    Parameters
    ----------
    curve : DataFrame
        Of :func:`stackelberg.landscape.value_curve`: piece, probability, value, replies.
    ax : Axes
    label : str
        The horizontal axis in words.
    optimum : (probability, value), optional
        The equilibrium, to mark.

    Returns
    -------
    Axes
    """
    names = list(dict.fromkeys(curve["replies"]))
    for name in names:
        parts = curve[curve["replies"] == name].groupby("piece")["probability"].agg(["min", "max"])
        k = names.index(name)
        for n, (low, high) in enumerate(parts.itertuples(index=False)):
            ax.axvspan(
                low,
                high,
                facecolor=to_rgba(AREAS[k % len(AREAS)], 0.3),
                hatch=HATCHES[k % len(HATCHES)],
                edgecolor=to_rgba("black", 0.25),
                linewidth=0,
                label=name if n == 0 else None,
            )
    for _, part in curve.groupby("piece"):
        ax.plot(part["probability"], part["value"], color="black", linewidth=1.8)
    if optimum is not None:
        ax.plot(
            *optimum, "o", color=RED, markersize=9, markeredgecolor="white", label="equilibrium", zorder=5
        )
    ax.set(xlabel=label, ylabel="leader's value, utils", xlim=(0, 1))
    return ax


def _area(k: int) -> dict[str, Any]:
    """Colour and hatch of the k-th area."""
    return {
        "facecolor": AREAS[k % len(AREAS)],
        "hatch": HATCHES[k % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0.5,
    }


def reply_strips(
    strips: pd.DataFrame, ax: Axes, *, label: str, optimum: float | None = None, most: int = 12
) -> Axes:
    """Best replies of each type over commitments to two leader actions: a strip per type, one hatch per reply.

    Parameters
    ----------
    strips : DataFrame
        Of :func:`stackelberg.landscape.reply_strips`: type, low, high, reply.
    ax : Axes
    label : str
        The horizontal axis in words.
    optimum : float, optional
        The equilibrium's probability of the first action, to mark.
    most : int
        Types shown; a title says how many are not.
    """
    types, replies = list(dict.fromkeys(strips["type"])), list(dict.fromkeys(strips["reply"]))
    shown, named = types[:most], set()
    for _, part in strips[strips["type"].isin(shown)].iterrows():
        reply = part["reply"]
        ax.barh(
            len(shown) - 1 - shown.index(part["type"]),
            part["high"] - part["low"],
            left=part["low"],
            height=0.72,
            label=None if reply in named else reply,
            **_area(replies.index(reply)),
        )
        named.add(reply)
    if optimum is not None:
        ax.axvline(optimum, color="black", linewidth=2, label="equilibrium")
    ax.set_yticks(range(len(shown)), shown[::-1])
    ax.set(xlabel=label, xlim=(0, 1))
    if len(types) > most:
        ax.set_title(f"{len(types) - most} more types not shown", loc="left", fontsize="small")
    return ax


def reply_simplex(
    replies: pd.DataFrame, ax: Axes, actions: Sequence[str], *, optimum: Sequence[float] | None = None
) -> Axes:
    """Best-reply regions over commitments to three leader actions, the corners being pure commitments.

    Parameters
    ----------
    replies : DataFrame
        Of :func:`stackelberg.landscape.reply_map`: a column per action, replies.
    ax : Axes
    actions : sequence of str, length 3
    optimum : sequence of float, length 3, optional
        The equilibrium's strategy, to mark.
    """
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    x, y = (replies[list(actions)].to_numpy(dtype=float) @ corners).T
    names = list(dict.fromkeys(replies["replies"]))
    for k, name in enumerate(names):
        here = (replies["replies"] == name).to_numpy(dtype=float)
        area = _area(k)
        if len(names) > 1:  # between two grid points the border lies half way
            ax.tricontourf(x, y, here, levels=[0.5, 1.5], colors=[area["facecolor"]], hatches=[area["hatch"]])
        else:
            ax.fill(*corners.T, **area)
        ax.fill([], [], label=name, **(area | {"edgecolor": "black"}))  # for a legend
    ax.fill(*corners.T, fill=False, edgecolor="black", linewidth=1.2)
    places: tuple[tuple[float, float, Any, Any], ...] = (
        (-0.04, -0.04, "left", "top"),
        (1.04, -0.04, "right", "top"),
        (0.5, float(np.sqrt(0.75)) + 0.03, "center", "bottom"),
    )
    for name, (right, top, across, up) in zip(actions, places, strict=True):
        ax.text(right, top, name, ha=across, va=up)
    if optimum is not None:
        ax.plot(
            *(np.asarray(optimum) @ corners), "o", color=RED, markersize=10, markeredgecolor="white", zorder=5
        )
    ax.set(aspect="equal", xlim=(-0.06, 1.06), ylim=(-0.12, 0.96))
    ax.axis("off")
    return ax


def phase_diagram(
    frame: pd.DataFrame, ax: Axes, *, x: str, y: str, value: str, labels: Mapping[str, str] | None = None
) -> Any:
    """What happens over two parameters: shares as a heat map, behaviours as areas.

    Parameters
    ----------
    frame : DataFrame
        Columns `x`, `y`, `value` on a full grid; `value` a number, or a name such as "faker".
    ax : Axes
    x, y, value : str
    labels : mapping, optional
        Axis labels in words, by column.

    Returns
    -------
    QuadMesh
        For a colour bar where `value` is a number; areas get their names as legend entries of the axes.
    """
    table = frame.pivot(index=y, columns=x, values=value)
    across, up = table.columns.to_numpy(dtype=float), table.index.to_numpy(dtype=float)
    said = dict(labels or {})
    ax.set(xlabel=said.get(x, x.replace("_", " ")), ylabel=said.get(y, y.replace("_", " ")))
    if pd.api.types.is_numeric_dtype(frame[value]):
        return ax.pcolormesh(
            across, up, table.to_numpy(dtype=float), cmap="cividis", shading="nearest", rasterized=True
        )
    from matplotlib.colors import ListedColormap

    names = sorted(frame[value].dropna().unique())
    codes = table.map(lambda name: names.index(name) if name in names else np.nan).to_numpy(dtype=float)
    mesh = ax.pcolormesh(
        across,
        up,
        codes,
        cmap=ListedColormap(AREAS[: len(names)]),
        vmin=-0.5,
        vmax=len(names) - 0.5,
        shading="nearest",
        alpha=0.7,
        rasterized=True,
    )
    for k in range(1, len(names)):  # hatched too, for readers in grey
        ax.contourf(
            across,
            up,
            np.where(codes == k, 1.0, 0.0),
            levels=[0.5, 1.5],
            colors="none",
            hatches=[HATCHES[k % 8]],
        )
    handles = [
        Patch(
            facecolor=AREAS[k % 8],
            alpha=0.7,
            hatch=HATCHES[k % 8],
            edgecolor="black",
            linewidth=0.3,
            label=name,
        )
        for k, name in enumerate(names)
    ]
    ax.legend(handles=handles, frameon=True, fontsize="small")
    return mesh


def equilibrium_summary(equilibrium: Any, ax: Axes, *, most: int = 12) -> Axes:
    """The committed strategy as bars, its value, bound and the replies in the title.

    Parameters
    ----------
    equilibrium : Equilibrium
        Of :func:`stackelberg.solve`; its ``strategy_table`` and ``reply_table`` are read.
    ax : Axes
    most : int
        Actions shown, the likeliest first; what is left out is summed in one bar.
    """
    table = equilibrium.strategy_table.sort_values("probability", ascending=False, kind="stable")
    table = table[table["probability"] > 0]
    shown, rest = table.iloc[:most], table.iloc[most:]
    names, shares = shown["leader_action"].tolist(), shown["probability"].tolist()
    if len(rest):
        names.append(f"{len(rest)} others")
        shares.append(float(rest["probability"].sum()))
    rows = np.arange(len(names))[::-1]
    ax.barh(rows, shares, color=BLUE, height=0.62)
    for row, share in zip(rows, shares, strict=True):
        ax.text(share + 0.01, row, f"{share:.3g}", va="center", fontsize="small")
    ax.set_yticks(rows, names)
    ax.set(xlim=(0, 1.18 * max(shares)), xlabel="probability in the commitment", ylabel="leader action")
    claim = equilibrium.certificate.claim if equilibrium.certificate else "not certified"
    replies = equilibrium.reply_table
    said = ", ".join(f"{row['type']}: {row['reply']}" for _, row in replies.head(4).iterrows())
    said += f" and {len(replies) - 4} more" if len(replies) > 4 else ""
    ax.set_title(f"value {equilibrium.value:.4g}, {claim}\n{said}", loc="left", fontsize="small")
    return ax
