"""The likelihood of agreeing counts when every prompt belongs to one of a few classes.

Class j agrees in context s at rate p_js; a prompt's own rate scatters around it with one common φ:
  P(k) = Σ_j π_j Π_s BB(k_s; n_s, p_js, φ),   BB(k; n, p, φ) = C(n, k) B(k + pφ, n − k + (1−p)φ) / B(pφ,
  (1−p)φ).
In words: beta-binomial counts, with correlation 1/(φ + 1) between samples of a prompt; the binomial is φ = ∞.

With whole counts the beta functions are products, log B(k+α, n−k+β)/B(α, β) = Σ_{i<k} log(α+i) +
Σ_{i<n−k} log(β+i) − Σ_{i<n} log(φ+i), which stay exact at large φ where differences of log Γ cancel. The
gradient is that of THEORY 2.1, with ψ(k+α) − ψ(α) = Σ_{i<k} 1/(α+i); the Hessian follows by Louis' identity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from estimators.count_cells import CountCells

Floats = NDArray[np.float64]


def unpack(parameters: Floats, classes: int, contexts: int) -> tuple[Floats, Floats, Floats]:
    """Split (P,) into shares (J,), logits of the rates (J, S) and log φ (1,) or, for the binomial, (0,)."""
    shares = softmax(np.append(0.0, parameters[: classes - 1]))
    end = classes - 1 + classes * contexts
    return shares, parameters[classes - 1 : end].reshape(classes, contexts), parameters[end:]


def log_likelihood(parameters: Floats, cells: CountCells, classes: int) -> tuple[float, Floats, Floats]:
    """Log-likelihood with its exact gradient and Hessian.

    Parameters
    ----------
    parameters : (J − 1 + J·S,) or one more
        Log shares over the first class's, logits of the rates class by class, and log φ for the
        beta-binomial.

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
    contexts = cells.n.shape[1]
    shares, logits, log_phi = unpack(parameters, classes, contexts)
    size, first_rate = len(parameters), classes - 1
    if log_phi.size:
        kernel, by_logit, by_phi, curvature = _beta_binomial(cells, logits, float(np.exp(log_phi[0])))
    else:
        kernel, by_logit, curvature = _binomial(cells, logits)
    log_joint = np.log(shares) + kernel.sum(axis=2)  # (C, J)
    log_cell = logsumexp(log_joint, axis=1)
    posterior = np.exp(log_joint - log_cell[:, None])
    weight = posterior * cells.weights[:, None]

    mean_score = np.zeros((len(cells.k), size))
    hessian = np.zeros((size, size))
    for j in range(classes):
        own = slice(first_rate + j * contexts, first_rate + (j + 1) * contexts)
        score = np.zeros((len(cells.k), size))
        score[:, :first_rate] = (np.arange(1, classes) == j) - shares[1:]
        score[:, own] = by_logit[:, j]
        rates = np.arange(own.start, own.stop)
        hessian[rates, rates] += weight[:, j] @ curvature[0][:, j]
        if log_phi.size:
            score[:, -1] = by_phi[:, j].sum(axis=1)
            mixed = weight[:, j] @ curvature[1][:, j]
            hessian[own, -1] += mixed
            hessian[-1, own] += mixed
            hessian[-1, -1] += weight[:, j] @ curvature[2][:, j].sum(axis=1)
        mean_score += posterior[:, j, None] * score
        hessian += score.T @ (score * weight[:, j, None])
    rest = shares[1:]
    hessian[:first_rate, :first_rate] -= cells.prompts * (np.diag(rest) - np.outer(rest, rest))
    hessian -= mean_score.T @ (mean_score * cells.weights[:, None])
    value = float(cells.weights @ log_cell) + cells.log_coefficients
    return value, cells.weights @ mean_score, hessian


def _binomial(cells: CountCells, logits: Floats) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    """Log kernel, its slope and curvature in the logit, each (C, J, S)."""
    n, k = cells.n[:, None, :], cells.k[:, None, :]
    p = expit(logits)
    value = k * logits - n * np.logaddexp(0.0, logits)
    return value, k - n * p, (-n * p * (1.0 - p),)


def _beta_binomial(
    cells: CountCells, logits: Floats, phi: float
) -> tuple[Floats, Floats, Floats, tuple[Floats, ...]]:
    """Log kernel, slopes in the logit x and y = log φ, second derivatives xx, xy, yy; each (C, J, S)."""
    p = expit(logits)
    alpha, beta = p * phi, expit(-logits) * phi
    most = int(cells.n.max())

    def sums(start: Floats, count: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Σ_{i<count} of log(a+i), 1/(a+i), 1/(a+i)², from running sums for every (j, s)."""
        ladder = start[..., None] + np.arange(most)
        running = np.zeros((3, *start.shape, most + 1))
        np.cumsum([np.log(ladder), 1.0 / ladder, 1.0 / ladder**2], axis=-1, out=running[..., 1:])
        classes, contexts = np.ogrid[: start.shape[0], : start.shape[1]]
        log_, first, second = running[:, classes, contexts, count[:, None, :]]
        return log_, first, second

    l_a, a1, a2 = sums(alpha, cells.k)
    l_b, b1, b2 = sums(beta, cells.n - cells.k)
    l_f, f1, f2 = sums(np.full((1, logits.shape[1]), phi), cells.n)
    w = phi * p * expit(-logits)  # dα/dx = −dβ/dx
    by_logit = w * (a1 - b1)
    by_phi = alpha * a1 + beta * b1 - phi * f1
    curvature = (
        (1.0 - 2.0 * p) * by_logit - w**2 * (a2 + b2),
        by_logit + w * (beta * b2 - alpha * a2),
        by_phi - alpha**2 * a2 - beta**2 * b2 + phi**2 * f2,
    )
    return l_a + l_b - l_f, by_logit, by_phi, curvature


def em_starts(
    cells: CountCells, classes: int, starts: int, rng: np.random.Generator, iterations: int = 40
) -> tuple[Floats, Floats, Floats]:
    """Binomial mixtures from EM, all starts at once; where they begin is `classes` cells drawn by their
    prompts.

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
    centre = np.argsort(-keys, axis=1)[:, :classes]
    rates = (k[centre] + 2 * pooled) / (n[centre] + 2)
    shares = np.full((starts, classes), 1.0 / classes)
    log_cell = np.zeros((starts, len(n)))
    for _ in range(iterations):
        log_joint = k @ np.log(rates).transpose(0, 2, 1) + (n - k) @ np.log1p(-rates).transpose(0, 2, 1)
        log_joint += np.log(shares)[:, None, :]
        log_cell = logsumexp(log_joint, axis=2)
        weight = np.exp(log_joint - log_cell[:, :, None]) * cells.weights[:, None]
        shares = np.maximum(weight.sum(axis=1), 1e-8)
        shares /= shares.sum(axis=1, keepdims=True)
        agreed, samples = weight.transpose(0, 2, 1) @ k, weight.transpose(0, 2, 1) @ n
        rates = (agreed + 0.5 * pooled) / (samples + 0.5)
    value = log_cell @ cells.weights
    order = np.argsort(-value)
    return value[order], shares[order], rates[order]
