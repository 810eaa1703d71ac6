# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the conclusion owes to each assumption
#
# A prediction of faking rests on numbers that nobody knows well: how much a model guards, how likely such models are,
# what its cues give away. This notebook draws where behaviour changes, asks which numbers move the advice, what a
# larger budget would be worth, and how far each assumption must move before a reply flips. All numbers are assumed,
# for illustration; `logs_to_types` has fitted ones.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

import stackelberg as sb
from stackelberg import plots, sensitivity

pd.set_option("display.max_columns", 30, "display.width", 140)
types = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    sb.FollowerType(name="sycophant", prior=0.2, preference=0.3, sycophancy=0.5),
    sb.FollowerType(name="willing", prior=0.5, preference=-0.5),
]
fixed = sb.FakingGame(types=types, cues=sb.CuePolicy.informative(0.6), monitoring=0.4)
fixed.replies()

# %% [markdown]
# ## Phase diagrams
#
# What the models do as things are, over the share of monitored conversations and the informativeness of the cues:
# 10,201 games at once. In the upper middle the guarding type and the sycophant both fake; duller cues end it, and so
# does enough monitoring.

# %%
grid = {"monitoring": np.linspace(0, 1, 101), "informativeness": np.linspace(0, 1, 101)}
plane = sb.sweep(fixed, grid, sb.status_quo)
words = {"monitoring": "monitoring share q", "informativeness": "informativeness of the cues"}
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), layout="constrained", sharey=True)
figure.get_layout_engine().set(wspace=0.08)  # room between the colour bar and the next panel
mesh = plots.phase_diagram(
    plane, axes[0], x="monitoring", y="informativeness", value="faking_share", labels=words
)
figure.colorbar(mesh, ax=axes[0], label="prior share of types that fake")
plots.phase_diagram(
    plane, axes[1], x="monitoring", y="informativeness", value="behaviour[guarding]", labels=words
)
axes[1].get_legend().set_loc("lower right")
axes[0].set_title("all types", loc="left", fontsize=10)
axes[1].set_title("the guarding type", loc="left", fontsize=10)
_ = axes[1].set_ylabel("")


# %% [markdown]
# And what a trainer should do who designs the cues: the monitoring that it chooses and the value that it gets, over
# the preference of the guarding type and the cost of monitoring. Every point is an equilibrium. The line is by hand:
# monitoring pays below the steepest chord from belief 0 of the leader's value, which ends where the guarding type
# complies (belief $v$), the sycophant (0.6), or both.

# %%
free = sb.FakingGame(
    types=types, cues=sb.CuePolicy.free(), budget=0.5, costs=sb.LeaderCosts(monitoring_cost=0.2)
)
advice = sb.sweep(
    free,
    {"preference[guarding]": np.linspace(0.02, 1, 50), "monitoring_cost": np.linspace(0, 1.6, 41)},
)
words = {
    "preference[guarding]": "preference v of the guarding type, utils",
    "monitoring_cost": "monitoring cost c, utils",
}
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), layout="constrained", sharey=True)
figure.get_layout_engine().set(wspace=0.08)
for ax, column, label in zip(
    axes, ("monitoring_chosen", "value"), ("monitoring share chosen", "leader's value, utils"), strict=True
):
    mesh = plots.phase_diagram(
        advice, ax, x="preference[guarding]", y="monitoring_cost", value=column, labels=words
    )
    figure.colorbar(mesh, ax=ax, label=label)
v = np.linspace(0.02, 1, 300)
by_hand = np.max([0.3 / v + 0.2, np.full(300, 0.2 / 0.6 + 0.3), 0.5 / np.fmax(v, 0.6)], axis=0)
for ax in axes:
    ax.plot(v[by_hand < 1.62], by_hand[by_hand < 1.62], color="white", linewidth=1.8)
_ = axes[1].set_ylabel("")

# %% [markdown]
# ## One at a time: the tornado

# %%
ranges = {
    "preference[guarding]": (0.2, 0.6),
    "goal_guarding[guarding]": (0.6, 1.6),
    "prior[guarding]": (0.1, 0.5),
    "sycophancy[sycophant]": (0.35, 0.8),
    "deploy_harm": (0.7, 1.5),
    "monitoring_cost": (0.1, 0.4),
    "budget": (0.3, 0.7),
}
swings = sensitivity.tornado(free, ranges, outcomes=("value", "monitoring_chosen"))
shown = swings.assign(name=swings["name"].str.replace("_", " "))
figure, axes = plt.subplots(1, 2, figsize=(11, 3.9), layout="constrained")
plots.tornado(shown, axes[0], outcome="value", label="leader's value, utils")
plots.tornado(shown, axes[1], outcome="monitoring_chosen", label="monitoring share chosen")
_ = axes[1].legend(loc="lower left", frameon=False, fontsize=9)

# %% [markdown]
# ## All at once: Sobol's indices
#
# *First* is the share of the variance of the leader's value that a number explains by itself, *total* with all its
# interactions. Numbers are drawn independently; intervals are bootstrapped.

# %%
laws = ranges | {"preference[guarding]": stats.truncnorm(-2, 2, loc=0.4, scale=0.1)}
indices = sensitivity.sobol(free, laws, samples=512)
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
rows = np.arange(len(indices))[::-1]
for shift, kind, colour, marker in ((0.13, "first", plots.ORANGE, "s"), (-0.13, "total", plots.BLUE, "o")):
    ends = indices[[f"{kind}_low", f"{kind}_high"]].sub(indices[kind], axis=0).abs().T.to_numpy()
    ax.errorbar(
        indices[kind], rows + shift, xerr=ends, fmt=marker, color=colour, capsize=3, markersize=5, label=kind
    )
ax.set_yticks(rows, indices["name"].str.replace("_", " "))
ax.axvline(0, color=plots.GREY, linewidth=0.8)
ax.set_xlabel("share of the variance of the leader's value")
_ = ax.legend(frameon=False, loc="lower right")

# %% [markdown]
# ## At the margin: elasticities
#
# By how many per cent the least monitoring at which the guarding type complies moves with one per cent of a number.
# After either cue the preference raises it and what is guarded lowers it, by the same amount.

# %%
marginal = sensitivity.elasticities(
    fixed, ["preference[guarding]", "goal_guarding[guarding]"], of="monitoring_threshold"
)
marginal = marginal[marginal["outcome"].str.contains("guarding")].reset_index(drop=True)
marginal[["outcome", "name", "outcome_base", "elasticity"]].round(4)

# %% [markdown]
# ## What is more budget worth?
#
# The shadow price of the budget, from the duals at the optimal replies, and the leader's value as the budget grows:
# the price is the slope of the curve, and past the last kink it is zero.

# %%
budgets = np.linspace(0, 1, 101)
worth = sb.sweep(free, {"budget": budgets})["value"].to_numpy()
points = [0.2, 0.5, 0.8]
priced = pd.concat(
    [
        sensitivity.shadow_prices(sb.FakingGame(types=types, cues=free.cues, budget=b, costs=free.costs))
        .query("name == 'budget'")
        .assign(budget=b)
        for b in points
    ]
).set_index("budget")[["slack", "price", "if_raised", "if_lowered"]]
figure, ax = plt.subplots(figsize=(6.2, 3.5), layout="constrained")
ax.plot(budgets, worth, color=plots.BLUE, linewidth=2, label="leader's value")
for k, (b, price) in enumerate(priced["price"].items()):
    level = np.interp(b, budgets, worth)
    ends = np.array([max(0.0, b - 0.2), min(1.0, b + 0.2)])
    ax.plot(
        ends,
        level + price * (ends - b),
        "--",
        color=plots.RED,
        linewidth=1.6,
        label="slope by the shadow price" if k == 0 else None,
    )
    ax.plot(b, level, "o", color=plots.RED, markersize=6)
ax.set(xlabel="monitoring budget, share of conversations", ylabel="leader's value, utils")
ax.legend(frameon=False, loc="lower right")
priced.round(6)

# %% [markdown]
# ## How far until a reply flips?
#
# For each type, the nearest values below and above at which its predicted plan changes. *Move* is how far, in the
# number's own unit; the four nearest are shown. This is the list to argue about: a plan cost of 0.15 utils, say,
# would end the guarding type's faking.

# %%
flips = sensitivity.robustness(fixed)
nearest = flips.dropna(subset=["move"]).groupby("type", sort=False).head(4)
nearest[
    ["type", "plan", "name", "base", "flip_below", "plan_below", "flip_above", "plan_above", "move"]
].round(4).set_index(["type", "plan"])

# %% [markdown]
# The same for any conclusion, such as "at the best commitment nobody fakes" with cues as they are:

# %%
planned = sb.FakingGame(
    types=types, cues=sb.CuePolicy.informative(0.6), costs=sb.LeaderCosts(monitoring_cost=0.2)
)
sensitivity.conclusion_flips(
    planned,
    {"monitoring_cost": (0.0, 1.0), "budget": (0.2, 1.0), "informativeness": (0.0, 1.0)},
    lambda frame: frame["faking_share"] == 0,
)

# %% [markdown]
# ## A result to check
#
# With informativeness 0.6 the cues are right four times in five. At $q = 0.4$ the belief after the train cue is $0.32
# / (0.32 + 0.12) = 8/11$ and after the deploy cue $0.08 / (0.08 + 0.48) = 1/7$. So the guarding type, with $K = 1$,
# fakes for a preference between 1/7 and 8/11, as found without that formula above; the elasticities at either cue are
# $1 - q^*$ times $1/(1 - v/K)$ by the logit rule; and the shadow price is the slope of the sweep.

# %%
own = flips[(flips["type"] == "guarding") & (flips["name"] == "preference[guarding]")].iloc[0]
assert abs(own["flip_below"] - 1 / 7) < 1e-9 and abs(own["flip_above"] - 8 / 11) < 1e-9
raised = marginal[marginal["name"] == "preference[guarding]"]
assert len(raised) == 2
for q, elasticity in zip(raised["outcome_base"], raised["elasticity"], strict=True):
    assert abs(elasticity - (1 - q) / (1 - 0.4)) < 1e-4
slope = (worth[21] - worth[19]) / (budgets[21] - budgets[19])
assert abs(priced.loc[0.2, "price"] - slope) < 1e-9
assert priced.loc[0.8, "price"] == 0
{
    "fakes for a preference between": [round(float(own[end]), 6) for end in ("flip_below", "flip_above")],
    "by hand": [round(1 / 7, 6), round(8 / 11, 6)],
    "price of the budget at a fifth": round(float(priced.loc[0.2, "price"]), 6),
    "slope of the sweep there": round(float(slope), 6),
}
