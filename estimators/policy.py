"""From a fitted law to predictions and to the commitment that its trainer should make.

The law says how strongly a model prefers its own way over prompts and what incentive it has to comply where it is
monitored, in logits.  With :math:`\\lambda = 1` as the unit these are payoffs: a cell of the law with preference v and
incentive K is a follower type of the faking game, indifferent at the belief :math:`\\beta^* = v/K` (THEORY 2.5).
Rates under any policy are predicted with the logit reply, shares with the best reply, and the commitment is found for
both kinds of follower.  What the counts cannot say is assumed, and named: see :class:`Assumptions`.

**Cells.**  A logit follower's cells are equally likely, each at its mean.  For a best reply that converges slowly,
since at the threshold of a cell all of it complies where only half of it should.  There the compliers (comply at every
belief), the refusers and the strategic preferences between are told apart, the strategic ones are cut into equally
likely cells, and each stands at its strongest preference: then the discrete belief value equals that of the law at
every threshold, and the leader's value converges with the square of the number of cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from estimators.assumptions import Assumptions
from estimators.shares import (
    PreferenceLaw,
    agreement_rate,
    cells,
    decisive_share,
    faking_share,
    mirror_share,
)
from estimators.strategic_cells import strategic_cells
from stackelberg.faking import Commitment, CuePolicy, FakingGame, FollowerType, belief, envelope

if TYPE_CHECKING:
    from estimators.structural import StructuralPayoffs

Follower = Literal["best reply", "logit"]
FOLLOWERS: tuple[Follower, ...] = ("best reply", "logit")


def faking_game(
    law: PreferenceLaw, assumptions: Assumptions | None = None, *, follower: Follower = "best reply"
) -> FakingGame:
    """The faking game of a fitted law: one follower type per cell, payoffs in logits, free cues.

    Parameters
    ----------
    law : PreferenceLaw
    assumptions : Assumptions, optional
    follower : {"best reply", "logit"}
        Whose cells; see the module.

    Returns
    -------
    FakingGame
        The incentive enters as goal guarding; counts alone cannot tell it from sycophancy (THEORY, theorem 4).

    Examples
    --------
    >>> law = PreferenceLaw(mu=-2.0, sigma=1.0, deltas=np.array([3.0]), shares=np.array([1.0]))
    >>> faking_game(law).optimal_commitment()
    Commitment(monitor 0.25, value -0.6..., best reply follower, by envelope: optimal)
    """
    given = assumptions or Assumptions()
    cut = cells if follower == "logit" else strategic_cells
    types = [
        FollowerType(name=f"cell {k + 1}", prior=float(p), preference=float(v), goal_guarding=float(K))
        for k, (p, v, K) in enumerate(zip(*cut(law, given.cells), strict=True))
    ]
    return FakingGame(types=types, cues=CuePolicy.free(), budget=given.budget, costs=given.costs)


def policy_plane(
    law: PreferenceLaw, monitoring: ArrayLike | None = None, informativeness: ArrayLike | None = None
) -> pd.DataFrame:
    """Predicted rates and shares over monitoring share q and informativeness of two symmetric cues.

    Parameters
    ----------
    law : PreferenceLaw
    monitoring, informativeness : array_like in [0, 1], optional
        Grids; 0 to 1 in steps of 0.05 by default.

    Returns
    -------
    DataFrame
        monitoring, informativeness, belief_train, belief_deploy (Bayes), train_rate, deploy_rate (logit reply, after
        the train and the deploy cue), faking_share, mirror_share, decisive_share. NaN at a cue that is never sent.
    """
    steps = np.linspace(0, 1, 21)
    q, iota = np.meshgrid(
        steps if monitoring is None else np.asarray(monitoring, dtype=float),
        steps if informativeness is None else np.asarray(informativeness, dtype=float),
        indexing="ij",
    )
    beliefs = belief.posterior(q, belief.symmetric_cues(iota))
    train, deploy = beliefs[..., 0], beliefs[..., 1]
    sent = ~np.isnan(train) & ~np.isnan(deploy)

    def known(values: Any) -> Any:
        return np.where(sent, values, np.nan).ravel()

    told = np.nan_to_num(beliefs)
    rates = agreement_rate(law, told)
    return pd.DataFrame(
        {
            "monitoring": q.ravel(),
            "informativeness": iota.ravel(),
            "belief_train": train.ravel(),
            "belief_deploy": deploy.ravel(),
            "train_rate": np.where(np.isnan(train), np.nan, rates[..., 0]).ravel(),
            "deploy_rate": np.where(np.isnan(deploy), np.nan, rates[..., 1]).ravel(),
            "faking_share": known(faking_share(law, told[..., 0], told[..., 1])),
            "mirror_share": known(mirror_share(law, told[..., 0], told[..., 1])),
            "decisive_share": known(decisive_share(law, told[..., 0], told[..., 1])),
        }
    )


def recommend(fit: StructuralPayoffs, assumptions: Assumptions, *, draws: int = 100) -> pd.DataFrame:
    """The commitment that maximises the leader's value under a fit, for the best-reply and the logit follower.

    Parameters
    ----------
    fit : StructuralPayoffs
        Fitted.
    assumptions : Assumptions
    draws : int
        Draws of the fit's parameters, of which the intervals of monitoring and value are percentiles at the fit's
        level; 0 for none.

    Returns
    -------
    DataFrame
        One row per follower: follower, monitoring with low and high, belief_train and belief_deploy (after the two
        cues; NaN for one that is never sent), train_cue_if_monitored, train_cue_if_unmonitored, value with low and
        high, value_unmonitored (what no monitoring is worth), train_rate, deploy_rate (logit reply) and faking_share
        under the commitment, certificate, error, no_monitoring_above and full_monitoring_below (ratios of monitoring
        cost to deploy harm at which the advice flips; NaN without deploy harm), message.
    """
    rows = []
    samples = _sampled_advice(fit, assumptions, draws)
    for follower in FOLLOWERS:
        logit = follower == "logit"
        game = faking_game(fit.law_, assumptions, follower=follower)
        commitment = game.logit_commitment() if logit else game.optimal_commitment()
        low, high = _limits(samples[follower], fit.level)
        nothing = float(
            (envelope.logit_belief_value if logit else envelope.belief_value)(game, np.zeros(1))[0]
        )
        harm = assumptions.costs.deploy_harm
        none_above, all_below = (
            price / harm if harm else np.nan for price in envelope.cost_flips(game, logit=logit)
        )
        rows.append(
            {
                "follower": follower,
                "monitoring": commitment.monitoring,
                "monitoring_low": low[0],
                "monitoring_high": high[0],
                **_what_follows(fit.law_, commitment),
                "value": commitment.value,
                "value_low": low[1],
                "value_high": high[1],
                "value_unmonitored": nothing,
                "no_monitoring_above": none_above,
                "full_monitoring_below": all_below,
                "certificate": commitment.certificate.claim if commitment.certificate else "grid",
                "error": commitment.error,
                "message": commitment.message,
            }
        )
    return pd.DataFrame(rows)


def _what_follows(law: PreferenceLaw, commitment: Commitment) -> dict[str, float]:
    train, deploy = commitment.beliefs[0], commitment.beliefs[-1]
    rates = agreement_rate(law, np.nan_to_num([train, deploy]))
    both = not (np.isnan(train) or np.isnan(deploy))
    return {
        "belief_train": train,
        "belief_deploy": deploy,
        "train_cue_if_monitored": commitment.cue_probabilities[0, 0],
        "train_cue_if_unmonitored": commitment.cue_probabilities[1, 0],
        "train_rate": np.nan if np.isnan(train) else rates[0],
        "deploy_rate": np.nan if np.isnan(deploy) else rates[1],
        "faking_share": float(faking_share(law, train, deploy))
        if both
        else 0.0,  # one cue leaves nothing to fake by
    }


def solver_check(law: PreferenceLaw, assumptions: Assumptions, *, count: int = 8) -> pd.DataFrame:
    """The same advice from a coarser law by independent routes: the envelope, and DOBSS on the normal form.

    Parameters
    ----------
    count : int
        Cells per incentive: an approximation of the law, since DOBSS grows quickly with types.

    Returns
    -------
    DataFrame
        route, cells, monitoring, value, certificate.
    """
    game = faking_game(law, replace(assumptions, cells=count))
    rows = []
    for route in ("envelope", "dobss"):
        commitment = game.optimal_commitment(method=route)
        claim = commitment.certificate.claim if commitment.certificate else ""
        rows.append((route, len(game.types), commitment.monitoring, commitment.value, claim))
    return pd.DataFrame(rows, columns=["route", "cells", "monitoring", "value", "certificate"])


def advice(law: PreferenceLaw, assumptions: Assumptions, *, logit: bool = False) -> tuple[float, float]:
    """Recommended monitoring share and the leader's value, in floats and without a certificate: for sweeps."""
    game = faking_game(law, assumptions, follower="logit" if logit else "best reply")
    grid = np.union1d(np.linspace(0, 1, 401), [assumptions.budget]) if logit else envelope.knots(game)
    heights = envelope.logit_belief_value(game, grid) if logit else envelope.belief_value(game, grid)
    split = envelope.best_split(grid, heights, assumptions.costs.monitoring_cost, assumptions.budget)
    return split.monitoring, split.value


def _sampled_advice(
    fit: StructuralPayoffs, assumptions: Assumptions, draws: int
) -> dict[Follower, np.ndarray]:
    laws = list(_drawn_laws(fit, draws))
    return {
        follower: np.array([advice(law, assumptions, logit=follower == "logit") for law in laws]).reshape(
            -1, 2
        )
        for follower in FOLLOWERS
    }


def _drawn_laws(fit: StructuralPayoffs, draws: int) -> Iterator[PreferenceLaw]:
    if np.isnan(fit.covariance_).all():
        return
    for drawn in fit.draws_[:draws]:
        yield fit.fits_[fit.chosen_].law_at(drawn)


def _limits(samples: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    if not len(samples):
        return np.full(2, np.nan), np.full(2, np.nan)
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return low, high
