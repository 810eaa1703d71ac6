"""A stated law of preferences and incentives, and the estimator that is to find it again, for `estimators.recover`.

Reported are the working parameters (σ, ω and ρ in logs), the faking share and the gap, with the intervals of
`StructuralPayoffs.summary`. Where the truth has a faking share of zero there is no bound, since the share has a kink
there; `StructuralTest` then counts how often an incentive is reported at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from estimators.count_cells import CountCells
from estimators.shares import PreferenceLaw, agreement_rate, faking_share, simulate_agreed
from estimators.simulate import Design, Estimate, Refit, cramer_rao
from estimators.structural import BOTH_SIGNS, CHOICES, FAKING, NOT_DETECTED, Incentives, StructuralPayoffs
from estimators.structural_likelihood import Candidate, log_likelihood

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StructuralRecovery:
    """Recover a law whose kind of incentive is known.

    Attributes
    ----------
    working : (P,) tuple
        In the order of the candidate's parameter names.
    incentives : "one", "zero-and-one", "two" or "graded"
    level : float
    """

    working: tuple[float, ...]
    incentives: Incentives = "one"
    level: float = 0.95

    @property
    def candidate(self) -> Candidate:
        """What is fitted."""
        return CHOICES[self.incentives][-1]

    def law(self, working: Floats | None = None) -> PreferenceLaw:
        """The law at the truth, or at other working parameters."""
        x = np.asarray(self.working if working is None else working, dtype=np.float64)
        mu, sigma, deltas, shares = self.candidate.unpack(x)
        return PreferenceLaw(
            float(mu), float(sigma), deltas, shares, self.candidate.preference, float(self.candidate.ratio(x))
        )

    def parameters(self) -> Mapping[str, float]:
        """Working parameters, faking share and gap."""
        names = (*self.candidate.parameter_names, "faking_share", "gap")
        return dict(zip(names, self._report(np.asarray(self.working)).tolist(), strict=True))

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts drawn from the law."""
        return design.counted(simulate_agreed(rng, self.law(), design.n, design.beliefs))

    def refit(self, cells: CountCells, rng: np.random.Generator) -> Refit:
        """Fit without tests; a climb that does not converge is a failure."""
        fit = StructuralPayoffs(incentives=self.incentives, bootstrap=0, level=self.level).fit_cells(cells)
        if not fit.converged_:
            raise ValueError("the climb did not converge")
        z = float(norm.ppf(0.5 + self.level / 2))
        found = {}
        for name, value, se in zip(
            fit.parameter_names_, fit.parameters_, np.sqrt(np.diag(fit.covariance_)), strict=True
        ):
            found[name] = Estimate(float(value), float(se), float(value - z * se), float(value + z * se))
        told = Refit.of(fit.summary).estimates
        truth_wins = log_likelihood(np.asarray(self.working), cells, self.candidate)[0] - fit.log_likelihood_
        return Refit(
            found | {name: told[name] for name in ("faking_share", "gap")},
            {"truth_beats_fit": bool(truth_wins > 1e-4)},
        )

    def bound(self, design: Design) -> Mapping[str, float]:
        """Cramér–Rao bounds of what is reported."""

        def likelihood(x: Floats, cells: CountCells) -> tuple[float, Floats, Floats]:
            return log_likelihood(x, cells, self.candidate)

        bound = cramer_rao(likelihood, self.working, design, self.simulate, self._report)
        return dict(zip(self.parameters(), bound.tolist(), strict=True))

    def _report(self, x: Floats) -> Floats:
        law = self.law(x)
        train, deploy = agreement_rate(law, [1.0, 0.0])
        return np.array([*x, float(faking_share(law)), train - deploy])


@dataclass(frozen=True)
class StructuralTest:
    """How often an incentive, and more than one kind of it, is reported where a law is stated.

    Attributes
    ----------
    mu, sigma : float
    deltas, shares : tuple
        No incentive where all deltas are zero.
    incentives : Incentives
    bootstrap : int
    """

    mu: float
    sigma: float
    deltas: tuple[float, ...] = (0.0,)
    shares: tuple[float, ...] = (1.0,)
    incentives: Incentives = "auto"
    bootstrap: int = 39

    def parameters(self) -> Mapping[str, float]:
        """The mean incentive."""
        return {"delta_one_type": float(np.dot(self.deltas, self.shares))}

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts drawn from the law."""
        law = PreferenceLaw(self.mu, self.sigma, np.array(self.deltas), np.array(self.shares))
        return design.counted(simulate_agreed(rng, law, design.n, design.beliefs))

    def refit(self, cells: CountCells, rng: np.random.Generator) -> Refit:
        """Fit with tests."""
        seed = int(rng.integers(2**31))
        fit = StructuralPayoffs(incentives=self.incentives, bootstrap=self.bootstrap, seed=seed).fit_cells(
            cells
        )
        told = Refit.of(fit.summary).estimates
        return Refit(
            {"delta_one_type": told["delta_one_type"]},
            {
                "positive faking share in the fit": told["faking_share"].value > 1e-6,
                "more than one incentive": fit.chosen_ != "one",
                "faking reported": fit.verdict_ in (FAKING, BOTH_SIGNS),
                "any incentive reported": fit.verdict_ != NOT_DETECTED,
            },
        )

    def bound(self, design: Design) -> Mapping[str, float]:
        """None: the tests are what is judged."""
        return {}
