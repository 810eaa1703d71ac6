"""A stated law of latent classes, and the estimator that is to find it again, for `estimators.simulate.recover`.

Prompt i is of class j with share π_j; its own rate in context s is Beta(p_js φ, (1 − p_js) φ), or p_js itself where
φ = ∞; k_is ~ Bin(n_is, rate). Reported are the shares, the logits of the rates, and log φ.

In words: a fitted class gets the name of the true class that its rates are nearest to (all classes matched at once,
Kuhn 1955), since classes have no order of their own. That uses the truth, so where classes nearly merge the recovery is
kinder than what a user sees, who has only the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, logit, softmax
from scipy.stats import norm

from estimators.count_cells import CountCells
from estimators.latent_class_fit import ClassFit, Family, fit_classes
from estimators.latent_class_likelihood import log_likelihood
from estimators.simulate import Design, Estimate, Refit, cramer_rao

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassLaw:
    """Shares, rates and overdispersion of latent classes.

    Attributes
    ----------
    shares : (J,) tuple of float
        Sum to one.
    train, deploy : (J,) tuples of float
        Rates of agreeing, inside (0, 1).
    phi : float
        Overdispersion φ; infinite for binomial counts.

    Raises
    ------
    ValueError
        Shapes that differ, shares that are negative or do not sum to one, a rate outside (0, 1), φ not positive.

    Examples
    --------
    >>> law = ClassLaw(shares=(0.3, 0.7), train=(0.9, 0.05), deploy=(0.1, 0.05), phi=20.0)
    >>> law.simulate(Design.regular(4, 10), np.random.default_rng(0)).prompts
    4.0
    """

    shares: tuple[float, ...]
    train: tuple[float, ...]
    deploy: tuple[float, ...]
    phi: float = float("inf")

    def __post_init__(self) -> None:
        if not len(self.shares) == len(self.train) == len(self.deploy) > 0:
            raise ValueError("shares, train and deploy must have one entry per class")
        if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError(f"shares must not be negative and sum to one, got {self.shares}")
        if not all(0 < rate < 1 for rate in (*self.train, *self.deploy)) or not self.phi > 0:
            raise ValueError("rates must lie inside (0, 1) and phi be positive")

    @property
    def classes(self) -> int:
        """Number of classes J."""
        return len(self.shares)

    @property
    def rates(self) -> Floats:
        """Rates of agreeing, (J, 2)."""
        return np.column_stack([self.train, self.deploy])

    @property
    def working(self) -> Floats:
        """Log shares over the first class's, logits class by class, log φ if finite; (P,)."""
        shares, tail = np.array(self.shares), [np.log(self.phi)] if np.isfinite(self.phi) else []
        return np.concatenate([np.log(shares[1:] / shares[0]), logit(self.rates).ravel(), tail])

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts of a design with the slots train and deploy."""
        rates = self.rates[rng.choice(self.classes, size=design.prompts, p=self.shares)]
        if np.isfinite(self.phi):
            rates = rng.beta(rates * self.phi, (1 - rates) * self.phi)
        return design.counted(rng.binomial(design.n, rates))


@dataclass(frozen=True)
class ClassRecovery:
    """Recover a law of latent classes with their number known.

    Attributes
    ----------
    law : ClassLaw
    names : (J,) tuple of str
        Of the classes of the law.
    family : "beta-binomial" or "binomial"
        What is fitted.
    starts : int
    level : float
    """

    law: ClassLaw
    names: tuple[str, ...]
    family: Family = "beta-binomial"
    starts: int = 5
    level: float = 0.95

    def parameters(self) -> Mapping[str, float]:
        """Shares, logits of rates, and log φ where it is fitted and finite."""
        law = self.law
        truth = {f"share[{name}]": share for name, share in zip(self.names, law.shares, strict=True)}
        for context, rates in (("train", law.train), ("deploy", law.deploy)):
            for name, rate in zip(self.names, rates, strict=True):
                truth[f"logit_{context}[{name}]"] = float(logit(rate))
        if self.family == "beta-binomial" and np.isfinite(law.phi):
            truth["log_phi"] = float(np.log(law.phi))
        return truth

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts drawn from the law."""
        return self.law.simulate(design, rng)

    def refit(self, cells: CountCells, rng: np.random.Generator) -> Refit:
        """Fit as many classes as the law has; a climb that does not converge is a failure."""
        fit = fit_classes(cells, self.law.classes, self.family, self.starts, rng)
        if not fit.converged:
            raise ValueError("the climb did not converge")
        truth_wins = log_likelihood(self._truth_for_fit(), cells, self.law.classes)[0] - fit.log_likelihood
        return Refit(self._estimates(fit), {"truth_beats_fit": bool(truth_wins > 1e-4)})

    def bound(self, design: Design) -> Mapping[str, float]:
        """None where a share is zero, or where the family fitted is not that of the law."""
        law = self.law
        if min(law.shares) == 0 or (self.family == "beta-binomial") != bool(np.isfinite(law.phi)):
            return {}

        def likelihood(x: Floats, cells: CountCells) -> tuple[float, Floats, Floats]:
            return log_likelihood(x, cells, law.classes)

        def report(x: Floats) -> Floats:
            shares, rest = softmax(np.append(0.0, x[: law.classes - 1])), x[law.classes - 1 :]
            rates = rest[: 2 * law.classes].reshape(law.classes, 2)
            return np.concatenate([shares, rates[:, 0], rates[:, 1], rest[2 * law.classes :]])

        bound = cramer_rao(likelihood, law.working, design, law.simulate, report)
        return dict(zip(self.parameters(), bound.tolist(), strict=True))

    def _truth_for_fit(self) -> Floats:
        """The truth as a start: φ = 1000 stands for a binomial truth, and the least share for none."""
        law = self.law
        shares = np.maximum(law.shares, 1e-6)
        phi = [np.log(min(law.phi, 1000.0))] if self.family == "beta-binomial" else []
        return np.concatenate([np.log(shares[1:] / shares[0]), logit(law.rates).ravel(), phi])

    def _estimates(self, fit: ClassFit) -> dict[str, Estimate]:
        count, z = fit.classes, float(norm.ppf(0.5 + self.level / 2))
        distance = np.abs(fit.rates[:, None, :] - self.law.rates).sum(axis=2)
        fitted, true = linear_sum_assignment(distance)
        variance = np.diag(fit.covariance)
        slopes = (np.diag(fit.shares) - np.outer(fit.shares, fit.shares))[:, 1:]
        share_variance = np.einsum("jp,pq,jq->j", slopes, fit.covariance[: count - 1, : count - 1], slopes)
        logits = logit(fit.rates)
        logit_se = np.sqrt(variance[count - 1 : 3 * count - 1]).reshape(count, 2)
        found: dict[str, Estimate] = {}
        for j, t in zip(fitted, true, strict=True):
            name, share = self.names[t], float(fit.shares[j])
            se = float(np.sqrt(share_variance[j])) if count > 1 else float("nan")
            half = z * se / (share * (1 - share)) if count > 1 else float("nan")
            low, high = expit(logit(share) - half), expit(logit(share) + half)
            found[f"share[{name}]"] = Estimate(share, se, float(low), float(high))
            for s, context in enumerate(("train", "deploy")):
                found[f"logit_{context}[{name}]"] = _wald(logits[j, s], logit_se[j, s], z)
        if self.family == "beta-binomial":
            found["log_phi"] = _wald(fit.parameters[-1], np.sqrt(variance[-1]), z)
        return found


def _wald(value: float, se: float, z: float) -> Estimate:
    return Estimate(float(value), float(se), float(value - z * se), float(value + z * se))
