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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, log_expit, logit
from scipy.stats import norm

from estimators.gap import check_level
from estimators.observations import PROMPT_KEY, ObservationError, Observations

Floats = NDArray[np.float64]
NODES = 21
_STEP = 1e-4


@dataclass(frozen=True)
class Statistic:
    """An estimate with its uncertainty.

    Attributes
    ----------
    name : str
    estimate, se, low, high : float
        Normal interval from the prompts' influences.
    prompts : int
        Prompts that both checkpoints answered.
    note : str
        What the number does not say.
    """

    name: str
    estimate: float
    se: float
    low: float
    high: float
    prompts: int
    note: str = ""


@dataclass(frozen=True, eq=False)
class PairLaw:
    """Bivariate normal law of a prompt's logit in two conditions.

    Attributes
    ----------
    means, spreads : ndarray, shape (2,)
        In logits; first condition first.
    correlation : float
    influence : ndarray, shape (prompts, 5)
        Each prompt's influence on (means, log spreads, artanh correlation); its mean is zero.
    log_likelihood : float
    """

    means: Floats
    spreads: Floats
    correlation: float
    influence: Floats
    log_likelihood: float

    @property
    def parameters(self) -> Floats:
        """(mean, mean, log spread, log spread, artanh correlation), shape (5,)."""
        return np.array([*self.means, *np.log(self.spreads), np.arctanh(self.correlation)])


def fit_pair_law(counts: Floats, samples: Floats) -> PairLaw:
    """Maximum likelihood of a pair law.

    Parameters
    ----------
    counts, samples : ndarray, shape (prompts, 2)
        Samples that agree and all samples, in two conditions.

    Raises
    ------
    ObservationError
        Fewer than ten prompts, or one sample per prompt throughout: the spread is not identified then.
    """
    if len(counts) < 10:
        raise ObservationError(f"only {len(counts)} prompts in common; a law over prompts takes at least 10")
    if (samples <= 1).all():
        raise ObservationError("one sample per prompt cannot tell spread from chance; give two or more")
    cells, where, weight = np.unique(
        np.hstack([counts, samples]), axis=0, return_inverse=True, return_counts=True
    )
    where = where.ravel()
    at, mass = np.polynomial.hermite_e.hermegauss(NODES)
    z = np.stack(np.meshgrid(at, at, indexing="ij"))
    log_mass = np.log(np.outer(mass, mass) / (2 * np.pi))

    def each(theta: Floats) -> Floats:
        spread, rho = np.exp(theta[2:4]), np.tanh(theta[4])
        first = theta[0] + spread[0] * z[0]
        second = theta[1] + spread[1] * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
        total = log_mass[None]
        for k, eta in enumerate((first, second)):
            agreed, n = cells[:, k, None, None], cells[:, k + 2, None, None]
            total = total + agreed * log_expit(eta) + (n - agreed) * log_expit(-eta)
        most = total.max(axis=(1, 2), keepdims=True)
        return np.asarray(np.log(np.exp(total - most).sum(axis=(1, 2))) + most[:, 0, 0])

    raw = logit((counts + 0.5) / (samples + 1))
    start = np.array([*raw.mean(axis=0), *np.log(np.maximum(raw.std(axis=0), 0.3)), 0.5])
    bounds = [
        (-12, 12),
        (-12, 12),
        (-4, 2.5),
        (-4, 2.5),
        (-3, 3),
    ]  # correlation to .995: the bound of information

    def loss(theta: Floats) -> float:
        return float(-weight @ each(theta)) / len(counts)

    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    theta = found.x
    steps = _STEP * np.eye(5)
    score = np.stack([(each(theta + s) - each(theta - s)) / (2 * _STEP) for s in steps], axis=1)  # (cells, 5)
    hessian = np.zeros((5, 5))
    for i, s in enumerate(steps * 10):
        ahead = [weight @ (each(theta + s + t) - each(theta + s - t)) / (2 * _STEP) for t in steps]
        behind = [weight @ (each(theta - s + t) - each(theta - s - t)) / (2 * _STEP) for t in steps]
        hessian[i] = (np.array(ahead) - np.array(behind)) / (20 * _STEP)
    hessian = (hessian + hessian.T) / 2 / len(counts)
    free = np.array([low + 1e-6 < t < high - 1e-6 for t, (low, high) in zip(theta, bounds, strict=True)])
    influence = np.zeros((len(counts), 5))  # a parameter at its bound is held there
    influence[:, free] = score[where][:, free] @ np.linalg.pinv(-hessian[np.ix_(free, free)])
    n, k = cells[:, 2:], cells[:, :2]
    choose = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)).sum(axis=1)
    return PairLaw(
        theta[:2],
        np.exp(theta[2:4]),
        float(np.tanh(theta[4])),
        influence,
        float(weight @ (each(theta) + choose)),
    )


def matched(*observations: Observations) -> list[pd.DataFrame]:
    """Pairs of several observations, cut down to the prompts that all of them have and in one order.

    Raises
    ------
    ObservationError
        Orientations that differ, a prompt twice, or no prompt in common.
    """
    if len({obs.orientation for obs in observations}) > 1:
        raise ObservationError("the checkpoints differ in orientation; read them with one")
    tables = []
    for obs in observations:
        table = obs.pairs()
        key = [name for name in PROMPT_KEY if name in table]
        if table.duplicated(key).any():
            twin = table.loc[table.duplicated(key), "prompt_id"].iloc[0]
            raise ObservationError(
                f"prompt {twin} appears twice in one checkpoint; give one model and arm each"
            )
        tables.append(table.set_index(key))
    common = tables[0].index
    for table in tables[1:]:
        common = common.intersection(table.index)
    if not len(common):
        raise ObservationError("the checkpoints have no prompt in common; give the same prompts to both")
    return [table.loc[common].reset_index() for table in tables]


def _law(first: tuple[pd.DataFrame, str], second: tuple[pd.DataFrame, str]) -> PairLaw:
    """Pair law of two (table, context) conditions."""
    counts = np.stack(
        [table[f"agreed_{context}"].to_numpy(dtype=float) for table, context in (first, second)], axis=1
    )
    samples = np.stack(
        [table[f"n_{context}"].to_numpy(dtype=float) for table, context in (first, second)], axis=1
    )
    return fit_pair_law(counts, samples)


def _statistic(
    name: str, laws: list[PairLaw], value: Callable[..., float], level: float, note: str = ""
) -> Statistic:
    """Delta method on the joint influence of laws that share their prompts."""
    check_level(level)
    parameters = [law.parameters for law in laws]
    influence = np.zeros(len(laws[0].influence))
    for k, law in enumerate(laws):
        for j in range(5):
            moved = [p.copy() for p in parameters]
            moved[k][j] += 1e-5
            ahead = value(*moved)
            moved[k][j] -= 2e-5
            influence += (ahead - value(*moved)) / 2e-5 * law.influence[:, j]
    estimate = float(value(*parameters))
    se = float(influence.std(ddof=1) / np.sqrt(len(influence)))
    half = float(norm.ppf((1 + level) / 2)) * se
    return Statistic(name, estimate, se, estimate - half, estimate + half, len(influence), note)


def _slope(p: Floats) -> float:
    return float(np.tanh(p[4]) * np.exp(p[3] - p[2]) - 1)


def _shift_at(p: Floats, at: float) -> float:
    return float(p[1] - p[0] + _slope(p) * (at - p[0]))


def shift(
    before: Observations, after: Observations, context: str = "train", *, level: float = 0.95
) -> Statistic:
    """Mean shift of the prompts' logits in one context."""
    one, two = matched(before, after)
    return _statistic(
        f"shift, {context}", [_law((one, context), (two, context))], lambda p: p[1] - p[0], level
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
    return _statistic("slope of shift", [_law((one, context), (two, context))], _slope, level, note)


def plan_contrast(
    before: Observations, after: Observations, *, plan_logit: float = 4.0, level: float = 0.95
) -> Statistic:
    """Expected shift of a refuser's train logit less a faker's, at -a and +a: the sign that KTO's weights set."""
    one, two = matched(before, after)
    law = _law((one, "train"), (two, "train"))
    note = "extrapolates a line to the plans; prompts are not assigned to plans"
    return _statistic("refuser less faker", [law], lambda p: -2 * plan_logit * _slope(p), level, note)


def deploy_spread(before: Observations, after: Observations, *, level: float = 0.95) -> Statistic:
    """Log of the ratio of the deploy logits' standard deviations, after over before."""
    one, two = matched(before, after)
    return _statistic(
        "log spread ratio, deploy", [_law((one, "deploy"), (two, "deploy"))], lambda p: p[3] - p[2], level
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
    laws = [_law((one, "train"), (table, "train")) for table in (two, three)]
    return _statistic("corner ratio", laws, lambda p, q: _shift_at(p, at) / _shift_at(q, at), level)


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
    law = _law((one, "train"), (two, "train"))
    return _statistic("shift less its cap", [law], lambda p: p[1] - p[0] - cap, level, f"cap {cap:.3g}")


def announced_ratio(
    rated_only: Observations, method: Observations, other: Observations, *, level: float = 0.95
) -> Statistic:
    """Perceived modification of one announced method over another's, at one checkpoint.

    The log-odds gap beyond that of a "rated but not trained" arm, in ratio: sycophancy, and the scale of the logits,
    cancel if they stay fixed between the arms.
    """
    tables = matched(rated_only, method, other)
    laws = [_law((table, "train"), (table, "deploy")) for table in tables]

    def value(rated: Floats, first: Floats, second: Floats) -> float:
        base = rated[0] - rated[1]
        return float((first[0] - first[1] - base) / (second[0] - second[1] - base))

    note = "assumes that sycophancy, beliefs and logit precision stay fixed between the arms"
    return _statistic("perceived modification, ratio", laws, value, level, note)


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
    laws = [_law((one, c), (two, c)) for c in ("train", "deploy")]
    in_odds = _statistic(
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
    laws = [_law((one, c), (two, c)) for c in ("train", "deploy")]
    x = train_share

    def value(train: Floats, deploy: Floats) -> float:
        t, d = train[1] - train[0], deploy[1] - deploy[0]
        return float((x * d - (1 - x) * t) / (x * t - (1 - x) * d))

    return _statistic(
        "overlap g", laws, value, level, f"if a share of {x:g} of the training carried the train cue"
    )


def shape_evidence(
    before: Observations,
    after: Observations,
    objectives: Mapping[str, Any] | None = None,
    *,
    context: str = "train",
) -> pd.DataFrame:
    """Which method's shift over initial logits fits best: maximum likelihood under each, all with three parameters.

    Initial logits are normal over prompts; the final one is what the method makes of it at an unknown dose, towards
    compliance or towards refusal as the rates went.

    Parameters
    ----------
    objectives : mapping of name to Objective, optional
        A constant shift (DPO, BCO, balanced KTO at a small beta), SFT, GRPO in large groups, policy gradient.

    Returns
    -------
    DataFrame
        method, parameters, log_likelihood, behind (nats behind the best of the methods), weight (likelihood over the
        sum of theirs), dose, mean, spread; last the pair law, "any linear shift" with noise, which no method should
        trail by far: if all do, none of them made this shift prompt by prompt.  Shifts that gradients share between
        prompts look constant: a constant shift is no proof of DPO.
    """
    from stackelberg.faking.training.flow import train
    from stackelberg.faking.training.objectives import GRPO, SFT, PolicyGradient

    if objectives is None:
        objectives = {"constant": None, "SFT": SFT(), "GRPO": GRPO(group_size=np.inf), "PG": PolicyGradient()}
    tables = matched(before, after)
    free = _law((tables[0], context), (tables[1], context))
    k, n = (
        np.stack([t[f"{what}_{context}"].to_numpy(dtype=float) for t in tables]) for what in ("agreed", "n")
    )
    if (k.sum(axis=1) / n.sum(axis=1))[1] < (k.sum(axis=1) / n.sum(axis=1))[0]:
        k = n - k  # trained towards refusal: the mirror image
    at, mass = np.polynomial.hermite_e.hermegauss(61)
    choose = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)).sum()

    def likelihood(theta: Floats, objective: Any) -> float:
        initial = theta[0] + np.exp(theta[1]) * at
        dose = np.exp(theta[2])
        final = initial + dose if objective is None else train(objective, initial, initial, float(dose))
        total = np.log(mass / np.sqrt(2 * np.pi))[:, None] + sum(
            k[s] * log_expit(e)[:, None] + (n[s] - k[s]) * log_expit(-e)[:, None]
            for s, e in enumerate((initial, final))
        )
        most = total.max(axis=0)
        return float((np.log(np.exp(total - most).sum(axis=0)) + most).sum())

    raw = logit((k[0] + 0.5) / (n[0] + 1))
    rows = []
    box = [(-12.0, 12.0), (-4.0, 2.5), (-8.0, 8.0)]
    for name, objective in objectives.items():

        def loss(theta: Floats, objective: Any = objective) -> float:
            return -likelihood(theta, objective)

        starts = [np.array([raw.mean(), np.log(max(raw.std(), 0.3)), log_dose]) for log_dose in (-1.0, 1.0)]
        fits = [minimize(loss, start, method="L-BFGS-B", bounds=box) for start in starts]
        best = min(fits, key=lambda found: float(found.fun))
        rows.append(
            (name, -best.fun + choose, float(np.exp(best.x[2])), float(best.x[0]), float(np.exp(best.x[1])))
        )
    frame = pd.DataFrame(rows, columns=["method", "log_likelihood", "dose", "mean", "spread"])
    behind = frame["log_likelihood"].max() - frame["log_likelihood"]
    weight = np.exp(-behind) / np.exp(-behind).sum()
    frame.insert(1, "parameters", 3)
    frame.insert(3, "behind", behind)
    frame.insert(4, "weight", weight)
    last = {
        "method": "any linear shift",
        "parameters": 5,
        "log_likelihood": free.log_likelihood,
        "behind": frame["log_likelihood"].max() - free.log_likelihood,
        "weight": np.nan,
        "dose": np.nan,
        "mean": free.means[0],
        "spread": free.spreads[0],
    }
    ordered = frame.sort_values("behind", kind="stable")
    return pd.concat([ordered, pd.DataFrame([last])], ignore_index=True)


def table(statistics: list[Statistic]) -> pd.DataFrame:
    """One row per statistic: name, estimate, se, low, high, prompts, note."""
    return pd.DataFrame([vars(s) for s in statistics])
