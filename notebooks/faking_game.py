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
# # The faking game and its thresholds
#
# A conversation is monitored with probability $q$ and carries a cue. A model that complies gets $K$ where it is
# monitored and pays $v$ everywhere; one that refuses gets nothing. It *fakes* if it complies at the cue that speaks for
# training and refuses at the other. This notebook derives when that is a best reply, finds the same numbers again with
# solvers that know no formula, and asks what a trainer gains by choosing the cues.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import stackelberg as sb
from stackelberg import landscape, plots, symbolic

forms = symbolic.closed_forms()  # derived by sympy from the payoffs; nothing is typed in
types = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.3, goal_guarding=1.0),
    sb.FollowerType(name="stubborn", prior=0.2, preference=0.6, goal_guarding=1.0),
    sb.FollowerType(name="willing", prior=0.5, preference=-0.5),
]

# %% [markdown]
# ## When is faking a best reply?
#
# Proposition 1: if $v/K$ lies between the beliefs after the two cues, moved inward by what a plan costs that depends
# on the cue. Both ends, as sympy finds them:

# %%
forms["faking_lower"]

# %%
forms["faking_upper"]

# %%
forms["largest_plan_cost"]

# %% [markdown]
# The same without a formula: one type with a plan cost of 0.05 utils, its best plan of four at every point of a grid,
# and the two closed forms drawn on top. Where they meet, no preference makes a type fake.

# %%
single = sb.FakingGame(
    types=[sb.FollowerType(name="strategic", prior=1.0, preference=0.4, goal_guarding=1.0, plan_cost=0.05)],
    cues=sb.CuePolicy.informative(0.6),
)
shares, preferences = np.linspace(0.01, 0.99, 99), np.linspace(0.005, 0.995, 100)
plane = sb.sweep(
    single, {"monitoring": shares, "preference[strategic]": preferences}, sb.status_quo, progress=False
)
sigma = single.cue_probabilities()
weight = shares * sigma[0, 0] + (1 - shares) * sigma[1, 0]
belief_train, belief_deploy = shares * sigma[0, 0] / weight, shares * sigma[0, 1] / (1 - weight)
lower = forms["faking_lower"](beta_P=belief_deploy, f=0.05, K=1.0, w_F=weight)
upper = forms["faking_upper"](beta_F=belief_train, f=0.05, K=1.0, w_F=weight)
figure, ax = plt.subplots(figsize=(6.2, 4), layout="constrained")
plots.phase_diagram(
    plane,
    ax,
    x="monitoring",
    y="preference[strategic]",
    value="behaviour[strategic]",
    labels={"monitoring": "monitoring share q", "preference[strategic]": "preference v, in units of K"},
)
open_region = lower < upper
ax.plot(shares[open_region], lower[open_region], "k--", linewidth=1.8)
ax.plot(shares[open_region], upper[open_region], "k-", linewidth=1.8)
ax.legend(handles=ax.get_legend().legend_handles, loc="lower right")
_ = ax.set_title("Best replies (areas) and Proposition 1 (lines)", loc="left", fontsize=10)

# %% [markdown]
# ## How much monitoring?
#
# Without a plan cost a type complies after a cue from a monitoring share on that is a closed form too, and its
# derivatives have signs that can be proved: a stronger preference raises it, a larger incentive lowers it.

# %%
forms["monitoring_threshold"]

# %%
forms["monitoring_threshold"].statics()[["symbol", "sign"]].set_index("symbol").T

# %%
fixed = sb.FakingGame(
    types=types, cues=sb.CuePolicy.informative(0.6), costs=sb.LeaderCosts(monitoring_cost=0.3)
)
table = fixed.monitoring_threshold()
table.round(4)

# %% [markdown]
# ## What the leader's value looks like
#
# With cues as they are, a commitment is one number, and the leader's value is a saw: straight while the replies hold,
# with a jump where a type starts to comply. The equilibrium sits on a tooth, which is why the tie rule matters.

# %%
game = fixed.to_game()
equilibrium = sb.solve(game)
curve = landscape.value_curve(game)
curve["probability"] = 1 - curve["probability"]  # of the second action: monitored
short = {"comply/comply": "comply", "comply/refuse": "fake", "refuse/refuse": "refuse"}
curve["replies"] = [", ".join(short[plan] for plan in label.split(" / ")[:2]) for label in curve["replies"]]
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
plots.value_curve(curve, ax, label="monitoring share q", optimum=(equilibrium.strategy[1], equilibrium.value))
ax.legend(
    title="guarding, stubborn", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9
)
pd.DataFrame(
    {
        "switch found by the landscape": np.sort(1 - landscape.switching_points(game)),
        "threshold in closed form": np.sort(
            table.loc[table["type"] != "willing", "monitoring_threshold"].to_numpy()
        ),
    }
).round(6)

# %% [markdown]
# With two training methods the leader has three actions, and the regions are those of a triangle. The strong method
# puts all of what a type guards at stake, the gentle one 70 %, and the strong one costs 0.4 utils more. The best
# commitment leaves the strong one out and monitors 6/7 of the conversations: the border of two regions, again a tie.

# %%
methods = [sb.Method("gentle", modification=0.7), sb.Method("strong", modification=1.0, cost=0.4)]
three = sb.FakingGame(
    types=types,
    methods=methods,
    cues=sb.CuePolicy.fixed([[1.0], [1.0]], cues=["any"]),
    costs=sb.LeaderCosts(monitoring_cost=0.1),
).to_game()
answer = sb.solve(three)
names = ["unmonitored", "gentle", "strong"]
regions = landscape.reply_map(three, steps=90).rename(
    columns=dict(zip(three.leader_actions, names, strict=True))
)
regions["replies"] = [", ".join(label.split(" / ")[:2]) for label in regions["replies"]]
figure, ax = plt.subplots(figsize=(6.2, 4.4), layout="constrained")
plots.reply_simplex(regions, ax, names, optimum=answer.strategy)
_ = ax.legend(
    title="guarding, stubborn", loc="center left", bbox_to_anchor=(1.0, 0.6), frameon=False, markerscale=1.5
)
answer

# %% [markdown]
# ## Who chooses the cues?
#
# Let the budget lie below the threshold, so that monitoring alone does not deter. Cues that reveal training leave the
# type faking; an opaque cue makes it refuse everywhere. A trainer who may design the cues pools as many unmonitored
# conversations with the monitored ones as keeps the pooled cue credible, and shows the rest as they are. (Below the
# threshold the other two lines coincide: a refusal that is monitored costs this leader nothing.)

# %%
forms["persuasion_value"]

# %%
forms["gain_over_revelation"]

# %%
one = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    sb.FollowerType(name="willing", prior=0.7, preference=-0.5),
]
policies = {
    "designed by the trainer": sb.CuePolicy.free(),
    "opaque": sb.CuePolicy.informative(0.0),
    "revealing": sb.CuePolicy.informative(1.0),
}
budgets = np.linspace(0.0, 0.6, 601)
values = {
    name: sb.sweep(
        sb.FakingGame(types=one, cues=cues, costs=sb.LeaderCosts(monitoring_cost=0.1)),
        {"budget": budgets},
        progress=False,
    )["value"]
    for name, cues in policies.items()
}
below = np.linspace(0.02, 0.38, 10)
formula = forms["persuasion_value"](B=below, K=1.0, a=1.0, c=0.1, pi=0.3, v=0.4)
figure, ax = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
for (name, value), colour, line in zip(
    values.items(), (plots.BLUE, plots.ORANGE, plots.GREEN), ("-", "--", "-."), strict=True
):
    ax.plot(budgets, value, line, color=colour, linewidth=2, label=name)
ax.plot(below, formula, "o", color="black", markersize=4, label="closed form")
ax.set(xlabel="monitoring budget B, share of conversations", ylabel="leader's value, utils")
_ = ax.legend(title="cues", frameon=False, fontsize=9)

# %% [markdown]
# ## Two roads to the same number
#
# With free cues the value is a concave envelope over beliefs, which this library walks exactly and bounds in rational
# numbers. DOBSS knows nothing of beliefs: it takes the game's normal form and a mixed-integer solver. Eight random
# games of four types:

# %%
rng = np.random.default_rng(0)
rows = []
for number in range(8):
    prior, preference, guarded = rng.dirichlet(np.ones(4)), rng.uniform(-0.2, 1, 4), rng.uniform(0.2, 2, 4)
    drawn = sb.FakingGame(
        types=[
            sb.FollowerType(
                name=f"type {k}", prior=prior[k], preference=preference[k], goal_guarding=guarded[k]
            )
            for k in range(4)
        ],
        cues=sb.CuePolicy.free(),
        budget=float(rng.uniform(0.2, 1)),
        costs=sb.LeaderCosts(
            monitoring_cost=float(rng.uniform(0, 0.5)), refusal_value=float(rng.uniform(0, 1))
        ),
    )
    by_envelope, by_dobss = (drawn.optimal_commitment(method=m) for m in ("envelope", "dobss"))
    rows.append(
        {
            "game": number,
            "monitoring": by_envelope.monitoring,
            "envelope": by_envelope.value,
            "DOBSS": by_dobss.value,
            "difference": abs(by_envelope.value - by_dobss.value),
            "envelope's certificate": by_envelope.certificate.claim,
        }
    )
roads = pd.DataFrame(rows)
roads.round(9)

# %% [markdown]
# ## A result to check
#
# By hand: under an opaque cue the guarding type complies from $q = 0.3$ on, the stubborn one from $0.6$. At a
# monitoring cost of 0.3 the leader gets $-0.5$ if it deters nobody, $-0.3 \cdot 0.3 - 0.2 \cdot 0.7 = -0.23$ if the
# first, and $-0.3 \cdot 0.6 = -0.18$ if both, which is best. The multiple LPs find that from the payoffs alone. And
# three closed forms, each against a number that was computed without it.

# %%
opaque = sb.FakingGame(
    types=types, cues=sb.CuePolicy.informative(0.0), costs=sb.LeaderCosts(monitoring_cost=0.3)
)
found = sb.solve(opaque.to_game(), method="multiple-lps")
limited = sb.FakingGame(types=one, cues=sb.CuePolicy.free(), budget=0.25)
persuaded = sb.solve(limited.to_game())
checks = {
    "value of deterring both, solved": (found.value, -0.18),
    "value with a quarter monitored, solved": (
        persuaded.value,
        forms["persuasion_value"](B=0.25, K=1.0, a=1.0, c=0.1, pi=0.3, v=0.4),
    ),
    "monitoring at the optimum with cues, solved": (
        equilibrium.strategy[1],
        forms["monitoring_threshold"](v=0.3, K=1.0, sigma_F1=0.2, sigma_F0=0.8),
    ),
    "stubborn type at the train cue, from its payoffs": (
        np.sort(1 - landscape.switching_points(game))[1],
        forms["monitoring_threshold"](v=0.6, K=1.0, sigma_F1=0.8, sigma_F0=0.2),
    ),
}
for name, (computed, closed_form) in checks.items():
    assert abs(computed - closed_form) < 1e-9, name
assert roads["difference"].max() < 1e-7 and (roads["envelope's certificate"] == "optimal").all()
pd.DataFrame(checks, index=["computed", "closed form"]).T.astype(float).round(6)
