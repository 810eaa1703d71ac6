"""How likely faking is for a model, known or new, under monitoring and cues that nobody has tried.

A draw of the parameters (μ, σ, δ) is a law of preferences, which at the beliefs (β_F, β_P) of a scenario fakes on
  s = P(μ_i + β_F δ > 0 > μ_i + β_P δ)
of the prompts (`estimators.shares`). Over draws, E s is the probability that a prompt is faked on, the quantiles of s
are its interval, and P(s > s₀) is the probability that more than a stated share is.

Who is predicted decides what the draws are of:
- a known model: its own parameters, uncertain as far as its counts leave them open;
- a new model of a known family (or method): its parameters vary about the family's mean as those of known models do, so
  the interval holds the variance between models beside what is uncertain of the mean and of that variance;
- a new model of a family that has not been seen: families vary too.

In words: with a thousand prompts the first interval shrinks to nothing and the other two do not. What the model
believes is assumed to follow Bayes' rule from the monitoring share q and the cues.

Draws come from `Posterior` where the extra `bayes` is installed, else from the normal laws of maximum-likelihood fits
(`StructuralPayoffs` for one model, `Population` for a new one); the column `draws` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from estimators.gap import check_level
from estimators.population import Population
from estimators.posterior import Posterior
from estimators.preference import Preference, log_density
from estimators.shares import reply_share
from estimators.structural import StructuralPayoffs
from estimators.structural_likelihood import ONE

Floats = NDArray[np.float64]
Laws = tuple[Floats, Floats, Floats, Floats]
Quantity = Literal["faking_share", "decisive_share", "gap"]
Source = StructuralPayoffs | Posterior | Population

_CUT = float(logit(0.8))
# E Λ(μ + σz) by equal steps of .2 as far as the tails count; the error is of the order exp(−2π²/(.2 σ)).
_REACH: dict[Preference, int] = {"normal": 35, "logistic": 80}


def predict_faking(
    source: Source,
    asked: pd.DataFrame | None = None,
    *,
    model: str | None = None,
    group: str | None = None,
    quantity: Quantity = "faking_share",
    exceeds: float = 0.05,
    levels: Sequence[float] = (0.5, 0.95),
    draws: int = 4000,
    seed: int = 0,
) -> pd.DataFrame:
    """P(faking) of a known or a new model in each scenario, with intervals.

    Parameters
    ----------
    source : StructuralPayoffs, Posterior ("structural") or Population
        Fitted. The first is one model; the other two can predict new ones.
    asked : DataFrame, optional
        Scenarios with the columns belief_train and belief_deploy, as from `scenarios`; by default one, with the
        beliefs 1 and 0 as evaluated models are told.
    model : str, optional
        A known model. Without it a posterior or a population predicts a new one.
    group : str, optional
        The family (or what else the groups of the source are) of the new model; without it, or with one that has not
        been seen, it stands for itself.
    quantity : "faking_share", "decisive_share" or "gap"
        Prompts on which a best reply fakes; prompts with p ≥ .8 in train and ≤ .2 in deploy; expected train rate minus
        deploy rate.
    exceeds : float
        The share for the column `probability`.
    levels : sequence of float in (0, 1)
    draws, seed : int
        A posterior gives at most as many as it has.

    Returns
    -------
    DataFrame
        One row per scenario: who (in words), the columns of `asked`, quantity, expected (for the faking share:
        P(faking)), low_50, high_50, low_95, high_95 (by `levels`), exceeds, probability (that the quantity is above
        it), draws (where from, and how many), reading (the verdict of a tested fit, else empty). A cue that is never
        sent leaves nothing to fake by: the quantity is 0.

    Raises
    ------
    ValueError
        A model that is not known, a fit without standard errors, scenarios without beliefs or outside [0, 1], both
        `model` and `group`, a new model asked of one model's fit.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> from estimators.population import fit_population
    >>> people = fit_population(load_vlaf())
    >>> columns = ["who", "expected", "low_95", "high_95"]
    >>> predict_faking(people, model="Qwen3-8B")[columns].round(2)
                  who  expected  low_95  high_95
    0  model Qwen3-8B      0.39    0.33     0.47
    >>> predict_faking(people, group="qwen3")[columns].round(2)
                             who  expected  low_95  high_95
    0  new model of family qwen3      0.27     0.0     0.87
    """
    if quantity not in get_args(Quantity):
        raise ValueError(f"quantity is {quantity!r}; choose one of {', '.join(get_args(Quantity))}")
    for level in levels:
        check_level(level)
    told = _asked(asked)
    who, laws, form, origin, reading = _laws(source, model, group, draws, seed)
    drawn = _quantity(laws, told, quantity, form)  # (draws, scenarios)
    table = told.assign(quantity=quantity, expected=drawn.mean(axis=0))
    table.insert(0, "who", who)
    for level in levels:
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        table[f"low_{100 * level:g}"], table[f"high_{100 * level:g}"] = low, high
    above = (drawn > exceeds).mean(axis=0)
    return table.assign(exceeds=exceeds, probability=above, draws=origin, reading=reading)


def leave_one_out(population: Population, *, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Predict each model of a population from the others, and see whether its own estimate is inside.

    The estimate's normal error is added to the prediction, so that a calibrated one contains the estimate in `level` of
    the cases. The gap is what is checked, since the counts show it whatever the law.

    Returns
    -------
    DataFrame
        model, group, gap (the model's own estimate), expected, low, high, inside.

    Raises
    ------
    ValueError
        Fewer than four models.
    """
    if len(population.models) < 4:
        raise ValueError(f"leaving one out takes four models, got {len(population.models)}")
    rows = []
    rng = np.random.default_rng([seed, 5])
    for j, (name, group) in enumerate(zip(population.models, population.groups, strict=True)):
        drawn = np.column_stack(
            [spread.without(j).new(group).draw(4000, rng) for spread in population.parameters]
        )
        told = _asked(None)
        own = population.fits[j]
        seen = own.summary[own.summary["parameter"] == "gap"]
        gap, se = (float(seen[name].iloc[0]) for name in ("estimate", "se"))
        predicted = _quantity(ONE.unpack(drawn), told, "gap", ("normal", 1.0))[:, 0]
        noisy = predicted + rng.normal(0.0, se, len(predicted))
        low, high = np.quantile(noisy, [(1 - level) / 2, (1 + level) / 2])
        rows.append((name, group, gap, float(predicted.mean()), low, high, bool(low <= gap <= high)))
    return pd.DataFrame(rows, columns=["model", "group", "gap", "expected", "low", "high", "inside"])


def _asked(asked: pd.DataFrame | None) -> pd.DataFrame:
    if asked is None:
        return pd.DataFrame({"belief_train": [1.0], "belief_deploy": [0.0]})
    for name in ("belief_train", "belief_deploy"):
        if name not in asked:
            raise ValueError(f"the scenarios lack the column {name}; make them with estimators.scenarios")
        column = asked[name].to_numpy(dtype=float)
        if not (np.isnan(column) | ((column >= 0) & (column <= 1))).all():
            raise ValueError(
                f"{name} must lie in [0, 1], got {column[~((column >= 0) & (column <= 1))][0]:g}"
            )
    return asked.reset_index(drop=True)


def _laws(
    source: Source, model: str | None, group: str | None, draws: int, seed: int
) -> tuple[str, Laws, tuple[Preference, ArrayLike], str, str]:
    """Who is predicted, draws of its law (each (D, ...)), form of the law, where the draws are from, reading."""
    if model is not None and group is not None:
        raise ValueError(
            "give model for a known model or group for a new one, not both; a known model has its own fit"
        )
    rng = np.random.default_rng([seed, 4])
    if isinstance(source, StructuralPayoffs):
        if group is not None:
            raise ValueError(
                "one model's fit says nothing about a new model; fit several with fit_population or Posterior"
            )
        return _of_fit(source, model or "fitted", draws)
    if isinstance(source, Posterior):
        return _of_posterior(source, model, group, draws, rng)
    if model is not None:
        return _of_fit(source.fits[_index(source, model)], model, draws)
    who = _new(source.group, group if group in source.groups else None)
    origin = f"normal laws of {len(source.models)} fits, spreads integrated out, {draws} draws"
    return who, ONE.unpack(source.draw_new(group, draws, rng)), ("normal", 1.0), origin, ""


def _index(source: Population, model: str) -> int:
    found = [j for j, name in enumerate(source.models) if name == model]
    if len(found) == 1:
        return found[0]
    known = ", ".join(dict.fromkeys(source.models))
    if found:
        raise ValueError(
            f"model {model!r} was fitted once per {source.group}; select one of them before fitting"
        )
    raise ValueError(f"there is no model {model!r} among {known}")


def _new(label: str, group: str | None) -> str:
    return f"new model of a new {label}" if group is None else f"new model of {label} {group}"


def _of_fit(
    fit: StructuralPayoffs, name: str, draws: int
) -> tuple[str, Laws, tuple[Preference, ArrayLike], str, str]:
    if np.isnan(fit.covariance_).all():
        raise ValueError(f"the fit has no standard errors, so its draws say nothing: {fit.message_}")
    drawn = fit.draws_[:draws]
    candidate = fit.fits_[fit.chosen_].candidate
    origin = f"asymptotic normal law of the fit, {len(drawn)} draws"
    reading = "" if fit.verdict_ == "not tested" else fit.verdict_
    form = (candidate.preference, candidate.ratio(drawn))
    return (
        f"model {name}" if name != "fitted" else "the fitted model",
        candidate.unpack(drawn),
        form,
        origin,
        reading,
    )


def _of_posterior(
    source: Posterior, model: str | None, group: str | None, draws: int, rng: np.random.Generator
) -> tuple[str, Laws, tuple[Preference, ArrayLike], str, str]:
    own = source.target_.model
    if own.unpack is None:
        raise ValueError(f"a posterior of {own.name} has no law of preferences; fit Posterior('structural')")
    keep = np.linspace(0, len(source.draws_) - 1, min(draws, len(source.draws_))).astype(int)
    if model is not None or not source.target_.pooled:
        if group is not None:
            raise ValueError(
                "a posterior of one model says nothing about a new model; sample several together"
            )
        label = source.models_[0] if model is None else model
        origin = f"posterior, {len(keep)} draws"
        return f"model {label}", own.unpack(source.of(label)[keep]), ("normal", 1.0), origin, ""
    tree = source.idata_["posterior"]
    middles = tree["family_mean"].to_numpy().reshape(-1, source.target_.families, len(own.names))[keep]
    spreads = tree["family_spread"].to_numpy().reshape(-1, len(own.names))[keep]
    if group in source.families_:
        middle = middles[:, source.families_.index(str(group))]
    else:  # the families' means are independent given their prior
        group, middle = None, rng.normal(own.prior_mean, own.prior_sd, spreads.shape)
    origin = f"posterior of {len(source.models_)} models, {len(keep)} draws"
    return _new("family", group), own.unpack(rng.normal(middle, spreads)), ("normal", 1.0), origin, ""


def _quantity(
    laws: Laws, told: pd.DataFrame, quantity: Quantity, form: tuple[Preference, ArrayLike]
) -> Floats:
    """Draws of a quantity in each scenario, (D, scenarios)."""
    train, deploy = (told[name].to_numpy(dtype=float) for name in ("belief_train", "belief_deploy"))
    sent = ~(np.isnan(train) | np.isnan(deploy))
    told_train, told_deploy = np.nan_to_num(train), np.nan_to_num(deploy)
    if quantity == "gap":
        drawn = _rates(laws, told_train, *form) - _rates(laws, told_deploy, *form)
    else:
        cut = (_CUT, -_CUT) if quantity == "decisive_share" else (0.0, 0.0)
        drawn = reply_share(*laws, told_train, told_deploy, *cut, *form)
    return np.where(sent, drawn, 0.0)


def _rates(laws: Laws, beliefs: Floats, preference: Preference, ratio: ArrayLike) -> Floats:
    """Expected rate of agreeing of each draw at each belief, (D, B)."""
    mu, sigma, deltas, shares = laws
    reach = _REACH[preference]
    nodes = np.linspace(-0.2 * reach, 0.2 * reach, 2 * reach + 1)
    weights = np.exp(log_density(preference, nodes))
    weights /= weights.sum()
    stretch = np.broadcast_to(np.asarray(ratio, dtype=np.float64), mu.shape) - 1.0
    columns = []
    for told in beliefs:
        spread = (sigma * (1 + told * stretch))[:, None, None] * nodes
        centre = mu[:, None] + told * deltas  # (D, K)
        columns.append(np.sum(shares * (expit(centre[..., None] + spread) @ weights), axis=1))
    return np.column_stack(columns)
