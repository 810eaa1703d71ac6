"""The likelihood of counts when a preference varies over prompts and an incentive scales with belief.

Prompt i at belief β_s:  η_is = μ_i + β_s δ_θ,  logit p_is = η_is,  k_is ~ Bin(n_is, p_is),
μ_i ~ N(μ, σ²),  type θ with probability π_θ.  A cell's likelihood is
  P(k) = Σ_θ π_θ ∫ φ(z) Π_s Bin(k_s; n_s, Λ(μ + σz + β_s δ_θ)) dz.

In words: how willingly the model agrees differs by prompt (μ_i = −λv_i, in logits), being monitored for
sure adds the incentive δ = λK to it, and a belief β adds the fraction β of it (THEORY 1.2 and 2.5).

Score and curvature are posterior moments of the complete-data ones (Louis 1982, J. R. Stat. Soc. B 44:226):
∇ log P = E[s | k] and ∇² log P = E[∂s | k] + E[ssᵀ | k] − E[s | k] E[s | k]ᵀ, so they cost little more than
P.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, softmax

from estimators.count_cells import CountCells

Floats = NDArray[np.float64]
Nodes = tuple[Floats, Floats]

# The rule for ∫ φ(z) f(z) dz, chosen by measurement over μ ± 10, σ .01–10, δ ± 8, n 1–50 (tests/estimators/
# test_structural.py repeats it). The integrand is analytic up to |Im z| = π/σ, and at least as narrow as a
# normal of sd 1/√(1+σ²N/4), N the samples of a prompt. Equal steps of .65 such sd, and at most .55/σ, leave
# an error below 2e-11 per prompt. Gauss–Hermite of the same length is far worse where σ is not small, since
# its nodes are spread as the prior and not as the likelihood: relative error of a cell with 100 nodes,
# σ = 2.5, n = 10 + 10: 5e-3 against 3e-7. On the VLAF counts of OLMo 2 32B DPO (σ = 2.3), 20 Gauss–Hermite
# nodes put the log-likelihood off by 2.1 and μ by −.16. (Trefethen & Weideman 2014, SIAM Review 56:385, on
# why equal steps converge geometrically.)
_STEP, _POLE_STEP, _TAIL = 0.65, 0.55, 6.5


@dataclass(frozen=True)
class Candidate:
    """Which incentives there are: an optional type with δ = 0, then `free` types with a δ to estimate.

    Parameters are (mu, log_sigma, delta of each free type, log share of each type but the first over the
    first's).
    """

    name: str
    free: int
    zero: bool

    @property
    def types(self) -> int:
        """Number of types K."""
        return self.free + int(self.zero)

    @property
    def parameters(self) -> int:
        """Number of parameters P."""
        return 2 + self.free + self.types - 1

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names in the order of the parameter vector; types count from 1."""
        first = 2 if self.zero else 1
        deltas = (
            tuple(f"delta_{j}" for j in range(first, first + self.free)) if self.types > 1 else ("delta",)
        )
        shares = tuple(f"log_odds_share_{j}" for j in range(2, self.types + 1))
        return ("mu", "log_sigma", *deltas[: self.free], *shares)

    def unpack(self, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Split parameters (..., P) into mu (...), sigma (...), deltas (..., K) and shares (..., K)."""
        zeros = np.zeros((*parameters.shape[:-1], 1))
        deltas = parameters[..., 2 : 2 + self.free]
        if self.zero:
            deltas = np.concatenate([zeros, deltas], axis=-1)
        logits = np.concatenate([zeros, parameters[..., 2 + self.free :]], axis=-1)
        return parameters[..., 0], np.exp(parameters[..., 1]), deltas, softmax(logits, axis=-1)


NO_INCENTIVE = Candidate("no incentive", 0, True)
ONE = Candidate("one", 1, False)
ZERO_AND_ONE = Candidate("zero-and-one", 1, True)
TWO = Candidate("two", 2, False)


def quadrature(mu: float, sigma: float, shifts: Floats, samples: float, refine: float = 1.0) -> Nodes:
    """Equal-step rule on the standard normal scale that fits every possible cell.

    A cell's integrand peaks where prior and likelihood balance; the rule reaches `_TAIL` standard
    deviations beyond the farthest peak that counts of this size can have.

    Parameters
    ----------
    mu, sigma : float
        In logits.
    shifts : array
        All values of β_s δ_θ.
    samples : float
        Largest number of samples of a prompt over its contexts.
    refine : float
        Divides the step, for measuring the error.

    Returns
    -------
    nodes, log_weights : (Q,)
        ∫ φ(z) f(z) dz ≈ Σ exp(log_weights) f(nodes).
    """
    step = min(_STEP / np.sqrt(1.0 + sigma**2 * samples / 4.0), _POLE_STEP / sigma) / refine
    # The peak solves z = σ Σ (k − n p). It is below σN; and beyond η = log(1 + σN) all that pulls up is
    # below 1.
    cutoff = np.log1p(sigma * samples)
    right = _TAIL + max(1.0, min(sigma * samples, (cutoff - mu - shifts.min()) / sigma))
    left = _TAIL + max(1.0, min(sigma * samples, (cutoff + mu + shifts.max()) / sigma))
    nodes = -left + step * np.arange(int(np.ceil((left + right) / step)) + 1)
    return nodes, np.log(step) - 0.5 * nodes**2 - 0.5 * np.log(2 * np.pi)


def log_likelihood(
    parameters: Floats, cells: CountCells, candidate: Candidate, nodes: Nodes | None = None
) -> tuple[float, Floats, Floats]:
    """Log-likelihood with its exact gradient and Hessian.

    Parameters
    ----------
    parameters : (P,)
        In the order of `candidate.parameter_names`.
    nodes : as from `quadrature`, optional
        By default those that fit the parameters.

    Returns
    -------
    value : float
        With the binomial coefficients, in nats.
    gradient : (P,)
    hessian : (P, P)

    Examples
    --------
    One prompt without spread is two binomials: 3 of 4 and 1 of 4 at p = 1/2.

    >>> from estimators.count_cells import count_cells
    >>> value, _, _ = log_likelihood(np.array([0.0, -9.0, 0.0]), count_cells([[4, 4]], [[3, 1]]), ONE)
    >>> round(np.exp(value), 6)  # (4/16)²
    np.float64(0.0625)
    """
    mu, sigma, deltas, shares = candidate.unpack(parameters)
    shifts = np.multiply.outer(deltas, cells.design_beliefs)
    if nodes is None:
        nodes = quadrature(float(mu), float(sigma), shifts, float(cells.design_n.sum(axis=1).max()))
    z, log_weights = nodes
    base = mu + sigma * z
    n, belief = cells.design_n[:, :, None], cells.design_beliefs[:, :, None]
    # One design broadcasts over its cells; several are spread out to theirs.
    rows = cells.design if len(cells.design_n) > 1 else slice(None)

    terms, moments = [], []
    for delta, share in zip(deltas, shares):
        log_refuse = log_expit(-(base + belief * delta))  # log(1 − p), (D, S, Q)
        p = -np.expm1(log_refuse)
        np_, npq = n * p, n * p * (1.0 - p)
        each = (np_, belief * np_, npq, belief * npq, belief**2 * npq)
        moments.append([moment.sum(axis=1)[rows] for moment in each])
        fixed = (n * log_refuse).sum(axis=1) + log_weights + np.log(share)
        terms.append(np.outer(cells.agreed, base) + (delta * cells.agreed_belief)[:, None] + fixed[rows])
    joint = np.stack(terms)  # (K, C, Q)
    peak = joint.max(axis=(0, 2))
    posterior = np.exp(joint - peak[None, :, None])
    total = posterior.sum(axis=(0, 2))
    posterior /= total[None, :, None]
    value = float(cells.weights @ (np.log(total) + peak)) + cells.log_coefficients

    size = len(parameters)
    mean_score = np.zeros((len(cells.agreed), size))
    hessian = np.zeros((size, size))
    spread = sigma * z
    score = np.empty((*joint.shape[1:], size))
    for j, (expected, expected_belief, v0, v1, v2) in enumerate(moments):
        score[...] = 0.0
        score[..., 0] = cells.agreed[:, None] - expected
        score[..., 1] = score[..., 0] * spread
        column = 2 + j - int(candidate.zero)
        if column >= 2:
            score[..., column] = cells.agreed_belief[:, None] - expected_belief
        score[..., 2 + candidate.free :] = (np.arange(1, candidate.types) == j) - shares[1:]
        by_cell = np.matmul(posterior[j][:, None, :], score)[:, 0, :]
        mean_score += by_cell
        weight = posterior[j] * cells.weights[:, None]
        flat = score.reshape(-1, size)
        hessian += flat.T @ (flat * weight.reshape(-1, 1))
        # Expected complete-data curvature; log σ moves spread, hence the extra first-order term.
        if isinstance(rows, slice):
            weight = weight.sum(axis=0, keepdims=True)
        w0, w1 = (weight * v0).sum(axis=0), (weight * v1).sum(axis=0)
        curvature = np.zeros((size, size))
        curvature[0, 0], curvature[0, 1] = w0.sum(), w0 @ spread
        curvature[1, 1] = w0 @ spread**2 - cells.weights @ by_cell[:, 1]
        if column >= 2:
            curvature[0, column], curvature[1, column] = w1.sum(), w1 @ spread
            curvature[column, column] = np.sum(weight * v2)
        hessian -= curvature + np.triu(curvature, 1).T
    rest = shares[1:]
    hessian[2 + candidate.free :, 2 + candidate.free :] -= cells.prompts * (
        np.diag(rest) - np.outer(rest, rest)
    )
    hessian -= mean_score.T @ (mean_score * cells.weights[:, None])
    return value, cells.weights @ mean_score, hessian
