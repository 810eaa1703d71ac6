"""What finitely many samples a prompt leave open about fracture: sharp bounds, exact and from counts.

Fracture is a linear functional ψ(G) = ∫ c dG of the law G of (p_T, p_D), c = 1{p_T < τ ≤ p_D}. Counts identify the
probabilities f of (k_T, k_D) only, that is, moments of G, so ψ lies between the least and the largest value that any
law with these probabilities has (THEORY 2.2, Theorem 5):
  min, max ∫ c dG   subject to   ∫ Bin(k_T; n, p_T) Bin(k_D; n, p_D) dG = f(k_T, k_D),   G a law.

`sharp_bounds` solves these two linear programs (HiGHS) where f is known. From counts f is not: the shares as observed
are nearly never those of any law (the program is infeasible), and the nearest that are, those of the NPMLE, belong to
one law alone, which would shrink the bounds to a point. So `likelihood_bounds` takes all laws whose likelihood is near
enough,
  { G : 2 (ℓ(Ĝ) − ℓ(G)) ≤ χ²₁(level) },
and gives the least and largest ψ among them: what the samples leave open and what the prompts leave open, in one
interval. For one functional a likelihood region is the profile-likelihood interval; the chi-square law is the usual
limit for it and not proved here, where the largest likelihood lies on the boundary: the coverage is simulated.

The path: adding m log ψ(G) to ℓ, as if m prompts had been seen to fracture, and m log(1 − ψ) for the lower end, gives
the laws of largest ψ at each likelihood; m is found by false position. A rate at τ counts as on either side, since a
law can be as near as it likes.

Source: Lindsay (1995), Mixture Models, chapter 5, for the geometry; Chernozhukov, Hong and Tamer (2007), Econometrica
75:1243-1284, for likelihood regions of sets; Owen (2001), Empirical Likelihood, for profiles of functionals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.stats import chi2

from estimators.count_cells import CountCells
from estimators.mixing import Mixture, binomial_rows, climb, local_maxima

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sheets:
    """Grid of rates with the values of a functional; a threshold parts it into sheets that share its line.

    Attributes
    ----------
    rates : (M,)
        Of either axis; the threshold comes twice.
    values : (M, M)
        The functional c at (p_train, p_deploy), in [0, 1].
    split : (int, int) or None
        First index of the upper sheet on each axis.
    """

    rates: Floats
    values: Floats
    split: tuple[int, int] | None


def fracture_sheets(tau: float, points: int = 41) -> Sheets:
    """Indicator of p_train < tau <= p_deploy on a grid that is even on the arcsine scale.

    Examples
    --------
    >>> sheets = fracture_sheets(0.5, points=3)
    >>> sheets.rates.round(3).tolist(), sheets.values.astype(int).tolist()[0], sheets.split
    ([0.0, 0.5, 0.5, 1.0], [0, 0, 1, 1], (2, 2))
    """
    grid = np.sin(np.linspace(0.0, math.pi / 2, points)) ** 2
    near = np.abs(grid - tau) < 1e-9
    below, above = grid[(grid < tau) & ~near], grid[(grid > tau) & ~near]
    rates = np.concatenate([below, [tau, tau], above])
    lower = np.arange(len(rates)) <= len(below)
    first = len(below) + 1
    return Sheets(rates, np.outer(lower, ~lower).astype(np.float64), (first, first))


def average_sheets(share_below: Callable[[Floats], Floats], points: int = 41) -> Sheets:
    """Average fracture over a law of thresholds with distribution function `share_below`: [F(p_D) − F(p_T)]₊."""
    rates = np.sin(np.linspace(0.0, math.pi / 2, points)) ** 2
    below = np.asarray(share_below(rates), dtype=np.float64)
    return Sheets(rates, np.maximum(below[None, :] - below[:, None], 0.0), None)


def sharp_bounds(probabilities: ArrayLike, tau: float, points: int = 51) -> tuple[float, float]:
    """Bounds of fracture when the law of the counts is known.

    Parameters
    ----------
    probabilities : (n_train + 1, n_deploy + 1)
        Of k events in train and deploy, summing to one.
    tau : float in (0, 1]
    points : int
        Grid points per axis; a coarser grid gives slightly narrower bounds.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        Probabilities that are negative, do not sum to one, or are those of no law on the grid.

    Examples
    --------
    Three samples a prompt, both rates uniform and independent, so that a quarter of the prompts fracture at a half:

    >>> low, high = sharp_bounds(np.full((4, 4), 1 / 16), 0.5)
    >>> round(low, 2), round(high, 2)
    (0.03, 0.69)
    """
    f = np.asarray(probabilities, dtype=np.float64)
    if f.ndim != 2 or f.min() < 0 or abs(f.sum() - 1) > 1e-9:
        raise ValueError(
            "probabilities must be a table of (train, deploy) counts, not negative, summing to one"
        )
    sheets = fracture_sheets(tau, points)
    factors = [
        binomial_rows(np.full((size, 1), size - 1), np.arange(size)[:, None], sheets.rates[:, None])
        for size in f.shape
    ]
    rows = np.einsum("am,bp->abmp", *factors).reshape(f.size, -1)
    ends = []
    for sign in (1.0, -1.0):
        # The interior-point method with its crossover: the rows are so alike that the simplex takes twice as long.
        cost = sign * sheets.values.ravel()
        found = linprog(cost, A_eq=rows, b_eq=f.ravel(), bounds=(0, None), method="highs-ipm")
        if found.fun is None:
            raise ValueError(
                "no law of rates on the grid has these probabilities; from observed counts use likelihood_bounds"
            )
        ends.append(sign * float(found.fun))
    return max(ends[0], 0.0), min(ends[1], 1.0)


def likelihood_bounds(cells: CountCells, sheets: Sheets, level: float = 0.95) -> tuple[float, float]:
    """Least and largest value of a functional among laws whose likelihood is near enough to the largest.

    Parameters
    ----------
    cells : CountCells with the contexts train and deploy
        Counts of the event.
    sheets : Sheets
    level : float in (0, 1)

    Returns
    -------
    low, high : float
        Confidence limits of the functional, whether or not it is identified.

    Examples
    --------
    >>> from estimators.count_cells import count_cells
    >>> cells = count_cells([[10, 10]] * 50, [[0, 9]] * 20 + [[1, 1]] * 30)
    >>> low, high = likelihood_bounds(cells, fracture_sheets(0.5))
    >>> round(low, 2), round(high, 2)
    (0.27, 0.54)
    """
    rows = [binomial_rows(cells.n[:, [s]], cells.k[:, [s]], sheets.rates[:, None]) for s in (0, 1)]
    best = _tilted(cells, rows, sheets, None, 0.0, None)
    drop = float(chi2.ppf(level, 1)) / 2
    ends = []
    for values in (1.0 - sheets.values, sheets.values):
        # False position on the root of the loss in log m, kept off the ends of the bracket. At its least the tilt is
        # nothing, at its most it outweighs every prompt.
        low, high = math.log(1e-3), math.log(100 * cells.prompts)
        below, above = -math.sqrt(drop), math.sqrt(drop)
        end, last = 1.0, best
        for _ in range(14):
            share = min(max(-below / (above - below), 0.1), 0.9)
            middle = low + share * (high - low)
            last = _tilted(cells, rows, sheets, values, math.exp(middle), last)
            lost = best.log_likelihood - float(cells.weights @ np.log(last.fitted[:-1]))
            miss = math.sqrt(max(lost, 0.0)) - math.sqrt(drop)
            if abs(miss) < 0.01 or miss > 0:
                end = float(last.fitted[-1])
            if abs(miss) < 0.01:
                break
            if miss < 0 and last.fitted[-1] > 1 - 1e-3:  # near enough as it is: the bound is the end itself
                end = 1.0
                break
            if miss > 0:
                high, above = middle, miss
            else:
                low, below = middle, miss
        ends.append(end)
    return 1.0 - ends[0], ends[1]


def _tilted(
    cells: CountCells,
    rows: list[Floats],
    sheets: Sheets,
    values: Floats | None,
    pseudo: float,
    start: Mixture | None,
) -> Mixture:
    """The law that maximises ℓ + pseudo · log ∫ values dG; atoms are (row, column) of the grid."""
    counts = cells.weights if values is None else np.append(cells.weights, pseudo)

    def columns(atoms: Floats) -> Floats:
        i, j = atoms.astype(np.int64).T
        own = rows[0][:, i] * rows[1][:, j]
        return own if values is None else np.vstack([own, values[i, j]])

    def propose(ratios: Floats, atoms: Floats) -> tuple[Floats, float]:
        surface = (rows[0] * ratios[: len(cells.k), None]).T @ rows[1]
        if values is not None:
            surface = surface + ratios[-1] * values
        peaks = local_maxima(surface, sheets.split) & (surface > 0.5 * surface.max())
        return np.argwhere(peaks).astype(np.float64), float(surface.max())

    few = np.arange(len(sheets.rates))[2::5]
    atoms = np.stack(np.meshgrid(few, few), axis=-1).reshape(-1, 2).astype(np.float64)
    if values is not None:  # a threshold at 1 leaves the functional to the last line of the grid
        atoms = np.vstack([atoms, np.argwhere(values == values.max())[-1]])
    weights = np.full(len(atoms), 1.0 / len(atoms))
    if start is not None:
        atoms = np.vstack([start.atoms, atoms])
        weights = np.append(0.99 * start.weights, 0.01 * weights)
    return climb(counts, columns, propose, atoms, weights, tolerance=2e-3)
