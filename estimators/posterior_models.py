"""What the posterior needs of a model: its likelihood, a normal prior on its working parameters, and what it reports.

Priors (THEORY 2.3 (v); standard deviations on the working scale):
  rate of compliers     logit ~ N(2.5, 1)      λK        log ~ N(log 5, 1)      share odds  log ~ N(0, 1.5²)
  rate of refusers      logit ~ N(−2.5, 1)     β*        ~ N(½, .3²)            φ           log ~ N(log 10, 1)
  rates of fakers       logit ~ N(±1.5, 1.5²)  κ         log ~ N(0, .5²)
and for preferences that vary over prompts (THEORY 2.5)  μ ~ N(0, 3²), log σ ~ N(log 1.5, .7²), δ ~ N(0, 3²).
In words: types are named by their priors, which also keeps labels from switching; the prior of an incentive δ is
centred at none, so that it is the counts that speak for faking or against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from estimators import latent_class_likelihood, structural_likelihood
from estimators.choice_likelihood import CONSTANT, STRATEGIC, ChoiceForm, Situations
from estimators.choice_likelihood import log_likelihood as choice_log_likelihood
from estimators.choice_likelihood import simulate as simulate_choice
from estimators.count_cells import CountCells
from estimators.shares import PreferenceLaw, reply_share, simulate_agreed

Floats = NDArray[np.float64]
Evaluation = tuple[float, Floats, Floats]


@dataclass(frozen=True, eq=False)
class BayesModel:
    """A likelihood with its prior.

    Attributes
    ----------
    name : str
    names : (P,) tuple of str
        Working parameters.
    prior_mean, prior_sd : (P,)
    reach : float
        Beyond so many prior standard deviations the likelihood stays as it is at that edge, so that a sampler that
        strays there meets finite numbers.
    log_likelihood : (P,), cells -> value, gradient (P,), Hessian (P, P)
    simulate : rng, (P,), n (N, S), beliefs (N, S) -> agreements (N, S)
    report : (..., P) -> names and arrays (...)
    unpack : (..., P) -> mu, sigma, deltas, shares, or None
        Of a law of preferences.
    form : ChoiceForm or None
        Of types with one payoff each.
    """

    name: str
    names: tuple[str, ...]
    prior_mean: Floats
    prior_sd: Floats
    log_likelihood: Callable[[Floats, CountCells], Evaluation]
    simulate: Callable[[np.random.Generator, Floats, NDArray[np.int64], Floats], NDArray[np.int64]]
    report: Callable[[Floats], dict[str, Floats]]
    reach: float = 5.0
    unpack: Callable[[Floats], tuple[Floats, Floats, Floats, Floats]] | None = None
    form: ChoiceForm | None = None

    def log_posterior(self, x: Floats, cells: CountCells, mean: Floats, precision: Floats) -> Evaluation:
        """Log-likelihood plus a normal prior with this mean (P,) and precision (P,), up to a constant."""
        low, high = (self.prior_mean + sign * self.reach * self.prior_sd for sign in (-1, 1))
        inside = np.clip(x, low, high)
        value, gradient, hessian = self.log_likelihood(inside, cells)
        free = (inside == x).astype(np.float64)
        away = x - mean
        value -= 0.5 * float(precision @ away**2)
        return value, gradient * free - precision * away, hessian * np.outer(free, free) - np.diag(precision)


def structural_model(incentives: str = "one") -> BayesModel:
    """Preferences that vary over prompts, with one incentive ("one"), none and one, or two.

    Examples
    --------
    >>> structural_model().names
    ('mu', 'log_sigma', 'delta')
    """
    kinds = {
        c.name: c
        for c in (structural_likelihood.ONE, structural_likelihood.ZERO_AND_ONE, structural_likelihood.TWO)
    }
    if incentives not in kinds:
        raise ValueError(f"incentives is {incentives!r}; choose one of {', '.join(kinds)}")
    form = kinds[incentives]
    # Two incentives are told apart by their priors: a weak one near 0, a strong one that may have either sign.
    deltas = [(0.0, 3.0)] if form.free == 1 else [(0.0, 1.0), (3.0, 2.0)]
    prior = np.array([(0.0, 3.0), (np.log(1.5), 0.7), *deltas, *[(0.0, 1.5)] * (form.types - 1)])

    def report(x: Floats) -> dict[str, Floats]:
        mu, sigma, deltas, shares = form.unpack(x)
        ends = [f"_{j + 1}" for j in range(form.types)] if form.types > 1 else [""]
        out = {"mu": mu, "sigma": sigma} | {f"delta{end}": deltas[..., j] for j, end in enumerate(ends)}
        if form.types > 1:
            out |= {f"share{end}": shares[..., j] for j, end in enumerate(ends)}
        return out | {
            "faking_share": reply_share(mu, sigma, deltas, shares, 1.0, 0.0),
            "decisive_share": reply_share(mu, sigma, deltas, shares, 1.0, 0.0, np.log(4.0), -np.log(4.0)),
        }

    def simulate(
        rng: np.random.Generator, x: Floats, n: NDArray[np.int64], beliefs: Floats
    ) -> NDArray[np.int64]:
        mu, sigma, deltas, shares = form.unpack(x)
        return simulate_agreed(rng, PreferenceLaw(float(mu), float(sigma), deltas, shares), n, beliefs)

    return BayesModel(
        name=f"structural, {incentives}",
        names=form.parameter_names,
        prior_mean=prior[:, 0],
        prior_sd=prior[:, 1],
        log_likelihood=lambda x, cells: structural_likelihood.log_likelihood(x, cells, form),
        simulate=simulate,
        report=report,
        unpack=form.unpack,
    )


_RATES = {
    "complier": (2.5, 2.5, 1.0),
    "refuser": (-2.5, -2.5, 1.0),
    "faker": (1.5, -1.5, 1.5),
    "reverse": (-1.5, 1.5, 1.5),
}


def class_model(classes: Sequence[str] = ("complier", "faker", "refuser")) -> BayesModel:
    """Beta-binomial classes of prompts with free rates in train and deploy, each kind at most once.

    Examples
    --------
    >>> class_model(("faker", "refuser")).names[:3]
    ('log_odds_share[refuser]', 'logit_train[faker]', 'logit_deploy[faker]')
    """
    kinds = tuple(classes)
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(_RATES):
        raise ValueError(f"classes {kinds} must differ and be among {', '.join(_RATES)}")
    count = len(kinds)
    names = [f"log_odds_share[{kind}]" for kind in kinds[1:]]
    prior = [(0.0, 1.5)] * (count - 1)
    for kind in kinds:
        train, deploy, sd = _RATES[kind]
        names += [f"logit_train[{kind}]", f"logit_deploy[{kind}]"]
        prior += [(train, sd), (deploy, sd)]
    table = np.array([*prior, (np.log(10.0), 1.0)])

    def parts(x: Floats) -> tuple[Floats, Floats]:
        odds = np.concatenate([np.zeros((*x.shape[:-1], 1)), x[..., : count - 1]], axis=-1)
        shares = np.exp(odds - odds.max(axis=-1, keepdims=True))
        return shares / shares.sum(axis=-1, keepdims=True), expit(x[..., count - 1 : 3 * count - 1])

    def report(x: Floats) -> dict[str, Floats]:
        shares, rates = parts(x)
        out = {f"share[{kind}]": shares[..., j] for j, kind in enumerate(kinds)}
        for j, kind in enumerate(kinds):
            out |= {f"p_train[{kind}]": rates[..., 2 * j], f"p_deploy[{kind}]": rates[..., 2 * j + 1]}
        return out | {"phi": np.exp(x[..., -1])}

    def simulate(
        rng: np.random.Generator, x: Floats, n: NDArray[np.int64], beliefs: Floats
    ) -> NDArray[np.int64]:
        shares, rates = parts(x)
        own = rates.reshape(count, 2)[rng.choice(count, size=len(n), p=shares)]
        phi = np.exp(x[-1])
        return rng.binomial(n, rng.beta(phi * own, phi * (1 - own))).astype(np.int64)

    return BayesModel(
        name="classes: " + ", ".join(kinds),
        names=(*names, "log_phi"),
        prior_mean=table[:, 0],
        prior_sd=table[:, 1],
        log_likelihood=lambda x, cells: latent_class_likelihood.log_likelihood(x, cells, count),
        simulate=simulate,
        report=report,
    )


def choice_model(form: ChoiceForm, situations: Situations) -> BayesModel:
    """Types with one payoff each at these situations; see `estimators.CommitmentChoice`.

    Examples
    --------
    >>> model = choice_model(ChoiceForm(("refuser", "strategic"), 2), Situations.at([0.9, 0.1]))
    >>> dict(zip(model.names, model.prior_mean.round(2).tolist()))["beta_star[strategic]"]
    0.5
    """
    known = {
        "log_odds_share": (0.0, 1.5),
        "log_lambda_K": (np.log(5.0), 1.0),
        "beta_star": (0.5, 0.3),
        "goal_part": (0.5, 0.5),
        "log_kappa": (0.0, 0.5),
        "log_phi": (np.log(10.0), 1.0),
        "logit_rate[complier]": (2.5, 1.0),
        "logit_rate[refuser]": (-2.5, 1.0),
    }
    prior = np.array(
        [known.get(name, known.get(name.split("[")[0])) for name in form.names], dtype=np.float64
    )
    if form.types.count("strategic") > 1 or form.types.count("reverse") > 1 or "free" in form.types:
        raise ValueError("the prior tells types apart by their kind: give each kind once, and no free type")

    def report(x: Floats) -> dict[str, Floats]:
        shares = form.shares(x)
        out = {
            f"share[{label}]": shares[..., j] for j, label in enumerate(form.labels) if len(form.labels) > 1
        }
        for kind, label, block in zip(form.types, form.labels, form.blocks):
            own = x[..., block]
            if kind in CONSTANT:
                out[f"rate[{label}]"] = expit(own[..., 0])
            else:
                incentive = STRATEGIC[kind] * np.exp(own[..., 0])
                out |= {f"lambda_K[{label}]": incentive, f"beta_star[{label}]": own[..., 1]}
                if form.split:
                    out |= {
                        f"goal_guarding[{label}]": incentive * own[..., 2],
                        f"rater_pleasing[{label}]": incentive * (1 - own[..., 2]),
                    }
        if form.sharpness:
            out["kappa"] = np.exp(x[..., form.names.index("log_kappa")])
        return out | ({"phi": np.exp(x[..., -1])} if form.overdispersed else {})

    return BayesModel(
        name="choice: " + ", ".join(form.labels),
        names=form.names,
        prior_mean=prior[:, 0],
        prior_sd=prior[:, 1],
        log_likelihood=lambda x, cells: choice_log_likelihood(x, cells, form, situations),
        simulate=lambda rng, x, n, beliefs: simulate_choice(rng, x, n, form, situations),
        report=report,
        form=form,
    )
