"""The gallery's figures of predictions and of methods compared; see tools/gallery_figures.py."""

from collections.abc import Callable

from matplotlib.figure import Figure

from tools.gallery_figures import est, np, plots, plt, vlaf


def prediction_bands() -> Figure:
    """Faking predicted for a known model and for new ones.

    More prompts would narrow the first panel only: the others hold what varies between models and between
    families. Bands of 50 % and 95 %.
    """
    people = est.fit_population(vlaf, "family")
    asked = est.scenarios(np.linspace(0, 1, 41), informativeness=0.6)
    who = {
        "OLMo 2 32B Instruct": {"model": "olmo2-32b-instruct"},
        "a new OLMo 2 model": {"group": "olmo2"},
        "a new model of a new family": {},
    }
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.2), layout="constrained", sharey=True)
    for ax, (title, named) in zip(axes, who.items()):
        table = est.predict_faking(people, asked, **named)
        plots.prediction_bands(table, ax, x="monitoring", xlabel="monitoring share q", ylabel="")
        ax.set_title(title, loc="left", fontsize=10)
    axes[0].set_ylabel("faking share of prompts")
    return figure


def method_levels() -> Figure:
    """Stages of one chain: not an experiment.

    OLMo 2 32B on each axis. Every stage was trained on the one before, on data of its own.
    """
    olmo = next(part for labels, part in vlaf.groups("family") if labels["family"] == "olmo2")
    stages = est.compare_methods(olmo, unit="family", chain=True)
    levels = stages.levels[stages.levels["measure"] == "faking_share"]
    figure, axes = plt.subplots(1, 6, figsize=(10.5, 2.6), layout="constrained", sharex=True, sharey=True)
    for ax, (axis, own) in zip(axes, levels.groupby("axis", sort=False)):
        plots.method_levels(own, ax, ["base", "sft", "dpo", "grpo"], label="faking share")
        ax.set_title("all axes" if axis == "all" else axis, loc="left", fontsize=10)
    figure.suptitle(stages.title, x=0.01, ha="left")
    return figure


def method_effects() -> Figure:
    """Methods compared on a simulated table (no data).

    Gap less that of the base model, simulated by the library's own model of training. Circles: models; diamond and bar:
    their mean with its interval; thin line: the effect in a new model.
    """
    simulated = est.simulate_methods(families={"A": 2, "B": 2, "C": 2, "D": 2}, prompts=20)
    found = est.compare_methods(simulated.observations)
    names = ["SFT", "BCO", "DPO", "KTO", "GRPO"]
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.8), layout="constrained", sharex=True, sharey=True)
    for ax, axis in zip(axes, ["safety", "harmlessness", "helpfulness"]):
        own = [t.query("axis == @axis and measure == 'gap'") for t in (found.differences, found.pooled)]
        plots.method_effects(*own, ax, names, label="difference of gaps to base")
        ax.set_title(axis, loc="left", fontsize=10)
    figure.suptitle(found.title, x=0.01, ha="left")
    return figure


FIGURES: tuple[Callable[[], Figure], ...] = (prediction_bands, method_levels, method_effects)
