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
# # How fast, how exact: solvers side by side
#
# Finding the best commitment of a Bayesian Stackelberg game is NP-hard (Conitzer & Sandholm, 2006). This library has
# its own branch and bound and four other ways to the same number. Here they meet on small seeded games: do they
# agree, how do their times compare in one and the same run, and what is a certificate worth? Times are of the machine
# that ran this notebook and say little about yours, nor did it have the machine to itself; the measurement, with
# larger games and more solvers, is `docs/benchmarks/solvers.md`.

# %%
import time
from dataclasses import replace
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import stackelberg as sb
from stackelberg import examples, plots

pd.set_option("display.max_columns", 30, "display.width", 140)

# %% [markdown]
# ## Values that are known
#
# Four worked games, two from papers. The certificate holds the commitment in fractions: float payoffs are rational
# numbers, and from there on nothing is rounded.

# %%
worked = []
for known in examples.worked_games():
    certificate = sb.solve(known.game).certificate
    worked.append(
        {
            "game": known.game.name,
            "known value": str(known.value),
            "found": str(certificate.value),
            "commitment": ", ".join(map(str, certificate.strategy)),
            "claim": certificate.claim,
        }
    )
pd.DataFrame(worked).set_index("game")

# %% [markdown]
# ## One game, many methods
#
# Five leader actions, five follower actions, two to eight types, three seeds each. Multiple LPs solve one linear
# program per profile of replies, $5^L$ of them, and stop at four types here. DOBSS (Paruchuri et al., 2008) and the
# strong formulation (MIP-p-G; Casorrán et al., 2019) are mixed-integer programs, on HiGHS.
#
# Two things to know of the times. A process runs our kernels interpreted until a game needs more, so that a first
# small game does not wait for a compiler; the large game below makes it load the compiled ones, as a process that
# solves many games would. And every method's seconds include the rational check of its answer, ours also a proof of
# optimality, which the programs do not have; the benchmark page counts the search alone.

# %%
METHODS = ("branch-and-bound", "multiple-lps", "dobss", "strong-milp")
large = examples.uniform(10, 10, 10, seed=1)
sb.solve(large)
for method in METHODS:  # imports, once a process
    sb.solve(examples.uniform(5, 5, 2, seed=0), method=method)

runs = []
for count in (2, 4, 6, 8):
    for seed in range(3):
        game = examples.uniform(5, 5, count, seed=seed)
        for method in METHODS:
            if method == "multiple-lps" and count > 4:
                continue
            found = sb.solve(game, method=method)
            runs.append(
                {
                    "types": count,
                    "seed": seed,
                    "method": method,
                    "value": found.value,
                    "seconds": found.seconds,
                    "claim": found.certificate.claim,
                }
            )
runs = pd.DataFrame(runs)
values = runs.pivot(index=["types", "seed"], columns="method", values="value")
spread = (values.max(axis=1) - values.min(axis=1)) / values.max(axis=1)
values.assign(spread=spread).round(6)

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
styles = zip((plots.BLUE, plots.GREEN, plots.ORANGE, plots.PINK), "osD^", ("-", ":", "--", "-."), strict=True)
for method, (colour, marker, line) in zip(METHODS, styles, strict=True):
    own = runs[runs["method"] == method].groupby("types")["seconds"]
    middle = own.median()
    ax.errorbar(
        middle.index,
        middle,
        yerr=[middle - own.min(), own.max() - middle],
        fmt=marker,
        linestyle=line,
        color=colour,
        capsize=3,
        label=method,
    )
ax.set(yscale="log", xlabel="follower types", ylabel="seconds, median and range of 3 games")
ax.set_xticks([2, 4, 6, 8])
_ = ax.legend(frameon=False, fontsize=9)

# %% [markdown]
# The same as ratios: a method's seconds over those of branch and bound, game by game, median.

# %%
seconds = runs.pivot(index=["types", "seed"], columns="method", values="seconds")
ratios = seconds.div(seconds["branch-and-bound"], axis=0).groupby("types").median()[list(METHODS)]
ratios.round(1)

# %% [markdown]
# With ten actions a side and ten types there are $10^{10}$ profiles. DOBSS gets three seconds; if they do not
# suffice, its result says so, and the ratio below is a lower bound.

# %%
ours = sb.solve(large)
theirs = sb.solve(large, method="dobss", time_limit=3, throw=False)
pd.DataFrame(
    {
        name: {
            "value": result.value,
            "status": str(result.status),
            "proved bound": float(result.certificate.upper_bound) if result.proof else np.nan,
            "seconds over ours": float(f"{result.seconds / ours.seconds:.2g}"),
        }
        for name, result in (
            ("branch and bound", ours),
            ("DOBSS on HiGHS", theirs),
        )
    }
)

# %% [markdown]
# ## What a certificate is worth
#
# A proof is a list of dual multipliers, one set per leaf of the search tree. `certify` shares no code with the
# solvers; it takes the multipliers as a suggestion and works out, in rationals, what bound they give. So a corrupted
# proof cannot certify a wrong value: either its bound gets looser, or nothing is proved.

# %%
game = examples.uniform(8, 8, 4, seed=1)
honest = sb.solve(game, method="branch-and-bound")
proof = honest.proof
rng = np.random.default_rng(0)
noise = rng.normal(scale=0.05, size=proof.reply_multipliers.shape)
tampered = {
    "as found": honest,
    "multipliers rounded to one decimal": replace(
        honest, proof=replace(proof, reply_multipliers=proof.reply_multipliers.round(1))
    ),
    "multipliers with noise": replace(
        honest, proof=replace(proof, reply_multipliers=proof.reply_multipliers + noise)
    ),
    "one leaf left out": replace(
        honest,
        proof=replace(
            proof,
            replies=proof.replies[1:],
            reply_multipliers=proof.reply_multipliers[1:],
            ub_multipliers=proof.ub_multipliers[1:],
            eq_multipliers=proof.eq_multipliers[1:],
            cut_weights=proof.cut_weights[1:],
        ),
    ),
    "no proof": replace(honest, proof=None),
    "value claimed one util too high": replace(honest, value=honest.value + 1, proof=None),
}
checked = {name: sb.certify(game, result) for name, result in tampered.items()}
pd.DataFrame(
    {
        name: {
            "claim": found.claim,
            "value": float(found.value),
            "proved bound": np.nan if found.upper_bound is None else float(found.upper_bound),
            "says": found.message,
        }
        for name, found in checked.items()
    }
).T

# %% [markdown]
# Sixty random corruptions, from a whisper to nonsense. The bound is never below the value: small errors cost little,
# and large ones make it useless.

# %%
bounds = []
for part in ("reply_multipliers", "cut_vectors"):
    found_part = getattr(proof, part)
    for size in np.geomspace(1e-6, 10, 30):
        shaken = replace(proof, **{part: found_part + rng.normal(scale=size, size=found_part.shape)})
        found = sb.certify(game, replace(honest, proof=shaken))
        bounds.append((part, size, found.claim, float(found.upper_bound - found.value)))
bounds = pd.DataFrame(bounds, columns=["part", "size", "claim", "excess"])
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for part, colour, marker in (("reply_multipliers", plots.BLUE, "o"), ("cut_vectors", plots.ORANGE, "^")):
    own = bounds[bounds["part"] == part]
    ax.plot(own["size"], own["excess"], marker, color=colour, markersize=4, label=part.replace("_", " "))
ax.set_yscale("symlog", linthresh=1e-2)
ax.set(
    xscale="log",
    xlabel="standard deviation of the corruption",
    ylabel="proved bound minus value, utils",
    ylim=(-0.003, None),
)
ax.legend(title="corrupted", frameon=False)
bounds.groupby(["part", "claim"]).size().rename("corrupted proofs").to_frame()

# %% [markdown]
# ## Many small games
#
# Sweeps and posteriors solve thousands of small games; `solve_batch` takes them as arrays. Twenty thousand games with
# three actions a side and two types, on one thread, against DOBSS one by one on the first twenty of them:

# %%
draws = np.random.default_rng(1)
leader, follower = draws.integers(0, 101, (2, 20_000, 2, 3, 3)).astype(float)
prior = draws.dirichlet(np.ones(2), 20_000)
sb.solve_batch(leader, follower, prior, threads=1)  # compiled where it is not yet
started = time.perf_counter()
batch = sb.solve_batch(leader, follower, prior, threads=1)
per_game = (time.perf_counter() - started) / len(batch)
singles = [
    sb.solve(sb.BayesianStackelbergGame(leader[k], follower[k], prior[k]), method="dobss") for k in range(20)
]
dobss = float(np.median([single.seconds for single in singles]))
pd.Series(
    {
        "games per second, this machine": round(1 / per_game),
        "DOBSS's seconds over ours, per game": round(dobss / per_game),
        "largest difference in value": max(
            abs(s.value - v) for s, v in zip(singles, batch.value, strict=False)
        ),
    }
).to_frame("solve_batch")

# %% [markdown]
# ## A result to check
#
# The certified commitment of the 8 × 8 game with four types, checked again in a dozen lines of fractions that use
# nothing of this library but the payoffs; that all methods agree; and that no corruption got past the check.

# %%
exact = honest.certificate
x = exact.strategy
assert sum(x) == 1 and min(x) >= 0
worth = Fraction(0)
for t, reply in enumerate(exact.replies):
    own = [
        sum(p * Fraction(u) for p, u in zip(x, column, strict=True)) for column in game.follower_payoffs[t].T
    ]
    assert own[reply] == max(own)  # a best reply, exactly
    gained = sum(p * Fraction(u) for p, u in zip(x, game.leader_payoffs[t][:, reply], strict=True))
    worth += Fraction(float(game.prior[t])) * gained
assert worth == exact.value <= exact.upper_bound < worth + Fraction(1, 10**7)  # 1e-9 of the largest payoff

assert spread.max() < 1e-6
assert (bounds["excess"] >= 0).all() and (bounds["claim"] == "feasible").any()
assert checked["one leaf left out"].upper_bound is None
for k in range(0, 20_000, 1000):
    alone = sb.solve(sb.BayesianStackelbergGame(leader[k], follower[k], prior[k]))
    assert abs(alone.value - batch.value[k]) < 1e-9 * 100
f"value {float(worth):.9f}, the same in fractions, and proved to 1e-7; {len(values)} games on which all methods agree"
