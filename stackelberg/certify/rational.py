"""Linear algebra in rationals: dot products, and the optimum of a linear program from a float guess at its vertex."""

from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat
from numpy.typing import NDArray

Vector = list[Any]  # of fmpq, which ships no types


def exact(values: Any) -> Vector:
    """Floats as the rationals that they are."""
    return [fmpq(*float(v).as_integer_ratio()) for v in values]


def dot(a: Vector, b: Vector) -> Any:
    """Sum of products."""
    return sum((p * q for p, q in zip(a, b, strict=True) if p and q), fmpq(0))


def fraction(q: Any) -> Fraction:
    """The same number, for those who have no flint."""
    return Fraction(int(q.p), int(q.q))


def vertex_optimum(
    equalities: list[Any], inequalities: list[Any], objective: Vector, guess: NDArray[np.float64]
) -> tuple[Vector, dict[Any, Any]] | None:
    """Maximise over {g x = h, g x >= h}, bounded, from the vertex nearest to a float guess; None where empty.

    Phase 1 is a dual simplex for a zero objective, which every basis is dual feasible for; phase 2 a primal
    simplex.  Both follow Bland's rule, so both end; from a good guess they end after no pivot at all.
    """
    keys = [key for key, _, _ in equalities + inequalities]
    G = [g for _, g, _ in equalities + inequalities]
    h = [b for _, _, b in equalities + inequalities]
    fixed, rows = len(equalities), len(guess)
    basis = _nearest_basis(G, h, fixed, guess)
    if basis is None:
        return None
    others = fmpq_mat(G)
    while True:
        inverse = fmpq_mat([G[b] for b in basis]).inv()
        x = inverse * fmpq_mat([[h[b]] for b in basis])
        levels = others * x
        slack = [levels[r, 0] - h[r] for r in range(len(G))]
        if any(slack[r] != 0 for r in range(fixed)):
            return None
        violated = next((r for r in range(fixed, len(G)) if slack[r] < 0), None)
        if violated is not None:
            share = fmpq_mat([G[violated]]) * inverse
            leaving = [b for b in sorted(basis) if b >= fixed and share[0, basis.index(b)] > 0]
            if not leaving:
                return None
            basis[basis.index(leaving[0])] = violated
            continue
        prices = fmpq_mat([objective]) * inverse
        improving = [b for b in sorted(basis) if b >= fixed and prices[0, basis.index(b)] > 0]
        if not improving:
            multipliers = {keys[b]: -prices[0, k] for k, b in enumerate(basis)}
            return [x[i, 0] for i in range(rows)], multipliers
        position = basis.index(improving[0])
        speed = others * fmpq_mat([[inverse[i, position]] for i in range(rows)])
        blocking = [
            (slack[r] / -speed[r, 0], r) for r in range(fixed, len(G)) if r not in basis and speed[r, 0] < 0
        ]
        basis[position] = min(blocking)[1]


def _nearest_basis(G: list[Vector], h: Vector, fixed: int, guess: NDArray[np.float64]) -> list[int] | None:
    """Rows with independent coefficients: all equalities, then the tightest inequalities at the guess."""
    floats = np.array([[float(q) for q in row] for row in G])
    norms = np.maximum(np.linalg.norm(floats, axis=1), 1e-300)
    slack = (floats @ guess - [float(b) for b in h]) / norms
    order = [*range(fixed), *(fixed + np.argsort(slack[fixed:], kind="stable"))]
    directions: list[NDArray[np.float64]] = []
    basis: list[int] = []
    for r in order:
        rest = floats[r] / norms[r]
        for direction in directions * 2:  # twice: re-orthogonalisation keeps the rank decision sound
            rest = rest - (rest @ direction) * direction
        if (length := np.linalg.norm(rest)) > 1e-7:
            directions.append(rest / length)
            basis.append(int(r))
        if len(basis) == len(guess):
            return basis
    return None
