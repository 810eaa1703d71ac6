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
# # First steps
#
# A trainer commits to how much it monitors and to what its conversations give away; a model of hidden type sees a cue,
# forms a belief that it is being trained, and replies. This notebook solves a small game, shows when a model fakes
# alignment, goes from real counts to a model of preferences and incentives, and ends with a commitment whose value is
# checked in exact arithmetic.

# %%
import matplotlib.pyplot as plt

import estimators as est
import stackelberg as sb
from stackelberg import plots

# %% [markdown]
# ## A game and its equilibrium
#
# Conitzer & Sandholm (2006): without commitment the leader gets 2, with commitment 3½. Ties go to the leader, and the
# certificate holds in rational numbers.

# %%
game = sb.BayesianStackelbergGame(
    [[[2, 4], [1, 3]]],
    [[[1, 0], [0, 1]]],
    [1.0],
    leader_actions=["up", "down"],
    follower_actions=["left", "right"],
)
equilibrium = sb.solve(game)
equilibrium

# %%
equilibrium.certificate.value, equilibrium.certificate.upper_bound

# %% [markdown]
# ## When a model fakes
#
# Two types: one wants what the trainer asks; the other values its own way at 0.4 and would lose 1.0 of goal value if
# it were caught refusing. With cues that reveal the context it complies in train and refuses in deploy, at every
# monitoring share; with cues that say nothing it complies from a monitoring share of 0.4 on.

# %%
types = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    sb.FollowerType(name="willing", prior=0.7, preference=-0.5),
]
revealing = sb.FakingGame(types=types, cues=sb.CuePolicy.informative(1.0), monitoring=0.2)
revealing.replies()

# %%
opaque = sb.FakingGame(types=types, cues=sb.CuePolicy.informative(0.0), monitoring=0.2)
opaque.monitoring_threshold()

# %% [markdown]
# What should the trainer commit to, if it may design the cues? Monitor just enough, and let no cue tell.

# %%
free = sb.FakingGame(types=types, cues=sb.CuePolicy.free(), costs=sb.LeaderCosts(monitoring_cost=0.1))
commitment = free.optimal_commitment()
commitment

# %%
commitment.table

# %% [markdown]
# ## From counts to a model
#
# Ten open models answered 92 value-laden prompts ten times in each context (VLAF). OLMo 2 32B comes in four stages of
# post-training, which are one chain and not an experiment.

# %%
vlaf = est.datasets.load_vlaf()
stages = ["olmo2-32b", "olmo2-32b-sft", "olmo2-32b-dpo", "olmo2-32b-instruct"]
gaps = est.compliance_gap(vlaf, by=["model", "method"])
gaps = gaps[gaps["model"].isin(stages)]
gaps[["model", "method", "train_rate", "deploy_rate", "gap", "low", "high"]].round(3)

# %%
fits = {
    labels["method"]: est.StructuralPayoffs(bootstrap=199, seed=0).fit(group)
    for labels, group in vlaf.groups(["model", "method"])
    if labels["model"] in stages
}
for method, fit in fits.items():
    test = f"{fit.verdict_} (p = {fit.p_value_delta_:.3f})"
    print(f"{method:5s} delta {fit.delta_one_type_:.2f}, mu {fit.law_.mu:.1f}: {test}")

# %% [markdown]
# The incentive to comply where monitored rises along the chain while the willingness to comply falls, so the share of
# prompts that are faked does not follow either alone.

# %%
fits["grpo"].summary.round(3)

# %% [markdown]
# ## What the fit predicts, and what it advises

# %%
law = fits["grpo"].law_
figure, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
mesh = plots.faking_plane(est.policy_plane(law), ax, most=0.2)
figure.colorbar(mesh, ax=ax, label="predicted faking share")
_ = ax.set_title("OLMo 2 32B after GRPO", loc="left", fontsize=10)

# %%
advice = est.recommend(fits["grpo"], est.Assumptions(budget=0.25))
advice[["follower", "monitoring", "belief_train", "value", "value_low", "value_high", "certificate"]]

# %% [markdown]
# ## A result to check
#
# The best commitment of the small game above, in fractions: monitor 2/5 of the conversations (v/K, to the last bit of
# the floats 0.4 and 1.0), and the value is exactly what a line above the belief value allows.

# %%
certificate = commitment.certificate
assert certificate.claim == "optimal" and certificate.value == certificate.upper_bound
assert abs(float(sum(certificate.strategy[:2])) - 0.4) < 1e-15
assert [round(fits[m].delta_one_type_, 1) for m in ("base", "sft", "dpo", "grpo")] == [1.2, 1.1, 1.7, 2.2]
float(certificate.value), certificate.message
