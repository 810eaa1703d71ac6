"""The likelihood of counts when a preference varies over prompts and an incentive scales with belief.

Prompt i at belief β_s:  η_is = μ_i + β_s δ_i,  logit p_is = η_is,  k_is ~ Bin(n_is, p_is),  μ_i = μ + σ z_i with z
of the standardised law h, and δ_i = δ_θ with probability π_θ, or δ_i ~ N(δ, ω²).  A cell's likelihood is
  P(k) = Σ_j π_j e^{δ_j b} I_j(t),   I_j(t) = ∫ h(z) e^{(μ+σz) t} Π_s (1 − Λ(μ + σz + β_s δ_j))^{n_s} dz,
with t = Σ_s k_s, b = Σ_s β_s k_s, and j over types or over quadrature nodes of δ_i.

In words: how willingly the model agrees differs by prompt (μ_i = −λv_i, in logits), being monitored for
sure adds the incentive δ = λK to it, and a belief β adds the fraction β of it (THEORY 1.2 and 2.5). Given the
incentive, the total t is sufficient for the preference, so there are as many integrals as distinct totals.

Score and curvature are posterior moments of the complete-data ones (Louis 1982, J. R. Stat. Soc. B 44:226):
∇ log P = E[s | k] and ∇² log P = E[∂s | k] + E[ssᵀ | k] − E[s | k] E[s | k]ᵀ, first over z and then over j, so they
cost little more than P.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, logsumexp, softmax

from estimators.count_cells import CountCells
from estimators.preference import Preference, log_density, quadrature_reach

Floats = NDArray[np.float64]
Nodes = tuple[Floats, Floats]

# The rule for ∫ h(z) f(z) dz, chosen by measurement over μ ± 10, σ .01–10, δ ± 8, n 1–50 (tests/estimators/
# test_structural.py repeats it). The integrand is analytic up to |Im z| = π/σ (and √3, for the logistic law), and at
# least as narrow as a normal of sd 1/√(1+σ²N/4), N the samples of a prompt. Equal steps of .65 such sd, and at most
# .55/σ, leave an error below 2e-11 per prompt. Gauss–Hermite of the same length is far worse where σ is not small,
# since its nodes are spread as the prior and not as the likelihood: relative error of a cell with 100 nodes,
# σ = 2.5, n = 10 + 10: 5e-3 against 3e-7. On the VLAF counts of OLMo 2 32B DPO (σ = 2.3), 20 Gauss–Hermite
# nodes put the log-likelihood off by 2.1 and μ by −.16. (Trefethen & Weideman 2014, SIAM Review 56:385, on
# why equal steps converge geometrically.)
_STEP, _POLE_STEP, _LOGISTIC_STEP = 0.65, 0.55, 0.4
# For an incentive that varies: 41 equal steps of .25 over ±5 sd, good to 1e-6 per prompt while ω²N < 80.
_SPREAD = np.linspace(-5.0, 5.0, 41)
_SPREAD_WEIGHTS = np.exp(-0.5 * _SPREAD**2) / np.exp(-0.5 * _SPREAD**2).sum()


@dataclass(frozen=True)
class Candidate:
    """Which incentives there are: an optional type with δ = 0, then `free` types with a δ to estimate.

    Parameters are (mu, log_sigma, delta of each free type, log share of each type but the first over the
    first's), and at last log_omega where the incentive varies within its type.

    Attributes
    ----------
    name : str
    free : int
    zero : bool
    varies : bool
        One type, whose incentive is N(δ, ω²) over prompts.
    preference : "normal" or "logistic"
        Law of the preference.
    """

    name: str
    free: int
    zero: bool
    varies: bool = False
    preference: Preference = "normal"

    @property
    def types(self) -> int:
        """Number of types K."""
        return self.free + int(self.zero)

    @property
    def parameters(self) -> int:
        """Number of parameters P."""
        return 2 + self.free + self.types - 1 + int(self.varies)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names in the order of the parameter vector; types count from 1."""
        first = 2 if self.zero else 1
        deltas = (
            tuple(f"delta_{j}" for j in range(first, first + self.free)) if self.types > 1 else ("delta",)
        )
        shares = tuple(f"log_odds_share_{j}" for j in range(2, self.types + 1))
        return ("mu", "log_sigma", *deltas[: self.free], *shares, *(("log_omega",) if self.varies else ()))

    def unpack(self, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Split parameters (..., P) into mu (...), sigma (...), deltas (..., J) and shares (..., J).

        J is K, or the 41 nodes of an incentive that varies.
        """
        mu, sigma = parameters[..., 0], np.exp(parameters[..., 1])
        deltas = parameters[..., 2 : 2 + self.free]
        if self.varies:
            deltas = deltas + np.exp(parameters[..., 3:]) * _SPREAD
            return mu, sigma, deltas, np.broadcast_to(_SPREAD_WEIGHTS, deltas.shape)
        zeros = np.zeros((*parameters.shape[:-1], 1))
        if self.zero:
            deltas = np.concatenate([zeros, deltas], axis=-1)
        logits = np.concatenate([zeros, parameters[..., 2 + self.free :]], axis=-1)
        return mu, sigma, deltas, softmax(logits, axis=-1)

    def slopes(self, parameters: Floats, shares: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Derivatives of what `unpack` gives and of log shares.

        Returns
        -------
        natural : (J, 3, P)
            ∂(μ, log σ, δ_j).
        log_share : (J, P)
            ∂ log π_j.
        bend : (J, P, P)
            ∂²δ_j.
        share_bend : (P, P)
            ∂² log π_j, the same for all j.
        """
        size, count = len(parameters), len(shares)
        natural = np.zeros((count, 3, size))
        natural[:, 0, 0] = natural[:, 1, 1] = 1.0
        log_share, bend = np.zeros((count, size)), np.zeros((count, size, size))
        share_bend = np.zeros((size, size))
        if self.varies:
            natural[:, 2, 2] = 1.0
            natural[:, 2, 3] = bend[:, 3, 3] = np.exp(parameters[3]) * _SPREAD
            return natural, log_share, bend, share_bend
        for j in range(int(self.zero), count):
            natural[j, 2, 2 + j - int(self.zero)] = 1.0
        rest = shares[1:]
        log_share[:, 2 + self.free :] = np.eye(count)[:, 1:] - rest
        share_bend[2 + self.free :, 2 + self.free :] = np.outer(rest, rest) - np.diag(rest)
        return natural, log_share, bend, share_bend


NO_INCENTIVE = Candidate("no incentive", 0, True)
ONE = Candidate("one", 1, False)
ZERO_AND_ONE = Candidate("zero-and-one", 1, True)
TWO = Candidate("two", 2, False)
VARYING = Candidate("varying", 1, False, varies=True)


def quadrature(
    mu: float,
    sigma: float,
    shifts: Floats,
    samples: float,
    refine: float = 1.0,
    preference: Preference = "normal",
) -> Nodes:
    """Equal-step rule on the standardised scale that fits every possible cell.

    A cell's integrand peaks where prior and likelihood balance; the rule reaches beyond the farthest peak that
    counts of this size can have.

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
    preference : "normal" or "logistic"

    Returns
    -------
    nodes, log_weights : (Q,)
        ∫ h(z) f(z) dz ≈ Σ exp(log_weights) f(nodes).
    """
    step = min(_STEP / np.sqrt(1.0 + sigma**2 * samples / 4.0), _POLE_STEP / sigma)
    step = (step if preference == "normal" else min(step, _LOGISTIC_STEP)) / refine
    left, right = quadrature_reach(preference, mu, sigma, shifts, samples)
    nodes = -left + step * np.arange(int(np.ceil((left + right) / step)) + 1)
    return nodes, np.log(step) + log_density(preference, nodes)


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
    if nodes is None:
        shifts = np.multiply.outer(deltas, cells.design_beliefs)
        samples = float(cells.design_n.sum(axis=1).max())
        nodes = quadrature(float(mu), float(sigma), shifts, samples, preference=candidate.preference)
    _, _, total = cells.totals
    centres = np.broadcast_to(mu, deltas.shape)
    log_integral, slope, curvature = integrals(centres, float(sigma), deltas, cells, nodes)

    with np.errstate(divide="ignore"):
        joint = np.log(shares)[:, None] + np.outer(deltas, cells.agreed_belief) + log_integral[:, total]
    peak = joint.max(axis=0)
    posterior = np.exp(joint - peak)  # (J, C)
    mass = posterior.sum(axis=0)
    posterior /= mass
    value = float(cells.weights @ (np.log(mass) + peak)) + cells.log_coefficients

    natural, log_share, bend, share_bend = candidate.slopes(parameters, shares)
    of_total = slope @ natural  # (J, M, P)
    own = cells.agreed_belief[:, None] * natural[:, None, 2, :]
    score = of_total[:, total, :] + own + log_share[:, None, :]  # (J, C, P)
    mean_score = np.einsum("jc,jcp->cp", posterior, score)
    weight = posterior * cells.weights
    flat = score.reshape(-1, score.shape[2])
    hessian = flat.T @ (flat * weight.reshape(-1, 1)) - mean_score.T @ (mean_score * cells.weights[:, None])
    by_total = np.stack([np.bincount(total, each, log_integral.shape[1]) for each in weight])  # (J, M)
    natural_curvature = np.matmul(by_total[:, None, :], curvature.reshape(*by_total.shape, 9)).reshape(
        -1, 3, 3
    )
    hessian += (natural.transpose(0, 2, 1) @ natural_curvature @ natural).sum(axis=0)
    hessian += cells.prompts * share_bend
    if candidate.varies:
        delta_slope = np.sum(by_total * slope[:, :, 2], axis=1) + weight @ cells.agreed_belief
        hessian += np.tensordot(delta_slope, bend, axes=1)
    return value, cells.weights @ mean_score, hessian


def log_probabilities(parameters: Floats, cells: CountCells, candidate: Candidate) -> Floats:
    """Log probability, (C,), of each cell's counts given its numbers of samples and beliefs.

    Examples
    --------
    Whatever the parameters, the possible counts of a prompt have total probability one.

    >>> from estimators.count_cells import count_cells
    >>> every = count_cells([[2, 1]] * 6, [[a, b] for a in range(3) for b in range(2)])
    >>> float(np.exp(log_probabilities(np.array([-1.0, 0.5, 2.0]), every, ONE)).sum().round(9))
    1.0
    """
    mu, sigma, deltas, shares = candidate.unpack(parameters)
    shifts = np.multiply.outer(deltas, cells.design_beliefs)
    samples = float(cells.design_n.sum(axis=1).max())
    nodes = quadrature(float(mu), float(sigma), shifts, samples, preference=candidate.preference)
    log_integral, _, _ = integrals(np.broadcast_to(mu, deltas.shape), float(sigma), deltas, cells, nodes)
    joint = np.outer(deltas, cells.agreed_belief) + log_integral[:, cells.totals[2]]
    return np.asarray(logsumexp(joint, axis=0, b=shares[:, None])) + cells.log_coefficient_of_cell


def integrals(
    centres: Floats, sigma: float, deltas: Floats, cells: CountCells, nodes: Nodes
) -> tuple[Floats, Floats, Floats]:
    """Log I_j(t) of the module's formula for each incentive and each distinct total of the cells.

    Parameters
    ----------
    centres, deltas : (J,)
        Mean preference and incentive.
    nodes : as from `quadrature`

    Returns
    -------
    log_integral : (J, M)
    slope : (J, M, 3)
        By (μ_j, log σ, δ_j).
    curvature : (J, M, 3, 3)
    """
    z, log_weights = nodes
    spread = sigma * z
    base = centres[:, None, None, None] + spread  # (J, 1, 1, Q)
    design, agreed, _ = cells.totals
    n, belief = cells.design_n[:, :, None], cells.design_beliefs[:, :, None]
    one_design = len(cells.design_n) == 1
    rows = slice(None) if one_design else design

    eta = base + belief * deltas[:, None, None, None]  # (J, D, S, Q)
    log_refuse = log_expit(-eta)
    p = -np.expm1(log_refuse)
    npq = n * p * (1.0 - p)
    e0, fixed = (n * p).sum(axis=2), (n * log_refuse).sum(axis=2) + log_weights  # (J, D, Q)
    e1, v0 = (n * belief * p).sum(axis=2), npq.sum(axis=2)
    v1, v2 = (belief * npq).sum(axis=2), (belief**2 * npq).sum(axis=2)

    joint = agreed[:, None] * base[:, 0] + fixed[:, rows]  # (J, M, Q)
    peak = joint.max(axis=2, keepdims=True)
    posterior = np.exp(joint - peak)
    mass = posterior.sum(axis=2, keepdims=True)
    posterior /= mass

    y = np.broadcast_to(spread, e0.shape)
    y_e0 = y * e0
    plain = (y, y * y, e0, y_e0, y * y_e0, e0 * e0, y_e0 * e0, y_e0 * y_e0)
    of_belief = (e1, y * e1, e0 * e1, y_e0 * e1, e1 * e1)
    features = np.stack(
        [*plain, *of_belief, v0, y * v0, y * y * v0, v1, y * v1, v2], axis=-1
    )  # (J, D, Q, 19)
    if one_design:
        moments = posterior @ features[:, 0]
    else:
        moments = np.matmul(posterior[:, :, None, :], features[:, rows])[:, :, 0, :]
    # The complete-data score is (r, y r, −e1) with r = t − e0, plus what the incentive adds outside the integral.
    y1, y2, a, ya, yya, aa, yaa, yyaa, c, yc, ac, yac, cc, b0, yb0, yyb0, b1, yb1, b2 = np.moveaxis(
        moments, -1, 0
    )
    t = agreed
    r, yr = t - a, t * y1 - ya
    slope = np.stack([r, yr, -c], axis=-1)
    curvature = np.empty((*r.shape, 3, 3))
    curvature[..., 0, 0] = t * t - 2 * t * a + aa - b0
    curvature[..., 0, 1] = t * t * y1 - 2 * t * ya + yaa - yb0
    curvature[..., 1, 1] = t * t * y2 - 2 * t * yya + yyaa - yyb0 + yr
    curvature[..., 0, 2] = ac - t * c - b1
    curvature[..., 1, 2] = yac - t * yc - yb1
    curvature[..., 2, 2] = cc - b2
    for i, j in ((1, 0), (2, 0), (2, 1)):
        curvature[..., i, j] = curvature[..., j, i]
    curvature -= slope[..., :, None] * slope[..., None, :]
    return (np.log(mass) + peak)[..., 0], slope, curvature
