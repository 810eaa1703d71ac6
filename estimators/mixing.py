"""A mixing law over many candidate atoms is climbed by constrained Newton steps, with a certificate of the maximum.

Maximise ℓ(w) = Σ_r n_r log(Aw)_r over laws w of any number of atoms, A_r(θ) ≥ 0 the value of row r at atom θ.
With ratios n_r / f_r at f = Aw, the slope towards an atom is
  D(θ) = Σ_r (n_r / f_r) A_r(θ) − N,   N = Σ_r n_r,
and ℓ* − ℓ(w) ≤ max D: at the maximum D ≤ 0 everywhere and D = 0 on the atoms. A step

1. adds the local maxima of D to the atoms;
2. minimises the quadratic model of −ℓ over all weights: with S = A / f, min Σ n_r ((Sw)_r − 2)², w ≥ 0, Σw = 1.
   Dax's form min ‖√n (S − 2) w‖² + (Σw − 1)², w ≥ 0, divided by Σw, is the same minimiser: one call of ``nnls``;
3. halves the way there until ℓ rises enough, and drops atoms without weight.

In words: the nonparametric maximum likelihood estimate, the number of atoms left to the data. Row values need not be
probabilities: a row that holds a functional of the law, with a pseudo-count, traces its profile likelihood
(`estimators.fracture_bounds`).

Source: Wang (2007), JRSS B 69:185-198; Lindsay (1983), Annals of Statistics 11:86-94, for the certificate; Dax (1990),
SIAM J. Matrix Anal. Appl. 11:602-609.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import gammaln

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_TINY = 1e-300
_HIDDEN = 1e-8  # a rise in nats that may drown in rounding


@dataclass(frozen=True, eq=False)
class Mixture:
    """Where the climb ended.

    Attributes
    ----------
    atoms : (J, d)
    weights : (J,), positive, summing to one
    fitted : (R,)
        f = Aw, the row values of the law.
    log_likelihood : float
        Σ n_r log f_r.
    d_max : float
        Largest slope found; the log-likelihood is at most this much below its maximum.
    iterations : int
    """

    atoms: Floats
    weights: Floats
    fitted: Floats
    log_likelihood: float
    d_max: float
    iterations: int


def climb(
    counts: Floats,
    columns: Callable[[Floats], Floats],
    propose: Callable[[Floats, Floats], tuple[Floats, float]],
    atoms: Floats,
    weights: Floats | None = None,
    *,
    settle: Callable[[Floats, Floats], tuple[Floats, Floats]] | None = None,
    tolerance: float = 5e-7,
    max_iterations: int = 200,
) -> Mixture:
    """Climb from `atoms` to the law of largest likelihood.

    Parameters
    ----------
    counts : (R,), positive
    columns : atoms (J, d) -> row values (R, J)
    propose : ratios (R,), atoms (J, d) -> atoms (J', d) at local maxima of Σ ratios · columns, and its largest value
    atoms, weights : (J, d), (J,)
        Start, equal weights if none are given; together the atoms must give every row a positive value.
    settle : atoms (J, d), weights (J,) -> the same, optional
        Moves, merges and drops atoms after every step, to a law of higher likelihood.
    tolerance : float
        Stop when `d_max` is below it.

    Returns
    -------
    Mixture
        Not converged where its `d_max` exceeds the tolerance.
    """
    total, root = float(counts.sum()), np.sqrt(counts)
    w = np.full(len(atoms), 1.0 / len(atoms)) if weights is None else weights
    kernel = columns(atoms)
    f = kernel @ w
    for iteration in range(max_iterations + 1):
        ratios = counts / f
        new, top = propose(ratios, atoms)
        d_max = max(top, float((ratios @ kernel).max())) - total
        if d_max < tolerance or iteration == max_iterations:
            break
        atoms = np.concatenate([atoms, new])
        kernel = np.hstack([kernel, columns(new)])
        w = np.append(w, np.zeros(len(new)))
        slopes = root[:, None] * (kernel / f[:, None] - 2.0)
        target, _ = nnls(np.vstack([slopes, np.ones(len(w))]), np.append(np.zeros(len(root)), 1.0))
        move = target / target.sum() - w
        along = kernel @ move
        promised = float(ratios @ along)
        step = 1.0
        for _ in range(40):
            change = step * along / f
            # The gain from the changes, since near the top it drowns in the rounding of ℓ itself.
            if change.min() > -1 and counts @ np.log1p(change) > promised * step / 10:
                break
            step /= 2
        else:
            if settle is None or promised > _HIDDEN:
                break  # rounding hides any further rise
            step = 1.0  # a new atom may yet rise to its place
        w = np.maximum(w + step * move, 0.0)
        kept = w > 0
        atoms, kernel, w = atoms[kept], kernel[:, kept], w[kept] / w[kept].sum()
        if settle is not None:
            atoms, w = settle(atoms, w)
            kernel = columns(atoms)
        f = kernel @ w
    return Mixture(atoms, w, f, float(counts @ np.log(f)), d_max, iteration)


def binomial_rows(n: Ints, k: Ints, rates: Floats) -> Floats:
    """Probability Π_s Bin(k_s; n_s, p_s) of rows (R, S) at rates (J, S), as (R, J); n = 0 is a factor of one."""
    return row_values(n, k)(rates)


def row_values(n: Ints, k: Ints) -> Callable[[Floats], Floats]:
    """`binomial_rows` as a function of the rates alone, for many calls with the same counts."""
    log_choose = (gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)).sum(axis=1)[:, None]
    acts = np.hstack([k, n - k]).astype(np.float64)

    def values(rates: Floats) -> Floats:
        # A finite stand-in for log 0, for 0 · log 0 to be 0: one matrix product instead of as many xlogy.
        logs = np.log(np.maximum(np.hstack([rates, 1.0 - rates]), _TINY))
        return np.asarray(np.exp(log_choose + acts @ logs.T))

    return values


def local_maxima(surface: Floats, split: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Grid points, (M, M'), not below any of their neighbours along the axes; no neighbours across the split.

    Parameters
    ----------
    split : (i, j), optional
        Rows from i on, and columns from j on, belong to other sheets than those before.
    """
    top = np.ones(surface.shape, dtype=bool)
    for axis in (0, 1):
        values, highest = np.moveaxis(surface, axis, 0), np.moveaxis(top, axis, 0)
        not_below, not_above = values[1:] >= values[:-1], values[1:] <= values[:-1]
        if split is not None:
            not_below[split[axis] - 1] = not_above[split[axis] - 1] = True
        highest[1:] &= not_below
        highest[:-1] &= not_above
    return top
