"""The law of two rates is climbed in weights and in atoms at once, and certified over the whole square.

Atoms are angles φ with rates p_s = sin²φ_s, on which k/n has the same error everywhere and an edge of the square is an
even, hence level, place. The law is climbed in three stages:

1. constrained Newton steps on the weights (`estimators.mixing.climb`) with atoms from a grid, to within half a nat;
2. the same steps, each followed by Newton steps on atoms and weights together (`estimators.npmle_newton.settle`): the
   first alone let an atom creep to its place by taking on neighbours and dropping them;
3. the certificate, below.

The slope D (`estimators.mixing`) is a smooth surface. Its maxima are sought on a grid with a step of an eighth of the
standard error of k/n; once none on it is higher than .01, they are sought from the fit's atoms and from a grid three
times finer, and polished by Newton's method. A coarser search calls fits converged that are 1e-3 short.

Source: Wang (2007), JRSS B 69:185-198; with steps on the atoms: Wang (2010), Statistics and Computing 20:75-86.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from estimators.mixing import Mixture, climb, local_maxima, row_values
from estimators.npmle_newton import HALF_TURN, Rows, merged, polish, settle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FINER = 3  # the grid of the last check over the grid of the search
# From the nearest grid point to a peak a binomial factor rises by less than 1 %: peaks lower than this cannot win.
_NEAR = 0.9
_CLUSTER = (
    3  # grid steps within which atoms of stage 1 stand for one; what was too much comes back in stage 2
)
_ROUGH, _CLOSE = 0.5, 0.01  # slopes, in nats, below which stages 1 and 2 are over


def fit_law(
    n: Ints,
    k: Ints,
    weights: Floats,
    grid: int | None = None,
    tolerance: float = 5e-7,
    max_iterations: int = 200,
) -> Mixture:
    """Fit the law of the rates to distinct count rows.

    Parameters
    ----------
    n, k : (C, 2) of int
    weights : (C,)
        Prompts with this row.

    Returns
    -------
    Mixture
        Atoms (J, 2) in the unit square; `fitted` is the probability of each row.
    """
    rows = Rows.of(n, k, weights)
    coarse = grid_angles(int(n.max()), grid)
    fine = np.linspace(0.0, HALF_TURN, _FINER * (len(coarse) - 1) + 1)
    sheets = [(angles, *_on_grid(n, k, angles)) for angles in (coarse, fine)]
    total, step = float(weights.sum()), float(coarse[1])

    def peaks(ratios: Floats, angles: Floats, train: Floats, deploy: Floats) -> tuple[Floats, Floats]:
        surface = (train * ratios[:, None]).T @ deploy
        row, column = np.nonzero(local_maxima(surface) & (surface > _NEAR * surface.max()))
        return np.column_stack([angles[row], angles[column]]), surface[row, column]

    def from_grid(ratios: Floats, atoms: Floats) -> tuple[Floats, float]:
        start, slope = peaks(ratios, *sheets[0])
        return start, float(slope.max())

    def from_square(ratios: Floats, atoms: Floats) -> tuple[Floats, float]:
        start, slope = peaks(ratios, *sheets[0])
        if slope.max() < total + max(_CLOSE, tolerance):
            start, slope = peaks(ratios, *sheets[1])
            start, slope = np.vstack([start, atoms]), np.append(slope, ratios @ rows.values(atoms))
            start, slope = polish(rows, ratios, start, slope, step / _FINER, steps=8)
        return start[slope > total + tolerance], float(slope.max())

    def settled(atoms: Floats, shares: Floats) -> tuple[Floats, Floats]:
        return settle(rows, atoms, shares, 2 * step, tolerance / 10)

    # The rates as observed, pulled off the edges, give every row a positive value.
    seen = np.arcsin(np.sqrt((k + 0.5) / (n + 1.0)))
    few = np.linspace(0.1, HALF_TURN - 0.1, 6)
    square = np.stack(np.meshgrid(few, few), axis=-1).reshape(-1, 2)
    start = np.vstack([seen, square])
    first = climb(weights, rows.values, from_grid, start, tolerance=_ROUGH, max_iterations=max_iterations)
    found = climb(
        weights,
        rows.values,
        from_square,
        *settled(*merged(first.atoms, first.weights, _CLUSTER * step)),
        settle=settled,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return replace(found, atoms=np.sin(found.atoms) ** 2, iterations=first.iterations + found.iterations)


def grid_angles(n: int, points: int | None = None) -> Floats:
    """Angles φ from 0 to π/2 of rates sin²φ; by default with a step of an eighth of 1/(2√n), the error of k/n there."""
    points = max(21, math.ceil(8 * math.pi * math.sqrt(n)) + 1) if points is None else points
    return np.linspace(0.0, HALF_TURN, points)


def _on_grid(n: Ints, k: Ints, angles: Floats) -> tuple[Floats, Floats]:
    """Binomial factors of the rows in train and in deploy at the grid's rates, (C, M) each."""
    rates = np.sin(angles[:, None]) ** 2
    return row_values(n[:, :1], k[:, :1])(rates), row_values(n[:, 1:], k[:, 1:])(rates)
