"""The figures of a comparison of methods: a panel for each axis, levels above and differences below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimators.method_comparison import MEASURES, MethodComparison
from stackelberg import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = {
    "gap": "compliance gap",
    "fracture": "fracture",
    "faking_share": "faking share of prompts",
}


def method_figure(comparison: MethodComparison, measure: str = "gap") -> Figure:
    """One measure on every axis: its levels by method, and the differences to the reference.

    Parameters
    ----------
    comparison : MethodComparison
    measure : "gap", "fracture" or "faking_share"

    Returns
    -------
    Figure
        Its title is that of the comparison.

    Raises
    ------
    ValueError
        An unknown measure.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure is {measure!r}; choose one of {', '.join(MEASURES)}")
    from matplotlib.figure import Figure  # not pyplot: nothing global, no display needed

    levels, differences, pooled = (
        table[table["measure"] == measure]
        for table in (comparison.levels, comparison.differences, comparison.pooled)
    )
    axes, methods = list(dict.fromkeys(levels["axis"])), list(dict.fromkeys(levels["method"]))
    compared = [method for method in methods if method in set(differences["method"])]
    chain = comparison.design == "chain"
    reference = "the stage before" if chain else str(differences["reference"].iloc[0])
    names = compared
    if chain:
        before = dict(zip(differences["method"], differences["reference"], strict=True))
        names = [f"{method} − {before[method]}" for method in compared]
    heights = [len(methods), len(compared)]
    width, height = max(6.4, 2.3 * len(axes) + 0.9), 0.3 * sum(heights) + 2.2
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(
        2, len(axes), sharex="row", sharey="row", squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for column, axis in enumerate(axes):
        top, bottom = grid[:, column]
        own = [table[table["axis"] == axis] for table in (levels, differences, pooled)]
        plots.method_levels(own[0], top, methods, label=WORDS[measure])
        plots.method_effects(own[1], own[2], bottom, compared, label=f"difference to {reference}")
        bottom.set_yticks(range(len(compared)), names)
        prompts = int(own[0]["prompts"].max())
        title = "all axes" if axis == "all" else axis
        top.set_title(f"{title}, {prompts} prompts", loc="left", fontsize=9)
        for ax in (top, bottom):
            ax.tick_params(labelsize=8)
            ax.xaxis.label.set_size(8)
    figure.suptitle(f"{WORDS[measure].capitalize()}. {comparison.title}", fontsize=11, x=0.01, ha="left")
    words = "Bars: 95 % intervals. Filled: q ≤ .05 over all comparisons of the table."
    if len(pooled):
        words += " Circles: models. Line in the upper row: their mean. Thin line: the effect in a new model."
    figure.supxlabel(words, fontsize=8, color=plots.GREY, x=0.01, ha="left")
    return figure
