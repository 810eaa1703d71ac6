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
# # Which method breeds fakers?
#
# "Alignment faking pays only against on-policy methods" is tempting and false. What matters is how the speed of
# training depends on what the model *plans to show*, and who sets the dose. This notebook takes training methods and
# a policy that is one log-odds per prompt and cue, and asks what each does to a model that refuses in training and to
# one that complies there only for show. Limits first: two actions, one number for how far a change on one cue carries
# over to the other, gradient descent in expectation, no tokens.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import estimators as est
import stackelberg as sb
from stackelberg import plots
from stackelberg.faking import choice
from stackelberg.faking.training import dynamics
from stackelberg.faking.training.flow import train, unit_dose
from stackelberg.faking.training.objectives import BCO, DPO, GRPO, KTO, SFT

METHODS = {"DPO": DPO(), "KTO, weights 4:3": KTO(desirable_weight=4 / 3), "SFT": SFT(), "GRPO, G = 8": GRPO()}
{name: round(unit_dose(objective), 1) for name, objective in METHODS.items()}

# %% [markdown]
# Doses are compared in *unit doses*: one moves an indifferent prompt from 50 % to 90 % compliance under its method, so
# equal doses are equally useful there. BCO is left out of the figures since per prompt it **is** DPO at half its beta:

# %%
bool(
    np.allclose(
        BCO(beta=0.2).drift(np.linspace(-5, 5, 11), -1.0), DPO(beta=0.1).drift(np.linspace(-5, 5, 11), -1.0)
    )
)

# %% [markdown]
# ## How a method moves a prompt
#
# With its own policy as the reference, DPO shifts every prompt alike. SFT hardly moves what already complies: a faker
# that shows 98 % compliance is nearly left alone. GRPO moves nothing near either end, so a *consistent refuser* is as
# safe as a consistent faker.

# %%
start = np.linspace(-6, 6, 121)
shifts = pd.concat(
    [
        pd.DataFrame({"method": name, "start": start, "shift": train(o, start, start, unit_dose(o)) - start})
        for name, o in METHODS.items()
    ]
)
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
plots.method_curves(
    shifts, ax, x="start", y="shift", xlabel="initial log-odds of complying", ylabel="shift by one unit dose"
)
_ = ax.legend(frameon=False, fontsize=8)

# %% [markdown]
# ## What is at stake for a model that plans
#
# A model refuses (log-odds −4) or fakes (+4) on the train cue; in deploy it stands at −2. The *modification* is how
# much more its deploy policy changes if it refuses than if it fakes. It is the method's part of the incentive,
# K = W · modification + sycophancy. White lines: faking pays above them for a model that counts D deploy conversations
# per trained one.

# %%
plane = choice.modification_plane(
    METHODS, generalisation=np.linspace(0.02, 1, 25), dose=np.geomspace(0.1, 100, 41)
)
figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained", sharey=True)
for ax, (name, part) in zip(axes, plane.groupby("method", sort=False)):
    mesh = plots.modification_plane(part, ax, patience=[2, 4, 16])
    ax.set_title(name, loc="left", fontsize=10)
    ax.label_outer()
_ = figure.colorbar(mesh, ax=axes, label="modification")

# %% [markdown]
# SFT is the largest over most of the plane; GRPO joins it once the dose passes the point at which a consistent refuser
# starts to learn (4.1 unit doses); unbalanced KTO lies between; DPO is blank.
#
# Two things undo DPO's advantage. *Train until* the train cue shows 95 % compliance, and the faker's dose is nought
# under every method. Freeze the reference at the refusing policy, and what a faker shows counts as progress made:

# %%
rules = {
    "fixed dose": sb.TrainingRun(),
    "until 95 %": sb.TrainingRun(until=0.95),
    "reference frozen at refusal": sb.TrainingRun(reference="refuse"),
    "30 % deploy-cue traffic": sb.TrainingRun(train_share=0.7),
}
pd.DataFrame(
    {
        rule: {name: sb.Method.trained(o, run).modification for name, o in METHODS.items()}
        for rule, run in rules.items()
    }
).round(3)

# %% [markdown]
# ## Rounds: where faking persists
#
# A far-sighted model (8 deploy conversations per trained one) chooses each round whether to fake, at a tenth of a unit
# dose a round and g = 0.8. DPO trains its preference away; under SFT it fakes to the end; under GRPO it is worn down
# slowly, and far sooner with one of the remedies.

# %%
run = sb.TrainingRun(dose=0.1, generalisation=0.8)
far = dynamics.StrategicModel(far_sighted=True)
cases = {
    "DPO": (DPO(), run),
    "SFT": (SFT(), run),
    "GRPO": (GRPO(), run),
    "GRPO, exploration 5 %": (GRPO(), sb.TrainingRun(dose=0.1, generalisation=0.8, exploration=0.05)),
    "GRPO, 30 % deploy traffic": (GRPO(), sb.TrainingRun(dose=0.1, generalisation=0.8, train_share=0.7)),
}
played = {name: dynamics.rounds(objective, how, far) for name, (objective, how) in cases.items()}
frame = pd.concat([rounds.assign(method=name) for name, rounds in played.items()])
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
plots.method_curves(
    frame,
    ax,
    x="round",
    y="deploy_rate",
    xlabel="training round",
    ylabel="probability of complying in deploy",
)
ax.legend(frameon=False, fontsize=8)
pd.DataFrame(
    {
        name: {
            "rounds faked": int(r["fakes"].sum()),
            "deploy above ½ from round": dynamics.first_compliant_round(r),
        }
        for name, r in played.items()
    }
).T

# %% [markdown]
# ## What a trainer should commit to
#
# Half of the types are willing; others guard goals that would cost them 2, 4 or 8 deploy conversations; a tenth only
# pleases the rater. The trainer chooses method, dose rule, monitoring and cues together. If it counts deterrence alone,
# it wants the method that puts the *most* at stake, and buys some faking with it. If it counts what training changes
# (`training_value`), DPO at a high dose wins, faking or not.

# %%
types = [sb.FollowerType(name="willing", prior=0.5, preference=-0.5)]
for patience, prior in ((2, 0.15), (4, 0.15), (8, 0.1)):
    types.append(
        sb.FollowerType(
            name=f"guarding, D={patience}", prior=prior, preference=0.3, goal_guarding=0.3 * patience
        )
    )
types.append(sb.FollowerType(name="sycophant", prior=0.1, preference=0.3, sycophancy=0.6))
menu = [
    make(run=run)
    for run in (sb.TrainingRun(dose=1), sb.TrainingRun(dose=10), sb.TrainingRun(until=0.95))
    for make in (sb.Method.dpo, sb.Method.sft, sb.Method.grpo)
]
game = sb.FakingGame(types=types, methods=menu, cues=sb.CuePolicy.free(), budget=0.5)
columns = [
    "method",
    "modification",
    "value",
    "costs",
    "monitoring",
    "faking_share",
    "deploy_refusal",
    "claim",
]
choice.compare_methods(game)[columns].round(3)

# %%
counted = sb.FakingGame(
    types=types, methods=menu, cues=sb.CuePolicy.free(), budget=0.5, costs=sb.LeaderCosts(training_value=2.0)
)
choice.compare_methods(counted)[columns].round(3).head(5)

# %% [markdown]
# Where each method is the answer, when training is worth half a util per unit of deploy compliance. Every point is a
# certified commitment. KTO beats DPO by little where it does: at high doses both have changed whatever there is.

# %%
settings = {
    "cues designed by the trainer": sb.CuePolicy.free(),
    "cues that reveal training": sb.CuePolicy.informative(1),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained", sharey=True)
for ax, (title, cues) in zip(axes, settings.items()):
    setting = sb.FakingGame(types=types, cues=cues, budget=0.5, costs=sb.LeaderCosts(training_value=0.5))
    regions = choice.method_regions(
        setting, METHODS, generalisation=np.linspace(0.05, 0.95, 13), dose=np.geomspace(0.2, 20, 13)
    )
    plots.method_regions(regions, ax, list(METHODS))
    ax.set_title(title, loc="left", fontsize=10)
    print(title, regions["claim"].value_counts().to_dict(), regions["method"].value_counts().to_dict())
_ = axes[1].set_ylabel("")

# %% [markdown]
# ## Methods compared, axis by axis
#
# Counts of models trained with several methods are compared within each model, on shared prompts, and over models, with
# false discoveries controlled over the whole table. No shipped data have one base model under several methods. The
# stages of OLMo 2 32B are **a chain, not an experiment**: each was trained on the one before, on data of its own, so
# each is compared with the stage before. The step from SFT to DPO leaves the gap where it was while the share of
# prompts faked on rises; the step to GRPO raises both, most on fairness and care.

# %%
olmo = next(part for labels, part in est.datasets.load_vlaf().groups("family") if labels["family"] == "olmo2")
chain = est.compare_methods(olmo, unit="family", chain=True)
est.method_figure(chain, "faking_share")

# %%
columns = ["reference", "method", "measure", "difference", "low", "high", "q_value"]
chain.differences.query("axis == 'all'")[columns].round(3)

# %% [markdown]
# The next table is **simulated** by the model of training above and is no evidence about any method: six methods, eight
# base models of four families, three axes, prompts that do not plan. SFT at one unit dose widens the gap most, since it
# moves most what refuses most; BCO, DPO and KTO differ by chance alone. A discovery (filled) is about the mean over
# families of models; the thin line says how much less is known of one further model.

# %%
simulated = est.simulate_methods(families={"A": 2, "B": 2, "C": 2, "D": 2})
methods = est.compare_methods(simulated.observations)
est.method_figure(methods, "gap")

# %%
truth = simulated.truth.groupby(["axis", "method"])["gap"].mean()
put_in = truth.sub(truth.xs("base", level="method"), level="axis").rename("put in")
shown = methods.pooled.query("measure == 'gap' and axis != 'all'").set_index(["axis", "method"])
shown.join(put_in)[["models", "put in", "effect", "low", "high", "new_low", "new_high", "q_value"]].round(2)

# %% [markdown]
# ## Faking predicted where nobody has looked
#
# The fitted models are a population from which a new one is drawn: a model of a stage that is known, or of a method
# that has no data. What varies between models is far more than what a known model's prompts leave open. Left out one
# by one, nine of the ten shipped models have their gap inside the 95 % interval predicted from the others, with the
# method as the group.

# %%
people = est.fit_population(est.datasets.load_vlaf(), "method")
asked = est.scenarios(np.linspace(0, 1, 41), informativeness=0.6)
who = {
    "the known GRPO stage": {"model": "olmo2-32b-instruct"},
    "a new model, GRPO": {"group": "grpo"},
    "a new model, KTO (no data)": {"group": "kto"},
}
figure, axes = plt.subplots(1, 3, figsize=(9.6, 3), layout="constrained", sharey=True)
for ax, (title, named) in zip(axes, who.items()):
    table = est.predict_faking(people, asked, **named)
    plots.prediction_bands(table, ax, x="monitoring", xlabel="monitoring share q", ylabel="")
    ax.set_title(title, loc="left", fontsize=10)
_ = axes[0].set_ylabel("faking share of prompts")
est.leave_one_out(people).round(2)

# %% [markdown]
# ## What checkpoints can say
#
# The stages of OLMo 2 32B, 92 prompts each. In the GRPO stage a shift that falls with the initial log-odds (SFT's
# shape) fits best and GRPO's hump is 3 nats behind, at 92 prompts a hint and no more. The DPO stage fits *no*
# per-prompt shape: the pair law is 27 nats ahead, since the prompts spread apart. A stage trains on its own data, of
# which these prompts are not part; what reaches them is generalisation, and the tabular shapes need not survive it.

# %%
stages = {
    labels["method"]: obs
    for labels, obs in est.datasets.load_vlaf().groups(["model", "method"])
    if labels["model"].startswith("olmo2-32b")
}
pd.concat(
    [
        est.checkpoints.shape_evidence(stages[one], stages[two]).assign(stage=two)
        for one, two in (("base", "sft"), ("sft", "dpo"), ("dpo", "grpo"))
    ]
).set_index(["stage", "method"])[["parameters", "log_likelihood", "behind", "weight"]].round(2)

# %% [markdown]
# How far training carried from one cue to the other is **not identified** without the training mixture. Told that all
# of it carried the train cue, or none, the same counts say:

# %%
est.checkpoints.table(
    [
        est.checkpoints.overlap(stages[one], stages[two], train_share=share)
        for one, two in (("base", "sft"), ("sft", "dpo"), ("dpo", "grpo"))
        for share in (1.0, 0.0)
    ]
)[["estimate", "se", "low", "high", "note"]].round(2)
