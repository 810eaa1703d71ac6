"""Standard errors of latent classes, by three kinds of information.

With ℓ_i the log-likelihood of prompt i and ψ̂ the fit:
  observed   (−Σ ∇²ℓ_i(ψ̂))⁻¹
  expected   (−Σ E_ψ̂ ∇²ℓ_i(ψ̂))⁻¹, over every count row that each prompt's n allows
  sandwich   A⁻¹ (Σ ∇ℓ_i ∇ℓ_iᵀ) A⁻¹ with A the observed information (Huber 1967; White 1982).

In words: the first two agree in large samples where the model is right. The sandwich stays right for what the fit
converges to where it is not, which need not be the truth; it varies more from sample to sample, since rare cells
enter by their own score.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from estimators.count_cells import CountCells, count_cells
from estimators.latent_class_likelihood import Terms, cell_terms
from estimators.newton import observed_covariance

Floats = NDArray[np.float64]
StandardErrors = Literal["observed", "expected", "sandwich"]
KINDS = ("observed", "expected", "sandwich")

_MOST_ROWS = 400_000


def covariance(
    parameters: Floats, cells: CountCells, classes: int, known: NDArray[np.bool_], kind: StandardErrors
) -> tuple[Floats, float]:
    """Covariance (P, P) of the working parameters, and the condition number of the information behind it.

    Parameters
    ----------
    known : (P,) of bool
        False for parameters at a bound or of which the counts say nothing; they are taken as given, and NaN.

    Raises
    ------
    ValueError
        A kind that is none of the three; expected information of more than 400,000 possible count rows.
    """
    if kind not in KINDS:
        raise ValueError(f"standard_errors is {kind!r}; choose one of {', '.join(KINDS)}")
    if kind == "expected":
        cells = expected_cells(parameters, cells, classes)
    terms = cell_terms(parameters, cells, classes)
    inverse, condition = observed_covariance(terms.hessian, known)
    if kind == "sandwich":
        inverse = _sandwich(terms, cells, inverse, known)
    return inverse, condition


def expected_cells(parameters: Floats, cells: CountCells, classes: int) -> CountCells:
    """Every count row that the prompts' numbers of samples allow, weighted with its expected prompts."""
    shapes = count_cells(cells.n, np.zeros_like(cells.k), cells.beliefs, cells.weights)
    rows = int(np.prod(shapes.n + 1, axis=1).sum())
    if rows > _MOST_ROWS:
        raise ValueError(
            f"expected information needs all {rows} possible count rows; ask for observed standard errors"
        )
    grids = [np.indices(n + 1).reshape(len(n), -1).T for n in shapes.n]
    each = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    every = CountCells(
        n=shapes.n[each],
        k=np.concatenate(grids),
        weights=shapes.weights[each],
        design=shapes.design[each],
        design_n=shapes.design_n,
        design_beliefs=shapes.design_beliefs,
    )
    coefficients = gammaln(every.n + 1) - gammaln(every.k + 1) - gammaln(every.n - every.k + 1)
    log_probability = cell_terms(parameters, every, classes).log_cell + coefficients.sum(axis=1)
    return replace(every, weights=every.weights * np.exp(log_probability))


def _sandwich(terms: Terms, cells: CountCells, inverse: Floats, known: NDArray[np.bool_]) -> Floats:
    found = np.full_like(inverse, np.nan)
    kept = np.ix_(known, known)
    score = terms.score[:, known]
    found[kept] = inverse[kept] @ (score.T @ (score * cells.weights[:, None])) @ inverse[kept]
    return found
