"""The law of a preference over prompts: normal, or logistic as a check with heavier tails.

A preference is μ_i = μ + σ z_i with E z = 0 and Var z = 1, so that σ is a standard deviation under every
law:  normal, log h(z) = −z²/2 − ½ log 2π;  logistic, log h(z) = −x − 2 log(1 + e^{−x}) + log(π/√3) with
x = πz/√3 (kurtosis 4.2, tails e^{−1.81|z|}).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, xlogy
from scipy.stats import logistic, norm

Floats = NDArray[np.float64]
Preference = Literal["normal", "logistic"]
PREFERENCES: tuple[Preference, ...] = ("normal", "logistic")
LOGISTIC_SCALE = float(np.sqrt(3.0) / np.pi)  # of a logistic law with variance one


def log_density(preference: Preference, z: Floats) -> Floats:
    """Log density of the standardised law at z, in its shape."""
    if preference == "normal":
        return np.asarray(-0.5 * z**2 - 0.5 * np.log(2 * np.pi))
    x = z / LOGISTIC_SCALE
    return np.asarray(log_expit(x) + log_expit(-x) - np.log(LOGISTIC_SCALE))


def distribution(preference: Preference, mu: float = 0.0, sigma: float = 1.0) -> Any:
    """The law as a frozen scipy distribution with mean mu and standard deviation sigma.

    Examples
    --------
    >>> distribution("logistic", 1.0, 2.0).std().round(6)
    np.float64(2.0)
    """
    if preference == "normal":
        return norm(mu, sigma)
    return logistic(mu, sigma * LOGISTIC_SCALE)


def cell_means(preference: Preference, count: int) -> Floats:
    """Means, (count,), of the standardised law between its neighbouring quantiles j/count.

    Between quantiles a < b of probability 1/count, E[z | a < z < b] is count (φ(a) − φ(b)) for the normal law and
    count (√3/π) (H(F(a)) − H(F(b))), H the binary entropy in nats, for the logistic.

    Examples
    --------
    >>> cell_means("logistic", 2).round(4), cell_means("normal", 2).round(4)
    (array([-0.7643,  0.7643]), array([-0.7979,  0.7979]))
    """
    u = np.linspace(0.0, 1.0, count + 1)
    heights = (
        norm.pdf(norm.ppf(u))
        if preference == "normal"
        else -LOGISTIC_SCALE * (xlogy(u, u) + xlogy(1 - u, 1 - u))
    )
    return np.asarray(count * (heights[:-1] - heights[1:]))


def mean_below(preference: Preference, limit: float) -> float:
    """Mean of the standardised law below a limit: −φ/Φ for the normal, −(√3/π) H(F)/F for the logistic.

    Examples
    --------
    >>> round(mean_below("normal", 0.0), 4), round(mean_below("logistic", 0.0), 4)
    (-0.7979, -0.7643)
    """
    if preference == "normal":
        return float(-np.exp(norm.logpdf(limit) - norm.logcdf(limit)))
    # H(F)/F = −log F − (1 − F) log(1 − F) / F, whose last part tends to (1 − F) as F does to zero.
    x = limit / LOGISTIC_SCALE
    odds = np.exp(-x)  # (1 − F) / F
    return float(LOGISTIC_SCALE * (log_expit(x) + (odds * log_expit(-x) if x > -700 else -1.0)))


def quadrature_reach(
    preference: Preference, mu: float, sigma: float, shifts: Floats, samples: float, narrow: float
) -> tuple[float, float]:
    """How far left and right of zero, in z, an integrand can matter that counts of this size leave.

    The peak solves −∂ log h(z) = Σ σ_s (k_s − n_s p_s), narrow ≤ σ_s ≤ sigma, whose right side is below σN, and below
    `slack` once all logits are beyond log(σN / slack). Past the peak the integrand falls as the law does, less that
    slack.
    """
    pull = sigma * samples
    if preference == "normal":
        slack, tail, limit = 1.0, 6.5, pull
    else:  # the law pulls back with at most 1.81: less a slack of .4, e^{−1.4·18} is 1e-11
        slack, tail, limit = 0.4, 18.0, 0.0 if pull < 0.4 else np.inf
    cutoff = np.log1p(pull / slack)
    right = tail + max(1.0, min(limit, (cutoff - mu - shifts.min()) / narrow))
    left = tail + max(1.0, min(limit, (cutoff + mu + shifts.max()) / narrow))
    return float(left), float(right)
