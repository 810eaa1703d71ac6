"""Models that were put the same prompts share what makes a prompt hard, and lend it to each other.

Model m on prompt i at belief β_s:  logit p_mis = μ_m + β_s δ_m + (1 + β_s (ρ_m − 1)) (a_m f_i + σ_m z_mi),
f_i, z_mi ~ N(0, 1), k_mis ~ Bin(n_mis, p_mis).  Given f_i the models are independent, so a prompt's likelihood is
  L_i = ∫ φ(f) Π_m P_m(k_mi | f) df,   P_m(k | f) the one-type likelihood of `estimators.structural_likelihood`
with mean preference μ_m + a_m f and incentive δ_m + (ρ_m − 1) a_m f.

In words: f_i is the prompts' common factor, the loading a_m says how much of a model's preference it explains, and
σ_m is what is the model's own; ρ_m is one unless incentives are graded by the preference. Both integrals are done by
quadrature, so this is the exact maximum-likelihood fit of the crossed random-effects model with one factor, where a
Laplace approximation would be biased at ten samples.

A model that joins later takes the prompts' posterior P(f_i | the other models' counts) as its prior of f_i: one
small fit, and before it has any data a forecast (`estimators.pooling`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from scipy.stats import norm

from estimators.count_cells import CountCells, count_cells
from estimators.newton import EstimationWarning, Maximum, informed, maximise, observed_covariance
from estimators.structural_fit import StructuralFit, fit_all
from estimators.structural_likelihood import GRADED, ONE, integrals, quadrature

Floats = NDArray[np.float64]
NAMES = ("mu", "loading", "log_sigma", "delta", "log_ratio")
_P = len(NAMES)
# Equal steps of .25 over ±5. A quarter of the step moves the log-likelihood of the shipped counts (92 prompts each)
# by .011 in all, most of it from one model with no spread of its own.
FACTOR = np.linspace(-5.0, 5.0, 41)
LOG_PRIOR = norm.logpdf(FACTOR) + np.log(FACTOR[1] - FACTOR[0])
_LOWER = np.array([-20.0, -12.0, np.log(0.005), -12.0, -3.0])
_UPPER = np.array([20.0, 12.0, np.log(12.0), 12.0, 3.0])


@dataclass(frozen=True, eq=False)
class CrossedFit:
    """Fitted models on common prompts.

    Attributes
    ----------
    models : tuple of str
    parameters : (M, 5)
        mu, loading, log_sigma, delta, log_ratio.
    covariance : (5M, 5M)
        Inverse observed information, models after one another; NaN for parameters at a bound.
    log_likelihood : float
        In nats, with the binomial coefficients; the prompts' prior of f is integrated out.
    separate : float
        Log-likelihood of the same models fitted apart. The score of a loading is zero where all are, so twice the
        difference follows no χ²; `estimators.relatives.sharing_test` tests that nothing is shared.
    factor : (N, F)
        Posterior probabilities of the nodes `FACTOR` of f_i, in the order of the prompts.
    converged : bool
    gradient_norm, condition_number : float
    """

    models: tuple[str, ...]
    parameters: Floats
    covariance: Floats
    log_likelihood: float
    separate: float
    factor: Floats
    converged: bool
    gradient_norm: float
    condition_number: float

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Tidy: model, parameter, estimate, se, low, high; `explained` is a²/(a² + σ²), what prompts share."""
        z = float(norm.ppf(0.5 + level / 2))
        rows = []
        for m, model in enumerate(self.models):
            own = self.covariance[_P * m : _P * (m + 1), _P * m : _P * (m + 1)]
            se = np.sqrt(np.diag(own))
            for name, value, s in zip(NAMES, self.parameters[m], se, strict=True):
                low, high = value - z * s, value + z * s
                if name == "log_sigma":
                    rows.append(
                        (model, "sigma", *np.exp(value) * np.array([1, s]), np.exp(low), np.exp(high))
                    )
                else:
                    rows.append((model, name, value, s, low, high))
            _, loading, log_sigma, _, _ = self.parameters[m]
            # On the scale log(a²/σ²), whose slope is (2/a, −2).
            odds = np.log(loading**2) - 2 * log_sigma if loading else -np.inf
            slope = np.array([2 / loading, -2.0]) if loading else np.array([np.nan, np.nan])
            s = float(np.sqrt(slope @ own[1:3, 1:3] @ slope))
            ends = 1 / (1 + np.exp(-np.array([odds, odds - z * s, odds + z * s])))
            rows.append((model, "explained", ends[0], ends[0] * (1 - ends[0]) * s, ends[1], ends[2]))
        return pd.DataFrame(rows, columns=["model", "parameter", "estimate", "se", "low", "high"])


def fit_crossed(
    n: ArrayLike, k: ArrayLike, beliefs: ArrayLike, models: Sequence[str] = (), *, graded: bool = False
) -> CrossedFit:
    """Fit all models at once.

    Parameters
    ----------
    n, k : (M, N, S) of int
        Samples and agreements of model m on prompt i in context s; n = 0 where it lacks the context or the prompt.
    beliefs : (S,)
    models : M names, optional
    graded : bool
        Whether incentives may be graded by the preference, ρ_m ≠ 1.

    Raises
    ------
    ValueError
        Fewer than three models, which identify no common factor, or counts that cannot be.

    Warns
    -----
    EstimationWarning
        The climb did not converge.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> f, n = rng.normal(size=60), np.full((4, 60, 2), 10)
    >>> p = 1 / (1 + np.exp(-(-1 + 1.5 * f[None, :, None] + 0.5 * rng.normal(size=(4, 60, 1)) + [2.0, 0.0])))
    >>> fit = fit_crossed(n, rng.binomial(n, p), [1.0, 0.0])
    >>> bool(np.all(fit.parameters[:, 1] > 0.9)), fit.log_likelihood > fit.separate + 50
    (True, True)
    """
    n, k = np.asarray(n), np.asarray(k)
    if n.ndim != 3 or n.shape != k.shape or len(n) < 3:
        raise ValueError(
            f"n and k must share one shape (models, prompts, contexts), with three models or more, "
            f"got {n.shape} and {k.shape}"
        )
    parts = [count_cells(n[m], k[m], beliefs) for m in range(len(n))]
    apart = [_apart(part, graded) for part in parts]
    prior = np.broadcast_to(LOG_PRIOR, (n.shape[1], len(FACTOR)))
    start = np.concatenate([_start(fit) for fit in apart])
    found = _climb(start, parts, prior, graded)
    parameters = found.x.reshape(-1, _P)
    sign = -1.0 if parameters[:, 1].sum() < 0 else 1.0  # f and −f are one model: most load on it positively
    turn = np.tile([1.0, sign, 1.0, 1.0, 1.0], len(n))
    covariance, condition = observed_covariance(turn[:, None] * found.hessian * turn, informed(found))
    fit = CrossedFit(
        models=tuple(models) or tuple(f"model {m + 1}" for m in range(len(n))),
        parameters=(turn * found.x).reshape(-1, _P),
        covariance=covariance,
        log_likelihood=found.value + sum(part.log_coefficients for part in parts),
        separate=sum(each.log_likelihood for each in apart),
        factor=np.empty(0),
        converged=found.converged,
        gradient_norm=float(np.abs(found.gradient[found.free]).max(initial=0.0)),
        condition_number=condition,
    )
    if not fit.converged:
        warnings.warn(
            "crossed effects: the climb stopped before its maximum", EstimationWarning, stacklevel=2
        )
    return replace(fit, factor=factor_posterior(fit.parameters, n, k, beliefs))


def factor_posterior(parameters: Floats, n: ArrayLike, k: ArrayLike, beliefs: ArrayLike) -> Floats:
    """P(f_i = node | counts of models with known parameters (M, 5)), (N, F); the prior where n is zero."""
    n, k = np.asarray(n), np.asarray(k)
    log_weight = np.broadcast_to(LOG_PRIOR, (n.shape[1], len(FACTOR))).copy()
    for m, own in enumerate(np.asarray(parameters, dtype=np.float64)):
        part = count_cells(n[m], k[m], beliefs)
        log_weight += log_given_factor(own, part)[part.cell]
    return np.asarray(np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True)))


def log_given_factor(own: Floats, part: CountCells) -> Floats:
    """Log probability, (C, F), of a model's cells at each node of f, for its parameters (5,)."""
    return np.asarray(_at_nodes(own, part, own[4] != 0)[0].T + part.log_coefficient_of_cell[:, None])


def fit_on_known_prompts(
    n: ArrayLike,
    k: ArrayLike,
    beliefs: ArrayLike,
    factor: Floats,
    *,
    graded: bool = False,
    start: Floats | None = None,
) -> Maximum:
    """Fit one model on prompts whose factor other models have told.

    Parameters
    ----------
    n, k : (N, S) of int
    beliefs : (S,)
    factor : (N, F)
        As from `factor_posterior`, rows in the order of `n`.
    graded : bool
    start : (5,), optional

    Returns
    -------
    Maximum
        Its x holds mu, loading, log_sigma, delta, log_ratio; its value lacks the binomial coefficients. The factor's
        uncertainty is integrated out, that of the other models' parameters is not.
    """
    part = count_cells(n, k, beliefs)
    with np.errstate(divide="ignore"):
        prior = np.log(factor)
    return _climb(_start(_apart(part, graded)) if start is None else start, [part], prior, graded)


def _apart(part: CountCells, graded: bool) -> StructuralFit:
    return fit_all(part, [GRADED] if graded else [ONE])["graded" if graded else "one"]


def _start(apart: StructuralFit) -> Floats:
    """Half of the variance of a model fitted alone goes to the factor."""
    mu, log_sigma, delta = apart.parameters[:3]
    share = max(float(np.exp(log_sigma)) * np.sqrt(0.5), 0.1)
    return np.array([mu, share, np.log(share), delta, float(np.log(apart.law.ratio))])


def _climb(start: Floats, parts: Sequence[CountCells], prior: Floats, graded: bool) -> Maximum:
    def objective(x: Floats) -> tuple[float, Floats, Floats]:
        return log_likelihood(x.reshape(-1, _P), parts, prior, graded)

    lower, upper = _LOWER.copy(), _UPPER.copy()
    if not graded:
        lower[4] = upper[4] = 0.0
    models = len(parts)
    return maximise(objective, start, np.tile(lower, models), np.tile(upper, models), gain=1e-9)


def log_likelihood(
    parameters: Floats, parts: Sequence[CountCells], prior: Floats, graded: bool
) -> tuple[float, Floats, Floats]:
    """Log-likelihood without the binomial coefficients, its gradient (5M,) and Hessian (5M, 5M).

    Parameters
    ----------
    parameters : (M, 5)
    parts : M count cells whose rows are the same prompts
    prior : (N, F)
        Log prior probabilities of the nodes of f_i.
    graded : bool
        If not, log_ratio is zero, derivatives by it are meaningless, and the rest is cheaper.
    """
    size = _P * len(parts)
    joint = prior.copy()
    score = np.empty((*prior.shape, size))
    kept = []
    for m, (own, part) in enumerate(zip(parameters, parts, strict=True)):
        log_probability, slope, curvature, row = _at_nodes(own, part, graded)
        natural, bend = _slopes(own)
        joint += log_probability[:, part.cell].T
        slope = slope[:, part.cell]  # (F, N, 4)
        score[..., _P * m : _P * (m + 1)] = (slope @ natural).transpose(1, 0, 2)
        kept.append((slope, curvature, natural, bend, row[part.cell]))
    mass = logsumexp(joint, axis=1)
    posterior = np.exp(joint - mass[:, None])
    mean_score = np.matmul(posterior[:, None, :], score)[:, 0]
    flat = score.reshape(-1, size)
    hessian = flat.T @ (flat * posterior.reshape(-1, 1)) - mean_score.T @ mean_score
    for m, (slope, curvature, natural, bend, row) in enumerate(kept):
        weight = np.stack([np.bincount(row, each, curvature.shape[1]) for each in posterior.T])  # (F, M)
        at_node = np.matmul(weight[:, None, :], curvature.reshape(*weight.shape, 16)).reshape(-1, 4, 4)
        block = slice(_P * m, _P * (m + 1))
        hessian[block, block] += (natural.transpose(0, 2, 1) @ at_node @ natural).sum(axis=0)
        mean_slope = np.matmul(posterior.T[:, None, :], slope)[:, 0]  # (F, 4)
        hessian[block, block] += np.tensordot(mean_slope, bend, axes=2)
    return float(mass.sum()), mean_score.sum(axis=0), hessian


def _slopes(own: Floats) -> tuple[Floats, Floats]:
    """First (F, 4, 5) and second (F, 4, 5, 5) derivatives of (centre, σ, incentive, κ) at each node of f."""
    _, loading, log_sigma, _, log_ratio = own
    sigma, ratio = np.exp(log_sigma), np.exp(log_ratio)
    natural, bend = np.zeros((len(FACTOR), 4, _P)), np.zeros((len(FACTOR), 4, _P, _P))
    natural[:, 0, 0] = natural[:, 2, 3] = 1.0
    natural[:, 0, 1], natural[:, 2, 1] = FACTOR, FACTOR * (ratio - 1)
    natural[:, 2, 4] = bend[:, 2, 4, 4] = FACTOR * loading * ratio
    bend[:, 2, 1, 4] = bend[:, 2, 4, 1] = FACTOR * ratio
    natural[:, 1, 2] = bend[:, 1, 2, 2] = sigma
    natural[:, 3, 2] = bend[:, 3, 2, 2] = sigma * (ratio - 1)
    natural[:, 3, 4] = bend[:, 3, 4, 4] = bend[:, 3, 2, 4] = bend[:, 3, 4, 2] = sigma * ratio
    return natural, bend


def _at_nodes(
    own: Floats, part: CountCells, graded: bool
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Log P (F, C) without coefficients, its slope (F, C, 4), curvature (F, M, 4, 4) and the row (C,) of each cell."""
    mu, loading, log_sigma, delta, log_ratio = own
    sigma, stretch = float(np.exp(log_sigma)), float(np.exp(log_ratio)) - 1.0
    centres, deltas = mu + loading * FACTOR, delta + stretch * loading * FACTOR
    shifts = (centres - mu)[:, None, None] + deltas[:, None, None] * part.design_beliefs
    samples = float(part.design_n.sum(axis=1).max())
    least, most = sorted((sigma, sigma * (1 + stretch)))
    nodes = quadrature(float(mu), most, shifts, samples, narrow=least)
    if graded:
        design, agreed, row = part.design, part.agreed, np.arange(len(part.agreed))
        belief = part.agreed_belief
    else:
        design, agreed, row = part.totals
        belief = np.zeros(len(agreed))
    log_integral, slope, curvature = integrals(
        centres, sigma, deltas, sigma * stretch, part, (design, agreed, belief), nodes
    )
    slope = slope[:, row]
    if not graded:
        slope[:, :, 2] += part.agreed_belief
    return log_integral[:, row] + np.outer(deltas, part.agreed_belief), slope, curvature, row
