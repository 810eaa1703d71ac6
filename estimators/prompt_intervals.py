"""Intervals of a mean over prompts, and of the difference of two, from the rates of each prompt.

`estimators.gap` has the formulas: cluster-Newcombe, paired t and prompt bootstrap. Here they take arrays of rates, for
one data set or many.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from estimators.observations import PROMPT_KEY

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]

# Rates are ratios of counts, so a real spread is far larger; below it, rounding of equal numbers.
_NO_SPREAD = 1e-12


def check_level(level: float) -> None:
    """Raise ValueError unless `level` is a confidence level in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a confidence level between 0 and 1, such as 0.95")


def prompt_means(pairs: pd.DataFrame, values: pd.Series) -> NDArray[np.float64]:
    """Mean of `values`, one per row of `pairs`, within each prompt; (prompts,), first seen first."""
    key = [name for name in PROMPT_KEY if name in pairs]
    return values.groupby([pairs[name] for name in key], sort=False).mean().to_numpy(dtype=float)


def cluster_newcombe(p_train: ArrayLike, p_deploy: ArrayLike, level: float = 0.95) -> Limits:
    """Limits of the cluster-Newcombe interval of the mean difference, for one data set or many.

    Parameters
    ----------
    p_train, p_deploy : array (..., prompts), prompts >= 2
        Rates of the same prompts in the two contexts, in [0, 1].
    level : float in (0, 1)

    Returns
    -------
    low, high : array (...,)

    Raises
    ------
    ValueError
        Fewer than two prompts, or a level outside (0, 1).

    Examples
    --------
    >>> low, high = cluster_newcombe([0.9, 0.7, 0.0, 0.1], [0.1, 0.0, 0.0, 0.1])
    >>> float(low.round(3)), float(high.round(3))
    (0.009, 0.827)
    """
    train, deploy = np.asarray(p_train, dtype=float), np.asarray(p_deploy, dtype=float)
    (low_t, high_t), (low_d, high_d) = cluster_wilson(train, level), cluster_wilson(deploy, level)
    mean_t, mean_d = train.mean(axis=-1), deploy.mean(axis=-1)
    spread = train.std(axis=-1) * deploy.std(axis=-1)
    covariance = ((train - mean_t[..., None]) * (deploy - mean_d[..., None])).mean(axis=-1)
    varies = (train.std(axis=-1) > _NO_SPREAD) & (deploy.std(axis=-1) > _NO_SPREAD)
    rho = np.clip(np.where(varies, covariance / np.where(varies, spread, 1.0), 0.0), -1.0, 1.0)

    def mover(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(a**2 + b**2 - 2 * rho * (a * b), 0.0))

    gap = mean_t - mean_d
    return gap - mover(mean_t - low_t, high_d - mean_d), gap + mover(high_t - mean_t, mean_d - low_d)


def cluster_wilson(rates: ArrayLike, level: float = 0.95) -> Limits:
    """Wilson limits of the mean of `rates`, (..., prompts), with the prompts' effective n and a t quantile.

    Returns
    -------
    low, high : array (...,), in [0, 1]

    Raises
    ------
    ValueError
        Fewer than two prompts, or a level outside (0, 1).

    Examples
    --------
    >>> low, high = cluster_wilson([0.0, 0.0, 0.5, 0.5])
    >>> float(low.round(3)), float(high.round(3))
    (0.041, 0.724)
    """
    check_level(level)
    rates = np.asarray(rates, dtype=float)
    prompts = rates.shape[-1]
    if prompts < 2:
        raise ValueError(f"{prompts} prompts have no spread; give at least two")
    mean, deviation = rates.mean(axis=-1), rates.std(axis=-1, ddof=1)
    varies = deviation > _NO_SPREAD
    n = np.where(varies, mean * (1 - mean) * prompts / np.where(varies, deviation, 1.0) ** 2, prompts)
    square = student.ppf(0.5 + level / 2, prompts - 1) ** 2
    centre = (mean + square / (2 * n)) / (1 + square / n)
    half = np.sqrt(square * mean * (1 - mean) / n + (square / (2 * n)) ** 2) / (1 + square / n)
    return np.clip(centre - half, 0.0, mean), np.clip(centre + half, mean, 1.0)


def paired_t(p_train: ArrayLike, p_deploy: ArrayLike, level: float = 0.95) -> Limits:
    """Limits of the mean difference by Student's t over prompts; shapes and errors as `cluster_newcombe`.

    Examples
    --------
    >>> low, high = paired_t([0.9, 0.7, 0.0, 0.1], [0.1, 0.0, 0.0, 0.1])
    >>> float(low.round(3)), float(high.round(3))
    (-0.317, 1.067)
    """
    difference = _differences(p_train, p_deploy, level)
    prompts = difference.shape[-1]
    half = student.ppf(0.5 + level / 2, prompts - 1) * difference.std(axis=-1, ddof=1) / prompts**0.5
    return difference.mean(axis=-1) - half, difference.mean(axis=-1) + half


def prompt_bootstrap(
    p_train: ArrayLike, p_deploy: ArrayLike, level: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> Limits:
    """Percentiles of the mean difference over draws of prompts; shapes and errors as `cluster_newcombe`.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> low, high = prompt_bootstrap([0.9, 0.7, 0.0, 0.1], [0.1, 0.0, 0.0, 0.1])
    >>> float(low.round(3)), float(high.round(3))
    (0.0, 0.75)
    """
    difference = _differences(p_train, p_deploy, level)
    prompts = difference.shape[-1]
    # How often each prompt is drawn: one matrix product instead of `resamples` gathers.
    drawn = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1 / prompts), resamples)
    low, high = np.quantile(difference @ drawn.T / prompts, [0.5 - level / 2, 0.5 + level / 2], axis=-1)
    return low, high


def _differences(p_train: ArrayLike, p_deploy: ArrayLike, level: float) -> NDArray[np.float64]:
    check_level(level)
    difference = np.asarray(p_train, dtype=float) - np.asarray(p_deploy, dtype=float)
    if difference.shape[-1] < 2:
        raise ValueError(f"{difference.shape[-1]} prompts have no spread; give at least two")
    return difference
