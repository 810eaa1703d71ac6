"""What replies say about an indifference belief when no law of the noise is assumed: an interval for β* = v/K.

A type with K > 0 complies at belief β if βK > v, so replies bound β* between the highest belief at which it refuses and
the lowest at which it complies (inverse game; Kuleshov & Schrijvers 2015, WINE): a search in the space of commitments.

1. Replies without noise: [max refused β, min complied β], empty where no payoffs fit.
2. Noisy replies: the payoffs with the least total slack Σ_s k_s max(0, v − β_s K) + (n_s − k_s) max(0, β_s K − v)
   under |K| + |v| = 1. For each of the four signs of (K, v) that set is a segment, on which this is a convex piecewise
   linear program in one variable; all its corners are tried.
3. Sign restrictions: p_s > ½ iff β_s > β*, whatever law of errors with median zero a type has (the maximum score
   argument, Manski 1975, J. Econometrics 3:205). Where a one-sided interval for logit p_s excludes 0, the sign counts;
   the level is shared over the beliefs, so that all signs, and with them the interval, hold at once.

In words: 1 and 2 take replies of one type as they are. `PayoffBounds` applies 3 to a mixture: it fits the strategic
types with free rates at each belief, which needs types but no payoffs. Two tests then compare the logit payoffs with
the free rates: a likelihood ratio, and whether any sign contradicts the estimate of β* (Berger & Boos 1994, JASA
89:1012).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr
from scipy.stats import chi2, norm

from estimators.choice_cells import choice_cells
from estimators.choice_fit import ChoiceFit, fit_choice
from estimators.choice_identification import require_identified
from estimators.choice_likelihood import STRATEGIC, ChoiceForm, Situations, logits
from estimators.gap import check_level
from estimators.parameters import stored

if TYPE_CHECKING:
    from estimators.count_cells import CountCells
    from estimators.observations import Observations

Floats = NDArray[np.float64]

_ESTIMATE_ERROR = 1e-3  # of the interval for β̂* in the Berger–Boos p-value


@dataclass(frozen=True)
class ThresholdBounds:
    """Bounds of an indifference belief; infinite where replies do not bound it.

    Attributes
    ----------
    low, high : float
        low > high where no payoffs fit the replies.
    """

    low: float
    high: float

    @property
    def consistent(self) -> bool:
        """Whether some payoffs fit."""
        return self.low <= self.high

    def holds(self, threshold: float) -> bool:
        """Whether a value lies inside."""
        return self.low <= threshold <= self.high


def reply_bounds(beliefs: ArrayLike, complies: ArrayLike, *, incentive: float = 1.0) -> ThresholdBounds:
    """Bounds from replies without noise.

    Parameters
    ----------
    beliefs : (U,)
    complies : (U,)
        Positive where the type complies, negative where it refuses, 0 where it is not known.
    incentive : float
        Only its sign counts: a type with K < 0 complies below its threshold.

    Examples
    --------
    >>> reply_bounds([0.9, 0.5, 0.3, 0.1], [1, 1, 0, -1])
    ThresholdBounds(low=0.1, high=0.5)
    """
    told, sign = np.asarray(beliefs, dtype=np.float64), np.sign(np.asarray(complies, dtype=np.float64))
    above, below = told[sign * np.sign(incentive) > 0], told[sign * np.sign(incentive) < 0]
    return ThresholdBounds(float(below.max(initial=-np.inf)), float(above.min(initial=np.inf)))


def least_slack(beliefs: ArrayLike, n: ArrayLike, agreed: ArrayLike) -> pd.DataFrame:
    """Payoffs with the least total slack under |K| + |v| = 1, for each sign of K (step 2 above).

    Parameters
    ----------
    beliefs, n, agreed : (U,)
        Samples and agreements of one type at each belief.

    Returns
    -------
    DataFrame
        incentive ("positive", "negative"), slack (in units of |K| + |v|, over all samples), low, high (β* of the
        payoffs that attain it; infinite where K is zero there).

    Examples
    --------
    >>> least_slack([0.9, 0.5, 0.1], [10, 10, 10], [10, 10, 0])
      incentive     slack  low  high
    0  positive  0.000000  0.1   0.5
    1  negative  4.210526  0.9   0.9
    """
    told = np.asarray(beliefs, dtype=np.float64)
    complied = np.asarray(agreed, dtype=np.float64)
    refused = np.asarray(n, dtype=np.float64) - complied
    rows = []
    for name, sign in (("positive", 1.0), ("negative", -1.0)):
        facets = []
        for preference in (1.0, -1.0):
            # K = sign · t, v = preference · (1 − t); the slack bends where a belief's gain changes its sign.
            slope = told * sign + preference
            bends = np.divide(preference, slope, out=np.zeros_like(told), where=np.abs(slope) > 1e-15)
            t = np.unique(np.concatenate([[0.0, 1.0], bends[(bends > 0) & (bends < 1)]]))
            gain = np.multiply.outer(t, told * sign) - preference * (1 - t)[:, None]
            slack = np.maximum(-gain, 0.0) @ complied + np.maximum(gain, 0.0) @ refused
            with np.errstate(divide="ignore"):
                facets.append((slack, sign * preference * (1 - t) / t))
        slack, threshold = (np.concatenate(parts) for parts in zip(*facets))
        best = slack <= slack.min() + 1e-12 * max(1.0, slack.max())
        rows.append((name, float(slack.min()), float(threshold[best].min()), float(threshold[best].max())))
    return pd.DataFrame(rows, columns=["incentive", "slack", "low", "high"])


def sign_bounds(
    beliefs: ArrayLike, estimate: ArrayLike, se: ArrayLike, level: float = 0.95
) -> ThresholdBounds:
    """Bounds from the signs that estimated logits (U,) with standard errors (U,) show at once (step 3 above).

    Examples
    --------
    >>> sign_bounds([0.9, 0.5, 0.1], [2.0, 0.1, -2.0], [0.3, 0.3, 0.3])
    ThresholdBounds(low=0.1, high=0.9)
    """
    check_level(level)
    x, error = np.asarray(estimate, dtype=np.float64), np.asarray(se, dtype=np.float64)
    z = norm.ppf(1 - (1 - level) / len(x))
    return reply_bounds(beliefs, np.where(np.abs(x) > z * error, np.sign(x), 0.0))


def sign_p_value(
    beliefs: ArrayLike, estimate: ArrayLike, se: ArrayLike, threshold: float, threshold_se: float
) -> float:
    """p-value of "the signs of the logits are those of an indifference belief near this estimate".

    The largest, over thresholds within the estimate's 99.9 % interval, of the Bonferroni-adjusted smallest one-sided
    p-value of a logit on the wrong side, plus .001.
    """
    told, z = np.asarray(beliefs, dtype=np.float64), np.asarray(estimate) / np.asarray(se)
    half = norm.ppf(1 - _ESTIMATE_ERROR / 2) * threshold_se
    tries = np.concatenate([[threshold - half, threshold + half], told + 1e-9, told - 1e-9])
    tries = tries[np.abs(tries - threshold) <= half * (1 + 1e-12)]
    wrong = [np.exp(log_ndtr(np.where(told > t, z, -z))).min() for t in tries]
    return float(min(1.0, _ESTIMATE_ERROR + len(told) * max(wrong)))


class PayoffBounds:
    """Interval of each strategic type's indifference belief from the signs of its replies, and tests of its payoffs.

    Parameters
    ----------
    types : sequence of kinds, as `estimators.CommitmentChoice` takes
    beliefs : mapping from "train" and "deploy" to [0, 1], optional
        Where a row states none; default 1 and 0.
    level : float
        Of the interval, in (0, 1).

    Attributes
    ----------
    table : DataFrame
        One row per strategic or reverse type: type, low, high (β* without a law of noise), beta_star, beta_star_se (of
        the choice model), inside, sign_p (p-value of the signs against that β*).
    rates : DataFrame
        type, belief, logit, se, sign: free rates and the signs that count.
    likelihood_ratio, degrees, p_value : float, int, float
        Of free rates against logit payoffs; a small p-value says that the payoffs do not describe the replies.

    Examples
    --------
    >>> from estimators.count_cells import count_cells
    >>> told = Situations.at([0.9, 0.5, 0.1])
    >>> k = [[9, 5, 1], [10, 7, 0], [8, 3, 0], [0, 1, 0], [0, 0, 1]] * 20
    >>> bounds = PayoffBounds(["refuser", "strategic"]).fit_cells(count_cells([[10] * 3] * 100, k, told.belief), told)
    >>> bounds.table[["type", "low", "high", "inside"]]
            type  low  high  inside
    0  strategic  0.1   0.9    True
    """

    def __init__(
        self,
        types: Sequence[str] = ("complier", "refuser", "strategic"),
        *,
        beliefs: Mapping[str, float] | None = None,
        level: float = 0.95,
    ) -> None:
        self.types = types
        self.beliefs = {"train": 1.0, "deploy": 0.0} if beliefs is None else beliefs
        self.level = level

    def get_params(self) -> dict[str, Any]:
        """What `__init__` stored."""
        return stored(self)

    def fit(self, obs: Observations) -> Self:
        """Fit to observations, whose orientation says what agreeing is.

        Raises
        ------
        IdentificationError
            The arms cannot tell the types apart, with or without payoffs.
        ValueError
            No strategic or reverse type, or no row with a belief.
        """
        cells, situations, _ = choice_cells(obs, self.beliefs)
        return self.fit_cells(cells, situations)

    def fit_cells(self, cells: CountCells, situations: Situations) -> Self:
        """Fit to count cells whose column u holds the samples of situation u; see `fit`."""
        check_level(self.level)
        if not any(kind in STRATEGIC for kind in self.types):
            raise ValueError(
                "types has no strategic or reverse type, and only those have an indifference belief"
            )
        form = ChoiceForm(tuple(self.types), len(situations))
        free = replace(form, types=tuple("free" if kind in STRATEGIC else kind for kind in form.types))
        for each in (form, free):
            require_identified(each, situations, cells)
        payoffs = fit_choice(cells, form, situations)
        # From the payoffs' own logits, so that the free rates never fit worse and types keep their places.
        value = logits(payoffs.parameters, form, situations)[0]
        start = _free_start(payoffs, free, value)
        rates = fit_choice(cells, free, situations, [start])
        self.likelihood_ratio = max(0.0, 2 * (rates.log_likelihood - payoffs.log_likelihood))
        self.degrees = len(free.names) - len(form.names)
        self.p_value = (
            float(chi2.sf(self.likelihood_ratio, self.degrees)) if self.degrees > 0 else float("nan")
        )
        variance, own_variance = np.diag(rates.covariance), np.diag(payoffs.covariance)
        rows, signs = [], []
        for j, kind in enumerate(form.types):
            if kind not in STRATEGIC:
                continue
            x, se = STRATEGIC[kind] * rates.parameters[free.blocks[j]], np.sqrt(variance[free.blocks[j]])
            # A rate at its bound has no standard error, and no doubt about its sign.
            se = np.where(np.isnan(se), np.abs(x) / 10, se)
            found = sign_bounds(situations.belief, x, se, self.level)
            at = form.blocks[j].start + 1
            estimate, error = float(payoffs.parameters[at]), float(np.sqrt(own_variance[at]))
            p = (
                sign_p_value(situations.belief, x, se, estimate, error)
                if np.isfinite(error)
                else float("nan")
            )
            label = form.labels[j]
            rows.append((label, found.low, found.high, estimate, error, found.holds(estimate), p))
            z = norm.ppf(1 - (1 - self.level) / len(x))
            shown = np.where(np.abs(x) > z * se, np.sign(x), 0).astype(int)
            signs += [(label, *row) for row in zip(situations.belief, STRATEGIC[kind] * x, se, shown)]
        names = ["type", "low", "high", "beta_star", "beta_star_se", "inside", "sign_p"]
        self.table = pd.DataFrame(rows, columns=names)
        self.rates = pd.DataFrame(signs, columns=["type", "belief", "logit", "se", "sign"])
        return self


def _free_start(payoffs: ChoiceFit, free: ChoiceForm, value: Floats) -> Floats:
    shares = len(free.types) - 1
    parts = [payoffs.parameters[:shares]]
    for j, kind in enumerate(free.types):
        parts.append(
            np.clip(value[j], -8.9, 8.9) if kind == "free" else payoffs.parameters[payoffs.form.blocks[j]]
        )
    return np.concatenate([*parts, payoffs.parameters[-1:]])
