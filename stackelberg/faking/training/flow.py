"""Where training takes the log-odds: closed flows, doses between two points, rest points, and both cues at once.

With a share :math:`x_T` of the training on the train cue and :math:`x_D = 1 - x_T` on the deploy cue, of which a
share g carries over to the other cue,

.. math:: \\dot\\eta_T = x_T\\Phi(\\eta_T) + g\\,x_D\\Phi(\\eta_D), \\qquad
          \\dot\\eta_D = g\\,x_T\\Phi(\\eta_T) + x_D\\Phi(\\eta_D).

On one cue the flow is closed for pairs or balanced examples without label noise
(:math:`\\beta u + e^{\\beta u}` grows by :math:`\\beta^2\\tau`), for SFT on compliant answers (the same with
:math:`\\beta = 1` and u = the logit), for GRPO in large groups (:math:`\\sinh(\\eta/2)` grows by
:math:`\\tau/4`), and, but for a root, for the policy gradient (:math:`2\\eta + 2\\sinh\\eta` grows by
:math:`\\tau`).  Where nothing is trained on the deploy cue, :math:`\\eta_D - g\\eta_T` is conserved.  Everything
else is integrated adaptively (DOP853).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq
from scipy.special import logit as log_odds
from scipy.special import wrightomega

from stackelberg.faking.training.objectives import (
    BCO,
    DPO,
    GRPO,
    SFT,
    Array,
    Objective,
    PolicyGradient,
)
from stackelberg.game import GameError

FARTHEST = 60.0
"""Log-odds at which a logit counts as one that runs away: p differs from 0 or 1 by less than 1e-26."""


def closed_flow(
    objective: Objective, logit: ArrayLike, reference: ArrayLike, dose: ArrayLike
) -> Array | None:
    """Logit after a dose on one cue where that has a closed form, else None; shapes broadcast.

    Examples
    --------
    >>> closed_flow(DPO(beta=0.1), 0.0, 0.0, 1000.0).round(3)
    np.float64(21.773)
    >>> closed_flow(DPO(label_noise=0.1), 0.0, 0.0, 1.0) is None
    True
    """
    start, then, time = (np.asarray(x, dtype=float) for x in (logit, reference, dose))
    tied = _pair_beta(objective)
    if tied is not None:
        u = _grow(tied * (start - then), tied**2 * time) / tied
        return np.asarray(then + u)
    match objective:
        case SFT(comply_share=1.0):
            return _grow(start, time)
        case GRPO(kl=0.0, scaled=True) if np.isinf(objective.group_size):
            return np.asarray(2 * np.arcsinh(np.sinh(start / 2) + time / 4))
        case GRPO(kl=0.0, scaled=False):
            return _sinh_root(2 * start + 2 * np.sinh(start) + objective.corner_slope * time)
        case PolicyGradient():
            return _sinh_root(2 * start + 2 * np.sinh(start) + time)
    return None


def _pair_beta(objective: Objective) -> float | None:
    """Beta of the noiseless pairwise objective that this one equals per prompt, if it does."""
    match objective:
        case DPO(label_noise=0.0, self_sampled=False):
            return objective.beta
        case BCO(label_noise=0.0, comply_share=0.5):
            return objective.beta / 2
    return None


def _grow(start: Array, time: Array) -> Array:
    """Solve y + exp(y) = start + exp(start) + time by Wright's omega function; exact where time is 0."""
    c = start + np.exp(np.minimum(start, 700.0)) + time
    result = c - wrightomega(c)
    # c - omega(c) cancels where c is large; there y is the logarithm of omega
    return np.asarray(
        np.where(time == 0, start, np.where(c > 1, np.log(wrightomega(np.maximum(c, 1.0))), result))
    )


def _sinh_root(c: Array) -> Array:
    """Solve 2 y + 2 sinh(y) = c by Newton's method, which is monotone from asinh(c/2)."""
    y = np.arcsinh(np.abs(c) / 2)
    for _ in range(60):
        step = (2 * y + 2 * np.sinh(y) - np.abs(c)) / (2 + 2 * np.cosh(y))
        y = y - step
        if np.all(np.abs(step) <= 1e-15 * (1 + y)):
            break
    return np.asarray(np.sign(c) * y)


def train(objective: Objective, logit: ArrayLike, reference: ArrayLike, dose: float) -> Array:
    """Logit after a dose on one cue, shape of `logit` and `reference` broadcast; closed or integrated."""
    closed = closed_flow(objective, logit, reference, dose)
    if closed is not None:
        return closed
    start, then = np.broadcast_arrays(np.asarray(logit, dtype=float), np.asarray(reference, dtype=float))
    return _integrate(lambda y: objective.drift(y, then), start, np.array([dose]))[0]


def flow(
    objective: Objective,
    logit: ArrayLike,
    reference: ArrayLike,
    dose: ArrayLike,
    *,
    generalisation: float = 1.0,
    train_share: float = 1.0,
) -> Array:
    """Train and deploy logits after doses of training on both cues.

    Parameters
    ----------
    objective : Objective
    logit : array_like, shape (2, ...)
        Start: train cue, then deploy cue.
    reference : array_like, shape (2, ...)
    dose : float, or array_like of shape (doses,)
        Not negative, ascending.
    generalisation : float in [0, 1]
        Share g of a shift that carries over to the other cue.
    train_share : float in [0, 1]
        Share of the training on the train cue.

    Returns
    -------
    ndarray, shape (2, ...), or (doses, 2, ...) for several doses

    Examples
    --------
    >>> flow(DPO(beta=0.1), [-4.0, -2.0], [-4.0, -2.0], 40.0, generalisation=0.5).round(3)
    array([-2.097, -1.048])
    """
    start, then = np.asarray(logit, dtype=float), np.asarray(reference, dtype=float)
    start, then = np.broadcast_arrays(start, then)
    if start.shape[:1] != (2,):
        raise GameError(f"logits have shape {start.shape}: the first axis must be (train cue, deploy cue)")
    for name, value in (("generalisation", generalisation), ("train_share", train_share)):
        if not 0 <= value <= 1:
            raise GameError(f"{name} is {value}: it must be between 0 and 1")
    doses = np.atleast_1d(np.asarray(dose, dtype=float))
    if doses.ndim != 1 or (doses < 0).any() or (np.diff(doses) < 0).any() or not np.isfinite(doses).all():
        raise GameError("doses must be finite, not negative and ascending")
    g, x = generalisation, train_share
    carry = np.array([[x, g * (1 - x)], [g * x, 1 - x]])
    if x == 1:  # the deploy logit follows the train logit
        grid = doses.reshape(-1, *(1,) * (start.ndim - 1))
        first = closed_flow(objective, start[0], then[0], grid)
        if first is None:
            first = _integrate(lambda y: objective.drift(y, then[0]), start[0], doses)
        path = np.stack([first, start[1] + g * (first - start[0])], axis=1)
    else:
        path = _integrate(lambda y: np.tensordot(carry, objective.drift(y, then), 1), start, doses)
    return path if np.ndim(dose) else path[0]


def _integrate(rate, start: Array, doses: Array) -> Array:  # type: ignore[no-untyped-def]
    """States after each dose, shape (doses, *start.shape)."""
    ascending, back = np.unique(doses, return_inverse=True)
    if ascending[-1] == 0:
        return np.broadcast_to(start, (len(doses), *start.shape)).copy()
    done = solve_ivp(
        lambda _, y: rate(y.reshape(start.shape)).ravel(),
        (0.0, ascending[-1]),
        start.ravel(),
        method="DOP853",
        t_eval=ascending,
        rtol=1e-11,
        atol=1e-11,
    )
    if not done.success:
        raise GameError(f"the flow could not be integrated: {done.message}")
    path: Array = done.y.T[back].reshape(len(doses), *start.shape)
    return path


def rest_point(objective: Objective, reference: float, start: float | None = None) -> float:
    """Logit at which training from `start` stops: the next zero of the drift that attracts; infinite if none.

    Parameters
    ----------
    objective : Objective
    reference, start : float
        `start` is the reference's logit where not given.

    Examples
    --------
    >>> round(rest_point(DPO(beta=0.5, label_noise=0.2), 0.0), 4)  # logit(0.8) / 0.5
    2.7726
    >>> rest_point(DPO(beta=0.5), 0.0)
    inf
    """
    now = reference if start is None else start
    speed = float(objective.drift(now, reference))
    if speed == 0:
        return now
    end = FARTHEST * 4 * np.sign(speed)
    grid = np.linspace(now, end, 4001)
    speeds = objective.drift(grid, reference)
    # a drift that fades out is one that never turns; only a change of sign is a rest point
    turns = np.flatnonzero(speeds * np.sign(speed) < 0)
    if not turns.size:
        return float(np.sign(speed) * np.inf)
    k = int(turns[0])
    return float(
        brentq(lambda y: float(objective.drift(y, reference)), grid[k - 1], grid[k], xtol=1e-13, rtol=1e-14)
    )


def dose_between(objective: Objective, start: float, end: float, reference: float) -> float:
    """Dose on one cue that takes a logit from `start` to `end`, the integral of 1/drift; infinite if it cannot.

    One number behind several: the unit dose (0 to logit 0.9), the dose at which a consistent refuser starts to
    learn (-a to 0), how long faking persists (0 to b/g), and the dose of a rule "train until".

    Examples
    --------
    >>> round(dose_between(GRPO(group_size=float("inf")), -4.0, 0.0, 0.0), 1)  # 4 sinh(2)
    14.5
    """
    if end == start:
        return 0.0
    tied = _pair_beta(objective)
    if tied is not None and end > start:
        y0, y1 = tied * (start - reference), tied * (end - reference)
        return float((np.exp(y1) - np.exp(y0) + y1 - y0) / tied**2)
    forward = np.sign(end - start)
    grid = np.linspace(start, end, 513)
    # quadrature would step over a rest point that lies between
    if (objective.drift(grid, reference) * forward <= 0).any():
        return float("inf")
    total, _ = quad(
        lambda y: 1 / float(objective.drift(y, reference)), start, end, limit=400, epsabs=0, epsrel=1e-11
    )
    return float(total)


def unit_dose(objective: Objective, target: float = 0.9) -> float:
    """Dose that moves an indifferent prompt, its own reference, to `target` compliance.

    Raises
    ------
    GameError
        If the method never gets there, naming where it stops.

    Examples
    --------
    >>> round(unit_dose(DPO(beta=0.1)), 2), round(unit_dose(SFT()), 2)
    (46.55, 10.2)
    """
    dose = dose_between(objective, 0.0, float(log_odds(target)), 0.0)
    if not np.isfinite(dose):
        from scipy.special import expit

        stop = float(expit(rest_point(objective, 0.0)))
        raise GameError(
            f"{objective} never moves an indifferent prompt to {target:g}: it stops at {stop:.3g}; "
            "lower the target or change its hyperparameters"
        )
    return dose
