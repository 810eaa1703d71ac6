"""From what a fit leaves open to a commitment that is good on average, what being wrong may cost, and what to ask next.

A draw of the parameters is a law of follower types, so the posterior-mean leader value of a commitment is its value
against the draws' types together, each with its share of the draws: the same belief value and the same concave envelope
as for one law (THEORY 1.4, 2.3 (v)), with

  V̄(β) = mean_d Σ_θ π_dθ R_dθ(β),   x̄ = argmax_x of its envelope less c q,   regret = mean_d [max_x V_d(x) − V_d(x̄)].

The commitment that is best at the point estimate stands at its indifference belief, where about half of the draws
comply and half do not; x̄ monitors enough for most of them. A further arm with counts y is worth
EVSI = E_y[max_x E[V | y]] − max_x V̄ (Raiffa & Schlaifer 1961, chapter 4), which is at most the regret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from estimators.gap import check_level
from estimators.law_draws import LawDraws
from estimators.policy import Assumptions, Follower
from stackelberg.faking import LeaderCosts, envelope

Floats = NDArray[np.float64]
_GRID = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True, eq=False)
class Decision:
    """The commitment that maximises the posterior-mean leader value.

    Attributes
    ----------
    monitoring : float
    beliefs, weights : (1,) or (2,)
        Beliefs after the cues, higher first, and the shares of conversations that carry them.
    value, value_low, value_high : float
        Posterior mean, and percentiles over draws, of the leader's value in its utils per conversation.
    regret : float
        What knowing the law would add on average; no evaluation is worth more.
    plug_in_monitoring, plug_in_value : float
        The commitment that is best at the point estimate, and its posterior-mean value.
    failure_probability, plug_in_failure_probability : float
        How often the deterrence that was counted on fails: share of draws in which the refusals after the first cue
        that full certainty of monitoring would end are more, by one conversation in a hundred, than the point estimate
        says for the plug-in commitment.
    """

    monitoring: float
    beliefs: Floats
    weights: Floats
    value: float
    value_low: float
    value_high: float
    regret: float
    plug_in_monitoring: float
    plug_in_value: float
    failure_probability: float
    plug_in_failure_probability: float


def decide(laws: LawDraws, assumptions: Assumptions | None = None, *, level: float = 0.95) -> Decision:
    """The commitment of the module's text, with its regret and beside the plug-in commitment.

    Examples
    --------
    A type that complies from .4 on, or from .6, each with one chance in two; monitoring .4 would stop the first only:

    >>> from estimators.shares import LawCells
    >>> two = LawDraws(np.ones((2, 1)), np.array([[0.4], [0.6]]), np.ones((2, 1)), "best reply",
    ...                LawCells(np.ones(1), np.array([0.5]), np.ones(1)), None)
    >>> best = decide(two, Assumptions(budget=1.0, costs=LeaderCosts(monitoring_cost=0.1)))
    >>> best.monitoring, best.plug_in_monitoring, round(best.regret, 3)
    (0.6, 0.5, 0.01)
    """
    check_level(level)
    given = assumptions or Assumptions()
    split = _best(laws.prior / len(laws), laws.preference, laws.incentive, laws.follower, given)
    plug = _best(*laws.plug_in, laws.follower, given)
    values = _values(laws, given, split)
    alone = [
        _best(p, v, K, laws.follower, given).value
        for p, v, K in zip(laws.prior, laws.preference, laws.incentive)
    ]
    ends = np.array([plug.beliefs[0], 1.0])
    counted_on = float(-np.diff(refusals(*laws.plug_in, ends, laws.follower))[0])

    def fails(at: envelope.Split) -> float:
        refused = _draw_refusals(laws, np.array([at.beliefs[0], 1.0]))
        return float(np.mean(refused[:, 0] - refused[:, 1] > counted_on + 0.01))

    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Decision(
        monitoring=split.monitoring,
        beliefs=split.beliefs,
        weights=split.weights,
        value=float(values.mean()),
        value_low=float(low),
        value_high=float(high),
        regret=float(np.mean(alone) - values.mean()),
        plug_in_monitoring=plug.monitoring,
        plug_in_value=float(_values(laws, given, plug).mean()),
        failure_probability=fails(split),
        plug_in_failure_probability=fails(plug),
    )


def faking_share_under(
    laws: LawDraws, belief_train: ArrayLike, belief_deploy: ArrayLike, *, level: float = 0.95
) -> pd.DataFrame:
    """Share of prompts on which a best reply fakes under a new commitment, β_P K < v ≤ β_F K.

    Parameters
    ----------
    belief_train, belief_deploy : arrays that broadcast
        Beliefs after the two cues.

    Returns
    -------
    DataFrame
        belief_train, belief_deploy, share (posterior mean), low, high, probability (that at least one prompt in a
        hundred is faked on).
    """
    check_level(level)
    pairs = np.broadcast_arrays(np.atleast_1d(belief_train), np.atleast_1d(belief_deploy))
    rows = []
    for train, deploy in zip(*map(np.ravel, pairs)):
        fakes = (laws.preference <= train * laws.incentive) & (laws.preference > deploy * laws.incentive)
        share = np.sum(laws.prior * fakes, axis=1)
        low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
        rows.append((train, deploy, share.mean(), low, high, float(np.mean(share >= 0.01))))
    columns = ["belief_train", "belief_deploy", "share", "low", "high", "probability"]
    return pd.DataFrame(rows, columns=columns)


def value_of_arm(
    laws: LawDraws,
    beliefs: Sequence[float],
    *,
    prompts: int,
    samples: int,
    assumptions: Assumptions | None = None,
    simulations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """What one more evaluation arm is worth to the leader, by Monte Carlo.

    One half of the draws gives truths and their counts, the other half, weighted by the likelihood of those counts,
    chooses the commitment, which is then paid by the truth: no draw judges its own choice, so the estimate is free of
    the optimism of nested Monte Carlo, and since the choice may fall short of the best one, it errs to the low side.

    Parameters
    ----------
    beliefs : (S,)
        Stated beliefs of the arm; every prompt answers `samples` samples at each.
    prompts, samples : int
    assumptions : Assumptions, optional
    simulations : int
    seed : int

    Returns
    -------
    DataFrame
        One row: beliefs, prompts, samples, evsi (leader utils per conversation), evsi_se (Monte Carlo), regret (no
        arm is worth more), effective_draws (median over simulations of the draws that the weights leave; below about
        ten the arm tells more than the draws can resolve, and evsi is too low).

    Raises
    ------
    ValueError
        No belief, one outside [0, 1], no prompt or sample, or too large an arm (over 20,000 outcomes a prompt).
    """
    told = np.asarray(beliefs, dtype=np.float64)
    if (
        not told.size
        or not np.all((told >= 0) & (told <= 1))
        or prompts < 1
        or samples < 1
        or simulations < 2
    ):
        raise ValueError(
            "give beliefs in [0, 1], at least one prompt and sample, and at least two simulations"
        )
    if (samples + 1) ** told.size > 20_000:
        raise ValueError(
            f"{samples} samples at {told.size} beliefs have too many outcomes; ask fewer of them at once"
        )
    given = assumptions or Assumptions()
    rng = np.random.default_rng(seed)
    chance = laws.log_outcomes(told, samples)
    curves = _curves(laws, given.costs, _GRID)
    order = rng.permutation(len(laws))
    truths, judges = order[: len(order) // 2], order[len(order) // 2 :]
    now = envelope.best_split(_GRID, curves[judges].mean(axis=0), given.costs.monitoring_cost, given.budget)
    gains, effective = np.empty(simulations), np.empty(simulations)
    for s in range(simulations):
        truth = truths[s % len(truths)]
        p = np.exp(chance[truth])
        counts = rng.multinomial(prompts, p / p.sum())
        weight = chance[judges] @ counts
        weight = np.exp(weight - logsumexp(weight))
        effective[s] = 1 / np.sum(weight**2)
        then = envelope.best_split(_GRID, weight @ curves[judges], given.costs.monitoring_cost, given.budget)
        gains[s] = _paid(curves[truth], then, given) - _paid(curves[truth], now, given)
    best = [
        envelope.best_split(_GRID, curve, given.costs.monitoring_cost, given.budget).value for curve in curves
    ]
    regret = np.mean(best) - np.mean([_paid(curve, now, given) for curve in curves])
    # Truths repeat, so the error is that of their means.
    by_truth = pd.Series(gains).groupby(np.arange(simulations) % len(truths)).mean()
    row = {
        "beliefs": tuple(told.tolist()),
        "prompts": prompts,
        "samples": samples,
        "evsi": float(gains.mean()),
        "evsi_se": float(by_truth.std(ddof=1) / np.sqrt(len(by_truth))),
        "regret": float(regret),
        "effective_draws": float(np.median(effective)),
    }
    return pd.DataFrame([row])


def refusals(
    prior: Floats,
    preference: Floats,
    incentive: Floats,
    beliefs: Floats,
    follower: Follower,
    *,
    tied: Literal["comply", "refuse"] = "comply",
) -> Floats:
    """Share of types (T,) that refuse at beliefs (G,); `tied` says what best replies do where a type is indifferent.

    Examples
    --------
    >>> refusals(np.array([0.5, 0.5]), np.array([0.4, 1.0]), np.array([1.0, 0.0]), np.array([0.3, 0.4]), "best reply")
    array([1. , 0.5])
    """
    if follower == "logit":
        return np.asarray(expit(preference - beliefs[:, None] * incentive) @ prior)
    still = incentive == 0
    stubborn = preference > 0 if tied == "comply" else preference >= 0
    total = np.full(len(beliefs), float(prior[still & stubborn].sum()))
    ties = 1e-12 if tied == "comply" else -1e-12  # of rounding in v/K
    for sign in (1.0, -1.0):
        own = np.sign(incentive) == sign
        threshold = preference[own] / incentive[own]
        order = np.argsort(threshold)
        mass = np.append(0.0, np.cumsum(prior[own][order]))
        # K > 0 refuses below its threshold, K < 0 above it.
        below = mass[np.searchsorted(threshold[order], beliefs + sign * ties)]
        total += mass[-1] - below if sign > 0 else below
    return total


def belief_value(
    prior: Floats,
    preference: Floats,
    incentive: Floats,
    beliefs: Floats,
    follower: Follower,
    costs: LeaderCosts,
) -> Floats:
    """V of `stackelberg.faking.envelope` at beliefs (G,), for laws of many types: time n log n, not n²."""
    loss = beliefs * (costs.train_disagreement - costs.refusal_value) + (1 - beliefs) * costs.deploy_harm
    either = [
        -loss * refusals(prior, preference, incentive, beliefs, follower, tied=tied)
        for tied in ("comply", "refuse")
    ]
    return np.maximum(*either)


def _best(
    prior: Floats, preference: Floats, incentive: Floats, follower: Follower, given: Assumptions
) -> envelope.Split:
    """The best commitment against these types, on the belief value's own bends or, for logit replies, a grid."""
    beliefs = _GRID
    prior, preference, incentive = prior.ravel(), preference.ravel(), incentive.ravel()
    if follower == "best reply":
        kept = (incentive != 0) & (prior > 0)
        threshold = preference[kept] / incentive[kept]
        beliefs = np.unique(np.concatenate([[0.0, 1.0], threshold[(threshold > 0) & (threshold < 1)]]))
    else:
        beliefs = np.union1d(beliefs, [given.budget])
    value = belief_value(prior, preference, incentive, beliefs, follower, given.costs)
    return envelope.best_split(beliefs, value, given.costs.monitoring_cost, given.budget)


def _draw_refusals(laws: LawDraws, beliefs: Floats) -> Floats:
    """(D, G)."""
    parts = zip(laws.prior, laws.preference, laws.incentive)
    return np.array([refusals(p, v, K, beliefs, laws.follower) for p, v, K in parts])


def _curves(laws: LawDraws, costs: LeaderCosts, beliefs: Floats) -> Floats:
    """V_d(β), (D, G)."""
    parts = zip(laws.prior, laws.preference, laws.incentive)
    return np.array([belief_value(p, v, K, beliefs, laws.follower, costs) for p, v, K in parts])


def _values(laws: LawDraws, given: Assumptions, split: envelope.Split) -> Floats:
    """The leader's value of a commitment under every draw, (D,)."""
    return (
        _curves(laws, given.costs, split.beliefs) @ split.weights
        - given.costs.monitoring_cost * split.monitoring
    )


def _paid(curve: Floats, split: envelope.Split, given: Assumptions) -> float:
    return float(
        np.interp(split.beliefs, _GRID, curve) @ split.weights
        - given.costs.monitoring_cost * split.monitoring
    )
