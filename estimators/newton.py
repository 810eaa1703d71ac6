"""A smooth function of a few bounded parameters is climbed with its own curvature, a few evaluations per fit.

Step d = Q |Λ|⁻¹ Qᵀ g on the parameters that no bound holds, where −H = QΛQᵀ: a Newton step whose directions
of wrong curvature are turned uphill, halved until the value rises enough (Nocedal & Wright 2006, sections 3.4
and 16.7). It stops when the predicted gain ½ gᵀd is negligible, and leaves a saddle along its uphill
curvature.

Why own code: the exact Hessian of the likelihoods here costs little more than their value, no bounded
method of ``scipy.optimize.minimize`` but the slow ``trust-constr`` takes one, and a bootstrap refits
thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Evaluation = tuple[float, Floats, Floats]
Objective = Callable[[Floats], Evaluation]

# A standard error of 100. Working parameters are logits and logs, so that is to know nothing; where a ridge is flat in
# truth, rounding and the stopping rule leave a curvature of up to 1e-5.
_NO_INFORMATION = 1e-4


class EstimationWarning(UserWarning):
    """An estimate that was returned but should not be trusted as it stands; the text says why."""


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the climb ended.

    Attributes
    ----------
    x, gradient : (P,)
    value : float
    hessian : (P, P)
    free : (P,) of bool
        False where a bound holds the parameter.
    converged : bool
        Predicted gain below the tolerance and no uphill curvature left.
    iterations, evaluations : int
    """

    x: Floats
    value: float
    gradient: Floats
    hessian: Floats
    free: NDArray[np.bool_]
    converged: bool
    iterations: int
    evaluations: int


def maximise(
    objective: Objective,
    start: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    gain: float = 1e-10,
    max_iterations: int = 200,
    max_step: float = 3.0,
) -> Maximum:
    """Climb from `start` to a local maximum inside the box.

    Parameters
    ----------
    objective : x (P,) -> value, gradient (P,), Hessian (P, P)
    start, lower, upper : (P,)
        A start outside the box is moved into it.
    gain : float
        Stop when a step promises less than this.
    max_step : float
        Longest step along one axis of curvature; keeps logits and logs from running off.

    Examples
    --------
    >>> def hill(x):
    ...     y = x - 2.0
    ...     return -np.sum(y**4 + x**2), -4 * y**3 - 2 * x, np.diag(-12 * y**2 - 2)
    >>> maximise(hill, [5.0, -3.0], [-9, -9], [9, 0.5]).x.round(3)
    array([1.165, 0.5 ])
    """
    lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    x = np.clip(np.asarray(start, dtype=np.float64), lower, upper)
    value, gradient, hessian = objective(x)
    evaluations, iterations, converged = 1, 0, False
    free = np.ones(len(x), dtype=bool)
    for _ in range(max_iterations):
        free = ~(((x <= lower) & (gradient <= 0)) | ((x >= upper) & (gradient >= 0)))
        moving = np.flatnonzero(free)
        curvature, axes = np.linalg.eigh(-hessian[np.ix_(moving, moving)])
        slope = axes.T @ gradient[moving]
        # The floor keeps flat directions finite, yet lets a parameter that runs to its bound take full steps.
        scale = max(1.0, float(np.abs(curvature).max(initial=0.0)))
        along = slope / np.maximum(np.abs(curvature), 1e-12 * scale)
        promised = 0.5 * float(slope @ along)
        step = np.zeros_like(x)
        if promised >= gain:
            step[moving] = axes @ np.clip(along, -max_step, max_step)
            tries = [0.5**h * step for h in range(30)]
        elif -curvature.min(initial=0.0) > max(1e-6 * scale, 2 * gain):  # a unit step would gain enough
            step[moving] = 0.1 * axes[:, 0]  # a saddle: leave it along the direction that curves upward
            tries = [step, -step, 0.1 * step, -0.1 * step]
        else:
            converged = True
            break
        reached: tuple[Floats, Evaluation] | None = None
        for trial in (np.clip(x + move, lower, upper) for move in tries):
            evaluation = objective(trial)
            evaluations += 1
            # On the way out of a saddle, or along a bound, the slope may be nil: any rise will do.
            if evaluation[0] > value + max(1e-4 * float(gradient @ (trial - x)), 0.0):
                reached = trial, evaluation
                break
        if reached is None:
            # Rounding hides any further rise: converged if what was promised is within rounding of the value.
            converged = promised < 1e-9 * max(1.0, abs(value))
            break
        x, (value, gradient, hessian) = reached
        iterations += 1
    return Maximum(x, value, gradient, hessian, free, converged, iterations, evaluations)


def informed(found: Maximum) -> NDArray[np.bool_]:
    """Parameters, (P,), that no bound holds and of which the data say something."""
    return found.free & (np.diag(found.hessian) < -_NO_INFORMATION)


def observed_covariance(hessian: Floats, known: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Inverse observed information of the parameters in `known`, and its condition number.

    Returns
    -------
    covariance : (P, P)
        NaN outside `known`; NaN throughout where some combination of them has a standard error beyond 100 or none,
        that is, where the data do not identify them.
    condition : float
        Infinite where it is not positive definite.

    Examples
    --------
    >>> observed_covariance(np.diag([-4.0, -1.0, 0.0]), np.array([True, True, False]))
    (array([[0.25, 0.  ,  nan], [0.  , 1.  ,  nan], [ nan,  nan,  nan]]), 4.0)
    """
    covariance = np.full(hessian.shape, np.nan)
    kept = np.flatnonzero(known)
    if kept.size == 0:
        return covariance, 1.0
    information = -hessian[np.ix_(kept, kept)]
    curvature = np.linalg.eigvalsh(information)
    condition = float(curvature[-1] / curvature[0]) if curvature[0] > 0 else float("inf")
    if curvature[0] > _NO_INFORMATION:
        covariance[np.ix_(kept, kept)] = np.linalg.inv(information)
    return covariance, condition
