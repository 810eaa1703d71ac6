"""A stated law of latent classes, and the estimator that is to find it again, for `estimators.simulate.recover`.

Reported are the shares, the logits of the rates, and log φ. A fitted class gets the name of the true class that its
rates are nearest to (all classes matched at once, Kuhn 1955), since classes have no order of their own. That uses
the truth, so where classes nearly merge the recovery is kinder than what a user sees, who has only the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import logit
from scipy.stats import norm

from estimators.count_cells import CountCells
from estimators.latent_class import LatentClasses
from estimators.latent_class_fit import ClassFit, Family, fit_classes
from estimators.latent_class_law import ClassLaw
from estimators.latent_class_likelihood import class_shares, log_likelihood, unpack
from estimators.latent_class_summary import CONTEXTS, logit_interval, share_covariance
from estimators.shares import PreferenceLaw, simulate_agreed
from estimators.simulate import Design, Estimate, Refit, cramer_rao

Floats = NDArray[np.float64]


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
            coefficients, logits, rest = unpack(x, law.classes, 2)
            return np.concatenate([class_shares(coefficients)[0], logits[:, 0], logits[:, 1], rest])

        bound = cramer_rao(likelihood, law.working, design, law.simulate, report)
        return dict(zip(self.parameters(), bound.tolist(), strict=True))

    def _truth_for_fit(self) -> Floats:
        """The truth as a start: φ = 1000 stands for a binomial truth, and the least share for none."""
        law = self.law
        shares = np.maximum(law.shares, 1e-6)
        phi = [np.log(min(law.phi, 1000.0))] if self.family == "beta-binomial" else []
        return np.concatenate([np.log(shares[1:] / shares[0]), logit(law.rates).ravel(), phi])

    def _estimates(self, fit: ClassFit) -> dict[str, Estimate]:
        z, log_scale = float(norm.ppf(0.5 + self.level / 2)), _wald_logits(fit)
        fitted, true = linear_sum_assignment(np.abs(fit.rates[:, None, :] - self.law.rates).sum(axis=2))
        share_se = np.sqrt(np.diag(share_covariance(fit.shares, fit.covariance)))
        low, high = logit_interval(fit.shares, share_se, self.level)
        found: dict[str, Estimate] = {}
        for j, t in zip(fitted, true, strict=True):
            told = (fit.shares[j], share_se[j], low[j], high[j])
            found[f"share[{self.names[t]}]"] = Estimate(*map(float, told))
            for s, context in enumerate(CONTEXTS):
                value, se = log_scale[0][j, s], log_scale[1][j, s]
                found[f"logit_{context}[{self.names[t]}]"] = _wald(value, se, z)
        if self.family == "beta-binomial":
            found["log_phi"] = _wald(fit.parameters[-1], np.sqrt(fit.covariance[-1, -1]), z)
        return found


def _wald_logits(fit: ClassFit) -> tuple[Floats, Floats]:
    """Logits of the rates and their standard errors, each (J, 2)."""
    first, end = fit.classes - 1, 3 * fit.classes - 1
    errors = np.sqrt(np.diag(fit.covariance)[first:end])
    return fit.parameters[first:end].reshape(-1, 2), errors.reshape(-1, 2)


def _wald(value: float, se: float, z: float) -> Estimate:
    return Estimate(float(value), float(se), float(value - z * se), float(value + z * se))


@dataclass(frozen=True)
class ClassSelection:
    """How many classes are found, and whether a faker is reported, where neither is known.

    Attributes
    ----------
    law : ClassLaw or PreferenceLaw
        The truth; a law of preferences has no classes at all, and no faker where its incentives are zero.
    family : "beta-binomial" or "binomial"
    max_classes, bootstrap : int
        See `LatentClasses`.
    """

    law: ClassLaw | PreferenceLaw
    family: Family = "beta-binomial"
    max_classes: int = 4
    bootstrap: int = 99

    def parameters(self) -> Mapping[str, float]:
        """None: what is decided is in the verdicts."""
        return {}

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts drawn from the law."""
        if isinstance(self.law, ClassLaw):
            return self.law.simulate(design, rng)
        return design.counted(simulate_agreed(rng, self.law, design.n, design.beliefs))

    def refit(self, cells: CountCells, rng: np.random.Generator) -> Refit:
        """Choose among 1 to `max_classes` classes, and report a faker class or not."""
        seed = int(rng.integers(2**31))
        options = LatentClasses(
            "auto", self.family, max_classes=self.max_classes, bootstrap=self.bootstrap, seed=seed
        )
        fit = options.fit_cells(cells)
        identified = [own for own in fit.fits_.values() if own.identified]
        chosen = fit.fits_[fit.n_classes_]
        verdicts: dict[str, str | float | bool] = {
            "classes by BIC": min(identified, key=lambda own: own.bic).classes,
            "classes by ICL": min(identified, key=lambda own: own.icl).classes,
            "a faker in the fit": bool(chosen.fakers.any()),
            "BIC asks for a faker": bool(chosen.fakers.any() and fit.bic_without_faker_ > fit.bic_),
            "faker reported": not fit.faker_reason_,
        }
        low, high = fit.faker_share_interval_
        return Refit({"faker share": Estimate(fit.faker_share_, float("nan"), low, high)}, verdicts)

    def bound(self, design: Design) -> Mapping[str, float]:
        """None."""
        return {}
