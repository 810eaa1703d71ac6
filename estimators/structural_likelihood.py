"""The likelihood of counts when a preference varies over prompts and an incentive scales with belief.

Prompt i at belief β_s:  η_is = μ + σ z_i + β_s (δ_i + κ z_i),  logit p_is = η_is,  k_is ~ Bin(n_is, p_is), z of the
standardised law h; δ_i = δ_θ with probability π_θ, or δ_i ~ N(δ, ω²); κ = (ρ − 1) σ, zero unless the incentive is
graded by the preference. A cell's likelihood is P(k) = Σ_j π_j e^{δ_j b} I_j(t, b), with
  I_j(t, b) = ∫ h(z) e^{(μ+σz) t + κzb} Π_s (1 − Λ(η_s))^{n_s} dz,   t = Σ_s k_s,  b = Σ_s β_s k_s,
and j over types or over quadrature nodes of δ_i.

In words: how willingly the model agrees differs by prompt (μ_i = −λv_i, in logits), being monitored for
sure adds the incentive δ = λK to it, and a belief β adds the fraction β of it (THEORY 1.2 and 2.5). Where κ = 0, the
total t is sufficient for the preference, so there are as many integrals as distinct totals.

Score and curvature are posterior moments of the complete-data ones (Louis 1982, J. R. Stat. Soc. B 44:226):
∇ log P = E[s | k] and ∇² log P = E[∂s | k] + E[ssᵀ | k] − E[s | k] E[s | k]ᵀ, first over z and then over j, so they
cost little more than P. In (μ, σ, δ_j, κ) the logit is linear: s = (r, zr, q, zq), r = t − Σ n p, q = b − Σ β n p.
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
# For an incentive that varies: 41 equal steps of .25 over ±5 sd, good to 5e-6 per prompt while ω²N < 80.
_SPREAD = np.linspace(-5.0, 5.0, 41)
_SPREAD_WEIGHTS = np.exp(-0.5 * _SPREAD**2) / np.exp(-0.5 * _SPREAD**2).sum()


@dataclass(frozen=True)
class Candidate:
    """Which incentives there are: an optional type with δ = 0, then `free` types with a δ to estimate.

    Parameters are (mu, log_sigma, delta of each free type, log share of each type but the first over the
    first's), and at last log_omega where the incentive varies within its type, or log_ratio where it is graded.

    Attributes
    ----------
    name : str
    free : int
    zero : bool
    varies : bool
        One type, whose incentive is N(δ, ω²) over prompts.
    graded : bool
        One type, whose incentive is linear in the preference: the spread of logits at belief 1 is ρ times that at
        belief 0. A reply that is ρ times as sharp where monitored gives the same counts.
    preference : "normal" or "logistic"
        Law of the preference.
    """

    name: str
    free: int
    zero: bool
    varies: bool = False
    graded: bool = False
    preference: Preference = "normal"

    @property
    def types(self) -> int:
        """Number of types K."""
        return self.free + int(self.zero)

    @property
    def parameters(self) -> int:
        """Number of parameters P."""
        return 2 + self.free + self.types - 1 + int(self.varies) + int(self.graded)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names in the order of the parameter vector; types count from 1."""
        first = 2 if self.zero else 1
        deltas = (
            tuple(f"delta_{j}" for j in range(first, first + self.free)) if self.types > 1 else ("delta",)
        )
        shares = tuple(f"log_odds_share_{j}" for j in range(2, self.types + 1))
        last = ("log_omega",) * self.varies + ("log_ratio",) * self.graded
        return ("mu", "log_sigma", *deltas[: self.free], *shares, *last)

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
        logits = np.concatenate([zeros, parameters[..., 2 + self.free : 1 + self.free + self.types]], axis=-1)
        return mu, sigma, deltas, softmax(logits, axis=-1)

    def ratio(self, parameters: Floats) -> Floats:
        """Spread of logits at belief 1 over that at belief 0, (...); one unless the incentive is graded."""
        return np.exp(parameters[..., -1]) if self.graded else np.ones(parameters.shape[:-1])

    def slopes(self, parameters: Floats, shares: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Derivatives of (μ, σ, δ_j, κ) and of log shares by the parameters.

        Returns
        -------
        natural : (J, 4, P)
            ∂(μ, σ, δ_j, κ).
        bend : (J, 4, P, P)
            Their second derivatives.
        log_share : (J, P)
            ∂ log π_j.
        share_bend : (P, P)
            ∂² log π_j, the same for all j.
        """
        size, count, sigma = len(parameters), len(shares), np.exp(parameters[1])
        natural, bend = np.zeros((count, 4, size)), np.zeros((count, 4, size, size))
        log_share, share_bend = np.zeros((count, size)), np.zeros((size, size))
        natural[:, 0, 0], natural[:, 1, 1], bend[:, 1, 1, 1] = 1.0, sigma, sigma
        if self.varies:
            natural[:, 2, 2] = 1.0
            natural[:, 2, 3] = bend[:, 2, 3, 3] = np.exp(parameters[3]) * _SPREAD
            return natural, bend, log_share, share_bend
        for j in range(int(self.zero), count):
            natural[j, 2, 2 + j - int(self.zero)] = 1.0
        if self.graded:
            top = sigma * np.exp(parameters[3])  # σ at belief 1; κ = top − σ
            natural[0, 3, [1, 3]] = top - sigma, top
            bend[0, 3] = np.outer(*np.eye(size)[[1, 1]]) * (top - sigma)
            bend[0, 3, [1, 3, 3], [3, 1, 3]] = top
        else:
            rest = shares[1:]
            log_share[:, 2 + self.free :] = np.eye(count)[:, 1:] - rest
            share_bend[2 + self.free :, 2 + self.free :] = np.outer(rest, rest) - np.diag(rest)
        return natural, bend, log_share, share_bend


NO_INCENTIVE = Candidate("no incentive", 0, True)
ONE = Candidate("one", 1, False)
ZERO_AND_ONE = Candidate("zero-and-one", 1, True)
TWO = Candidate("two", 2, False)
VARYING = Candidate("varying", 1, False, varies=True)
GRADED = Candidate("graded", 1, False, graded=True)


def quadrature(
    mu: float,
    sigma: float,
    shifts: Floats,
    samples: float,
    refine: float = 1.0,
    preference: Preference = "normal",
    narrow: float | None = None,
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
    narrow : float, optional
        Smallest spread at any belief where `sigma` is the largest.

    Returns
    -------
    nodes, log_weights : (Q,)
        ∫ h(z) f(z) dz ≈ Σ exp(log_weights) f(nodes).
    """
    step = min(_STEP / np.sqrt(1.0 + sigma**2 * samples / 4.0), _POLE_STEP / sigma)
    step = (step if preference == "normal" else min(step, _LOGISTIC_STEP)) / refine
    left, right = quadrature_reach(preference, mu, sigma, shifts, samples, narrow or sigma)
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
    shares, log_integral, slope, curvature = _by_type(parameters, cells, candidate, nodes)
    with np.errstate(divide="ignore"):
        joint = np.log(shares)[:, None] + log_integral  # (J, C)
    peak = joint.max(axis=0)
    posterior = np.exp(joint - peak)
    mass = posterior.sum(axis=0)
    posterior /= mass
    value = float(cells.weights @ (np.log(mass) + peak)) + cells.log_coefficients

    natural, bend, log_share, share_bend = candidate.slopes(parameters, shares)
    weight = posterior * cells.weights
    score = slope @ natural + log_share[:, None, :]  # (J, C, P)
    mean_score = (posterior[:, :, None] * score).sum(axis=0)
    flat = score.reshape(-1, score.shape[2])
    hessian = flat.T @ (flat * weight.reshape(-1, 1)) - mean_score.T @ (mean_score * cells.weights[:, None])
    rows = curvature.shape[1]
    total = np.arange(rows) if candidate.graded else cells.totals[2]
    by_row = np.stack([np.bincount(total, each, rows) for each in weight])
    natural_hessian = np.matmul(by_row[:, None, :], curvature.reshape(len(shares), rows, 16))
    hessian += (natural.transpose(0, 2, 1) @ natural_hessian.reshape(-1, 4, 4) @ natural).sum(axis=0)
    hessian += np.tensordot(np.matmul(weight[:, None, :], slope)[:, 0], bend, axes=2)
    hessian += cells.prompts * share_bend
    return value, cells.weights @ mean_score, hessian


def _by_type(
    parameters: Floats, cells: CountCells, candidate: Candidate, nodes: Nodes | None = None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Shares (J,), log e^{δ_j b} I_j (J, C) and its slope (J, C, 4); curvature (J, M, 4, 4) by distinct integral."""
    mu, sigma, deltas, shares = candidate.unpack(parameters)
    kappa = float((candidate.ratio(parameters) - 1.0) * sigma)
    if nodes is None:
        shifts = np.multiply.outer(deltas, cells.design_beliefs)
        samples = float(cells.design_n.sum(axis=1).max())
        least, most = sorted((float(sigma), float(sigma) + kappa))
        nodes = quadrature(float(mu), most, shifts, samples, preference=candidate.preference, narrow=least)
    centres = np.full(len(deltas), mu)
    if candidate.graded:
        rows = cells.design, cells.agreed, cells.agreed_belief
        log_integral, slope, curvature = integrals(centres, float(sigma), deltas, kappa, cells, rows, nodes)
        return shares, log_integral + np.outer(deltas, cells.agreed_belief), slope, curvature
    design, agreed, total = cells.totals
    rows = design, agreed, np.zeros(len(agreed))
    log_integral, slope, curvature = integrals(centres, float(sigma), deltas, kappa, cells, rows, nodes)
    slope = slope[:, total]
    slope[:, :, 2] += cells.agreed_belief
    return shares, log_integral[:, total] + np.outer(deltas, cells.agreed_belief), slope, curvature


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
    shares, log_integral, _, _ = _by_type(parameters, cells, candidate)
    return np.asarray(logsumexp(log_integral, axis=0, b=shares[:, None])) + cells.log_coefficient_of_cell


def integrals(
    centres: Floats,
    sigma: float,
    deltas: Floats,
    kappa: float,
    cells: CountCells,
    rows: tuple[NDArray[np.int64], Floats, Floats],
    nodes: Nodes,
) -> tuple[Floats, Floats, Floats]:
    """Log I_j of the module's formula for each incentive and each distinct (design, t, b).

    Parameters
    ----------
    centres, deltas : (J,)
        Mean preference μ_j and incentive.
    cells : CountCells
        For its designs.
    rows : design, t, b, each (M,)
        Where κ = 0 one may set b = 0 and merge equal rows: b enters by the factor e^{δ_j b} alone.
    nodes : as from `quadrature`

    Returns
    -------
    log_integral : (J, M)
    slope : (J, M, 4)
        By (μ_j, σ, δ_j, κ), of e^{δ_j b} I_j.
    curvature : (J, M, 4, 4)
    """
    z, log_weights = nodes
    design, t, b = rows
    base = centres[:, None] + sigma * z  # (J, Q)
    n, belief = cells.design_n[:, :, None], cells.design_beliefs[:, :, None]
    one_design = len(cells.design_n) == 1
    own = slice(None) if one_design else design

    eta = base[:, None, None] + belief * (deltas[:, None] + kappa * z)[:, None, None]  # (J, D, S, Q)
    log_refuse = log_expit(-eta)
    p = -np.expm1(log_refuse)
    np_, npq = n * p, n * p * (1.0 - p)
    fixed = (n * log_refuse).sum(axis=2) + log_weights  # (J, D, Q)
    e0, e1 = np_.sum(axis=2), (belief * np_).sum(axis=2)
    v0, v1, v2 = npq.sum(axis=2), (belief * npq).sum(axis=2), (belief**2 * npq).sum(axis=2)

    joint = t[:, None] * base[:, None] + fixed[:, own]  # (J, M, Q)
    if kappa:
        joint += kappa * np.outer(b, z)
    peak = joint.max(axis=2, keepdims=True)
    posterior = np.exp(joint - peak)
    mass = posterior.sum(axis=2, keepdims=True)
    posterior /= mass

    ones = np.ones_like(e0)
    each = np.stack([ones, e0, e1, e0 * e0 - v0, e0 * e1 - v1, e1 * e1 - v2], axis=-1)  # (J, D, Q, 6)
    features = (z[:, None, None] ** np.arange(3)[:, None] * each[..., None, :]).reshape(*e0.shape, 18)
    if one_design:
        moments = posterior @ features[:, 0]
    else:
        moments = np.matmul(posterior[:, :, None, :], features[:, own])[:, :, 0]
    # Row i holds E[zⁱ · each | t, b].
    one, a, c, aa, ac, cc = np.moveaxis(moments.reshape(*moments.shape[:2], 3, 6), -1, 0)
    t, b = t[:, None], b[:, None]
    slope = np.concatenate([(t * one - a)[..., :2], (b * one - c)[..., :2]], axis=-1)
    rr, rq, qq = t * t * one - 2 * t * a + aa, t * b * one - t * c - b * a + ac, b * b * one - 2 * b * c + cc
    hankel = np.array([[0, 1], [1, 2]])  # σ and κ come with a factor z
    top = np.concatenate([rr[..., hankel], rq[..., hankel]], axis=-1)
    bottom = np.concatenate([rq[..., hankel], qq[..., hankel]], axis=-1)
    curvature = np.concatenate([top, bottom], axis=-2) - slope[..., :, None] * slope[..., None, :]
    return (np.log(mass) + peak)[..., 0], slope, curvature
