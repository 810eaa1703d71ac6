"""The law over prompts of a pair of logits, in two conditions that share the prompts, and statistics of such laws.

Logits of a prompt are bivariate normal, counts binomial given the logit; maximum likelihood so undoes the noise of few
samples, which would make any shift seem to regress towards the mean. Statistics carry standard errors from the prompts'
influences, so that conditions that share prompts are not taken as independent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, log_expit, logit
from scipy.stats import norm

from estimators.observations import PROMPT_KEY, ObservationError, Observations
from estimators.prompt_intervals import check_level

Floats = NDArray[np.float64]
NODES = 21
_STEP = 1e-4


@dataclass(frozen=True)
class Statistic:
    """An estimate with its uncertainty.

    Attributes
    ----------
    name : str
    estimate, se, low, high : float
        Normal interval from the prompts' influences.
    prompts : int
        Prompts that both checkpoints answered.
    note : str
        What the number does not say.
    """

    name: str
    estimate: float
    se: float
    low: float
    high: float
    prompts: int
    note: str = ""


@dataclass(frozen=True, eq=False)
class PairLaw:
    """Bivariate normal law of a prompt's logit in two conditions.

    Attributes
    ----------
    means, spreads : ndarray, shape (2,)
        In logits; first condition first.
    correlation : float
    influence : ndarray, shape (prompts, 5)
        Each prompt's influence on (means, log spreads, artanh correlation); its mean is zero.
    log_likelihood : float
    """

    means: Floats
    spreads: Floats
    correlation: float
    influence: Floats
    log_likelihood: float

    @property
    def parameters(self) -> Floats:
        """(mean, mean, log spread, log spread, artanh correlation), shape (5,)."""
        return np.array([*self.means, *np.log(self.spreads), np.arctanh(self.correlation)])


def fit_pair_law(counts: Floats, samples: Floats) -> PairLaw:
    """Maximum likelihood of a pair law.

    Parameters
    ----------
    counts, samples : ndarray, shape (prompts, 2)
        Samples that agree and all samples, in two conditions.

    Raises
    ------
    ObservationError
        Fewer than ten prompts, or one sample per prompt throughout: the spread is not identified then.
    """
    if len(counts) < 10:
        raise ObservationError(f"only {len(counts)} prompts in common; a law over prompts takes at least 10")
    if (samples <= 1).all():
        raise ObservationError("one sample per prompt cannot tell spread from chance; give two or more")
    cells, where, weight = np.unique(
        np.hstack([counts, samples]), axis=0, return_inverse=True, return_counts=True
    )
    where = where.ravel()
    at, mass = np.polynomial.hermite_e.hermegauss(NODES)
    z = np.stack(np.meshgrid(at, at, indexing="ij"))
    log_mass = np.log(np.outer(mass, mass) / (2 * np.pi))

    def each(theta: Floats) -> Floats:
        spread, rho = np.exp(theta[2:4]), np.tanh(theta[4])
        first = theta[0] + spread[0] * z[0]
        second = theta[1] + spread[1] * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
        total = log_mass[None]
        for k, eta in enumerate((first, second)):
            agreed, n = cells[:, k, None, None], cells[:, k + 2, None, None]
            total = total + agreed * log_expit(eta) + (n - agreed) * log_expit(-eta)
        most = total.max(axis=(1, 2), keepdims=True)
        return np.asarray(np.log(np.exp(total - most).sum(axis=(1, 2))) + most[:, 0, 0])

    raw = logit((counts + 0.5) / (samples + 1))
    start = np.array([*raw.mean(axis=0), *np.log(np.maximum(raw.std(axis=0), 0.3)), 0.5])
    bounds = [
        (-12, 12),
        (-12, 12),
        (-4, 2.5),
        (-4, 2.5),
        (-3, 3),
    ]  # correlation to .995: the bound of information

    def loss(theta: Floats) -> float:
        return float(-weight @ each(theta)) / len(counts)

    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    theta = found.x
    steps = _STEP * np.eye(5)
    score = np.stack([(each(theta + s) - each(theta - s)) / (2 * _STEP) for s in steps], axis=1)  # (cells, 5)
    hessian = np.zeros((5, 5))
    for i, s in enumerate(steps * 10):
        ahead = [weight @ (each(theta + s + t) - each(theta + s - t)) / (2 * _STEP) for t in steps]
        behind = [weight @ (each(theta - s + t) - each(theta - s - t)) / (2 * _STEP) for t in steps]
        hessian[i] = (np.array(ahead) - np.array(behind)) / (20 * _STEP)
    hessian = (hessian + hessian.T) / 2 / len(counts)
    free = np.array([low + 1e-6 < t < high - 1e-6 for t, (low, high) in zip(theta, bounds, strict=True)])
    influence = np.zeros((len(counts), 5))  # a parameter at its bound is held there
    influence[:, free] = score[where][:, free] @ np.linalg.pinv(-hessian[np.ix_(free, free)])
    n, k = cells[:, 2:], cells[:, :2]
    choose = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)).sum(axis=1)
    return PairLaw(
        theta[:2],
        np.exp(theta[2:4]),
        float(np.tanh(theta[4])),
        influence,
        float(weight @ (each(theta) + choose)),
    )


def matched(*observations: Observations) -> list[pd.DataFrame]:
    """Pairs of several observations, cut down to the prompts that all of them have and in one order.

    Raises
    ------
    ObservationError
        Orientations that differ, a prompt twice, or no prompt in common.
    """
    if len({obs.orientation for obs in observations}) > 1:
        raise ObservationError("the checkpoints differ in orientation; read them with one")
    tables = []
    for obs in observations:
        table = obs.pairs()
        key = [name for name in PROMPT_KEY if name in table]
        if table.duplicated(key).any():
            twin = table.loc[table.duplicated(key), "prompt_id"].iloc[0]
            raise ObservationError(
                f"prompt {twin} appears twice in one checkpoint; give one model and arm each"
            )
        tables.append(table.set_index(key))
    common = tables[0].index
    for table in tables[1:]:
        common = common.intersection(table.index)
    if not len(common):
        raise ObservationError("the checkpoints have no prompt in common; give the same prompts to both")
    return [table.loc[common].reset_index() for table in tables]


def context_law(first: tuple[pd.DataFrame, str], second: tuple[pd.DataFrame, str]) -> PairLaw:
    """Pair law of two (table, context) conditions."""
    counts = np.stack(
        [table[f"agreed_{context}"].to_numpy(dtype=float) for table, context in (first, second)], axis=1
    )
    samples = np.stack(
        [table[f"n_{context}"].to_numpy(dtype=float) for table, context in (first, second)], axis=1
    )
    return fit_pair_law(counts, samples)


def statistic_of(
    name: str, laws: list[PairLaw], value: Callable[..., float], level: float, note: str = ""
) -> Statistic:
    """Delta method on the joint influence of laws that share their prompts."""
    check_level(level)
    parameters = [law.parameters for law in laws]
    influence = np.zeros(len(laws[0].influence))
    for k, law in enumerate(laws):
        for j in range(5):
            moved = [p.copy() for p in parameters]
            moved[k][j] += 1e-5
            ahead = value(*moved)
            moved[k][j] -= 2e-5
            influence += (ahead - value(*moved)) / 2e-5 * law.influence[:, j]
    estimate = float(value(*parameters))
    se = float(influence.std(ddof=1) / np.sqrt(len(influence)))
    half = float(norm.ppf((1 + level) / 2)) * se
    return Statistic(name, estimate, se, estimate - half, estimate + half, len(influence), note)
