"""The concave envelope: an exact oracle for the best monitoring share and cues, one belief at a time.

After a cue only the belief :math:`\\beta` matters.  With :math:`\\tilde A = A - g` the leader expects

.. math::
    V(\\beta) = \\sum_\\theta \\pi_\\theta R_\\theta(\\beta), \\qquad
    R_\\theta(\\beta) = \\begin{cases} 0 & \\beta K_\\theta > v_\\theta \\\\
        -(\\beta \\tilde A + (1 - \\beta) a) & \\beta K_\\theta < v_\\theta \\\\
        \\text{the larger of the two} & \\text{at equality,} \\end{cases}

and cues split the monitoring share q into beliefs that average to q.  The best split is worth the concave
envelope of V at q (Kamenica & Gentzkow, AER 2011), two cues suffice, and the leader maximises
:math:`\\hat V(q) - c q` over :math:`q \\le B`.  V is piecewise linear and, ties going to the leader, upper
semicontinuous, so the envelope's knots are 0, 1 and the indifference beliefs :math:`v_\\theta/K_\\theta`.

**Domain**: no plan cost, Bayesian beliefs, no cue costs, one method, free cues without caps.  A quantal
follower has a smooth V instead; there the envelope is taken on a grid, with a proved error bound.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stackelberg.faking.normal_form import tensors
from stackelberg.game import GameError

if TYPE_CHECKING:
    from stackelberg.faking.game import FakingGame


class OutsideEnvelopeError(GameError):
    """A faking game with a feature that the concave envelope does not cover; its text names the feature."""


@dataclass(frozen=True)
class Split:
    """A monitoring share and the beliefs that the cues split it into.

    Attributes
    ----------
    monitoring : float
        Share q of monitored conversations.
    beliefs : ndarray, shape (cues used,)
        One or two beliefs, the higher first; their mean under ``weights`` is q.
    weights : ndarray, shape (cues used,)
        Shares of conversations that carry each cue.
    value : float
        Leader's value in utils, monitoring paid.
    """

    monitoring: float
    beliefs: NDArray[np.float64]
    weights: NDArray[np.float64]
    value: float


def require_domain(game: "FakingGame") -> None:
    """Raise :class:`OutsideEnvelopeError`, naming the feature, where the envelope does not apply."""
    reason = None
    if any(t.plan_cost for t in game.types):
        reason = "a plan cost"
    elif any(t.cue_sharpness != 1 for t in game.types):
        reason = "a cue sharpness other than 1"
    elif game.cues.costs.any():
        reason = "cue costs"
    elif len(game.methods) > 1:
        reason = "several methods"
    elif game.methods[0].cost or game.costs.training_value:
        reason = "a method's own cost or a training value"
    elif game.cues.probabilities is not None:
        reason = "fixed cues"
    elif game.cues.caps is not None:
        reason = "caps on the cues"
    elif len(game.cues.cues) < 2:
        reason = "a single cue"
    if reason:
        raise OutsideEnvelopeError(
            f'the concave envelope does not cover {reason}: use method="auto" or a solver'
        )


def belief_value(game: "FakingGame", beliefs: NDArray[np.float64]) -> NDArray[np.float64]:
    """V of the formula above, in leader utils, at beliefs of shape (points,); best replies, ties to the leader."""
    v, K, prior = game.parameters("preference"), game.incentives()[:, 0], game.parameters("prior")
    loss = refusal_value(game, beliefs)[:, None]
    gain = beliefs[:, None] * K - v
    tied = np.abs(gain) <= 1e-12 * (np.abs(K) + np.abs(v))
    replies = np.where(tied, np.maximum(0.0, loss), np.where(gain > 0, 0.0, loss))
    value: NDArray[np.float64] = replies @ prior
    return value


def refusal_value(game: "FakingGame", beliefs: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a refusal after a cue is worth to the leader, :math:`-(\\beta\\tilde A + (1-\\beta)a)`."""
    costs = game.costs
    monitored = costs.train_disagreement - costs.refusal_value
    return -(beliefs * monitored + (1 - beliefs) * costs.deploy_harm)


def logit_belief_value(game: "FakingGame", beliefs: NDArray[np.float64]) -> NDArray[np.float64]:
    """V for quantal followers: P(refusal) = :math:`1-\\Lambda(\\lambda(\\beta K-v))`, times its worth."""
    from scipy.special import expit

    v, K, prior = game.parameters("preference"), game.incentives()[:, 0], game.parameters("prior")
    refuse = expit(-game.parameters("rationality") * (beliefs[:, None] * K - v))
    value: NDArray[np.float64] = refusal_value(game, beliefs) * (refuse @ prior)
    return value


def logit_grid_error(game: "FakingGame", points: int) -> float:
    """Bound on what a grid of beliefs loses of the quantal envelope: :math:`h^2 \\max|V''|/8`, in utils.

    :math:`|p'| \\le \\lambda|K|/4` and :math:`|p''| \\le (\\lambda K)^2/(6\\sqrt 3)` for a logistic p.
    """
    steepness = game.parameters("rationality") * np.abs(game.incentives()[:, 0])
    ends = refusal_value(game, np.array([0.0, 1.0]))
    curvature = game.parameters("prior") @ (
        steepness**2 / (6 * np.sqrt(3)) * np.abs(ends).max() + 2 * steepness / 4 * abs(ends[1] - ends[0])
    )
    return float(curvature / (points - 1) ** 2 / 8)


def knots(game: "FakingGame") -> NDArray[np.float64]:
    """Beliefs at which the envelope of V can bend, ascending: 0, 1 and every v/K between, shape (knots,)."""
    v, K = game.parameters("preference"), game.incentives()[:, 0]
    inside = np.divide(v, K, out=np.full(len(v), -1.0), where=K != 0)
    return np.unique(np.concatenate([[0.0], inside[(inside > 0) & (inside < 1)], [1.0]]))


def concave_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the upper concave hull of points with ascending x (Andrew's monotone chain, 1979).

    Examples
    --------
    >>> concave_hull(np.array([0.0, 0.5, 1.0]), np.array([0.0, -1.0, 1.0]))
    array([0, 2])
    """
    hull: list[int] = []
    for k in range(len(x)):
        while len(hull) > 1:
            i, j = hull[-2], hull[-1]
            if (y[j] - y[i]) * (x[k] - x[j]) > (y[k] - y[j]) * (x[j] - x[i]):
                break
            hull.pop()
        hull.append(k)
    return np.array(hull)


def best_split(
    x: NDArray[np.float64], y: NDArray[np.float64], monitoring_cost: float, budget: float
) -> Split:
    """Maximise the concave hull of (x, y) less the monitoring cost, over shares up to the budget.

    Among equally good shares the least monitoring wins.
    """
    hull = concave_hull(x, y)
    bends, heights = x[hull], y[hull]
    shares = np.append(bends[bends < budget], budget)
    values = np.interp(shares, bends, heights) - monitoring_cost * shares
    best = int(np.argmax(values >= values.max() - 1e-15 * (1 + np.abs(values).max())))
    q = float(shares[best])
    right = int(np.searchsorted(bends, q))
    if bends[right] == q:
        beliefs, weights = np.array([q]), np.array([1.0])
    else:
        high, low = bends[right], bends[right - 1]
        up = (q - low) / (high - low)
        beliefs, weights = np.array([high, low]), np.array([up, 1 - up])
    return Split(q, beliefs, weights, float(values[best]))


def cost_flips(game: "FakingGame", *, logit: bool = False, points: int = 4001) -> tuple[float, float]:
    """Monitoring costs at which the advice flips: to no monitoring above, to the whole budget below.

    The envelope is concave, so monitoring starts to pay when its cost falls below the slope at 0 and takes the
    whole budget when it falls below the slope just left of the budget.

    Returns
    -------
    none_above, all_below : float
        Leader utils per monitored conversation; divided by ``deploy_harm`` they are cost ratios.
    """
    require_domain(game)
    x = np.linspace(0, 1, points) if logit else knots(game)
    y = logit_belief_value(game, x) if logit else belief_value(game, x)
    hull = concave_hull(x, y)
    slopes = np.diff(y[hull]) / np.diff(x[hull])
    last = int(np.searchsorted(x[hull], game.budget, side="left")) - 1
    return float(slopes[0]), float(slopes[max(last, 0)])


def rational_upper_bound(game: "FakingGame", monitoring: float) -> Fraction:
    """A bound on the leader's value over all commitments, in exact arithmetic on the game's float payoffs.

    Any line above V bounds the value of every commitment by the larger of its two ends, 0 and B, less the
    monitoring paid.  The line taken touches the envelope at ``monitoring`` with a slope as near to the
    monitoring cost as the envelope's bend there allows, so at an optimal share the bound is tight.

    Parameters
    ----------
    game : FakingGame
        In the envelope's domain.
    monitoring : float
        Where the line should touch; any share gives a valid bound.

    Returns
    -------
    Fraction
    """
    require_domain(game)
    leader, follower = tensors(game)
    comply, refuse = 0, 1  # the constant plans
    rows = (0, len(game.cues.cues))  # monitored and unmonitored, first cue
    on, off = ([Fraction(float(u)) for u in follower[:, row, comply]] for row in rows)
    prior = [Fraction(t.prior) for t in game.types]
    base = [Fraction(float(leader[0, row, comply])) for row in rows]
    refusal = [Fraction(float(leader[0, row, refuse])) - b for row, b in zip(rows, base, strict=True)]

    def value(belief: Fraction) -> Fraction:
        """V with exact ties, less the cost of monitoring: the payoff after a cue with this belief."""
        loss = belief * refusal[0] + (1 - belief) * refusal[1]
        total = sum(prior) * (belief * base[0] + (1 - belief) * base[1])  # a float prior may miss one
        for p, u, w in zip(prior, on, off, strict=True):
            gain = belief * u + (1 - belief) * w
            total += p * (loss if gain < 0 else max(Fraction(0), loss) if gain == 0 else 0)
        return total

    # Indifference of type t: belief * on + (1 - belief) * off = 0.
    bends = {w / (w - u) for u, w in zip(on, off, strict=True) if u != w}
    points = sorted({Fraction(0), Fraction(1)} | {b for b in bends if 0 < b < 1})
    heights = [value(b) for b in points]
    nearest = min(points, key=lambda b: abs(b - Fraction(monitoring)))
    near = abs(nearest - Fraction(monitoring)) < Fraction(
        1e-12
    )  # the float nearest to a rational bend means the bend
    touch, B = nearest if near else Fraction(monitoring), Fraction(game.budget)
    pairs = list(zip(points, heights, strict=True))
    left = [(b, h) for b, h in pairs if b < touch]
    right = [(b, h) for b, h in pairs if b > touch]
    # Highest chord over the point: the envelope there; its slopes to either side bound the admissible slopes.
    at = max(
        [h for b, h in pairs if b == touch]
        + [h0 + (h1 - h0) * (touch - b0) / (b1 - b0) for b0, h0 in left for b1, h1 in right]
    )
    steepest = min(((at - h) / (touch - b) for b, h in left), default=None)
    flattest = max(((h - at) / (b - touch) for b, h in right), default=None)
    slope = Fraction(0)  # the monitoring cost is already inside V
    slope = max(slope, flattest) if flattest is not None else slope
    slope = min(slope, steepest) if steepest is not None else slope
    line = [(at + slope * (b - touch), h) for b, h in pairs]
    lift = max(
        Fraction(0), *(h - level for level, h in line)
    )  # zero at a true bend; keeps the bound valid anywhere
    return max(at + slope * (0 - touch), at + slope * (B - touch)) + lift
