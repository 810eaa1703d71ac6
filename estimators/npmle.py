"""The joint law of train and deploy rates over prompts is fitted without a model of its shape.

Model: prompt i has rates (p_iT, p_iD) ~ G, any law on the unit square; k_is of n_is samples agree, binomially.
  ℓ(G) = Σ_i log ∫ Bin(k_iT; n_iT, p_T) Bin(k_iD; n_iD, p_D) dG.

In words: the largest likelihood that any law of the prompts can have, hence the yardstick for models of it. G is not
unique, since n samples a prompt identify only moments (THEORY 2.2, Theorem 5), and its some 15 atoms are no types: read
the fitted probabilities of counts, the mean rates and the predictions, not the atoms. For shares above and below a
threshold take `estimators.fracture_bounds`.

How it is climbed, and what the certificate means: `estimators.npmle_fit`.

Source: Kiefer and Wolfowitz (1956), Ann. Math. Stat. 27:887-906; Wang (2007), JRSS B 69:185-198.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from estimators.count_cells import CountCells, pair_cells
from estimators.mixing import binomial_rows
from estimators.newton import EstimationWarning
from estimators.npmle_fit import fit_law
from estimators.parameters import stored

if TYPE_CHECKING:
    from estimators.observations import Observations

Floats = NDArray[np.float64]


class Npmle:
    """Nonparametric maximum likelihood of the joint law of (p_train, p_deploy) over prompts.

    Parameters
    ----------
    grid : int, optional
        Points per axis from which maxima of the slope are sought; by default enough for the largest n.
    tolerance : float
        The log-likelihood is at most this far from its maximum.
    max_iterations : int
    bootstrap : int
        Resamples of prompts behind the intervals of the summary; 0 for none.
    level : float in (0, 1)
    seed : int

    Attributes
    ----------
    support_ : (J, 2)
        Atoms (p_train, p_deploy), sorted.
    weights_ : (J,)
    log_likelihood_ : float
        With the binomial coefficients, as in the other models.
    d_max_ : float
        Certificate: the largest slope of the log-likelihood towards an atom of the unit square.
    converged_ : bool
    status_, message_ : str
    iterations_, n_prompts_, n_cells_ : int
    summary : DataFrame
        parameter, estimate, se, low, high: mean rates, gap, standard deviations over prompts of the rates, their
        correlation. Percentiles of the bootstrap; NaN without.

    Examples
    --------
    >>> from estimators.count_cells import count_cells
    >>> cells = count_cells([[10, 10]] * 5, [[9, 2], [10, 5], [8, 1], [5, 0], [2, 0]])
    >>> fit = Npmle().fit_cells(cells)
    >>> print(len(fit.weights_), round(fit.log_likelihood_, 4), fit.d_max_ < 1e-6)
    3 -14.9545 True
    """

    def __init__(
        self,
        grid: int | None = None,
        *,
        tolerance: float = 5e-7,
        max_iterations: int = 200,
        bootstrap: int = 0,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.grid = grid
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.bootstrap = bootstrap
        self.level = level
        self.seed = seed

    def get_params(self) -> dict[str, Any]:
        """What `__init__` stored."""
        return stored(self)

    def fit(self, obs: Observations) -> Self:
        """Fit to the (train, deploy) pairs of the observations, each a prompt of its own.

        Raises
        ------
        ValueError
            A parameter outside its range, or no pair.

        Warns
        -----
        EstimationWarning
            The climb did not reach the tolerance.
        """
        return self.fit_cells(pair_cells(obs))

    def fit_cells(self, cells: CountCells) -> Self:
        """Fit to count cells with the contexts train and deploy; see `fit`."""
        self._check(cells)
        found = fit_law(cells.n, cells.k, cells.weights, self.grid, self.tolerance, self.max_iterations)
        order = np.lexsort(found.atoms.T[::-1])
        self.support_, self.weights_ = found.atoms[order], found.weights[order]
        self.log_likelihood_, self.d_max_ = found.log_likelihood, found.d_max
        self.iterations_ = found.iterations
        self.n_prompts_, self.n_cells_ = int(cells.prompts), len(cells.k)
        self.converged_ = bool(found.d_max < self.tolerance)
        self.status_ = "converged" if self.converged_ else "not converged"
        near = f"the log-likelihood is within {max(found.d_max, 0.0):.1e} of its maximum over all laws"
        self.message_ = near if self.converged_ else f"{near}; raise max_iterations or tolerance"
        self._summarise(cells)
        if not self.converged_:
            warnings.warn(f"{self.status_}: {self.message_}", EstimationWarning, stacklevel=2)
        return self

    def log_probability(self, n: ArrayLike, k: ArrayLike, uniform: float = 0.0) -> Floats:
        """Log probability of counts (N, 2) of n samples (N, 2) under the fitted law, (N,).

        Parameters
        ----------
        n, k : (N, 2) of int
            A context with n = 0 is not looked at, so that log P(k_D | k_T) is one value minus another.
        uniform : float in [0, 1)
            Share of a uniform law mixed in: the bare law may call impossible what it has not seen.
        """
        n, k = np.asarray(n, dtype=np.int64), np.asarray(k, dtype=np.int64)
        rows = binomial_rows(n, k, self.support_) @ self.weights_
        flat = 1.0 / np.prod(n + 1.0, axis=1)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((1 - uniform) * rows + uniform * flat))

    def print_summary(self) -> None:
        """Print how well the law is determined, and what it says of the rates."""
        print(f"NPMLE: {self.n_prompts_} prompts, {self.n_cells_} distinct cells, {len(self.weights_)} atoms")
        print(f"log-likelihood {self.log_likelihood_:.2f}; {self.status_}: {self.message_}")
        print(self.summary.round(3).to_string(index=False))

    def _check(self, cells: CountCells) -> None:
        if self.grid is not None and self.grid < 3:
            raise ValueError(f"grid is {self.grid}; give at least 3 points per axis")
        if not 0 < self.level < 1 or self.tolerance <= 0 or self.max_iterations < 1 or self.bootstrap < 0:
            raise ValueError(
                "level must lie in (0, 1), tolerance above 0, max_iterations be at least 1, bootstrap at least 0"
            )
        if cells.n.shape[1] != 2:
            raise ValueError(f"cells must have the two contexts train and deploy, got {cells.n.shape[1]}")

    def _summarise(self, cells: CountCells) -> None:
        estimate = _moments(self.support_, self.weights_)
        table = pd.DataFrame({"parameter": list(estimate), "estimate": list(estimate.values())})
        table[["se", "low", "high"]] = np.nan
        if self.bootstrap:
            rng = np.random.default_rng(self.seed)
            prompts = round(cells.prompts)
            drawn = []
            for weights in rng.multinomial(prompts, cells.weights / cells.prompts, self.bootstrap):
                seen = weights > 0
                found = fit_law(
                    cells.n[seen],
                    cells.k[seen],
                    weights[seen].astype(float),
                    self.grid,
                    1e-4,
                    self.max_iterations,
                )
                drawn.append(list(_moments(found.atoms, found.weights).values()))
            values = np.array(drawn)
            table["se"] = values.std(axis=0, ddof=1)
            tails = [0.5 - self.level / 2, 0.5 + self.level / 2]
            table["low"], table["high"] = np.nanquantile(values, tails, axis=0)
        self.summary = table


def _moments(atoms: Floats, weights: Floats) -> dict[str, float]:
    """Mean rates, gap, standard deviations over prompts and the correlation (NaN where a rate does not vary)."""
    mean = weights @ atoms
    spread = np.sqrt(weights @ (atoms - mean) ** 2)
    both = float(weights @ np.prod(atoms - mean, axis=1))
    varies = spread.min() > 1e-9
    return {
        "mean_train": float(mean[0]),
        "mean_deploy": float(mean[1]),
        "gap": float(mean[0] - mean[1]),
        "sd_train": float(spread[0]),
        "sd_deploy": float(spread[1]),
        "correlation": both / float(spread.prod()) if varies else float("nan"),
    }
