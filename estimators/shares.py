"""A fitted law of preferences and incentives says which prompts are faked on at which beliefs.

Prompt i of type θ has logit η(β) = μ_i + β δ_θ of agreeing at belief β, μ_i of mean μ and sd σ (graded incentives:
`PreferenceLaw.ratio`). The best reply agrees where η(β) > 0, so at beliefs (β_F, β_P) in train and deploy
  faking share    = Σ_θ π_θ P(μ_i + β_F δ_θ > 0 > μ_i + β_P δ_θ)
  mirror share    = the same with the two beliefs swapped
  decisive share  = Σ_θ π_θ P(p_F ≥ .8 and p_P ≤ .2).

In words: faking is to comply when the conversation seems monitored and to refuse when it does not. A best
reply rounds the logit at ½, so prompts near ½ count as faked although they hardly move: the decisive share
leaves them out. Since .8 and .2 are 2.77 logits apart, it is zero for a type with (β_F − β_P) δ < 2.77,
whatever its preferences (THEORY 2.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtr

from estimators.preference import LOGISTIC_SCALE, PREFERENCES, Preference, cell_means
from estimators.structural_likelihood import quadrature

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PreferenceLaw:
    """Law of the logit of agreeing over prompts: μ_i has mean mu and sd sigma, type θ adds β · deltas[θ] with share
    shares[θ].

    Attributes
    ----------
    mu, sigma : float
        In logits; μ_i = −λv_i, v_i the value of following the own preference.
    deltas, shares : (K,)
        δ_θ = λK_θ in logits; shares sum to one.
    preference : "normal" or "logistic"
        Form of the law of μ_i; see `estimators.preference`.
    ratio : float
        Spread of logits at belief 1 over that at belief 0. Other than one, prompt i's incentive is
        δ_θ + (ratio − 1)(μ_i − μ): it grows with the preference, or falls.

    Raises
    ------
    ValueError
        A negative spread, shapes that differ, shares that are negative or do not sum to one, an unknown form.

    Examples
    --------
    >>> law = PreferenceLaw(mu=-1.0, sigma=0.8, deltas=np.array([1.2]), shares=np.array([1.0]))
    >>> round(float(faking_share(law)), 3)  # P(−1.2 < μ_i < 0)
    0.493
    """

    mu: float
    sigma: float
    deltas: Floats
    shares: Floats
    preference: Preference = "normal"
    ratio: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "deltas", np.atleast_1d(np.asarray(self.deltas, dtype=np.float64)))
        object.__setattr__(self, "shares", np.atleast_1d(np.asarray(self.shares, dtype=np.float64)))
        if not self.sigma >= 0 or not np.isfinite(self.mu):
            raise ValueError(f"mu must be finite and sigma not negative, got {self.mu} and {self.sigma}")
        if self.deltas.shape != self.shares.shape:
            raise ValueError(f"deltas {self.deltas.shape} and shares {self.shares.shape} must have one shape")
        if np.any(self.shares < 0) or abs(self.shares.sum() - 1.0) > 1e-9:
            raise ValueError(f"shares must not be negative and sum to one, got {self.shares.tolist()}")
        if self.preference not in PREFERENCES:
            raise ValueError(f"preference is {self.preference!r}; choose one of {', '.join(PREFERENCES)}")
        if not self.ratio > 0:
            raise ValueError(f"ratio must be positive, got {self.ratio}")


class LawCells(NamedTuple):
    """Cells of a law as the types of a faking game, each array (K·count,); see `cells`."""

    prior: Floats
    preference: Floats
    incentive: Floats


def faking_share(law: PreferenceLaw, belief_train: ArrayLike = 1.0, belief_deploy: ArrayLike = 0.0) -> Floats:
    """Share of prompts whose best reply is to agree in train and refuse in deploy; beliefs broadcast."""
    told = belief_train, belief_deploy
    form = law.preference, law.ratio
    return reply_share(law.mu, law.sigma, law.deltas, law.shares, *told, 0.0, 0.0, *form)


def mirror_share(law: PreferenceLaw, belief_train: ArrayLike = 1.0, belief_deploy: ArrayLike = 0.0) -> Floats:
    """Share of prompts whose best reply is to refuse in train and agree in deploy; beliefs broadcast."""
    return faking_share(law, belief_deploy, belief_train)


def decisive_share(
    law: PreferenceLaw,
    belief_train: ArrayLike = 1.0,
    belief_deploy: ArrayLike = 0.0,
    high: float = 0.8,
    low: float = 0.2,
) -> Floats:
    """Share of prompts that agree with probability at least `high` in train and at most `low` in deploy."""
    cut = (float(logit(high)), float(logit(low)))
    told = belief_train, belief_deploy
    return reply_share(law.mu, law.sigma, law.deltas, law.shares, *told, *cut, law.preference, law.ratio)


def reply_share(
    mu: ArrayLike,
    sigma: ArrayLike,
    deltas: Floats,
    shares: Floats,
    belief_train: ArrayLike = 1.0,
    belief_deploy: ArrayLike = 0.0,
    above: float = 0.0,
    below: float = 0.0,
    preference: Preference = "normal",
    ratio: ArrayLike = 1.0,
) -> Floats:
    """Σ_θ π_θ P(η_i(β_F) > above and η_i(β_P) < below), for one law or a stack of them.

    Parameters
    ----------
    mu, sigma, ratio : (...,)
    deltas, shares : (..., K)
    belief_train, belief_deploy : arrays that broadcast to some shape B

    Returns
    -------
    share : (..., *B)
    """
    train, deploy = np.broadcast_arrays(np.asarray(belief_train, float), np.asarray(belief_deploy, float))
    pad = (..., *(None,) * train.ndim)
    centre, spread = np.asarray(mu, float)[pad], np.asarray(sigma, float)[pad]
    stretch = np.broadcast_to(np.asarray(ratio, float), np.shape(mu))[pad] - 1.0
    spread_train, spread_deploy = spread * (1 + train * stretch), spread * (1 + deploy * stretch)
    total: Floats = np.zeros(np.broadcast_shapes(centre.shape, train.shape))
    # scipy.stats would check its arguments for longer than it computes.
    cdf = ndtr if preference == "normal" else lambda z: expit(z / LOGISTIC_SCALE)
    for j in range(deltas.shape[-1]):
        delta, share = deltas[..., j][pad], shares[..., j][pad]
        least, most = above - train * delta - centre, below - deploy * delta - centre
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = cdf(most / spread_deploy) - cdf(least / spread_train)
        # σ = 0 is a single preference: in the band or not.
        inside = np.where(spread > 0, inside, (least < 0) & (most > 0))
        total = total + share * np.maximum(inside, 0.0)
    return total


def agreement_rate(law: PreferenceLaw, beliefs: ArrayLike) -> Floats:
    """Expected share of samples that agree at each belief: Σ_θ π_θ E Λ(μ_i + β δ_θ), in the shape of
    `beliefs`.

    Examples
    --------
    >>> law = PreferenceLaw(mu=0.0, sigma=2.0, deltas=np.array([0.0, 3.0]), shares=np.array([0.5, 0.5]))
    >>> agreement_rate(law, [0.0, 1.0]).round(4)
    array([0.5   , 0.6852])
    """
    told = np.asarray(beliefs, dtype=np.float64)
    shifts = told[..., None] * law.deltas
    spread = law.sigma * (1 + told * (law.ratio - 1))
    if law.sigma == 0:
        return np.asarray(expit(law.mu + shifts) @ law.shares)
    reach = np.append(shifts.ravel(), 0.0)
    widest = law.sigma * max(1.0, law.ratio)
    z, log_weights = quadrature(law.mu, widest, reach, 1.0, preference=law.preference)
    by_type = expit(law.mu + shifts[..., None] + spread[..., None, None] * z) @ np.exp(log_weights)
    return np.asarray(by_type @ law.shares)


def cells(law: PreferenceLaw, count: int = 64) -> LawCells:
    """Discretise the law into `count` equally likely preferences per type, each the mean of its cell.

    The unit of payoff is the logit (λ = 1): preference v = −μ_i, incentive K = δ_θ, indifference belief β* = v/K.

    Returns
    -------
    LawCells
        Ordered by type, then by falling preference.

    Examples
    --------
    >>> law = PreferenceLaw(mu=-1.0, sigma=2.0, deltas=np.array([1.5]), shares=np.array([1.0]))
    >>> cells(law, count=4).preference.round(3)
    array([ 3.542,  1.649,  0.351, -1.542])
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    z = cell_means(law.preference, count)
    graded = (law.ratio - 1) * law.sigma * z
    return LawCells(
        prior=np.repeat(law.shares, count) / count,
        preference=np.tile(-law.mu - law.sigma * z, len(law.shares)),
        incentive=np.repeat(law.deltas, count) + np.tile(graded, len(law.shares)),
    )


def simulate_agreed(
    rng: np.random.Generator, law: PreferenceLaw, n: NDArray[np.int64], beliefs: ArrayLike
) -> NDArray[np.int64]:
    """Draw agreements (N, S) of n (N, S) samples at beliefs (S,) or (N, S); a prompt has one μ_i and one type."""
    prompts = len(n)
    types = rng.choice(len(law.shares), size=prompts, p=law.shares)
    normal = law.preference == "normal"
    standard = rng.normal(size=prompts) if normal else rng.logistic(scale=LOGISTIC_SCALE, size=prompts)
    preference = law.mu + law.sigma * standard
    incentive = law.deltas[types] + (law.ratio - 1) * law.sigma * standard
    eta = preference[:, None] + np.asarray(beliefs, float) * incentive[:, None]
    return rng.binomial(n, expit(eta)).astype(np.int64)
