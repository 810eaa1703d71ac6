"""The law of latent classes: which share of prompts agrees at which rates, and how to draw counts from it.

Prompt i is of class j with share π_j; its own rate in context s is Beta(p_js φ, (1 − p_js) φ), or p_js itself where
φ = ∞; k_is ~ Bin(n_is, rate).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from estimators.count_cells import CountCells
from estimators.latent_class_likelihood import class_shares, unpack
from estimators.simulate import Design

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

    @classmethod
    def of(cls, parameters: Floats, classes: int) -> ClassLaw:
        """From working parameters (P,): log shares over the first class's, logits class by class, log φ."""
        coefficients, logits, log_phi = unpack(parameters, classes, 2)
        train, deploy = expit(logits).T.tolist()
        phi = float(np.exp(log_phi[0])) if log_phi.size else float("inf")
        return cls(tuple(class_shares(coefficients)[0].tolist()), tuple(train), tuple(deploy), phi)

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
        """Working parameters (P,), with log φ where it is finite; infinite where a share is zero."""
        tail = [np.log(self.phi)] if np.isfinite(self.phi) else []
        with np.errstate(divide="ignore"):
            odds = np.log(self.shares[1:]) - np.log(self.shares[0])
        return np.concatenate([odds, logit(self.rates).ravel(), tail])

    def simulate(self, design: Design, rng: np.random.Generator) -> CountCells:
        """Counts of a design with the slots train and deploy."""
        rates = self.rates[rng.choice(self.classes, size=design.prompts, p=self.shares)]
        if np.isfinite(self.phi):
            rates = rng.beta(rates * self.phi, (1 - rates) * self.phi)
        return design.counted(rng.binomial(design.n, rates))
