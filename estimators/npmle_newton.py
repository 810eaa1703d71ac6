"""Newton steps on the atoms of a law of two rates: alone, to the peaks of the slope surface, and with their weights.

With q = (k_T, n_T − k_T, k_D, n_D − k_D) and p_s = sin²φ_s, the log of a row's value A_r(φ) has slope q_s · u_s in φ_s,
u_s = (2 cot φ_s, −2 tan φ_s): all derivatives of the slope surface D are sums of the rows' values times powers of q.

For the joint steps let m_j = w_j Δφ_j. The log-likelihood less N Σw has slopes D_j by w_j and ∇D_j by m_j, and the
curvature −SᵀS + diag(∇²D_j / w_j) with S the columns √n_r (A, ∂A) / f; terms that vanish at the maximum, where ∇D = 0,
are left out. Each 2 × 2 block enters by its absolute value, so that every step climbs, and the steps are damped
(Levenberg–Marquardt) where two atoms that nearly coincide leave their split undetermined.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from estimators.mixing import row_values

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HALF_TURN = math.pi / 2
_EDGE = 1e-4  # in angle: a rate of 1e-8
_SAME = 1e-3  # in angle: atoms that are one
_UNDAMPED, _HIDDEN = 1e-9, 1e-10  # least damping; a gain in nats that rounding hides


@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct count rows as functions of the angles of an atom.

    Attributes
    ----------
    counts : (C,)
        Prompts with each row.
    acts : (C, 4)
        q.
    powers : (C, 21)
        1, q and the products q q.
    of_rates : rates (J, 2) -> (C, J)
    """

    counts: Floats
    acts: Floats
    powers: Floats
    of_rates: Callable[[Floats], Floats]

    @classmethod
    def of(cls, n: Ints, k: Ints, counts: Floats) -> Rows:
        """From the counts (C, 2)."""
        acts = np.column_stack([k[:, 0], n[:, 0] - k[:, 0], k[:, 1], n[:, 1] - k[:, 1]]).astype(np.float64)
        products = (acts[:, :, None] * acts[:, None, :]).reshape(len(n), 16)
        return cls(counts, acts, np.hstack([np.ones((len(n), 1)), acts, products]), row_values(n, k))

    def values(self, angles: Floats) -> Floats:
        """Probability of each row at angles (J, 2), as (C, J)."""
        return self.of_rates(np.sin(angles) ** 2)


def polish(
    rows: Rows, ratios: Floats, start: Floats, value: Floats, reach: float, steps: int
) -> tuple[Floats, Floats]:
    """Newton steps from angles, (J, 2), to the peaks of the slope surface; the angles and heights (J',) reached.

    Parameters
    ----------
    ratios : (C,)
        Count over fitted value of each row.
    value : (J,)
        Height at the start.
    reach : float
        Farthest move, in angle.
    """
    edge = _on_edge(start)
    # A coordinate on an edge is held there, and tried just off it too: a peak may hide before the next grid point.
    off = np.flatnonzero(edge.any(axis=1))
    held = np.vstack([edge, np.zeros((len(off), 2), dtype=bool)])
    now = np.vstack([start, np.clip(start[off], reach / 2, HALF_TURN - reach / 2)])
    best, top = now, np.append(value, np.zeros(len(off)))
    low, high = np.where(held, now, np.maximum(now - 2 * reach, _EDGE)), np.where(held, now, now + 2 * reach)
    high = np.where(held, now, np.minimum(high, HALF_TURN - _EDGE))
    for step in range(steps + 1):
        weighted = ratios[:, None] * rows.values(now)
        height, slope, curvature, axes = _surface(rows, weighted, _log_slopes(now, held), held)
        better = height > top
        best, top = np.where(better[:, None], now, best), np.where(better, height, top)
        if step == steps:
            break
        along = np.einsum("jab,ja->jb", axes, slope) / curvature
        move = np.einsum("jab,jb->ja", axes, np.clip(along, -reach, reach))  # uphill whatever the curvature
        last, now = now, np.clip(now + move, low, high)
        if np.abs(now - last).max() < 1e-8:
            break
    return best, top


def settle(
    rows: Rows, atoms: Floats, weights: Floats, reach: float, tolerance: float, steps: int = 20
) -> tuple[Floats, Floats]:
    """Newton steps on atoms (J, 2), as angles, and weights (J,) together; no new atoms.

    Parameters
    ----------
    reach : float
        Farthest move of an atom in a step, in angle.
    tolerance : float
        Stop when no atom stands below its own peak, nor its peak above the others, by more.

    Returns
    -------
    atoms, weights : (J', 2), (J',)
        Atoms that met are one, and those whose weight fell to zero are gone.
    """
    atoms, weights = merged(atoms, weights)
    damping, total = _UNDAMPED, float(rows.counts.sum())
    for _ in range(steps):
        held = _on_edge(atoms)
        kernel = rows.values(atoms)
        fitted = kernel @ weights
        u, weighted = _log_slopes(atoms, held), (rows.counts / fitted)[:, None] * kernel
        height, slope, curvature, axes = _surface(rows, weighted, u, held)
        own = np.sum(np.einsum("jab,ja->jb", axes, slope) ** 2 / curvature, axis=1) / 2
        if np.max(height - total + own) < tolerance:
            break
        gradient = np.concatenate([height - total, slope[:, 0], slope[:, 1]])
        system = _system(rows, kernel, fitted, u)
        blocks = np.einsum("jab,jb,jcb->acj", axes, curvature, axes) / weights
        count = np.arange(len(weights))
        for s in (0, 1):
            for t in (0, 1):
                system[(s + 1) * len(count) + count, (t + 1) * len(count) + count] += blocks[s, t]
        diagonal = np.diag(system).copy()
        while damping < 1e9:
            np.fill_diagonal(system, diagonal * (1 + damping))
            try:
                step = cho_solve(cho_factor(system, check_finite=False), gradient, check_finite=False)
                step = step.reshape(3, -1)
            except np.linalg.LinAlgError:  # singular but for rounding
                step = np.full((3, len(weights)), np.inf)
            moves = step[1:].T / weights[:, None]
            if np.abs(moves).max() <= reach:
                # Up to where the first weight is zero: that atom is dropped, and the next step does without it.
                part = min(1.0, float(np.min(-weights[step[0] < 0] / step[0][step[0] < 0], initial=np.inf)))
                new = np.where(held, atoms, np.clip(atoms + part * moves, 0.0, HALF_TURN))
                new[new < _EDGE], new[new > HALF_TURN - _EDGE] = 0.0, HALF_TURN
                share = np.maximum(weights + part * step[0], 0.0)
                share /= share.sum()
                change = rows.values(new) @ share / fitted - 1.0
                promised = part * float(gradient @ step.ravel())
                if promised < _HIDDEN or (
                    change.min() > -1 and rows.counts @ np.log1p(change) > promised / 20
                ):
                    break
            damping *= 30
        else:
            break
        damping = max(damping / 10, _UNDAMPED)
        atoms, weights = new[share > 0], share[share > 0]
    return atoms, weights


def _surface(
    rows: Rows, weighted: Floats, u: Floats, held: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    """The slope surface, N added, at atoms with these u (2, 2, J); coordinates that are `held`, (J, 2), count as level.

    Returns
    -------
    height, slope : (J,), (J, 2)
    curvature, axes : (J, 2), (J, 2, 2)
        Absolute eigenvalues and eigenvectors of the second derivatives.
    """
    sums = rows.powers.T @ weighted
    linear, square = sums[1:5], sums[5:].reshape(4, 4, -1)
    slope, bend = np.zeros(held.shape), np.zeros((*held.shape, 2))
    for s in (0, 1):
        own = slice(2 * s, 2 * s + 2)
        slope[:, s] = np.sum(u[s] * linear[own], axis=0)
        bend[:, s, s] = np.einsum("aj,abj,bj->j", u[s], square[own, own], u[s])
        bend[:, s, s] -= np.sum((2 + u[s] ** 2 / 2) * linear[own], axis=0)
    bend[:, 0, 1] = bend[:, 1, 0] = np.einsum("aj,abj,bj->j", u[0], square[:2, 2:], u[1])
    bend[held] = bend.swapaxes(1, 2)[held] = 0.0
    curvature, axes = np.linalg.eigh(bend)
    return sums[0], slope, np.maximum(np.abs(curvature), 1e-9), axes


def _log_slopes(angles: Floats, held: NDArray[np.bool_]) -> Floats:
    """u_s of each atom, (context, action, J); zero where held."""
    tan = np.tan(np.where(held, 1.0, angles).T)
    return np.where(held.T[:, None], 0.0, 2 * np.stack([1 / tan, -tan], axis=1))


def _system(rows: Rows, kernel: Floats, fitted: Floats, u: Floats) -> Floats:
    """SᵀS, (3J, 3J), of the weights and then of m in train and in deploy."""
    scaled = (np.sqrt(rows.counts) / fitted)[:, None] * kernel
    columns = np.hstack([scaled, scaled * (rows.acts[:, :2] @ u[0]), scaled * (rows.acts[:, 2:] @ u[1])])
    return np.asarray(columns.T @ columns)


def _on_edge(angles: Floats) -> NDArray[np.bool_]:
    return np.asarray((angles <= 0) | (angles >= HALF_TURN - 1e-9))


def merged(atoms: Floats, weights: Floats, radius: float = _SAME) -> tuple[Floats, Floats]:
    """Atoms nearer than `radius` to a heavier one are added to it, at their mean; weights must be positive."""
    near = np.max(np.abs(atoms[:, None] - atoms), axis=2) < radius
    near &= np.all(_on_edge(atoms)[:, None] == _on_edge(atoms), axis=2)
    into = np.argmax(near * weights, axis=1)  # of each its heaviest neighbour, itself included
    while np.any(into[into] != into):
        into = into[into]
    _, group = np.unique(into, return_inverse=True)
    mass = np.bincount(group, weights)
    mean = [np.bincount(group, weights * each) / mass for each in atoms.T]
    return np.column_stack(mean), mass
