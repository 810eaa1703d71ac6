"""Models lend each other strength: parameters of known models make a law from which a new model is drawn.

Model j of family g has a parameter θ_j = m + u_g + v_j, u_g ~ N(0, τ_F²), v_j ~ N(0, τ_M²), of which a fit tells
y_j = θ_j + e_j, e_j ~ N(0, s_j²) with s_j its standard error, taken as known. τ_F and τ_M maximise the restricted
likelihood, and m, u and θ follow by generalised least squares (Searle, Casella & McCulloch 1992, chapters 6 and 7).

In words: a model's own estimate is drawn towards its family's and that towards all models', the more so the less is
known of it. With fewer than some ten models τ is itself rough; what depends on it says so by wide intervals. The same
serves methods or axes in place of families. Parameters are pooled one by one, on scales where they are unbounded.

A new model on known prompts takes its parameters from that law and its prompts' factor from `estimators.crossed`;
counts of its own reweight the draws by their likelihood (importance sampling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from scipy.stats import norm

from estimators.count_cells import count_cells
from estimators.crossed import CrossedFit, log_given_factor

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pooled:
    """One parameter pooled over models.

    Attributes
    ----------
    mean, mean_se : float
        m.
    between_families, between_models : float
        τ_F and τ_M.
    estimates, ses : (J,)
        Each model's partially pooled θ_j.
    families : dict of family to (mean, standard deviation) of a new model of it
    new : (float, float)
        The same for a new model of a new family.
    """

    mean: float
    mean_se: float
    between_families: float
    between_models: float
    estimates: Floats
    ses: Floats
    families: dict[str, tuple[float, float]]
    new: tuple[float, float]

    def table(self, names: Sequence[str], level: float = 0.95) -> pd.DataFrame:
        """Tidy: name, estimate, se, low, high of each model, and of the mean over models ("all")."""
        estimate, se = np.append(self.estimates, self.mean), np.append(self.ses, self.mean_se)
        half = norm.ppf(0.5 + level / 2) * se
        columns = {"estimate": estimate, "se": se, "low": estimate - half, "high": estimate + half}
        return pd.DataFrame({"name": [*names, "all"], **columns})


def pool(estimates: ArrayLike, ses: ArrayLike, families: Sequence[str]) -> Pooled:
    """Partial pooling of one parameter.

    Parameters
    ----------
    estimates, ses : (J,)
        A model without a finite standard error takes no part, and its pooled value is its family's.
    families : J names

    Raises
    ------
    ValueError
        Fewer than three models with a standard error.

    Examples
    --------
    >>> pooled = pool([1.0, 1.2, 0.8, 3.0, 3.3], [0.1, 0.1, 0.1, 0.1, 2.0], ["a", "a", "a", "b", "b"])
    >>> pooled.estimates.round(1)  # the last leans on its family
    array([1. , 1.2, 0.9, 3. , 3. ])
    """
    y, s = np.asarray(estimates, dtype=np.float64), np.asarray(ses, dtype=np.float64)
    known = np.isfinite(y) & np.isfinite(s)
    if known.sum() < 3:
        raise ValueError(f"pooling needs three models with a standard error or more, got {int(known.sum())}")
    names = sorted(set(families))
    member = np.array([[family == name for name in names] for family in families], dtype=np.float64)
    own, one, error = member[known], np.ones(int(known.sum())), np.diag(s[known] ** 2)

    def variance(tau: Floats) -> Floats:
        return np.asarray(tau[0] ** 2 * own @ own.T + tau[1] ** 2 * np.eye(len(one)) + error)

    def restricted(tau: Floats) -> float:
        v = variance(tau)
        weight = np.linalg.solve(v, one)
        residual = y[known] - (weight @ y[known]) / (weight @ one)
        _, log_det = np.linalg.slogdet(v)
        return float(0.5 * (log_det + np.log(weight @ one) + residual @ np.linalg.solve(v, residual)))

    scale = float(np.std(y[known])) or 1.0
    starts = scale * np.array([[0.5, 0.5], [0.01, 1.0], [1.0, 0.1]])
    fits = [minimize(restricted, start, bounds=[(0, 10 * scale)] * 2) for start in starts]
    tau_family, tau_model = min(fits, key=lambda fit: float(fit.fun)).x
    v = variance(np.array([tau_family, tau_model]))
    precision = np.linalg.inv(v)
    mean_var = 1.0 / (one @ precision @ one)
    mean = mean_var * (one @ precision @ y[known])

    def predicted(to_known: Floats, prior: float) -> tuple[float, float]:
        """Best linear prediction of m + deviation, given its covariance with y and its prior variance."""
        gain = to_known @ precision
        rest = 1.0 - gain @ one
        spread = float(prior - gain @ to_known + rest**2 * mean_var)
        return float(mean + gain @ (y[known] - mean)), max(spread, 0.0) ** 0.5

    both = tau_family**2 + tau_model**2
    itself = np.eye(len(y))[:, known]
    each = [
        predicted(tau_family**2 * own @ member[j] + tau_model**2 * itself[j], both) for j in range(len(y))
    ]
    return Pooled(
        mean=float(mean),
        mean_se=float(np.sqrt(mean_var)),
        between_families=float(tau_family),
        between_models=float(tau_model),
        estimates=np.array([value for value, _ in each]),
        ses=np.array([se for _, se in each]),
        families={name: predicted(tau_family**2 * own[:, g], both) for g, name in enumerate(names)},
        new=predicted(np.zeros(len(one)), both),
    )


def draw_new_model(
    crossed: CrossedFit, families: Sequence[str], family: str, size: int, rng: np.random.Generator
) -> Floats:
    """Parameters, (size, 5), of a model that has not been seen, in the order of `estimators.crossed.NAMES`.

    Mean, incentive and log total spread √(a² + σ²) come from `pool`; the share of the variance that the factor explains
    is one of those fitted, since near one it has no standard error. Incentives are not graded.

    Parameters
    ----------
    crossed : CrossedFit
        The known models.
    families : their families
    family : str
        Of the new model; one that is not known stands for itself.
    """
    parameters = crossed.parameters
    loading, sigma = parameters[:, 1], np.exp(parameters[:, 2])
    total = loading**2 + sigma**2
    blocks = np.array(
        [crossed.covariance[5 * m : 5 * m + 5, 5 * m : 5 * m + 5] for m in range(len(parameters))]
    )
    # Where σ is at its bound only the loading moves the spread.
    part = np.nan_to_num(blocks[:, 1:3, 1:3])
    slope = np.column_stack([loading / total, sigma**2 / total])
    spread_se = np.sqrt(np.einsum("mi,mij,mj->m", slope, part, slope))
    own = [
        pool(parameters[:, 0], np.sqrt(blocks[:, 0, 0]), families),
        pool(0.5 * np.log(total), spread_se, families),
        pool(parameters[:, 3], np.sqrt(blocks[:, 3, 3]), families),
    ]
    law = [each.families.get(family, each.new) for each in own]
    mu, log_spread, delta = (rng.normal(mean, sd, size) for mean, sd in law)
    explained = rng.choice(loading * np.abs(loading) / total, size)
    spread = np.exp(log_spread)
    a = np.sign(explained) * np.sqrt(np.abs(explained)) * spread
    log_sigma = np.log(np.maximum(np.sqrt(1 - np.abs(explained)) * spread, 0.005))
    return np.column_stack([mu, a, log_sigma, delta, np.zeros(size)])


def likelihood_of_draws(
    draws: Floats, n: ArrayLike, k: ArrayLike, beliefs: ArrayLike, factor: Floats
) -> Floats:
    """Log probability, (R,), of a new model's counts (N, S) under each draw of its parameters (R, 5).

    Parameters
    ----------
    factor : (N, F)
        As from `estimators.crossed.factor_posterior`, rows in the order of `n`.
    """
    part = count_cells(n, k, beliefs)
    return np.array(
        [logsumexp(log_given_factor(own, part)[part.cell], axis=1, b=factor).sum() for own in draws]
    )


def forecast(draws: Floats, log_weights: Floats, samples: int, belief: float, factor: Floats) -> Floats:
    """Probability, (N, samples + 1), of each number of agreements of a new model on known prompts.

    Parameters
    ----------
    draws : (R, 5)
    log_weights : (R,)
        Zeros, or as from `likelihood_of_draws`.
    samples : int
    belief : float
        At which they are asked for.
    factor : (N, F)
    """
    counts = np.arange(samples + 1)[:, None]
    part = count_cells(np.full_like(counts, samples), counts, [belief])
    table = np.zeros((factor.shape[1], samples + 1))
    for own, weight in zip(draws, softmax(log_weights), strict=True):
        if weight > 1e-6:
            table += weight * np.exp(log_given_factor(own, part)[part.cell]).T
    probability = factor @ table
    return np.asarray(probability / probability.sum(axis=1, keepdims=True))
