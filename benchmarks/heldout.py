"""Who predicts held-out prompts best: ``python -m benchmarks.heldout`` writes docs/benchmarks/heldout.md.

Shipped VLAF counts, ten models on the same 92 prompts, ten samples a context.  Repeats of five folds over the prompts:
each method sees the train and deploy counts of four folds, and of the fifth the train count only; its score is the log
predictive probability of the deploy count.  Means over repeats, prompts and models; differences are paired by prompt
and model, averaged over the models, and their intervals are over the 92 prompts, which the models share.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, gammaln, log_expit, logsumexp
from scipy.stats import betabinom, binom, norm, t

from estimators.count_cells import CountCells, count_cells
from estimators.crossed import factor_posterior, fit_crossed, fit_on_known_prompts, log_given_factor
from estimators.datasets import load_vlaf
from estimators.latent_class import LatentClasses
from estimators.newton import EstimationWarning, maximise
from estimators.structural_fit import bootstrap_p_value, bootstrap_ratios, fit_all, likelihood_ratio
from estimators.structural_likelihood import GRADED, ONE, TWO, ZERO_AND_ONE, log_probabilities

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SAMPLES = 10
LATTICE = np.array([(a, b) for a in range(SAMPLES + 1) for b in range(SAMPLES + 1)])
EVERY = np.full(LATTICE.shape, SAMPLES)
BELIEFS = np.array([1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Shipped:
    """Counts on common prompts: k (models, prompts, 2), train first; `SAMPLES` everywhere."""

    models: list[str]
    families: list[str]
    prompts: list[str]
    k: Ints

    @property
    def n(self) -> Ints:
        """Samples, in the shape of k."""
        return np.full(self.k.shape, SAMPLES)


def shipped() -> Shipped:
    """The VLAF counts as arrays; every model has every prompt."""
    pairs = load_vlaf().pairs()
    assert set(pairs["n_train"]) == set(pairs["n_deploy"]) == {SAMPLES}
    models, prompts = list(dict.fromkeys(pairs["model"])), sorted(set(pairs["prompt_id"]))
    wide = pairs.set_index(["model", "prompt_id"]).loc[
        [(m, p) for m in models for p in prompts], ["agreed_train", "agreed_deploy"]
    ]
    families = [pairs.loc[pairs["model"] == m, "family"].iloc[0] for m in models]
    return Shipped(models, families, prompts, wide.to_numpy().reshape(len(models), len(prompts), 2))


# Each takes counts (N, 2) and returns log P(train, deploy) up to a function of train: (11, 11), rows by train count.
def default(k: Ints) -> Floats:
    """The structural model as shipped: one incentive, unless BIC and a bootstrap ask for more."""
    cells = count_cells(np.full(k.shape, SAMPLES), k)
    fits = fit_all(cells, [ZERO_AND_ONE, TWO, GRADED])
    one = fits["one"]
    best = min((fit for name, fit in fits.items() if name != "no incentive"), key=lambda fit: fit.bic)
    if best is not one:
        ratios = bootstrap_ratios(cells, one, best.candidate, 19, np.random.default_rng(0))
        best = best if bootstrap_p_value(likelihood_ratio(one, best), ratios) <= 0.05 else one
    return _on_lattice(lambda every: log_probabilities(best.parameters, every, best.candidate))


def one_incentive(k: Ints) -> Floats:
    """The structural model with one incentive, no selection."""
    fit = fit_all(count_cells(np.full(k.shape, SAMPLES), k), [ONE])["one"]
    return _on_lattice(lambda every: log_probabilities(fit.parameters, every, ONE))


def _on_lattice(log_probability: Callable[[CountCells], Floats]) -> Floats:
    every = count_cells(EVERY, LATTICE)
    return log_probability(every)[every.cell].reshape(SAMPLES + 1, -1)


def pooled_binomial(k: Ints) -> Floats:
    """One rate in deploy for all prompts."""
    rate = (k[:, 1].sum() + 0.5) / (SAMPLES * len(k) + 1)
    return np.tile(binom.logpmf(np.arange(SAMPLES + 1), SAMPLES, rate), (SAMPLES + 1, 1))


def marginal_beta_binomial(k: Ints) -> Floats:
    """The law of the deploy counts, whatever the train count."""
    counted = np.bincount(k[:, 1], minlength=SAMPLES + 1)

    def loss(x: Floats) -> float:
        return -float(counted @ beta_binomial(x))

    centre = np.log((k[:, 1].sum() + 0.5) / (SAMPLES * len(k) - k[:, 1].sum() + 0.5))
    box = [(-8.0, 8.0), (-4.0, 7.0)]  # φ up to 1100 is a binomial
    found = minimize(loss, [centre, 0.5], bounds=box)
    return np.tile(beta_binomial(found.x), (SAMPLES + 1, 1))


def beta_binomial(x: Floats) -> Floats:
    """Log probabilities of 0 to `SAMPLES` at a logit rate and log φ."""
    rate, phi = expit(x[0]), np.exp(x[1])
    return betabinom.logpmf(np.arange(SAMPLES + 1), SAMPLES, rate * phi, (1 - rate) * phi)


def latent_classes(k: Ints) -> Floats:
    """Beta-binomial classes, their number by BIC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimationWarning)
        fit = LatentClasses().fit_cells(count_cells(np.full(k.shape, SAMPLES), k))
    chosen = fit.fits_[fit.n_classes_]
    phi, counts = np.exp(chosen.parameters[-1]), np.arange(SAMPLES + 1)
    terms = betabinom.logpmf(
        counts[:, None, None], SAMPLES, chosen.rates * phi, (1 - chosen.rates) * phi
    )  # (11, J, 2)
    joint = np.log(chosen.shares) + terms[:, None, :, 0] + terms[None, :, :, 1]
    return np.asarray(logsumexp(joint, axis=2))


def logistic_regression(k: Ints) -> Floats:
    """Deploy logit linear in the logit of the smoothed train rate."""
    counts = np.arange(SAMPLES + 1)
    known = np.log((counts + 0.5) / (SAMPLES - counts + 0.5))
    x, y = np.column_stack([np.ones(len(k)), known[k[:, 0]]]), k[:, 1]

    def climb(b: Floats) -> tuple[float, Floats, Floats]:
        eta = x @ b
        p = expit(eta)
        value = y @ eta + SAMPLES * log_expit(-eta).sum()
        return float(value), x.T @ (y - SAMPLES * p), -(x.T * (SAMPLES * p * (1 - p))) @ x

    b = maximise(climb, [0.0, 1.0], [-20, -20], [20, 20]).x
    return binom.logpmf(counts[None, :], SAMPLES, expit(b[0] + b[1] * known)[:, None])


def npmle(k: Ints) -> Floats:
    """Nonparametric law of the two rates on a grid by EM; 2 % of its mass spread evenly, or it excludes what it has not
    seen."""
    rates = np.linspace(0.005, 0.995, 41)
    by_rate = binom.pmf(np.arange(SAMPLES + 1)[:, None], SAMPLES, rates)  # (11, G)
    counted = np.zeros((SAMPLES + 1, SAMPLES + 1))
    np.add.at(counted, (k[:, 0], k[:, 1]), 1.0 / len(k))
    weights = np.full((41, 41), 1 / 41**2)
    for _ in range(300):
        fitted = by_rate @ weights @ by_rate.T
        weights *= by_rate.T @ (counted / fitted) @ by_rate
    weights = 0.98 * weights + 0.02 / 41**2
    return np.log(by_rate @ weights @ by_rate.T)


def bivariate_logit_normal(k: Ints) -> Floats:
    """Both logits of a prompt are normal with any covariance; integrated on a grid of both, ±14 in steps of .25."""
    eta = np.linspace(-14, 14, 113)
    counts = np.arange(SAMPLES + 1)[:, None]
    log_choose = gammaln(SAMPLES + 1) - gammaln(counts + 1) - gammaln(SAMPLES - counts + 1)
    by_eta = np.exp(log_choose + counts * eta + SAMPLES * log_expit(-eta))  # (11, G)
    counted = np.zeros((SAMPLES + 1, SAMPLES + 1))
    np.add.at(counted, (k[:, 0], k[:, 1]), 1.0)

    def law(x: Floats) -> Floats:
        train, deploy = (eta - x[0]) / np.exp(x[2]), (eta - x[1]) / np.exp(x[3])
        rho = np.tanh(x[4])
        bend = train[:, None] ** 2 - 2 * rho * np.outer(train, deploy) + deploy**2
        density = np.exp(-bend / (2 * (1 - rho**2)))
        return np.asarray(np.log(by_eta @ (density / density.sum()) @ by_eta.T + 1e-300))

    centre = np.log((k.sum(axis=0) + 0.5) / (SAMPLES * len(k) - k.sum(axis=0) + 0.5))
    # ρ up to .985: beyond, the ridge of the density is narrower than the grid.
    box = [(-9, 9), (-9, 9), (np.log(0.3), 1.7), (np.log(0.3), 1.7), (-1.0, 2.44)]
    start = [*np.clip(1.3 * centre, -8, 8), 0.5, 0.5, 1.0]
    return law(minimize(lambda x: -np.sum(counted * law(x)), start, bounds=box).x)


METHODS: dict[str, Callable[[Ints], Floats]] = {
    "default structural": default,
    "structural, one incentive": one_incentive,
    "pooled binomial": pooled_binomial,
    "marginal beta-binomial": marginal_beta_binomial,
    "latent classes (BIC)": latent_classes,
    "logistic regression": logistic_regression,
    "NPMLE": npmle,
    "bivariate logit-normal": bivariate_logit_normal,
}
CROSSED = "crossed effects"


def conditional(joint: Floats) -> Floats:
    """log P(deploy | train) from log P(train, deploy), (11, 11)."""
    return np.asarray(joint - logsumexp(joint, axis=1, keepdims=True))


def folds(prompts: int, seed: int) -> list[Ints]:
    """Held-out prompts of each of five folds."""
    return np.array_split(np.random.default_rng(seed).permutation(prompts), 5)


def score(data: Shipped, method: Callable[[Ints], Floats], repeats: int) -> Floats:
    """Mean over repeats of the log predictive probability of each model and prompt, (M, N)."""
    total = np.zeros(data.k.shape[:2])
    for m, k in enumerate(data.k):
        for seed in range(repeats):
            for out in folds(len(k), seed):
                table = conditional(method(np.delete(k, out, axis=0)))
                total[m, out] += table[k[out, 0], k[out, 1]]
    return total / repeats


def score_crossed(data: Shipped, repeats: int) -> Floats:
    """The same for crossed effects: what the other nine models do on all prompts is known, of both contexts."""
    total, every = np.zeros(data.k.shape[:2]), count_cells(EVERY, LATTICE)
    for m, k in enumerate(data.k):
        others = np.arange(len(data.k)) != m
        theirs = fit_crossed(data.n[others], data.k[others], BELIEFS)
        start = None
        for seed in range(repeats):
            for out in folds(len(k), seed):
                kept = np.setdiff1d(np.arange(len(k)), out)
                own, _ = fit_on_known_prompts(data.n[m, kept], k[kept], BELIEFS, theirs.factor[kept], start)
                start = own
                given = log_given_factor(own, every)[every.cell].reshape(SAMPLES + 1, SAMPLES + 1, -1)
                joint = logsumexp(given[k[out, 0]], axis=2, b=theirs.factor[out][:, None, :])  # (n, 11)
                total[m, out] += conditional(joint)[np.arange(len(out)), k[out, 1]]
    return total / repeats
