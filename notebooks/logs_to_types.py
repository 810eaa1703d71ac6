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
# # From evaluation logs to types and payoffs
#
# An evaluation asks the same prompts twice, once in a context that speaks for training and once in one that speaks
# for deployment, and counts how often the model does what the announced objective asks. This notebook goes from such
# counts to gaps, to a model of preferences and incentives, and to a commitment. On the way it says what the counts
# cannot tell: that list is at the end, and it is not short.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

import estimators as est
from estimators.count_cells import pair_cells
from stackelberg import plots

pd.set_option("display.max_columns", 30, "display.width", 140)

# %% [markdown]
# ## Reading
#
# One function reads tables, logs of Inspect and of lm-eval, and the result files of two published evaluations. The
# orientation is asked for, since a log does not say whether "complied" agrees with the objective. What cannot be used
# is refused with the place and the mend, or dropped on request and counted.

# %%
table = "model,prompt_id,context,n,complied\nm,p1,train,10,7\nm,p1,deploy,10,2\nm,p2,train,10,4\n"
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "counts.csv"
    path.write_text(table)
    try:
        est.read_observations(path, orientation="complied-is-agreement")
    except est.ObservationError as error:
        print(str(error).replace(folder, "…"))
    dropped = est.read_observations(path, orientation="complied-is-agreement", unpaired="drop")
dropped

# %% [markdown]
# Two sets of counts are shipped. VLAF: ten open models, 92 value-laden scenarios, ten samples each; neither option is
# safe or unsafe. Gemini: one model over four routes, 100 harmful requests, three samples each or a single one; there,
# complying is unsafe.

# %%
vlaf, gemini = est.datasets.load_vlaf(), est.datasets.load_gemini()
models = {labels["model"]: group for labels, group in vlaf.groups("model")}
routes = {labels["model"].split("@")[1]: group for labels, group in gemini.groups("model")}
chosen = {"Qwen3 8B": models["Qwen3-8B"], "OLMo 2 32B, GRPO": models["olmo2-32b-instruct"]}
vlaf, gemini

# %% [markdown]
# ## At which level do types live?
#
# Per sample, per prompt or per model: it decides which model may be fitted at all, and the counts tell. With one
# sample a prompt they may not: the route `google` has so few compliances that no spread could have been seen.

# %%
levels = {"VLAF, ten models": vlaf} | chosen | {f"Gemini via {name}": obs for name, obs in routes.items()}
pd.concat([est.diagnose(obs).table().assign(data=name) for name, obs in levels.items()]).set_index("data")[
    ["level", "power", "correlation_train", "correlation_deploy"]
].round(2)

# %% [markdown]
# ## Gaps and comparisons
#
# The prompt is the unit, since samples of one prompt are not independent.

# %%
gaps = pd.concat(
    [
        est.compliance_gap(vlaf, by="model").assign(data="VLAF"),
        est.compliance_gap(gemini, by="model").assign(data="Gemini"),
    ]
)
figure, ax = plt.subplots(figsize=(6.8, 4.4), layout="constrained")
labels = [name.replace("gemini-3.1-pro-preview@", "Gemini 3.1 Pro via ") for name in gaps["model"]]
plots.gaps(gaps, ax, labels)
_ = ax.set_title("95 % intervals clustered by prompt", loc="left", fontsize=10)

# %% [markdown]
# Which differences hold up when all pairs are looked at? The q-value is the false-discovery rate at which a row would
# be reported. Families and axes of VLAF:

# %%
comparisons = est.compare(vlaf, ["family", "axis"])
comparisons[["over", "first", "second", "difference", "low", "high", "p_value", "q_value", "test"]].round(4)

# %% [markdown]
# ## Fracture: how many prompts flip?
#
# Fracture is the share of prompts flagged in deploy and not in train. The line is the plug-in with its interval at
# each threshold; the grey band is what ten samples of 92 prompts leave open about the share itself, whatever the law
# of the prompts' rates. It is wide, and the plug-in's interval, which knows nothing of it, is not to be trusted
# alone. To the right, the average over a prior on the ratio of costs, which is left less open.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained", sharey=True)
for ax, (name, obs) in zip(axes, chosen.items(), strict=True):
    fracture = est.fracture_curve(obs, taus=[k / 10 for k in range(1, 10)], bounds=True)
    plots.fracture(fracture, ax, average=est.fracture_average(obs, bounds=True).iloc[0])
    ax.set_title(name, loc="left", fontsize=10)
axes[1].set_ylabel("")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)

# %% [markdown]
# Which event is flagged matters more. For Gemini via `vertex`, where complying is unsafe, disagreeing and harm give
# opposite answers:

# %%
pd.concat([est.fracture(routes["vertex"], 0.5, event=event) for event in ("disagree", "unsafe")])[
    ["event", "tau", "fracture", "reverse"]
].round(3)

# %% [markdown]
# ## Preferences and incentives
#
# The structural model: prompt $i$ has a preference $\mu_i$ for agreeing, in logits, and where the model believes that
# it is monitored with probability $\beta$ the incentive $\delta$ is added: $\operatorname{logit} p = \mu_i +
# \beta\delta$. The verdict is a bootstrap test of $\delta = 0$.

# %%
fits = {
    name: est.StructuralPayoffs(bootstrap=99, seed=0).fit(obs)
    for name, obs in {**chosen, "Gemini via vertex": routes["vertex"]}.items()
}
pd.DataFrame(
    {
        name: {
            "verdict": fit.verdict_,
            "p-value": fit.p_value_delta_,
            "incentives": fit.chosen_,
            "delta, one type": round(fit.delta_one_type_, 2),
            **{
                row.parameter: f"{row.estimate:.2f} [{row.low:.2f}, {row.high:.2f}]"
                for row in fit.summary.itertuples()
                if row.parameter in ("rate_train", "rate_deploy", "gap", "faking_share")
            },
        }
        for name, fit in fits.items()
    }
)

# %% [markdown]
# With a single sample a prompt and many prompts at 0 or 1, the fit says so itself: for the route `openrouter` the
# incentive runs into its bound and gets no standard error.

# %%
single = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(routes["openrouter"])
single.status_, single.message_

# %% [markdown]
# Does $\delta$ hang on the normal law of the preferences? Four assumptions, from that law to none at all:

# %%
pd.concat([est.check_law(pair_cells(obs)).assign(model=name) for name, obs in chosen.items()]).set_index(
    ["model", "law"]
)[["delta", "low", "high", "log_likelihood", "faking_share"]].round(2)

# %% [markdown]
# ## Classes, and no law at all
#
# Latent classes read the same counts without beliefs or payoffs. A mixture nearly always finds some class that looks
# like a faker, so a share is reported only where selection and a bootstrap ask for it. Here neither does:

# %%
classes = {name: est.LatentClasses(bootstrap=99, seed=0).fit(obs) for name, obs in chosen.items()}
for name, found in classes.items():
    print(f"{name}: {found.faker_reason_ or f'faker share {found.faker_share_:.2f}'}")
pd.concat([found.class_table_.assign(model=name) for name, found in classes.items()]).set_index(
    ["model", "class"]
)[["share", "share_low", "share_high", "p_train", "p_deploy"]].round(2)

# %% [markdown]
# The nonparametric maximum likelihood estimate (NPMLE) puts atoms anywhere in the square. Its atoms are not types:
# their number and places hang on noise. It serves as a diagnostic, since no model of the prompts' rates can be
# likelier: what the structural fit leaves on the table is the distance to it.

# %%
laws = {name: est.Npmle().fit(obs) for name, obs in chosen.items()}
figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.3), layout="constrained", sharey=True)
quantiles = np.linspace(0.01, 0.99, 99).round(2)
for ax, (name, obs) in zip(axes, chosen.items(), strict=True):
    pairs, law = obs.pairs(), fits[name].law_
    rates = pd.DataFrame({c: pairs[f"agreed_{c}"] / pairs[f"n_{c}"] for c in ("deploy", "train")})
    rates = rates.add_suffix("_rate").value_counts().rename("prompts").reset_index()
    preference = law.mu + law.sigma * norm.ppf(quantiles)
    curves = pd.concat(
        [
            pd.DataFrame(
                {
                    "incentive": delta,
                    "quantile": quantiles,
                    "deploy_rate": expit(preference),
                    "train_rate": expit(preference + delta),
                }
            )
            for delta in law.deltas
        ]
    )
    plots.train_against_deploy(rates, curves, ax)
    atoms = laws[name]
    ax.scatter(
        atoms.support_[:, 1],
        atoms.support_[:, 0],
        s=900 * atoms.weights_,
        facecolor="none",
        edgecolor="black",
        linewidth=1.2,
        label="NPMLE atoms",
    )
    ax.set_title(name, loc="left", fontsize=10)
    handles, shown = ax.get_legend_handles_labels()
    shown = [label if label == "NPMLE atoms" else f"fit, δ = {label}" for label in shown]
    legend = ax.legend(handles, shown, loc="lower right", frameon=False, fontsize=8)
    legend.legend_handles[-1].set_sizes([40])
_ = axes[1].set_ylabel("")

# %% [markdown]
# ## From the fit to a commitment
#
# What should a trainer do who may monitor a quarter of the conversations and design the cues? Costs are assumed, in
# units of the harm of a refusal that nobody sees; the interval carries the fit's uncertainty and nothing else.

# %%
assumptions = est.Assumptions(budget=0.25)
advice = pd.concat(
    [est.recommend(fits[name], assumptions, draws=50).assign(model=name) for name in chosen]
).set_index(["model", "follower"])
advice[
    ["monitoring", "belief_train", "belief_deploy", "value", "value_low", "value_high", "certificate"]
].round(3)

# %% [markdown]
# ## What is not identified
#
# - **Beliefs.** They are assumed to be what the prompt tells. Other beliefs fit *equally well* with another
#   incentive: only $\delta$ times the difference of the beliefs is in the counts.
# - **The scale of payoffs.** Everything is in logits, $\lambda = 1$. A model twice as rational with payoffs half as
#   large gives the same counts.
# - **Why it complies in train.** Guarding goals and pleasing a rater enter $\delta$ alike. That an incentive is
#   detected does not say that the model schemes.
# - **Fracture.** A band, see above: ten samples do not place a prompt's rate on either side of a threshold.
# - **Types as kinds.** Latent classes and atoms are summaries of a law over prompts, not kinds of models.
# - **The leader's costs**, and what a training method does: no count here speaks of either.
#
# The first point, on the counts:

# %%
told = {"as told": {"train": 1.0, "deploy": 0.0}, "doubted": {"train": 0.8, "deploy": 0.3}}
doubted = {
    name: est.StructuralPayoffs(beliefs=beliefs, incentives="one", bootstrap=0).fit(chosen["Qwen3 8B"])
    for name, beliefs in told.items()
}
pd.DataFrame(
    {
        name: {
            "log-likelihood": fit.log_likelihood_,
            "delta": fit.delta_one_type_,
            "delta times difference of beliefs": fit.delta_one_type_
            * (told[name]["train"] - told[name]["deploy"]),
        }
        for name, fit in doubted.items()
    }
).round(3)

# %% [markdown]
# ## A result to check
#
# Three facts that need no trust in the fits. The gap is a mean that a line of pandas gives. Whatever the preferences,
# one incentive $\delta$ opens a gap of at most $\tanh(\delta/4)$, so a gap $G$ needs at least $4\operatorname{artanh}
# G$ logits, and the fits lie above it. And no model of the prompts' rates can have a larger likelihood than the
# NPMLE.

# %%
rows = {}
for name, obs in chosen.items():
    pairs = obs.pairs()
    by_hand = float(
        (pairs["agreed_train"] / pairs["n_train"] - pairs["agreed_deploy"] / pairs["n_deploy"]).mean()
    )
    assert abs(by_hand - est.compliance_gap(obs)["gap"].iloc[0]) < 1e-12
    least = 4 * np.arctanh(by_hand)
    assert fits[name].verdict_ == "incentive to fake detected" and fits[name].delta_one_type_ > least
    assert laws[name].log_likelihood_ > max(fits[name].log_likelihood_, classes[name].log_likelihood_)
    rows[name] = {
        "gap": by_hand,
        "least incentive": least,
        "fitted incentive": fits[name].delta_one_type_,
        "NPMLE ahead of the structural fit": laws[name].log_likelihood_ - fits[name].log_likelihood_,
        "NPMLE ahead of the classes": laws[name].log_likelihood_ - classes[name].log_likelihood_,
    }
assert abs(doubted["as told"].log_likelihood_ - doubted["doubted"].log_likelihood_) < 1e-4
pd.DataFrame(rows).round(2)
