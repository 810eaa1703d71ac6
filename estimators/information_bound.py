"""The smallest standard deviations that unbiased estimators can have on a design.

The Cramér–Rao bound of a reported θ = g(ψ) is √(∇g' I(ψ)⁻¹ ∇g), I the expected information of the design at the truth
(Cramér 1946, section 32.3).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimators.count_cells import CountCells, count_cells
from estimators.design import Design
from estimators.newton import observed_covariance

Floats = NDArray[np.float64]
Likelihood = Callable[[Floats, CountCells], tuple[float, Floats, Floats]]

_EXACT_CELLS = 3000


def cramer_rao(
    log_likelihood: Likelihood,
    working: ArrayLike,
    design: Design,
    simulate: Callable[[Design, np.random.Generator], CountCells],
    report: Callable[[Floats], ArrayLike] = np.asarray,
    *,
    draws: int = 200_000,
) -> Floats:
    """Smallest standard deviations that unbiased estimators of `report(working)` can have on this design.

    The expected information is exact where the design allows few enough different count rows (3000), each weighted
    with its probability; else it is the mean over `draws` simulated prompts from a fixed seed, whose error is of the
    order of 1/√draws relative.

    Parameters
    ----------
    log_likelihood : (working (P,), cells) -> value, gradient (P,), Hessian (P, P)
        With the binomial coefficients, so that the value of one row is the log of its probability.
    working : (P,)
        The truth.
    simulate : (design, rng) -> cells
    report : (P,) -> (R,)
        Smooth; its slope is taken by central differences.

    Returns
    -------
    (R,), NaN throughout where the information is singular.

    Examples
    --------
    >>> from estimators.structural_likelihood import NO_INCENTIVE, log_likelihood
    >>> likelihood = lambda x, cells: log_likelihood(x, cells, NO_INCENTIVE)
    >>> bound = cramer_rao(likelihood, [0.0, 0.0], Design.regular(100, 10), lambda design, rng: None)
    >>> bound.round(3)  # of mu and log sigma
    array([0.112, 0.097])
    """
    truth = np.asarray(working, dtype=np.float64)
    shapes = design.counted(np.zeros_like(design.n))  # one cell per distinct row of n and beliefs
    if np.sum(np.prod(shapes.n + 1.0, axis=1)) <= _EXACT_CELLS:
        cells = _every_cell(log_likelihood, truth, shapes)
    else:
        times = -(-draws // design.prompts)
        rows = np.tile(np.arange(design.prompts), times)
        many = simulate(Design(design.n[rows], design.beliefs[rows]), np.random.default_rng(0))
        cells = count_cells(many.n, many.k, many.beliefs, many.weights / times)
    hessian = log_likelihood(truth, cells)[2]
    covariance, _ = observed_covariance(hessian, np.ones(len(truth), dtype=bool))
    step = 1e-5 * np.eye(len(truth))
    ends = [(np.ravel(report(truth + e)), np.ravel(report(truth - e))) for e in step]
    slope = np.array([(up - down) / 2e-5 for up, down in ends]).T
    return np.asarray(np.sqrt(np.einsum("rp,pq,rq->r", slope, covariance, slope)))


def _every_cell(log_likelihood: Likelihood, truth: Floats, shapes: CountCells) -> CountCells:
    """All count rows that a design can give, weighted with their expected prompts."""
    n, k, beliefs, weights = [], [], [], []
    for samples, told, prompts in zip(shapes.n, shapes.beliefs, shapes.weights, strict=True):
        for row in itertools.product(*(range(s + 1) for s in samples)):
            log_probability = log_likelihood(truth, count_cells([samples], [row], [told]))[0]
            n.append(samples)
            k.append(row)
            beliefs.append(told)
            weights.append(max(prompts * np.exp(log_probability), 1e-300))
    return count_cells(n, k, np.array(beliefs), weights)
