"""Kernels of a linear program over the commitments at which given replies are best.

:math:`\\max c x` over the simplex and the rows :math:`(D_a - D_k) x \\ge 0` is solved on its dual by a primal
simplex: the dual objective falls towards the optimum, so every iterate is a valid bound, and the search stops
as soon as that is below the incumbent.  Rows are priced as they are violated, and no phase 1 is needed.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.kernels import inner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIE = 1e-10
"""Rows may be violated by this much, in scaled payoffs: less than the tie rule's 1e-9, which then keeps them."""
PIVOT = 1e-9
PERTURBATION = 1e-11

OPTIMAL, STALLED, EMPTY, CUTOFF = 0, 1, 2, 3  # how a program ends: only the first two leave a bound


@inner
def best_pure(c: Floats, nudge: Floats, levels: Floats) -> int:
    """Best pure commitment; ``levels``: its perturbed worth, and by how much it beats the others."""
    top = 0
    highest = 0.0
    for i in range(c.size):
        levels[i] = c[i] + nudge[i]
        if i == 0 or levels[i] > highest:
            highest = levels[i]
            top = i
    for r in range(c.size):
        levels[r] = highest - levels[r]
    levels[top] = highest
    return top


@inner
def first_bound(column: Floats, levels: Floats, top: int) -> float:
    """What the dual comes down to by its first pivot, before any basis is built; -inf if unbounded."""
    step = np.inf
    for r in range(column.size):
        speed = column[top] - column[r]
        if speed > PIVOT:
            step = min(step, levels[r] / speed)
    return levels[top] - column[top] * step


@inner
def pure_basis(top: int, inverse: Floats) -> None:
    """Basis inverse of the dual at a pure commitment."""
    m = inverse.shape[0]
    for r in range(m):
        for i in range(m):
            inverse[r, i] = 0.0
        inverse[r, r] = -1.0
        inverse[r, top] = 1.0


@inner
def pivot(inverse: Floats, levels: Floats, column: Floats, rate: Floats, top: int) -> bool:
    """Bring a column into the basis; False where no row limits it, so that the dual is unbounded."""
    m = rate.size
    leaving = -1
    step = 0.0
    for r in range(m):
        a = 0.0
        for i in range(m):
            a += inverse[r, i] * column[i]
        rate[r] = a
        if r != top and a > PIVOT:
            z = max(levels[r], 0.0) / a
            if leaving < 0 or z < step - 1e-15 or (z <= step + 1e-15 and a > rate[leaving]):
                step = z
                leaving = r
    if leaving < 0:
        return False
    scale = 1.0 / rate[leaving]
    for i in range(m):
        inverse[leaving, i] *= scale
    levels[leaving] = step
    for r in range(m):
        a = rate[r]
        if r != leaving and a != 0.0:
            levels[r] -= a * step
            for i in range(m):
                inverse[r, i] -= a * inverse[leaving, i]
    return True


@inner
def most_violated(x: Floats, rows: Ints, depth: int, D: Floats, begin: Ints) -> tuple[int, int]:
    """Most violated at x: (i, -1) for x_i >= 0, (a, k) for "row a is no worse than row k", else (-1, -1)."""
    m = x.size
    lowest = -TIE
    entering = -1
    better = -1
    for i in range(m):
        if x[i] < lowest:
            lowest = x[i]
            entering = i
    for d in range(depth):
        row = rows[d]
        own = 0.0
        for i in range(m):
            own += D[row, i] * x[i]
        for k in range(begin[d], begin[d + 1]):
            slack = own
            for i in range(m):
                slack -= D[k, i] * x[i]
            if slack < lowest:
                lowest = slack
                entering = row
                better = k
    return entering, better


@inner
def most_violated_pure(i: int, rows: Ints, depth: int, D: Floats, begin: Ints) -> tuple[int, int]:
    """The same at a pure commitment."""
    lowest = -TIE
    entering = -1
    better = -1
    for d in range(depth):
        own = D[rows[d], i]
        for k in range(begin[d], begin[d + 1]):
            if own - D[k, i] < lowest:
                lowest = own - D[k, i]
                entering = rows[d]
                better = k
    return entering, better


@inner
def cone_lp(
    c: Floats,
    rows: Ints,
    depth: int,
    cutoff: float,
    D: Floats,
    begin: Ints,
    x: Floats,
    nudge: Floats,
    inverse: Floats,
    levels: Floats,
    column: Floats,
    rate: Floats,
) -> int:
    """Maximise c x over the commitments at which the first ``depth`` types play ``rows``; optimum into x.

    The dual is min t subject to t >= c_i + sum of u (D_a - D_k)_i.  Its basis holds t in row ``top`` for
    ever, and slacks or multipliers u elsewhere; row ``top`` of the basis inverse is the primal x.
    """
    m = c.size
    top = best_pure(c, nudge, levels)
    entering, better = most_violated_pure(top, rows, depth, D, begin)
    if entering < 0:
        for i in range(m):
            x[i] = 0.0
        x[top] = 1.0
        return OPTIMAL
    for i in range(m):
        column[i] = D[better, i] - D[entering, i]
    if first_bound(column, levels, top) <= cutoff:
        return CUTOFF  # half of all programs end here
    pure_basis(top, inverse)
    for _ in range(60 + 12 * m):
        if not pivot(inverse, levels, column, rate, top):
            return EMPTY
        if levels[top] <= cutoff:
            return CUTOFF
        for i in range(m):
            x[i] = inverse[top, i]
        entering, better = most_violated(x, rows, depth, D, begin)
        if entering < 0:
            return OPTIMAL
        for i in range(m):
            column[i] = 0.0 if better < 0 else D[better, i] - D[entering, i]
        if better < 0:
            column[entering] = -1.0
    return STALLED


@inner
def normalise(x: Floats, c: Floats) -> float:
    """Clip rounding below zero, rescale to one, and return c x."""
    total = 0.0
    for i in range(x.size):
        x[i] = max(x[i], 0.0)
        total += x[i]
    worth = 0.0
    for i in range(x.size):
        x[i] /= total
        worth += c[i] * x[i]
    return worth
