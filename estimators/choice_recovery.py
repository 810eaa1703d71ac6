"""A stated choice model, and the estimator that is to find it again, for `estimators.simulate.recover`.

Reported are the shares of types and the working parameters: logits of constant rates, log λK, β*, log κ, log φ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from estimators.choice_fit import fit_choice
from estimators.choice_likelihood import ChoiceForm, Situations, log_likelihood, simulate
from estimators.count_cells import CountCells
from estimators.delta_method import delta_method
from estimators.simulate import Design, Estimate, Refit, cramer_rao

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChoiceRecovery:
    """Recover stated working parameters; a climb that does not converge is a failure.

    Attributes
    ----------
    form : ChoiceForm
    working : (P,) tuple of float
        In the order of `form.names`.
    beliefs : (U,) tuple of float
        Stated beliefs, the columns of the design.
    monitoring : float
    level : float
    """

    form: ChoiceForm
    working: tuple[float, ...]
    beliefs: tuple[float, ...]
    monitoring: float = 0.5
    level: float = 0.95

    def parameters(self) -> Mapping[str, float]:
        """Shares, and the working parameters but the share odds."""
        return dict(zip(self._names(), self._report(np.array(self.working)).tolist(), strict=True))

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts drawn from the truth."""
        return design.counted(simulate(rng, np.array(self.working), design.n, self.form, self._told()))

    def refit(self, cells: CountCells, rng: np.random.Generator) -> Refit:
        """Fit them; the verdict says whether the truth has a higher likelihood, which a maximum must not allow."""
        fit = fit_choice(cells, self.form, self._told())
        if not fit.converged:
            raise ValueError("the climb did not converge")
        shares = delta_method(self.form.shares, fit.parameters, fit.covariance, "logit", self.level)
        first, z = len(self.form.types) - 1, norm.ppf(0.5 + self.level / 2)
        own, se = fit.parameters[first:], np.sqrt(np.diag(fit.covariance))[first:]
        numbers = np.hstack([np.array(shares), [own, se, own - z * se, own + z * se]]).T
        estimates = {name: Estimate(*row) for name, row in zip(self._names(), numbers.tolist(), strict=True)}
        truth = log_likelihood(np.array(self.working), cells, self.form, self._told())[0]
        return Refit(
            estimates, {"truth_beats_fit": bool(truth > fit.log_likelihood + 1e-4), "status": fit.status}
        )

    def bound(self, design: Design) -> Mapping[str, float]:
        """Cramér–Rao bounds."""

        def likelihood(x: Floats, cells: CountCells) -> tuple[float, Floats, Floats]:
            return log_likelihood(x, cells, self.form, self._told())

        bound = cramer_rao(likelihood, self.working, design, self.simulate, self._report)
        return dict(zip(self._names(), bound.tolist(), strict=True))

    def _told(self) -> Situations:
        return Situations.at(self.beliefs, self.monitoring)

    def _names(self) -> list[str]:
        return [
            *(f"share[{label}]" for label in self.form.labels),
            *self.form.names[len(self.form.types) - 1 :],
        ]

    def _report(self, working: Floats) -> Floats:
        return np.concatenate([self.form.shares(working), working[len(self.form.types) - 1 :]])


def arms_design(
    arms: Sequence[Sequence[float]], prompts: int, samples: int
) -> tuple[Design, tuple[float, ...]]:
    """A design in which each arm, its stated beliefs, is put to an equal part of the prompts, and all beliefs.

    Examples
    --------
    >>> design, beliefs = arms_design([(0.9, 0.1), (0.5, 0.1)], prompts=4, samples=10)
    >>> beliefs, design.n.tolist()
    ((0.9, 0.5, 0.1), [[10, 0, 10], [0, 10, 10], [10, 0, 10], [0, 10, 10]])
    """
    beliefs = tuple(sorted({float(b) for arm in arms for b in arm}, reverse=True))
    each: ArrayLike = [[samples * (b in arm) for b in beliefs] for arm in arms]
    rows = np.arange(prompts) % len(arms)
    return Design(np.asarray(each)[rows], np.array(beliefs)), beliefs
