"""A population of models: parameters vary between groups of models and between models, and a new one is drawn.

Member j of group g has a parameter θ_j = m + u_g + v_j, of which a fit tells y_j = θ_j + e_j:
  m ~ N(m₀, s²),  u_g ~ N(0, τ_G²),  v_j ~ N(0, τ_M²),  e ~ N(0, E) with E known,  τ_G, τ_M ~ half-normal(s/2).
Given (τ_G, τ_M) everything is normal, so any θ has a normal law given y; its law is the mixture of these over a grid of
(τ_G, τ_M) with weights p(y | τ) on equally likely points of the prior (Gelman et al. 2013, Bayesian Data Analysis,
section 5.4). In words: what `estimators.pooling` does with the one best spread, done with every spread that the data
allow, since with a dozen models the spread is what is known least, and a new model is only as certain as it.

Groups are families, or methods, or whatever says which models are more alike. A group that has not been seen has a u_g
of its own, so its models are predicted by the pooled law; of how much groups differ one group alone says nothing, and
the prior stands. Parameters are pooled one by one. The same law serves effects
of a method that vary over models (`estimators.method_comparison`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from scipy.special import softmax as normalised

from estimators.newton import EstimationWarning
from estimators.posterior_models import structural_model
from estimators.structural import StructuralPayoffs

if TYPE_CHECKING:
    from estimators.observations import Observations

Floats = NDArray[np.float64]
_POINTS = 30


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of normal laws of one number.

    Attributes
    ----------
    weights, means, sds : (C,)
    """

    weights: Floats
    means: Floats
    sds: Floats

    @property
    def mean(self) -> float:
        """Expected value."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.weights @ (self.sds**2 + (self.means - self.mean) ** 2)))

    def below(self, x: float) -> float:
        """Probability of less than x."""
        return float(self.weights @ ndtr((x - self.means) / np.maximum(self.sds, 1e-300)))

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Draws, (size,)."""
        part = rng.choice(len(self.weights), size, p=self.weights)
        return rng.normal(self.means[part], self.sds[part])

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval with equal tails, by bisection."""
        ends = []
        for target in ((1 - level) / 2, (1 + level) / 2):
            low, high = (self.mean + sign * (20 * self.sd + 1e-12) for sign in (-1, 1))
            for _ in range(80):
                middle = (low + high) / 2
                low, high = (middle, high) if self.below(middle) < target else (low, middle)
            ends.append((low + high) / 2)
        return ends[0], ends[1]


@dataclass(frozen=True, eq=False)
class Spread:
    """One parameter of the members of a population, with the spreads integrated out.

    Attributes
    ----------
    estimates : (J,)
    errors : (J, J)
        Covariance E of the estimates; a member whose variance is not finite takes no part.
    groups : J names
    prior : (m₀, s)

    Examples
    --------
    >>> one = Spread(np.array([1.0, 1.2, 0.8, 3.0, 3.3]), np.diag(np.full(5, 0.01)), list("aaabb"), (0.0, 3.0))
    >>> [round(one.new(group).mean, 1) for group in ("a", "b", "c")]
    [1.0, 3.1, 1.8]
    >>> one.new("a").sd < one.new("c").sd
    True
    """

    estimates: Floats
    errors: Floats
    groups: Sequence[str]
    prior: tuple[float, float]

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.estimates) & np.isfinite(np.diag(self.errors))

    @cached_property
    def _grid(self) -> Floats:
        """Equally likely pairs (τ_G, τ_M), (C, 2)."""
        middles = ndtri(0.5 + (np.arange(_POINTS) + 0.5) / (2 * _POINTS)) * self.prior[1] / 2
        # Where every member is a group of its own the two spreads are one.
        between = middles if len(set(self.groups)) < len(self.groups) else np.zeros(1)
        return np.stack(np.meshgrid(between, middles, indexing="ij"), axis=-1).reshape(-1, 2)

    @cached_property
    def _solved(self) -> tuple[Floats, Floats, Floats]:
        """Precision of y under each pair of spreads (C, J, J), its product with y − m₀ (C, J), and the weights (C,)."""
        known = self._known
        own = np.asarray(self.groups)[known]
        away = self.estimates[known] - self.prior[0]
        same = (own[:, None] == own[None, :]).astype(np.float64)
        parts = self._grid[:, :, None, None] ** 2
        law = self.prior[1] ** 2 + parts[:, 0] * same + parts[:, 1] * np.eye(len(away))
        law = law + self.errors[np.ix_(known, known)]
        precision = np.linalg.inv(law)
        pulled = precision @ away
        log_weight = -0.5 * (np.linalg.slogdet(law)[1] + pulled @ away)
        return precision, pulled, normalised(log_weight)

    def _law(self, to_known: Floats, variance: Floats) -> Mixture:
        """Of a θ with this covariance with the known members (C, J) and this variance (C,)."""
        precision, pulled, weights = self._solved
        gain = np.einsum("cij,cj->ci", precision, to_known)
        rest = variance - np.sum(gain * to_known, axis=1)
        means = self.prior[0] + np.sum(pulled * to_known, axis=1)
        return Mixture(weights, means, np.sqrt(np.maximum(rest, 0.0)))

    @property
    def mean(self) -> Mixture:
        """Of m, the mean over groups."""
        square = np.full(len(self._grid), self.prior[1] ** 2)
        return self._law(np.repeat(square[:, None], int(self._known.sum()), axis=1), square)

    def new(self, group: str | None = None) -> Mixture:
        """Of a new member of a group; one that has not been seen, or None, stands for itself."""
        square = self.prior[1] ** 2
        alike = np.array([name == group for name in self.groups])[self._known]
        to_known = square + self._grid[:, :1] ** 2 * alike
        return self._law(to_known, square + np.sum(self._grid**2, axis=1))

    def middle(self, group: str) -> Mixture:
        """Of the mean m + u_g of a group."""
        square = self.prior[1] ** 2
        alike = np.array([name == group for name in self.groups])[self._known]
        return self._law(square + self._grid[:, :1] ** 2 * alike, square + self._grid[:, 0] ** 2)

    def without(self, index: int) -> Spread:
        """The same population but for one member."""
        kept = np.arange(len(self.groups)) != index
        groups = tuple(name for name, stays in zip(self.groups, kept, strict=True) if stays)
        return Spread(self.estimates[kept], self.errors[np.ix_(kept, kept)], groups, self.prior)

    @property
    def spreads(self) -> tuple[float, float]:
        """Posterior means of (τ_G, τ_M)."""
        between, within = self._solved[2] @ self._grid
        return float(between), float(within)


@dataclass(frozen=True, eq=False)
class Population:
    """Models that were fitted one by one, as members of groups.

    Attributes
    ----------
    group : str
        The label column whose values are the groups.
    models, groups : J names
    fits : J StructuralPayoffs
        With one incentive.
    parameters : (P,) of Spread
        mu, log_sigma and delta.
    left_out : tuple of str
        Models whose counts do not determine any parameter, and why.
    """

    group: str
    models: tuple[str, ...]
    groups: tuple[str, ...]
    fits: tuple[StructuralPayoffs, ...]
    parameters: tuple[Spread, ...]
    left_out: tuple[str, ...] = ()

    def draw_new(self, group: str | None, size: int, rng: np.random.Generator) -> Floats:
        """Working parameters (size, 3) of new models of a group, or of a group that has not been seen."""
        return np.column_stack([spread.new(group).draw(size, rng) for spread in self.parameters])


def fit_population(
    obs: Observations, group: str = "family", *, beliefs: dict[str, float] | None = None
) -> Population:
    """Fit every model by itself, with one incentive, as members of groups.

    Parameters
    ----------
    obs : Observations
        With columns `model` and `group`; a model that has several values of `group` counts as one model each.
    group : "family", "method", "axis" or another label column
    beliefs : mapping from "train" and "deploy" to [0, 1], optional

    Raises
    ------
    ValueError
        Fewer than three models whose counts determine the parameters.
    ObservationError
        A label column that is not there.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> people = fit_population(load_vlaf())
    >>> len(people.models), [round(float(x), 1) for x in people.parameters[2].spreads]  # of the incentive
    (10, [1.0, 0.6])
    """
    names, groups, fits, left_out = [], [], [], []
    for labels, part in obs.groups(list(dict.fromkeys(["model", group]))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EstimationWarning)  # told in left_out
            fit = StructuralPayoffs(beliefs, "one", bootstrap=0).fit(part)
        if np.isnan(fit.covariance_).all() or not fit.converged_:
            left_out.append(f"{labels['model']}: {fit.message_}")
            continue
        names.append(labels["model"])
        groups.append(labels[group])
        fits.append(fit)
    if len(fits) < 3:
        raise ValueError(
            f"a population takes three models whose counts determine their parameters, got {len(fits)}; "
            "predict from one model's own fit, or add models"
        )
    return Population(
        group, tuple(names), tuple(groups), tuple(fits), _spreads(fits, groups), tuple(left_out)
    )


def _spreads(fits: Sequence[StructuralPayoffs], groups: Sequence[str]) -> tuple[Spread, ...]:
    estimates = np.array([fit.parameters_ for fit in fits])
    variances = np.array([np.diag(fit.covariance_) for fit in fits])
    return spreads_of(estimates, variances, groups)


def spreads_of(estimates: ArrayLike, variances: ArrayLike, groups: Sequence[str]) -> tuple[Spread, ...]:
    """One `Spread` for mu, log_sigma and delta each, with the priors of `estimators.posterior_models`.

    Parameters
    ----------
    estimates, variances : (J, 3)
    groups : J names
    """
    model = structural_model("one")
    y, v = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    priors = zip(model.prior_mean.tolist(), model.prior_sd.tolist(), strict=True)
    return tuple(Spread(y[:, p], np.diag(v[:, p]), tuple(groups), prior) for p, prior in enumerate(priors))
