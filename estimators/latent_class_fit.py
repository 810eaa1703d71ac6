"""A mixture of a given number of classes is fitted by EM and Newton steps.

EM for the binomial mixture is fast and global enough to find the basins; Newton with the exact Hessian of
`estimators.latent_class_likelihood`, which is scoring with the observed information, ends in them, with φ among the
parameters. EM runs that stop at the same value are one basin, and the three best basins are climbed.

ICL = BIC + 2 Σ_i H_i with H_i the entropy of the class of prompt i given its counts (Biernacki, Celeux & Govaert
2000): it also asks that classes be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, xlogy

from estimators.count_cells import CountCells
from estimators.latent_class_likelihood import cell_terms, class_shares, em_starts, log_likelihood, unpack
from estimators.newton import Maximum, informed, maximise, observed_covariance

Floats = NDArray[np.float64]
Family = Literal["beta-binomial", "binomial"]

# Within these lies all that counts can show: shares odds of 1 to 1.6e5, rates of 1e-4, ICC from .91 to .001.
_SHARE, _RATE, _LOG_PHI = 12.0, 9.0, (float(np.log(0.1)), float(np.log(1000.0)))

AT_BEST = 0.01
"""A start reached the best maximum if it ended within so many nats of it."""
_BASINS = 3


@dataclass(frozen=True, eq=False)
class ClassFit:
    """A fit with a given number of classes.

    Attributes
    ----------
    classes : int
    parameters : (P,)
        Log shares over the first class's, logits of rates class by class (train, deploy), log φ.
    covariance : (P, P)
        Inverse observed information; NaN for parameters at a bound, all NaN where it is singular.
    log_likelihood, bic, icl : float
        With the binomial coefficients; BIC counts P parameters.
    gradient_norm, condition_number : float
    converged : bool
    known : (P,) of bool
        False for parameters at a bound, or of which the counts say nothing.
    em : (R,)
        Log-likelihood that each run of EM stopped at, best first.
    reached : (R + E,)
        Log-likelihood that the climb from each run of EM and from each extra start ended at; NaN where the run's
        basin was not among the best and was not climbed.
    ends, climbed : (B,), (B, P)
        Log-likelihoods and places where the climbs ended, best first; before the last polish of the best.
    """

    classes: int
    parameters: Floats
    covariance: Floats
    log_likelihood: float
    bic: float
    icl: float
    gradient_norm: float
    condition_number: float
    converged: bool
    known: NDArray[np.bool_]
    em: Floats
    reached: Floats
    ends: Floats
    climbed: Floats

    @property
    def shares(self) -> Floats:
        """Class shares π, (J,)."""
        return class_shares(unpack(self.parameters, self.classes, 2)[0])[0]

    @property
    def rates(self) -> Floats:
        """Rates of agreeing in train and deploy, (J, 2)."""
        return np.asarray(expit(unpack(self.parameters, self.classes, 2)[1]))

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the parameters that are not in `known`."""
        names = parameter_names(self.classes, len(self.parameters) > 3 * self.classes - 1)
        return tuple(name for name, known in zip(names, self.known, strict=True) if not known)

    @property
    def identified(self) -> bool:
        """Whether the information is regular on the parameters that are not held."""
        return self.classes == 1 or not bool(np.all(np.isnan(self.covariance)))

    @property
    def fakers(self) -> NDArray[np.bool_]:
        """Classes with p_train ≥ ½ > p_deploy, (J,)."""
        return (self.rates[:, 0] >= 0.5) & (self.rates[:, 1] < 0.5)


def fit_classes(
    cells: CountCells,
    classes: int,
    family: Family,
    starts: int,
    rng: np.random.Generator,
    extra: Sequence[Floats] = (),
) -> ClassFit:
    """Best mixture with this many classes.

    Parameters
    ----------
    starts : int
        Runs of EM; the climb goes on from the three best that differ.
    extra : sequence of (P,)
        More starts for the climb, such as `with_one_more` class than a smaller fit.
    """
    lower, upper = bounds(classes, family)

    def objective(x: Floats) -> tuple[float, Floats, Floats]:
        return log_likelihood(x, cells, classes)

    end = [np.log(10.0)] if family == "beta-binomial" else []
    values, shares, rates = em_starts(cells, classes, starts, rng)
    basin = np.concatenate([[0], np.cumsum(-np.diff(values) > AT_BEST)])
    first = np.flatnonzero(np.append(True, np.diff(basin) > 0))[:_BASINS]
    begin = [
        np.concatenate([np.log(shares[r, 1:] / shares[r, 0]), logit(rates[r]).ravel(), end]) for r in first
    ]
    rough = [maximise(objective, start, lower, upper, gain=1e-3) for start in (*begin, *extra)]
    ends = np.array([found.value for found in rough])
    order = np.argsort(-np.where(np.isfinite(ends), ends, -np.inf))
    best = maximise(objective, _largest_first(rough[order[0]].x, classes), lower, upper)
    by_basin = np.append(ends[: len(first)], np.nan)
    known = _known(best, classes, family)
    covariance, condition = observed_covariance(best.hessian, known)
    bic = information_criterion(best.value, len(best.x), cells)
    posterior = cell_terms(best.x, cells, classes).posterior
    return ClassFit(
        classes=classes,
        parameters=best.x,
        covariance=covariance,
        log_likelihood=best.value,
        bic=bic,
        icl=bic - 2.0 * float(cells.weights @ xlogy(posterior, posterior).sum(axis=0)),
        gradient_norm=float(np.abs(best.gradient[best.free]).max(initial=0.0)),
        condition_number=condition,
        converged=best.converged,
        known=known,
        em=values + cells.log_coefficients,
        reached=np.concatenate([by_basin[np.minimum(basin, len(first))], ends[len(first) :]]),
        ends=ends[order],
        climbed=np.array([rough[r].x for r in order]),
    )


def information_criterion(value: float, parameters: int, cells: CountCells) -> float:
    """BIC = −2ℓ + P log N, N the number of prompts (Schwarz 1978)."""
    return -2 * value + parameters * float(np.log(cells.prompts))


def bounds(classes: int, family: Family) -> tuple[Floats, Floats]:
    """Lower and upper ends of the working parameters, each (P,)."""
    phi = [_LOG_PHI] if family == "beta-binomial" else []
    box = np.array([(-_SHARE, _SHARE)] * (classes - 1) + [(-_RATE, _RATE)] * (2 * classes) + phi)
    return box[:, 0], box[:, 1]


def with_one_more(fit: ClassFit, cells: CountCells) -> Floats:
    """A start with a class more than `fit`: a twentieth of the prompts, at the rates of the worst-fitted cell."""
    rates = (cells.k + 0.5) / (cells.n + 1.0)
    distance = ((rates[:, None, :] - fit.rates) ** 2).sum(axis=2).min(axis=1)
    new = logit(rates[int(np.argmax(distance * cells.weights))])
    count = fit.classes
    odds = float(np.log(0.05 / 0.95 / fit.shares[0]))
    cut = count - 1 + 2 * count
    parts = (fit.parameters[: count - 1], [odds], fit.parameters[count - 1 : cut], new, fit.parameters[cut:])
    return np.concatenate(parts)


def parameter_names(classes: int, overdispersed: bool) -> list[str]:
    """Names of the working parameters; classes count from 1."""
    shares = [f"log_odds_share_{j}" for j in range(2, classes + 1)]
    rates = [f"logit_{context}_{j}" for j in range(1, classes + 1) for context in ("train", "deploy")]
    return [*shares, *rates, *(["log_phi"] if overdispersed else [])]


def _known(found: Maximum, classes: int, family: Family) -> NDArray[np.bool_]:
    """Parameters that no bound holds, that the counts say something of, and whose class has members."""
    shares = class_shares(unpack(found.x, classes, 2)[0])[0]
    gone = {str(j + 1) for j in np.flatnonzero(shares < 1e-4)}
    names = parameter_names(classes, family == "beta-binomial")
    return informed(found) & np.array([name.split("_")[-1] not in gone for name in names])


def _largest_first(parameters: Floats, classes: int) -> Floats:
    """The same mixture with classes by falling share: the first, to which odds refer, must not be empty."""
    coefficients, logits, rest = unpack(parameters, classes, 2)
    order = np.argsort(-class_shares(coefficients)[0], kind="stable")
    odds = np.append(0.0, parameters[: classes - 1])[order]
    return np.concatenate([odds[1:] - odds[0], logits[order].ravel(), rest])
