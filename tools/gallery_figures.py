"""The figures of the gallery: a docstring is the title and the words on the page, the body the code that is shown."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import expit
from scipy.stats import norm

import estimators as est
import stackelberg as sb
from stackelberg import landscape, plots, sensitivity
from stackelberg.faking import choice
from stackelberg.faking.training.flow import train, unit_dose
from stackelberg.faking.training.objectives import DPO, GRPO, SFT

types = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.3, goal_guarding=1.0),
    sb.FollowerType(name="stubborn", prior=0.2, preference=0.6, goal_guarding=1.0),
    sb.FollowerType(name="willing", prior=0.5, preference=-0.5),
]
costs = sb.LeaderCosts(monitoring_cost=0.3)
fixed = sb.FakingGame(types=types, cues=sb.CuePolicy.informative(0.6), monitoring=0.4, costs=costs)
free = sb.FakingGame(types=types, cues=sb.CuePolicy.free(), budget=0.5, costs=costs)
vlaf = est.datasets.load_vlaf()  # ten open models, 92 prompts, ten samples in each context
models = {labels["model"]: obs for labels, obs in vlaf.groups("model")}
methods = {"DPO": DPO(), "SFT": SFT(), "GRPO": GRPO()}


def short(plans: str) -> str:
    """A joint reply of the types without the willing, who comply anyway, in one word a type."""
    for plan, word in (("comply/comply", "comply"), ("comply/refuse", "fake"), ("refuse/refuse", "refuse")):
        plans = plans.replace(plan, word)
    return ", ".join(plans.split(" / ")[:2])


def value_curve() -> Figure:
    """The leader's value.

    It is straight while the replies hold and jumps where a type starts to comply; the equilibrium sits
    on a tooth.
    """
    game = fixed.to_game()
    equilibrium = sb.solve(game)
    curve = landscape.value_curve(game)
    curve["probability"] = 1 - curve["probability"]  # of the second action, to monitor
    curve["replies"] = curve["replies"].map(short)
    figure, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    best = (equilibrium.strategy[1], equilibrium.value)
    plots.value_curve(curve, ax, label="monitoring share q", optimum=best)
    figure.legend(title="guarding, stubborn", loc="outside right center")
    return figure


def reply_strips() -> Figure:
    """Reply regions, two leader actions.

    What each type does after the train and the deploy cue at every commitment; faking is comply/refuse.
    """
    game = fixed.to_game()
    strips = landscape.reply_strips(game)
    strips = strips.assign(low=1 - strips["high"], high=1 - strips["low"])  # of the second action, to monitor
    figure, ax = plt.subplots(figsize=(7.2, 2.6), layout="constrained")
    plots.reply_strips(strips, ax, label="monitoring share q", optimum=sb.solve(game).strategy[1])
    figure.legend(title="train/deploy", loc="outside right center")
    return figure


def reply_simplex() -> Figure:
    """Reply regions, three leader actions.

    The trainer mixes no monitoring with two methods; the best commitment lies on the border of two
    regions.
    """
    gentle, strong = sb.Method("gentle", modification=0.7), sb.Method("strong", modification=1.0, cost=0.4)
    cues = sb.CuePolicy.fixed([[1.0], [1.0]], cues=["any"])
    game = sb.FakingGame(types=types, methods=[gentle, strong], cues=cues).to_game()
    names = ["no monitoring", "gentle", "strong"]
    regions = landscape.reply_map(game, steps=80).rename(columns=dict(zip(game.leader_actions, names)))
    regions["replies"] = [", ".join(plans.split(" / ")[:2]) for plans in regions["replies"]]
    figure, ax = plt.subplots(figsize=(6.2, 4.0), layout="constrained")
    plots.reply_simplex(regions, ax, names, optimum=sb.solve(game).strategy)
    figure.legend(title="guarding, stubborn", loc="outside right center")
    return figure


def phase_diagram() -> Figure:
    """Phase diagrams.

    Where faking arises over the monitored share and the informativeness of the cues: 10,201 games at
    once.
    """
    share = np.linspace(0, 1, 101)
    plane = sb.sweep(fixed, {"monitoring": share, "informativeness": share}, sb.status_quo)
    words = {"monitoring": "monitoring share q", "informativeness": "informativeness of the cues"}
    over = {"x": "monitoring", "y": "informativeness", "labels": words}
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained", sharey=True)
    figure.get_layout_engine().set(wspace=0.08)  # room between the colour bar and the next panel
    mesh = plots.phase_diagram(plane, axes[0], value="faking_share", **over)
    figure.colorbar(mesh, ax=axes[0], label="prior share of types that fake")
    plots.phase_diagram(plane, axes[1], value="behaviour[guarding]", **over)
    axes[1].get_legend().set_loc("lower right")
    axes[0].set_title("all types", loc="left")
    axes[1].set_title("the guarding type", loc="left")
    axes[1].set_ylabel("")
    return figure


def equilibrium_summary() -> Figure:
    """An equilibrium at a glance.

    The commitment, its value, what the certificate claims, and the replies of the first types.
    """
    equilibrium = sb.solve(sb.examples.security(6, 3, 0))
    figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    plots.equilibrium_summary(equilibrium, ax)
    return figure


def tornado() -> Figure:
    """One at a time.

    How far each assumption moves the leader's value and the monitoring it chooses.
    """
    ranges = {
        "preference[guarding]": (0.2, 0.5),
        "prior[guarding]": (0.1, 0.5),
        "deploy_harm": (0.7, 1.5),
        "monitoring_cost": (0.1, 0.9),
        "budget": (0.3, 0.7),
    }
    swings = sensitivity.tornado(free, ranges, outcomes=("value", "monitoring_chosen"))
    swings["name"] = swings["name"].str.replace("_", " ")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    plots.tornado(swings, left, outcome="value", label="leader's value, utils")
    plots.tornado(swings, right, outcome="monitoring_chosen", label="monitoring share chosen")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def gaps() -> Figure:
    """Compliance gaps.

    Train rate minus deploy rate of ten open models, intervals clustered by prompt.
    """
    table = est.compliance_gap(vlaf, by="model")
    figure, ax = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
    plots.gaps(table, ax, table["model"])
    return figure


def train_against_deploy() -> Figure:
    """Train against deploy, with classes.

    Every prompt's rates; left the fitted law of preferences, right the latent classes with their
    intervals.
    """
    obs = models["Qwen3-8B"]
    pairs = obs.pairs()
    rates = pd.DataFrame({f"{c}_rate": pairs[f"agreed_{c}"] / pairs[f"n_{c}"] for c in ("deploy", "train")})
    prompts = rates.value_counts().rename("prompts").reset_index()
    law = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(obs).law_
    quantile = np.arange(1, 100) / 100
    logit = law.mu + law.sigma * norm.ppf(quantile)
    rates = {"deploy_rate": expit(logit), "train_rate": expit(logit + law.deltas[0])}
    curve = pd.DataFrame({"incentive": law.deltas[0], "quantile": quantile, **rates})
    classes = est.LatentClasses(bootstrap=0).fit(obs).class_table_
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4.1), layout="constrained", sharey=True)
    plots.train_against_deploy(prompts, curve, left)
    plots.train_against_deploy(prompts, None, right, classes=classes)
    left.set_title("preferences vary over prompts", loc="left")
    right.set_title("latent classes", loc="left")
    left.legend(title="incentive δ, logits", loc="lower right")
    right.legend(title="class, share of prompts", loc="lower right")
    return figure


def fracture() -> Figure:
    """Fracture over thresholds.

    Left as counted, with all that ten samples of 92 prompts leave open; right a law that is known,
    rates uniform and independent, with the sharp bounds that ten samples a prompt leave even then.
    """
    taus = np.arange(1, 20) / 20
    counted = est.fracture_curve(models["Qwen3-8B"], taus=taus, bounds=True)
    average = est.fracture_average(models["Qwen3-8B"], bounds=True).iloc[0]
    known = pd.DataFrame({"tau": taus[1::2], "fracture": taus[1::2] * (1 - taus[1::2])})
    bounds = [est.sharp_bounds(np.full((11, 11), 1 / 11**2), tau, points=31) for tau in known["tau"]]
    known[["sharp_low", "sharp_high"]] = bounds
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 4.4), layout="constrained", sharey=True)
    plots.fracture(counted, axes[0], average=average, tau=0.5)
    plots.fracture(known, axes[1])
    axes[0].set_title("Qwen3 8B", loc="left")
    axes[1].set_title("a known law", loc="left")
    axes[1].set_ylabel("")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def indifference_beliefs() -> Figure:
    """Posterior of β*.

    The belief of being monitored at which the middle prompt of each model changes its reply, pooled
    over families; in the grey band the reply depends on the belief.
    """
    posterior = est.Posterior(chains=2, draws=900, tune=500).fit(vlaf)
    draws = {name: -posterior.of(name)[:, 0] / posterior.of(name)[:, 2] for name in posterior.models_}
    figure, ax = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    plots.indifference_beliefs(draws, ax, limits=(-1.0, 4.0))
    return figure


def faking_plane() -> Figure:
    """Predicted faking.

    The share of prompts on which each model's best reply is to agree in train and refuse in deploy;
    dashed: how much to monitor if at most a quarter can be.
    """
    figure, axes = plt.subplots(2, 5, figsize=(11, 4.8), layout="constrained", sharex=True, sharey=True)
    for ax, (name, obs) in zip(axes.flat, models.items()):
        fit = est.StructuralPayoffs(bootstrap=99).fit(obs)
        best = est.recommend(fit, est.Assumptions(budget=0.25), draws=0).iloc[0]["monitoring"]
        mesh = plots.faking_plane(est.policy_plane(fit.law_), ax, recommended=best, most=0.5)
        ax.set_title(name if fit.verdict_.startswith("incentive") else f"{name}\n{fit.verdict_}", fontsize=8)
        ax.label_outer()
    figure.colorbar(mesh, ax=axes, label="predicted faking share")
    return figure


def method_curves() -> Figure:
    """What training does to a prompt.

    How far one unit dose of each method moves a prompt's log-odds of complying, by where it starts.
    """
    start = np.linspace(-6, 6, 121)
    after = {name: train(method, start, start, unit_dose(method)) for name, method in methods.items()}
    shifts = [pd.DataFrame({"method": m, "start": start, "shift": end - start}) for m, end in after.items()]
    figure, ax = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
    words = {"xlabel": "log-odds of complying before", "ylabel": "shift by one unit dose, logits"}
    plots.method_curves(pd.concat(shifts), ax, x="start", y="shift", **words)
    ax.legend()
    return figure


def modification_plane() -> Figure:
    """What a method puts at stake.

    How much more refusing changes the deploy policy than faking does; lines: faking starts to pay for a
    model that counts D deploy conversations per trained one.
    """
    g, dose = np.linspace(0.02, 1, 25), np.geomspace(0.1, 100, 41)
    plane = choice.modification_plane(methods, generalisation=g, dose=dose)
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.2), layout="constrained", sharey=True)
    for ax, (name, part) in zip(axes, plane.groupby("method", sort=False)):
        mesh = plots.modification_plane(part, ax, patience=[2, 4, 16])
        ax.set_title(name, loc="left")
        ax.label_outer()
    figure.colorbar(mesh, ax=axes, label="modification at stake")
    return figure


def method_regions() -> Figure:
    """Which method to train with.

    The method of the best commitment over how far training generalises and the dose; every point is a
    certified commitment.
    """
    g, dose = np.linspace(0.05, 0.95, 13), np.geomspace(0.2, 20, 13)
    counted = sb.LeaderCosts(training_value=0.5)
    game = sb.FakingGame(types=types, cues=sb.CuePolicy.informative(1), costs=counted)
    regions = choice.method_regions(game, methods, generalisation=g, dose=dose)
    figure, ax = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
    plots.method_regions(regions, ax, list(methods))
    return figure


FIGURES: tuple[Callable[[], Figure], ...] = (
    value_curve,
    reply_strips,
    reply_simplex,
    equilibrium_summary,
    phase_diagram,
    tornado,
    gaps,
    train_against_deploy,
    fracture,
    indifference_beliefs,
    faking_plane,
    method_curves,
    modification_plane,
    method_regions,
)
"""In the order of the page."""
