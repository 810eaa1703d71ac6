"""The log density of models that share their family's parameters, with its gradient, on coordinates fit for sampling.

Model g of family f has working parameters θ_g (P,), the family a mean, and all families one spread per parameter:
  k | θ_g ~ the likelihood,   θ_g ~ N(η_f, diag τ²),   η_f ~ N(m, s²),   τ_p ~ half-normal(s_p / 2),
with m, s the model's own priors; a single model has θ ~ N(m, s²) and nothing to pool. (THEORY 2.3 (v) has half-N(1)
scales, for parameters whose prior standard deviation is about one; half of s is the same in units of each parameter.)
In words: what the relatives of a model show is evidence about it, the more so the more they are alike.

Sampled are (ζ, η, log τ) with  ζ_g ~ N(wη, τ^2w),  θ_g = η + τ^(1−w) (ζ_g − wη),  which is the same law of θ at every w
in [0, 1] (Papaspiliopoulos, Roberts & Sköld 2007, Statistical Science 22:59). Where counts say much about a parameter,
w near 1 (θ itself) moves best, where they say little w near 0 (the deviation in units of τ): w is the reliability
τ̂²/(τ̂² + s²) from the separate modes, s their standard error. A single model is standardised by the curvature at its
mode instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from estimators.count_cells import CountCells
from estimators.newton import maximise
from estimators.posterior_models import BayesModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Target:
    """A posterior density.

    Attributes
    ----------
    model : BayesModel
    cells : (G,) tuple of CountCells
        Of each model that was observed.
    family : (G,) of int
        Families, from 0; all 0 and a single model: no pooling.
    """

    model: BayesModel
    cells: tuple[CountCells, ...]
    family: NDArray[np.int64]

    @property
    def pooled(self) -> bool:
        """Whether there is more than one model."""
        return len(self.cells) > 1

    @property
    def families(self) -> int:
        """Number of families F."""
        return int(self.family.max()) + 1

    @cached_property
    def size(self) -> int:
        """Length D of the sampled vector."""
        parameters = len(self.model.names)
        return parameters * (len(self.cells) + (self.families + 1) * self.pooled)

    @cached_property
    def modes(self) -> tuple[Floats, Floats]:
        """Posterior mode of each model on its own, (G, P), and a root of its covariance there, (G, P, P)."""
        model, precision = self.model, 1.0 / self.model.prior_sd**2
        width = model.reach * model.prior_sd
        places, roots = [], []
        for cells in self.cells:
            found = maximise(
                lambda x, cells=cells: model.log_posterior(x, cells, model.prior_mean, precision),  # type: ignore[misc]
                model.prior_mean,
                model.prior_mean - width,
                model.prior_mean + width,
            )
            curvature, axes = np.linalg.eigh(-found.hessian)
            places.append(found.x)
            # Where prior and counts leave a ridge, the prior's own scale is the widest that makes sense.
            roots.append(axes / np.sqrt(np.maximum(curvature, precision.min())))
        return np.array(places), np.array(roots)

    @cached_property
    def reliability(self) -> Floats:
        """w of the module's text, (G, P)."""
        places, roots = self.modes
        error = np.sum(roots**2, axis=2)
        means = np.stack([places[self.family == f].mean(axis=0) for f in range(self.families)])
        between = np.mean((places - means[self.family]) ** 2, axis=0) - error.mean(axis=0)
        between = np.maximum(between, 0.05 * error.mean(axis=0))
        return np.asarray(between / (between + error))

    def unpack(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Sampled vectors (..., D) as θ (..., G, P), η (..., F, P) and τ (..., P); the last two empty if not pooled."""
        count, parameters = len(self.cells), len(self.model.names)
        own = x[..., : count * parameters].reshape(*x.shape[:-1], count, parameters)
        rest = x[..., count * parameters :]
        if not self.pooled:
            places, roots = self.modes
            theta = places + np.einsum("gpq,...gq->...gp", roots, own)
            return theta, rest.reshape(*x.shape[:-1], 0, parameters), rest
        middle = rest[..., :-parameters].reshape(*x.shape[:-1], self.families, parameters)
        spread = np.exp(rest[..., -parameters:])
        w, centre = self.reliability, middle[..., self.family, :]
        return centre + spread[..., None, :] ** (1 - w) * (own - w * centre), middle, spread

    def start(self, rng: np.random.Generator) -> Floats:
        """A point near the modes, (D,)."""
        x = rng.normal(0.0, 0.5, self.size)
        if self.pooled:
            places, roots = self.modes
            parameters, sd, w = len(self.model.names), self.model.prior_sd, self.reliability
            means = np.stack([places[self.family == f].mean(axis=0) for f in range(self.families)])
            middle = means + 0.1 * sd * rng.standard_normal(means.shape)
            log_spread = np.log(0.3 * sd) + 0.5 * x[-parameters:]
            theta = places + np.einsum("gpq,gq->gp", roots, x[: places.size].reshape(places.shape))
            centre = middle[self.family]
            own = w * centre + (theta - centre) * np.exp((w - 1) * log_spread)
            x = np.concatenate([own.ravel(), middle.ravel(), log_spread])
        return x

    def log_density(self, x: Floats) -> tuple[float, Floats]:
        """Log density up to a constant, and its gradient (D,), at one vector (D,)."""
        model, (theta, middle, spread) = self.model, self.unpack(x)
        prior_precision = 1.0 / model.prior_sd**2
        if not self.pooled:
            value, gradient, _ = model.log_posterior(
                theta[0], self.cells[0], model.prior_mean, prior_precision
            )
            return value, self.modes[1][0].T @ gradient
        nothing = np.zeros_like(prior_precision)
        found = [model.log_posterior(t, cells, nothing, nothing) for t, cells in zip(theta, self.cells)]
        by_theta = np.array([gradient for _, gradient, _ in found])
        w, centre = self.reliability, middle[self.family]
        away = x[: theta.size].reshape(theta.shape) - w * centre
        step, precision = spread ** (1 - w), spread ** (-2 * w)
        by_own = step * by_theta - precision * away
        by_centre = (1 - w * step) * by_theta + w * precision * away
        by_middle = -prior_precision * (middle - model.prior_mean)
        np.add.at(by_middle, self.family, by_centre)
        scale = 4.0 * prior_precision  # of τ ~ half-normal(s/2); the Jacobian of log τ adds log τ
        by_log_spread = (1 - w) * step * away * by_theta + w * (precision * away**2 - 1)
        total = sum(value for value, _, _ in found)
        total += float(np.sum(-0.5 * precision * away**2 - w * np.log(spread)))
        total += float(-0.5 * prior_precision @ ((middle - model.prior_mean) ** 2).sum(axis=0))
        total += float((-0.5 * scale * spread**2 + np.log(spread)).sum())
        tail = by_log_spread.sum(axis=0) + 1.0 - scale * spread**2
        return total, np.concatenate([by_own.ravel(), by_middle.ravel(), tail])
