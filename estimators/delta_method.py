"""A smooth function of estimated parameters gets a standard error, and an interval on the scale where it is unbounded.

For g of parameters ψ with covariance C, se(g)² = ∇gᵀ C ∇g, and the interval g ± z se is formed for g, log g or logit g
(Casella & Berger 2002, section 5.5.4). A function that leans on a parameter without a standard error has none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

Floats = NDArray[np.float64]
Interval = tuple[Floats, Floats, Floats, Floats]


def delta_method(
    function: Callable[[Floats], Floats], parameters: Floats, covariance: Floats, scale: str, level: float
) -> Interval:
    """Estimate, standard error, lower and upper limit of functions (M,) of working parameters (P,), each (M,).

    Parameters
    ----------
    covariance : (P, P)
        NaN where a parameter has no standard error.
    scale : "plain", "log" or "logit"
        Where the interval is symmetric.
    level : float
        Of the interval.

    Examples
    --------
    >>> delta_method(lambda x: np.exp(x), np.array([0.0]), np.array([[0.01]]), "log", 0.95)[2].round(3)
    array([0.822])
    """
    estimate, step = function(parameters), 1e-5
    moves = step * np.eye(len(parameters))
    slope = np.stack([function(parameters + e) - function(parameters - e) for e in moves]) / (2 * step)
    # A σ at its lower bound moves rates by a hundred thousandth: that is not leaning on it.
    leans = np.any((np.abs(slope) > 1e-4) & np.isnan(np.diag(covariance))[:, None], axis=0)
    variance = np.einsum("pm,pq,qm->m", slope, np.nan_to_num(covariance), slope)
    se = np.where(leans, np.nan, np.sqrt(np.maximum(variance, 0.0)))
    z = norm.ppf(0.5 + level / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            return estimate, se, estimate * np.exp(-z * se / estimate), estimate * np.exp(z * se / estimate)
        if scale == "logit":
            half = z * se / (estimate * (1 - estimate))
            return estimate, se, expit(logit(estimate) - half), expit(logit(estimate) + half)
    return estimate, se, estimate - z * se, estimate + z * se
