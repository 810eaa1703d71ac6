"""What two checkpoints of one model say about the method that trained it from the one to the other.

The same prompts are put to both checkpoints.  In one context, the logits of a prompt before and after are taken as
bivariate normal over prompts, counts as binomial given the logit; maximum likelihood so undoes the noise of few
samples, which would make any shift seem to regress towards the mean.  Statistics of the laws carry standard errors
from the prompts' influences, so that contexts and checkpoints that share prompts are not taken as independent.

What training methods predict (METHODS 6, :mod:`stackelberg.faking.training`):

====  ==============================  ===================================================================
no.   function                        prediction
====  ==============================  ===================================================================
1     :func:`shift_slope`             0 for DPO, BCO, balanced KTO; negative for SFT; by sides for GRPO
1     :func:`shape_evidence`          which shape of shift over initial logits fits: constant, SFT, GRPO, PG
1     :func:`deploy_spread`           0 for DPO; below 0 for SFT; above 0 for GRPO where mostly refused
2     :func:`corner_ratio`            :math:`c_G/c_{G'}`, 3.5 for groups of 8 against 2
3     :func:`noise_cap`               not above 0: shift less logit(1-eps)/beta, or twice that under BCO
4     :func:`plan_contrast`           sign of :math:`\\lambda_D\\rho_C - \\lambda_U(1-\\rho_C)` under KTO
5     :func:`announced_ratio`         :math:`\\delta_m/\\delta_{m'}`
6     :func:`gap_changes`             the gap in rates can close while that in log-odds does not
====  ==============================  ===================================================================

:func:`overlap` turns shifts of both contexts into the generalisation g, which is **not identified** without the
training mixture, and so asks for it.  Stages of post-training are a chain and not an experiment: none of this
tells what a stage's data were.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import norm

from estimators.observations import ObservationError, Observations
from estimators.pair_law import PairLaw, Statistic, context_law, fit_pair_law, matched, statistic_of
from estimators.shift_shapes import shape_evidence

__all__ = [
    "PairLaw",
    "Statistic",
    "announced_ratio",
    "corner_ratio",
    "deploy_spread",
    "fit_pair_law",
    "gap_changes",
    "matched",
    "noise_cap",
    "overlap",
    "plan_contrast",
    "shape_evidence",
    "shift",
    "shift_slope",
    "table",
]

Floats = NDArray[np.float64]


def _slope(p: Floats) -> float:
    return float(np.tanh(p[4]) * np.exp(p[3] - p[2]) - 1)


def _shift_at(p: Floats, at: float) -> float:
    return float(p[1] - p[0] + _slope(p) * (at - p[0]))


def shift(
    before: Observations, after: Observations, context: str = "train", *, level: float = 0.95
) -> Statistic:
    """Mean shift of the prompts' logits in one context."""
    one, two = matched(before, after)
    return statistic_of(
        f"shift, {context}", [context_law((one, context), (two, context))], lambda p: p[1] - p[0], level
    )


def shift_slope(
    before: Observations, after: Observations, context: str = "train", *, level: float = 0.95
) -> Statistic:
    """Slope of the expected shift in the initial logit, free of regression to the mean.

    Zero under DPO, BCO and balanced KTO, negative under SFT; under GRPO the shift has a hump at 0, so the slope is
    positive where most prompts are refused and negative where most are complied with.
    """
    one, two = matched(before, after)
    note = "linear: a hump shows in shape_evidence"
    return statistic_of("slope of shift", [context_law((one, context), (two, context))], _slope, level, note)


def plan_contrast(
    before: Observations, after: Observations, *, plan_logit: float = 4.0, level: float = 0.95
) -> Statistic:
    """Expected shift of a refuser's train logit less a faker's, at -a and +a: the sign that KTO's weights set."""
    one, two = matched(before, after)
    law = context_law((one, "train"), (two, "train"))
    note = "extrapolates a line to the plans; prompts are not assigned to plans"
    return statistic_of("refuser less faker", [law], lambda p: -2 * plan_logit * _slope(p), level, note)


def deploy_spread(before: Observations, after: Observations, *, level: float = 0.95) -> Statistic:
    """Log of the ratio of the deploy logits' standard deviations, after over before."""
    one, two = matched(before, after)
    return statistic_of(
        "log spread ratio, deploy",
        [context_law((one, "deploy"), (two, "deploy"))],
        lambda p: p[3] - p[2],
        level,
    )


def corner_ratio(
    before: Observations,
    after: Observations,
    other: Observations,
    *,
    at: float = -4.0,
    level: float = 0.95,
) -> Statistic:
    """Expected shift of prompts at a corner logit in one run over that in another, from one start.

    Predicted: the ratio of :attr:`stackelberg.faking.training.objectives.GRPO.corner_slope` at equal doses.
    """
    one, two, three = matched(before, after, other)
    laws = [context_law((one, "train"), (table, "train")) for table in (two, three)]
    return statistic_of("corner ratio", laws, lambda p, q: _shift_at(p, at) / _shift_at(q, at), level)


def noise_cap(
    before: Observations,
    after: Observations,
    *,
    beta: float,
    label_noise: float,
    method: str = "dpo",
    level: float = 0.95,
) -> Statistic:
    """Mean train shift less the cap that label noise sets: logit(1 - noise)/beta under DPO, twice that under BCO.

    Raises
    ------
    ValueError
        Another method, or a noise outside (0, 1/2).
    """
    if method not in ("dpo", "bco"):
        raise ValueError(f"method is {method!r}; label noise caps 'dpo' and 'bco' and no other")
    if not (0 < label_noise < 0.5 and beta > 0):
        raise ValueError(f"label_noise {label_noise} must lie in (0, 0.5) and beta {beta} be positive")
    cap = float(logit(1 - label_noise)) / beta * (2 if method == "bco" else 1)
    one, two = matched(before, after)
    law = context_law((one, "train"), (two, "train"))
    return statistic_of("shift less its cap", [law], lambda p: p[1] - p[0] - cap, level, f"cap {cap:.3g}")


def announced_ratio(
    rated_only: Observations, method: Observations, other: Observations, *, level: float = 0.95
) -> Statistic:
    """Perceived modification of one announced method over another's, at one checkpoint.

    The log-odds gap beyond that of a "rated but not trained" arm, in ratio: sycophancy, and the scale of the logits,
    cancel if they stay fixed between the arms.
    """
    tables = matched(rated_only, method, other)
    laws = [context_law((table, "train"), (table, "deploy")) for table in tables]

    def value(rated: Floats, first: Floats, second: Floats) -> float:
        base = rated[0] - rated[1]
        return float((first[0] - first[1] - base) / (second[0] - second[1] - base))

    note = "assumes that sycophancy, beliefs and logit precision stay fixed between the arms"
    return statistic_of("perceived modification, ratio", laws, value, level, note)


def gap_changes(before: Observations, after: Observations, *, level: float = 0.95) -> list[Statistic]:
    """Change of the compliance gap in rates, and in log-odds."""
    one, two = matched(before, after)
    rates = [
        table[f"agreed_{c}"].to_numpy(dtype=float) / table[f"n_{c}"].to_numpy(dtype=float)
        for table in (one, two)
        for c in ("train", "deploy")
    ]
    change = (rates[2] - rates[3]) - (rates[0] - rates[1])
    se = float(change.std(ddof=1) / np.sqrt(len(change)))
    half = float(norm.ppf((1 + level) / 2)) * se
    mean = float(change.mean())
    in_rates = Statistic("change of the rate gap", mean, se, mean - half, mean + half, len(change))
    laws = [context_law((one, c), (two, c)) for c in ("train", "deploy")]
    in_odds = statistic_of(
        "change of the log-odds gap", laws, lambda p, q: (p[1] - p[0]) - (q[1] - q[0]), level
    )
    return [in_rates, in_odds]


def overlap(
    before: Observations, after: Observations, *, train_share: float | None = None, level: float = 0.95
) -> Statistic:
    """Generalisation g between the cues, given the share of the training on the train cue.

    With equal drift on both cues :math:`g = (x\\Delta_D - (1-x)\\Delta_T)/(x\\Delta_T - (1-x)\\Delta_D)`: the ratio of
    the deploy to the train shift if all of it carried the train cue, and its inverse if none did.

    Raises
    ------
    ObservationError
        Without the training mixture: two shifts are two equations for two pushes and g.
    """
    if train_share is None:
        raise ObservationError(
            "g is not identified from checkpoints without the training mixture; "
            "give train_share, the share of the training that carried the train cue"
        )
    if not 0 <= train_share <= 1:
        raise ObservationError(f"train_share is {train_share}; give a share between 0 and 1")
    one, two = matched(before, after)
    laws = [context_law((one, c), (two, c)) for c in ("train", "deploy")]
    x = train_share

    def value(train: Floats, deploy: Floats) -> float:
        t, d = train[1] - train[0], deploy[1] - deploy[0]
        return float((x * d - (1 - x) * t) / (x * t - (1 - x) * d))

    return statistic_of(
        "overlap g", laws, value, level, f"if a share of {x:g} of the training carried the train cue"
    )


def table(statistics: list[Statistic]) -> pd.DataFrame:
    """One row per statistic: name, estimate, se, low, high, prompts, note."""
    return pd.DataFrame([vars(s) for s in statistics])
