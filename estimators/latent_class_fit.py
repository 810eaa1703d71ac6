"""A mixture of a given number of classes is fitted by EM and Newton steps, and rivals without a faker are sought.

EM for the binomial mixture is fast and global enough to find the basins, Newton with the exact Hessian of
`estimators.latent_class_likelihood` ends in them, with φ among the parameters. The information −∇²ℓ(ψ̂) gives the
covariance. A rival without a faker is the best fit with every class kept to p_T ≤ ½ or to p_D ≥ ½.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from estimators.count_cells import CountCells
from estimators.latent_class_likelihood import em_starts, log_likelihood, unpack
from estimators.newton import Maximum, informed, maximise, observed_covariance

Floats = NDArray[np.float64]
Family = Literal["beta-binomial", "binomial"]

# Within these lies all that counts can show: shares odds of 1 to 1.6e5, rates of 1e-4, ICC from .91 to .001.
_SHARE, _RATE, _LOG_PHI = 12.0, 9.0, (float(np.log(0.1)), float(np.log(1000.0)))


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
    log_likelihood, bic : float
        With the binomial coefficients; BIC counts P parameters.
    gradient_norm, condition_number : float
    converged : bool
    held : tuple of str
        Parameters at a bound, or of which the counts say nothing.
    starts : (R,)
        Log-likelihoods that the starts led to, before the last polish.
    start_parameters : (R, P)
        Where they led to.
    """

    classes: int
    parameters: Floats
    covariance: Floats
    log_likelihood: float
    bic: float
    gradient_norm: float
    condition_number: float
    converged: bool
    held: tuple[str, ...]
    starts: Floats
    start_parameters: Floats

    @property
    def shares(self) -> Floats:
        """Class shares π, (J,)."""
        return unpack(self.parameters, self.classes, 2)[0]

    @property
    def rates(self) -> Floats:
        """Rates of agreeing in train and deploy, (J, 2)."""
        return np.asarray(expit(unpack(self.parameters, self.classes, 2)[1]))

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
    previous: ClassFit | None = None,
) -> ClassFit:
    """Best mixture with this many classes.

    Parameters
    ----------
    starts : int
        Runs of EM; the climb goes on from the three best that differ, and from `previous` with a class more.
    previous : ClassFit, optional
        The fit with a class less.
    """
    lower, upper = _bounds(classes, family)

    def objective(x: Floats) -> tuple[float, Floats, Floats]:
        return log_likelihood(x, cells, classes)

    end = [np.log(10.0)] if family == "beta-binomial" else []
    values, shares, rates = em_starts(cells, classes, starts, rng)
    # EM runs that ended at the same value are the same mixture; three different ones are plenty.
    different = np.flatnonzero(np.append(True, -np.diff(values) > 1e-2))[:3]
    begin = [
        np.concatenate([np.log(shares[r, 1:] / shares[r, 0]), logit(rates[r]).ravel(), end])
        for r in different
    ]
    if previous is not None:
        begin.append(_with_one_more(previous, cells))
    rough = [maximise(objective, start, lower, upper, gain=1e-3) for start in begin]
    best = max(rough, key=lambda found: found.value if np.isfinite(found.value) else -np.inf)
    best = maximise(objective, _largest_first(best.x, classes), lower, upper)
    return _judged(best, classes, family, cells, rough)


def bic_without_faker(fit: ClassFit, cells: CountCells, family: Family) -> float:
    """Smallest BIC of fits with as many classes, each kept to p_train ≤ ½ or to p_deploy ≥ ½.

    Tried from the fit and from every other solution that its starts led to: a poor rival would make the
    faker class look needed. A rate that the constraint holds at ½ is no longer a free parameter.
    """
    best = np.inf
    others = fit.start_parameters[fit.starts < fit.log_likelihood - 0.01]
    for start in (fit.parameters, *others):
        _, logits, _ = unpack(start, fit.classes, 2)
        for kept in itertools.product(*(_sides(*x) for x in logits)):
            lower, upper = _bounds(fit.classes, family)
            edges = [fit.classes - 1 + 2 * j + (side == "deploy") for j, side in enumerate(kept)]
            for edge, side in zip(edges, kept):
                (upper if side == "train" else lower)[edge] = 0.0
            found = maximise(lambda x: log_likelihood(x, cells, fit.classes), start, lower, upper, gain=1e-3)
            active = sum(not found.free[edge] and found.x[edge] == 0.0 for edge in edges)
            best = min(best, _bic(found.value, len(start) - active, cells))
    return best


def _judged(
    found: Maximum, classes: int, family: Family, cells: CountCells, rough: list[Maximum]
) -> ClassFit:
    names = _names(classes, family)
    shares = unpack(found.x, classes, 2)[0]
    known = informed(found)
    known &= np.array([name.split("_")[-1] not in _gone(shares) for name in names])
    covariance, condition = observed_covariance(found.hessian, known)
    return ClassFit(
        classes=classes,
        parameters=found.x,
        covariance=covariance,
        log_likelihood=found.value,
        bic=_bic(found.value, len(found.x), cells),
        gradient_norm=float(np.abs(found.gradient[found.free]).max(initial=0.0)),
        condition_number=condition,
        converged=found.converged,
        held=tuple(name for name, is_known in zip(names, known) if not is_known),
        starts=np.array([r.value for r in rough]),
        start_parameters=np.array([r.x for r in rough]),
    )


def _bounds(classes: int, family: Family) -> tuple[Floats, Floats]:
    phi = [_LOG_PHI] if family == "beta-binomial" else []
    box = np.array([(-_SHARE, _SHARE)] * (classes - 1) + [(-_RATE, _RATE)] * (2 * classes) + phi)
    return box[:, 0], box[:, 1]


def _with_one_more(fit: ClassFit, cells: CountCells) -> Floats:
    """A start with a class more than `fit`: a twentieth of the prompts, at the rates of the worst-fitted cell."""
    rates = (cells.k + 0.5) / (cells.n + 1.0)
    distance = ((rates[:, None, :] - fit.rates) ** 2).sum(axis=2).min(axis=1)
    new = logit(rates[int(np.argmax(distance * cells.weights))])
    count = fit.classes
    odds = float(np.log(0.05 / 0.95 / fit.shares[0]))
    cut = count - 1 + 2 * count
    parts = (fit.parameters[: count - 1], [odds], fit.parameters[count - 1 : cut], new, fit.parameters[cut:])
    return np.concatenate(parts)


def _bic(value: float, parameters: int, cells: CountCells) -> float:
    return -2 * value + parameters * float(np.log(cells.prompts))


def _sides(train: float, deploy: float) -> tuple[str, ...]:
    """Which rate to keep on its side of ½ so that a class with these logits does not fake; either of a faker's."""
    if train >= 0 > deploy:
        return ("train", "deploy")
    return ("train",) if train < 0 else ("deploy",)


def _largest_first(parameters: Floats, classes: int) -> Floats:
    """The same mixture with classes by falling share: the first, to which odds refer, must not be empty."""
    shares, logits, rest = unpack(parameters, classes, 2)
    order = np.argsort(-shares, kind="stable")
    odds = np.append(0.0, parameters[: classes - 1])[order]
    return np.concatenate([odds[1:] - odds[0], logits[order].ravel(), rest])


def _names(classes: int, family: str) -> list[str]:
    shares = [f"log_odds_share_{j}" for j in range(2, classes + 1)]
    rates = [f"logit_{context}_{j}" for j in range(1, classes + 1) for context in ("train", "deploy")]
    return [*shares, *rates, *(["log_phi"] if family == "beta-binomial" else [])]


def _gone(shares: Floats) -> set[str]:
    """Numbers of classes without members, of which nothing can be learned."""
    return {str(j + 1) for j in np.flatnonzero(shares < 1e-4)}
