"""What the structural model is compared with on held-out prompts.

Each takes the training counts (N, 2), train first, of ten samples each, and returns log P(train, deploy) up to a
function of the train count: (11, 11), rows by train count.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, gammaln, log_expit, logsumexp
from scipy.stats import betabinom, binom

from estimators.count_cells import count_cells
from estimators.latent_class import LatentClasses
from estimators.newton import EstimationWarning, maximise
from estimators.npmle import Npmle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SAMPLES = 10


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
        fit = LatentClasses(bootstrap=0).fit_cells(count_cells(np.full(k.shape, SAMPLES), k))
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
    """Nonparametric law of the two rates; 2 % uniform, or it excludes what it has not seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimationWarning)
        fit = Npmle().fit_cells(count_cells(np.full(k.shape, SAMPLES), k))
    lattice = np.array([(a, b) for a in range(SAMPLES + 1) for b in range(SAMPLES + 1)])
    return fit.log_probability(np.full(lattice.shape, SAMPLES), lattice, 0.02).reshape(SAMPLES + 1, -1)


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
