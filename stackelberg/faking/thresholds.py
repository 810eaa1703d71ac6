"""When faking is a best reply: Proposition 1, and the least monitoring at which a type complies.

**Proposition 1.**  With cues F (train) and P (deploy) sent in shares :math:`w_F + w_P = 1`, beliefs
:math:`\\beta_F > \\beta_P` and K > 0, "comply at F, refuse at P" is a best reply if and only if

.. math:: \\beta_P + \\frac{f}{w_P K} \\;\\le\\; \\frac{v}{K} \\;\\le\\; \\beta_F - \\frac{f}{w_F K}.

**Threshold in monitoring.**  Without plan cost a type with :math:`0 < v < K` complies after cue s if and only if
:math:`\\operatorname{logit} q \\ge \\operatorname{logit}(v/K) - \\kappa \\log LR_s`, with
:math:`LR_s = \\sigma(s|1)/\\sigma(s|0)`.  With cues that reveal the state, every such type fakes at every q.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackelberg.faking.belief import cue_shares
from stackelberg.faking.normal_form import all_plans
from stackelberg.game import GameError

if TYPE_CHECKING:
    import pandas as pd

    from stackelberg.faking.game import FakingGame


def belief_threshold(preference: ArrayLike, incentive: ArrayLike) -> NDArray[np.float64]:
    """Belief v/K at which a type is indifferent; NaN where K = 0.

    Examples
    --------
    >>> belief_threshold([0.4, -0.5], [1.0, 0.0])
    array([0.4, nan])
    """
    v, K = np.asarray(preference, dtype=float), np.asarray(incentive, dtype=float)
    return np.divide(v, K, out=np.full(np.broadcast_shapes(v.shape, K.shape), np.nan), where=K != 0)


def behaviour(plans: NDArray[np.bool_], beliefs: NDArray[np.float64]) -> list[str]:
    """Name types by what they do: complier, refuser, faker (complies where belief is high), reverse, or mixed.

    Parameters
    ----------
    plans : ndarray of bool, shape (types, cues)
        Whether the type complies at a cue.
    beliefs : ndarray, shape (types, cues)
        NaN for a cue that is never sent, which is left out.
    """
    names = []
    for plan, belief in zip(plans, beliefs, strict=True):
        sent = ~np.isnan(belief)
        complied, refused = belief[sent & plan], belief[sent & ~plan]
        if not refused.size:
            names.append("complier")
        elif not complied.size:
            names.append("refuser")
        elif complied.min() > refused.max():
            names.append("faker")
        elif complied.max() < refused.min():
            names.append("reverse")
        else:
            names.append("mixed")
    return names


def faking_region(game: "FakingGame") -> "pd.DataFrame":
    """Proposition 1 at the status quo, one row per type.

    Returns
    -------
    DataFrame
        type, incentive, belief_threshold (v/K), lower, upper (the region of v/K in which faking is a best
        reply), faking (whether it is). NaN and False where K <= 0 or a cue is never sent.

    Raises
    ------
    GameError
        If the game has other than two cues or they are free.
    """
    import pandas as pd

    if len(game.cues.cues) != 2:
        raise GameError(
            f"Proposition 1 is about two cues and the game has {len(game.cues.cues)}: use replies()"
        )
    beliefs, K = game.beliefs(), game.status_quo_incentive()
    shares = np.broadcast_to(cue_shares(game.monitoring, game.cue_probabilities()), beliefs.shape)
    train = np.argmax(np.nan_to_num(beliefs, nan=-1.0), axis=1)[
        :, None
    ]  # the cue that speaks more for training
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = game.parameters("plan_cost")[:, None] / (shares * K[:, None])
    high, low = (
        np.take_along_axis(beliefs - cost, train, 1)[:, 0],
        np.take_along_axis(beliefs + cost, 1 - train, 1)[:, 0],
    )
    valid = K > 0
    threshold = belief_threshold(game.parameters("preference"), K)
    low, high = np.where(valid, low, np.nan), np.where(valid, high, np.nan)
    return pd.DataFrame(
        {
            "type": [t.name for t in game.types],
            "incentive": K,
            "belief_threshold": threshold,
            "lower": low,
            "upper": high,
            "faking": (low <= threshold) & (threshold <= high) & (low < high),
        }
    )


def monitoring_threshold(game: "FakingGame") -> "pd.DataFrame":
    """Least monitoring share from which on a type complies after a cue, one row per type and cue.

    Returns
    -------
    DataFrame
        type, cue, monitoring_threshold: complying is a best reply at every share from it to 1; 0 where it
        always is, NaN where no share brings it about.

    Raises
    ------
    GameError
        If cues are free, or a type has both a plan cost and a cue sharpness other than 1.
    """
    import pandas as pd

    sigma = game.cue_probabilities()
    K = game.status_quo_incentive()
    rows = []
    for t, incentive in zip(game.types, K, strict=True):
        if t.plan_cost and t.cue_sharpness != 1:
            raise GameError(
                f"type {t.name!r}: no threshold with both plan_cost and cue_sharpness; set one of them"
            )
        thresholds = (
            _plan_threshold(t.preference, incentive, t.plan_cost, sigma)
            if t.plan_cost
            else _cue_threshold(t.preference, incentive, t.cue_sharpness, sigma)
        )
        rows += [(t.name, cue, q) for cue, q in zip(game.cues.cues, thresholds, strict=True)]
    return pd.DataFrame(rows, columns=["type", "cue", "monitoring_threshold"])


def _cue_threshold(v: float, K: float, sharpness: float, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Closed form without plan cost, shape (cues,)."""
    from scipy.special import expit, logit

    never_seen = (sigma[0] == 0) & (sigma[1] == 0)
    certain, impossible = (sigma[1] == 0) & ~never_seen, (sigma[0] == 0) & ~never_seen
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = sharpness * (np.log(sigma[0]) - np.log(sigma[1]))
    if K <= 0:  # complying loses its appeal as belief rises, so it must hold at the highest belief
        highest = np.where(impossible, 0.0, 1.0)
        q = np.where(highest * K - v >= 0, 0.0, np.nan)
    elif v <= 0:
        q = np.zeros(len(evidence))
    elif v > K:
        q = np.full(len(evidence), np.nan)
    else:
        informative = np.where(certain | impossible | never_seen, 0.0, evidence)
        q = np.where(certain, 0.0, np.where(impossible, np.nan, expit(logit(v / K) - informative)))
    return np.where(never_seen, np.nan, q)


def _plan_threshold(v: float, K: float, f: float, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """With plan cost: plan payoffs are lines in q, so the best plan changes only where two of them cross."""
    plans = all_plans(sigma.shape[1])
    contingent = plans.any(axis=1) & ~plans.all(axis=1)
    at_one, at_zero = plans @ sigma[0] * (K - v) - f * contingent, -(plans @ sigma[1]) * v - f * contingent
    slope = at_one - at_zero
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # parallel lines never cross
        crossing = (at_zero[:, None] - at_zero) / (slope - slope[:, None])
    inside = crossing[np.isfinite(crossing) & (crossing > 0) & (crossing < 1)]
    knots = np.unique(np.concatenate([[0.0], inside, [1.0]]))
    payoff = at_zero + knots[:, None] * slope  # (knots, plans)
    slack = 1e-12 * (abs(K) + abs(v) + f)
    result = np.full(sigma.shape[1], np.nan)
    for s in range(sigma.shape[1]):
        lead = np.where(plans[:, s], payoff, -np.inf).max(axis=1) - np.where(
            plans[:, s], -np.inf, payoff
        ).max(axis=1)
        complies_after = np.minimum.accumulate(lead[::-1])[::-1] >= -slack
        if complies_after.any() and sigma[:, s].any():
            result[s] = knots[np.argmax(complies_after)]
    return result
