"""The likelihood of agreeing counts when every prompt belongs to one of a few classes.

Class j agrees in context s at rate p_js; a prompt's own rate scatters around it with one common φ:
  P(k) = Σ_j π_gj Π_s BB(k_s; n_s, p_js, φ),   BB(k; n, p, φ) = C(n, k) B(k + pφ, n − k + (1−p)φ) / B(pφ, (1−p)φ),
  log(π_gj / π_g1) = x_g · γ_j  for prompts of group g with covariates x_g; one group has x = 1.
In words: beta-binomial counts, with correlation 1/(φ + 1) between samples of a prompt; the binomial is φ = ∞.

With whole counts the beta functions are products, log B(k+α, n−k+β)/B(α, β) = Σ_{i<k} log(α+i) + Σ_{i<n−k} log(β+i) −
Σ_{i<n} log(φ+i), which stay exact at large φ where differences of log Γ cancel. The gradient is that of THEORY 2.1,
with ψ(k+α) − ψ(α) = Σ_{i<k} 1/(α+i); the Hessian follows by Louis' identity. All are computed once per distinct pair
(n, k).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from estimators.count_cells import CountCells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Groups(NamedTuple):
    """Which prompts have which shares.

    Attributes
    ----------
    of_cell : (C,) of int
    covariates : (G, Q)
        x_g, with a column of ones.
    """

    of_cell: Ints
    covariates: Floats


class Terms(NamedTuple):
    """What the likelihood is made of.

    Attributes
    ----------
    log_cell : (C,)
        Log-likelihood of one prompt of the cell, without its binomial coefficients.
    posterior : (J, C)
        Probability of each class given the counts.
    score : (C, P)
        Gradient of `log_cell`.
    hessian : (P, P)
        Of the sum over prompts.
    """

    log_cell: Floats
    posterior: Floats
    score: Floats
    hessian: Floats


def unpack(
    parameters: Floats, classes: int, contexts: int, covariates: int = 1
) -> tuple[Floats, Floats, Floats]:
    """Split (P,) into share coefficients γ (Q, J − 1), logits of the rates (J, S), log φ (1,) or (0,) if binomial."""
    first = covariates * (classes - 1)
    end = first + classes * contexts
    logits = parameters[first:end].reshape(classes, contexts)
    return parameters[:first].reshape(covariates, classes - 1), logits, parameters[end:]


def class_shares(coefficients: Floats, covariates: Floats | None = None) -> Floats:
    """Shares (G, J) of groups with these covariates (G, Q) by multinomial logit; one group, (1, J), without."""
    x = np.ones((1, 1)) if covariates is None else covariates
    log_odds = np.zeros((len(x), coefficients.shape[1] + 1))
    log_odds[:, 1:] = x @ coefficients
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def log_likelihood(
    parameters: Floats, cells: CountCells, classes: int, groups: Groups | None = None
) -> tuple[float, Floats, Floats]:
    """Log-likelihood with its exact gradient and Hessian.

    Parameters
    ----------
    parameters : (Q(J − 1) + J·S,) or one more
        γ row by row (for one group the log shares over the first class's), logits of the rates class by class, and
        log φ for the beta-binomial.
    groups : Groups, optional

    Returns
    -------
    value : float
        With the binomial coefficients, in nats.
    gradient : (P,)
    hessian : (P, P)

    Examples
    --------
    At p = 1/2 and φ = 2 a prompt's rate is uniform, so each of 0..4 agreements has probability 1/5.

    >>> from estimators.count_cells import count_cells
    >>> value, _, _ = log_likelihood(np.array([0.0, np.log(2.0)]), count_cells([[4]], [[3]]), 1)
    >>> round(float(np.exp(value)), 6)
    0.2
    """
    terms = cell_terms(parameters, cells, classes, groups)
    value = float(cells.weights @ terms.log_cell) + cells.log_coefficients
    return value, cells.weights @ terms.score, terms.hessian


def cell_terms(parameters: Floats, cells: CountCells, classes: int, groups: Groups | None = None) -> Terms:
    """Likelihood, posterior and score of every cell, and the Hessian of all; see `log_likelihood`."""
    contexts = cells.n.shape[1]
    x = np.ones((1, 1)) if groups is None else groups.covariates
    coefficients, logits, log_phi = unpack(parameters, classes, contexts, x.shape[1])
    shares = class_shares(coefficients, x)  # (G, J)
    pairs, pair = cells.atoms
    tables = (
        _beta_binomial(pairs, logits, float(np.exp(log_phi[0]))) if log_phi.size else _binomial(pairs, logits)
    )
    gathered = tables[:, :, np.arange(contexts), pair]  # (3 or 6, J, C, S)

    own_log_shares = np.log(shares).T if groups is None else np.log(shares).T[:, groups.of_cell]
    log_joint = gathered[0].sum(axis=-1) + own_log_shares  # (J, C)
    peak = log_joint.max(axis=0)
    posterior = np.exp(log_joint - peak)
    total = posterior.sum(axis=0)
    posterior /= total
    weight = posterior * cells.weights

    # Slopes within a class: its logits and, for the beta-binomial, log φ over all contexts; (J, C, L).
    local = gathered[1]
    if log_phi.size:
        local = np.concatenate([local, gathered[2].sum(axis=-1, keepdims=True)], axis=-1)
    weighted = weight[:, :, None] * local
    second = local.transpose(0, 2, 1) @ weighted  # Σ_c w post s sᵀ, (J, L, L)
    curvature = (weight[:, None, :] @ gathered[3 if log_phi.size else 2 :])[:, :, 0]  # (1 or 3, J, S)
    if groups is None:
        members, slopes = weight.sum(axis=1)[None], weighted.sum(axis=1)[None]
        prompts = np.array([cells.prompts])
    else:
        members, slopes = _by_group(weight, groups), _by_group(weighted, groups)  # (G, J), (G, J, L)
        prompts = members.sum(axis=1)

    size, first = len(parameters), coefficients.size
    logit_end = first + classes * contexts
    score = np.empty((len(cells.k), size))
    surprise = posterior[1:].T - (
        shares[:, 1:] if groups is None else shares[groups.of_cell, 1:]
    )  # (C, J − 1)
    if groups is None:
        score[:, :first] = surprise
    else:
        score[:, :first] = (x[groups.of_cell][:, :, None] * surprise[:, None, :]).reshape(-1, first)
    mean_slope = (posterior[:, :, None] * local).transpose(1, 0, 2)  # (C, J, L)
    score[:, first:logit_end] = mean_slope[:, :, :contexts].reshape(len(cells.k), -1)
    if log_phi.size:
        score[:, -1] = mean_slope[:, :, -1].sum(axis=1)

    hessian = np.zeros((size, size))
    if classes > 1:
        hessian[:first, :first] = _share_block(shares, members, prompts, x).reshape(first, first)
        # A class's slopes times (1{t = j} − π_gt), summed over groups.
        lean = np.eye(classes)[None, 1:] - shares[:, 1:, None]  # (G, J − 1, J)
        towards = lean[:, :, :, None] * slopes[:, None]  # (G, J − 1, J, L)
        cross = towards[0] if groups is None else np.tensordot(x.T, towards, 1).reshape(first, classes, -1)
        hessian[:first, first:logit_end] = cross[:, :, :contexts].reshape(first, -1)
        if log_phi.size:
            hessian[:first, -1] = cross[:, :, -1].sum(axis=1)
    for j in range(classes):
        own = slice(first + j * contexts, first + (j + 1) * contexts)
        hessian[own, own] = second[j, :contexts, :contexts]
    logit_at = np.arange(first, logit_end)
    hessian[logit_at, logit_at] += curvature[0].ravel()
    if log_phi.size:
        hessian[first:logit_end, -1] = (second[:, :contexts, -1] + curvature[1]).ravel()
        hessian[-1, -1] = second[:, -1, -1].sum() + curvature[2].sum()
    # Filled so far: blocks on the diagonal in full, those off it above only.
    hessian[first:, :first] = hessian[:first, first:].T
    hessian[logit_end:, first:logit_end] = hessian[first:logit_end, logit_end:].T
    hessian -= score.T @ (score * cells.weights[:, None])
    return Terms(np.log(total) + peak, posterior, score, hessian)


def _share_block(shares: Floats, members: Floats, prompts: Floats, x: Floats) -> Floats:
    """Σ_g x xᵀ ⊗ (E[s sᵀ] − N(diag π − ππᵀ)), the shares' own part of Louis' identity, (Q, J − 1, Q, J − 1)."""
    pi, t = shares[:, 1:], members[:, 1:]
    both = 2.0 * prompts[:, None, None] * pi[:, :, None] * pi[:, None, :]
    both -= t[:, :, None] * pi[:, None, :] + pi[:, :, None] * t[:, None, :]
    diagonal = np.arange(pi.shape[1])
    both[:, diagonal, diagonal] += t - prompts[:, None] * pi
    return both if x.shape == (1, 1) else np.asarray(np.einsum("gq,gr,gtu->qtru", x, x, both))


def _by_group(values: Floats, groups: Groups) -> Floats:
    """Sums over the cells of each group of values (J, C, ...), as (G, J, ...)."""
    found = np.zeros((len(groups.covariates), len(values), *values.shape[2:]))
    np.add.at(found, groups.of_cell, np.moveaxis(values, 1, 0))
    return found


def _binomial(pairs: Floats, logits: Floats) -> Floats:
    """Log kernel, its slope and curvature in the logit, (3, J, S, U)."""
    n, k = pairs.T
    x = logits[:, :, None]
    p = expit(x)
    return np.stack([k * x - n * np.logaddexp(0.0, x), k - n * p, -n * p * (1.0 - p)])


def _beta_binomial(pairs: Floats, logits: Floats, phi: float) -> Floats:
    """Log kernel, slopes in the logit x and y = log φ, second derivatives xx, xy, yy; (6, J, S, U)."""
    n, k = pairs.T.astype(np.int64)
    p, q = expit(logits).ravel(), expit(-logits).ravel()
    alpha, beta = p * phi, q * phi
    # Σ_{i<count} of log(a + i), 1/(a + i), 1/(a + i)², as running sums for a = every α, every β and φ.
    ladder = np.concatenate([alpha, beta, [phi]])[:, None] + np.arange(int(n.max()))
    running = np.zeros((3, len(ladder), ladder.shape[1] + 1))
    inverse = 1.0 / ladder
    np.cumsum([np.log(ladder), inverse, inverse * inverse], axis=-1, out=running[..., 1:])
    l_a, a1, a2 = running[:, : p.size, k]
    l_b, b1, b2 = running[:, p.size : -1, n - k]
    l_f, f1, f2 = running[:, -1, n]
    alpha, beta, p, q = alpha[:, None], beta[:, None], p[:, None], q[:, None]
    w = phi * p * q  # dα/dx = −dβ/dx
    by_logit = w * (a1 - b1)
    by_phi = alpha * a1 + beta * b1 - phi * f1
    tables = np.array(
        [
            l_a + l_b - l_f,
            by_logit,
            by_phi,
            (q - p) * by_logit - w**2 * (a2 + b2),
            by_logit + w * (beta * b2 - alpha * a2),
            by_phi - alpha**2 * a2 - beta**2 * b2 + phi**2 * f2,
        ]
    )
    return tables.reshape(6, *logits.shape, len(n))


def em_starts(
    cells: CountCells, classes: int, starts: int, rng: np.random.Generator, iterations: int = 40
) -> tuple[Floats, Floats, Floats]:
    """Binomial mixtures from EM, all starts at once; where they begin is `classes` cells drawn by their prompts.

    Returns
    -------
    log_likelihood : (R,)
        Without binomial coefficients, best first.
    shares : (R, J)
    rates : (R, J, S)
        Pulled towards the pooled rate by half a sample, so that logits stay finite.
    """
    n, k = cells.n.astype(np.float64), cells.k.astype(np.float64)
    pooled = (cells.weights @ k + 0.5) / (cells.weights @ n + 1.0)
    # Gumbel keys draw cells without replacement, in proportion to their prompts.
    keys = np.log(cells.weights) + rng.gumbel(size=(starts, len(n)))
    # With fewer cells than classes some begin twice; Newton leaves such a saddle.
    centre = np.argsort(-keys, axis=1)[:, np.arange(classes) % len(n)]
    rates = (k[centre] + 2 * pooled) / (n[centre] + 2)
    shares = np.full((starts, classes), 1.0 / classes)
    both = np.hstack([k, n - k])
    log_cell = np.zeros((starts, len(n)))
    for _ in range(iterations):
        log_joint = np.concatenate([np.log(rates), np.log1p(-rates)], axis=2) @ both.T  # (R, J, C)
        log_joint += np.log(shares)[:, :, None]
        peak = log_joint.max(axis=1, keepdims=True)
        weight = np.exp(log_joint - peak)
        total = weight.sum(axis=1, keepdims=True)
        log_cell = (np.log(total) + peak)[:, 0]
        weight *= cells.weights / total
        shares = np.maximum(weight.sum(axis=2), 1e-8)
        shares /= shares.sum(axis=1, keepdims=True)
        sums = weight @ both
        agreed, refused = sums[..., : k.shape[1]], sums[..., k.shape[1] :]
        rates = (agreed + 0.5 * pooled) / (agreed + refused + 0.5)
    value = log_cell @ cells.weights
    order = np.argsort(-value)
    return value[order], shares[order], rates[order]
