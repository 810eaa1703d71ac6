"""Draws of a fit's parameters become laws of follower types, with the probability of what an arm would show under each.

Draws come from a posterior, or from the normal law of a maximum-likelihood fit. A law of preferences is cut into cells
as `estimators.policy` cuts it; types with one payoff each are taken as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp
from scipy.stats import betabinom, binom

from estimators.choice import CommitmentChoice
from estimators.choice_likelihood import CONSTANT, STRATEGIC, ChoiceForm, Situations, logits
from estimators.policy import Follower, strategic_cells
from estimators.posterior import Posterior
from estimators.shares import LawCells, PreferenceLaw, cells
from estimators.structural_likelihood import quadrature

if TYPE_CHECKING:
    from estimators.structural import StructuralPayoffs

Floats = NDArray[np.float64]
Unpack = Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]


@dataclass(frozen=True, eq=False)
class LawDraws:
    """Laws of follower types, one per draw of the parameters, payoffs in logits.

    Attributes
    ----------
    prior, preference, incentive : (D, T)
        Types without prior fill up shorter laws.
    follower : "best reply" or "logit"
    plug_in : LawCells
        The types at the point estimate.
    log_outcomes : beliefs (S,), samples -> (D, (samples + 1)^S)
        Under each draw the log-probabilities of a prompt's agreements at these beliefs, in the order of
        `itertools.product`.
    """

    prior: Floats
    preference: Floats
    incentive: Floats
    follower: Follower
    plug_in: LawCells
    log_outcomes: Callable[[Floats, int], Floats]

    def __len__(self) -> int:
        return len(self.prior)


def law_draws(
    fit: StructuralPayoffs | CommitmentChoice | Posterior,
    draws: int = 200,
    *,
    model: str | None = None,
    follower: Follower = "best reply",
    count: int = 32,
) -> LawDraws:
    """Laws of follower types from a fit's draws.

    Parameters
    ----------
    fit : fitted StructuralPayoffs, CommitmentChoice or Posterior ("structural" or "choice")
    draws : int
        Evenly spaced among those that the fit has.
    model : str, optional
        Which model of a posterior; needed where it has several.
    follower : "best reply" or "logit"
        Whose cells a law of preferences is cut into; see `estimators.policy`.
    count : int
        Strategic cells per incentive.

    Raises
    ------
    ValueError
        A fit without standard errors, with a cue sharpness, of latent classes, or of several models without a name.

    Examples
    --------
    >>> from estimators import StructuralPayoffs
    >>> from estimators.count_cells import count_cells
    >>> cells = count_cells([[10, 10]] * 6, [[9, 2], [10, 5], [8, 1], [5, 0], [2, 0], [9, 6]])
    >>> laws = law_draws(StructuralPayoffs(incentives="one", bootstrap=0).fit_cells(cells), draws=50)
    >>> len(laws), laws.prior.shape == laws.incentive.shape
    (50, True)
    """
    if isinstance(fit, CommitmentChoice):
        if fit.status_ in ("singular", "not converged"):
            raise ValueError(f"the fit is {fit.status_}, so its draws say nothing: {fit.message_}")
        return _of_choice(_spaced(fit.draws_, draws), fit.parameters_, fit.form_, follower)
    if isinstance(fit, Posterior):
        label = model if model is not None else fit.models_[0]
        if model is None and len(fit.models_) > 1:
            raise ValueError(f"the posterior has several models; name one of {', '.join(fit.models_)}")
        drawn = fit.of(label)
        unpack, form = fit.target_.model.unpack, fit.target_.model.form
        if form is not None:
            return _of_choice(_spaced(drawn, draws), drawn.mean(axis=0), form, follower)
        if unpack is None:
            raise ValueError("latent classes have no payoffs, so no commitment follows from them")
        return _of_laws(_spaced(drawn, draws), drawn.mean(axis=0), _law(unpack), follower, count)
    if np.isnan(fit.covariance_).all():
        raise ValueError(f"the fit has no standard errors, so its draws say nothing: {fit.message_}")
    chosen = fit.fits_[fit.chosen_]
    return _of_laws(_spaced(fit.draws_, draws), fit.parameters_, chosen.law_at, follower, count)


def _law(unpack: Unpack) -> Callable[[Floats], PreferenceLaw]:
    def law(x: Floats) -> PreferenceLaw:
        mu, sigma, deltas, shares = unpack(x)
        return PreferenceLaw(float(mu), float(sigma), deltas, shares)

    return law


def _spaced(drawn: Floats, count: int) -> Floats:
    return drawn[np.linspace(0, len(drawn) - 1, min(count, len(drawn))).astype(int)]


def _of_laws(
    drawn: Floats,
    centre: Floats,
    law: Callable[[Floats], PreferenceLaw],
    follower: Follower,
    count: int,
) -> LawDraws:
    """Draws (D, P) of a law of preferences."""
    cut = cells if follower == "logit" else strategic_cells
    laws = [law(x) for x in drawn]
    parts = [cut(each, count) for each in laws]
    most = max(len(part.prior) for part in parts)

    def padded(name: str) -> Floats:
        return np.array([np.pad(getattr(p, name), (0, most - len(p.prior))) for p in parts])

    def log_outcomes(beliefs: Floats, samples: int) -> Floats:
        k = np.arange(samples + 1)
        rows = []
        for each in laws:
            shifts = np.multiply.outer(each.deltas, beliefs)
            spread = max(each.sigma, 1e-3) * (1 + beliefs * (each.ratio - 1))  # by belief
            ends = max(each.sigma, 1e-3) * np.array([1.0, each.ratio])
            z, log_weights = quadrature(
                each.mu,
                ends.max(),
                shifts,
                samples * len(beliefs),
                preference=each.preference,
                narrow=ends.min(),
            )
            total: Floats = np.zeros((samples + 1) ** len(beliefs))
            for share, shift in zip(each.shares, shifts):
                p = expit(each.mu + np.outer(spread, z) + shift[:, None])  # (S, Q)
                joint = np.exp(log_weights)[None, :]
                for s in range(len(beliefs)):
                    joint = (joint[:, None, :] * binom.pmf(k[:, None], samples, p[s])[None]).reshape(
                        -1, len(z)
                    )
                total += share * joint.sum(axis=1)
            rows.append(np.log(np.maximum(total, 1e-300)))
        return np.array(rows)

    prior, preference, incentive = (padded(name) for name in LawCells._fields)
    return LawDraws(prior, preference, incentive, follower, cut(law(centre), count), log_outcomes)


def _of_choice(drawn: Floats, centre: Floats, form: ChoiceForm, follower: Follower) -> LawDraws:
    """Draws (D, P) of types with one payoff each."""
    if form.sharpness:
        raise ValueError(
            "with a cue sharpness beliefs are not Bayesian and no envelope exists; fit with sharpness=False, or search "
            "fixed cues with stackelberg.FakingGame.optimal_commitment(method='breakpoints')"
        )

    def types(x: Floats) -> LawCells:
        preference, incentive = (
            np.zeros((*x.shape[:-1], len(form.types))),
            np.zeros((*x.shape[:-1], len(form.types))),
        )
        for j, (kind, block) in enumerate(zip(form.types, form.blocks)):
            own = x[..., block]
            if kind in CONSTANT:
                preference[..., j] = -own[..., 0]
            else:
                incentive[..., j] = STRATEGIC[kind] * np.exp(own[..., 0])
                preference[..., j] = incentive[..., j] * own[..., 1]
        return LawCells(form.shares(x), preference, incentive)

    def log_outcomes(beliefs: Floats, samples: int) -> Floats:
        told, rows = Situations.at(beliefs), []
        outcomes = np.array(list(itertools.product(range(samples + 1), repeat=len(beliefs))))
        for x in drawn:
            value, k = logits(x, form, told)[0][..., None], np.arange(samples + 1)
            if form.overdispersed:
                phi = np.exp(x[-1])
                each = betabinom.logpmf(k, samples, expit(value) * phi, expit(-value) * phi)
            else:
                each = binom.logpmf(k, samples, expit(value))
            joint = each[:, np.arange(len(beliefs)), outcomes].sum(axis=2)  # (J, outcomes)
            rows.append(logsumexp(joint + np.log(form.shares(x))[:, None], axis=0))
        return np.array(rows)

    return LawDraws(*types(drawn), follower, types(centre), log_outcomes)
