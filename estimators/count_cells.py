"""Prompts with the same counts are one cell, so a likelihood's cost does not grow with the number of prompts.

A prompt i answers n_is samples in context s, of which k_is agree with the announced objective, at belief
β_is that the conversation is monitored. Where prompts are exchangeable, the table of distinct rows (n, k,
β) with their multiplicities is a sufficient statistic (THEORY section 0, item 4). Cells with the same (n,
β) share a *design*: whatever depends on the parameters and the design alone is computed once per design. A
context that a prompt lacks has n = 0, a factor of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

if TYPE_CHECKING:
    from estimators.observations import Observations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CountCells:
    """Distinct count rows with multiplicities; make one with `count_cells`.

    Attributes
    ----------
    n, k : (C, S) of int
        Samples and agreements of cell c in context s.
    weights : (C,) of float
        Prompts in the cell.
    design : (C,) of int
        Row of `design_n` and `design_beliefs` that the cell has.
    design_n, design_beliefs : (D, S)
        Distinct numbers of samples and beliefs.
    cell : (N,) of int
        Cell of each row that `count_cells` collected; empty where cells were made otherwise.
    """

    n: Ints
    k: Ints
    weights: Floats
    design: Ints
    design_n: Floats
    design_beliefs: Floats
    cell: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @cached_property
    def prompts(self) -> float:
        """Number of prompts, the N of BIC."""
        return float(self.weights.sum())

    @cached_property
    def beliefs(self) -> Floats:
        """Belief of each cell and context, (C, S)."""
        return self.design_beliefs[self.design]

    @cached_property
    def atoms(self) -> tuple[Floats, Ints]:
        """Distinct pairs (n, k) of all contexts, (U, 2), and the pair of each cell and context, (C, S)."""
        pairs, index = _distinct(np.column_stack([self.n.ravel(), self.k.ravel()]))
        return pairs, index.reshape(self.k.shape)

    @cached_property
    def agreed(self) -> Floats:
        """Agreements of a cell over its contexts, (C,)."""
        return self.k.sum(axis=1).astype(np.float64)

    @cached_property
    def agreed_belief(self) -> Floats:
        """Agreements weighted by belief, Σ_s β_s k_s, (C,)."""
        return np.asarray(np.sum(self.k * self.beliefs, axis=1))

    @cached_property
    def totals(self) -> tuple[Ints, Floats, Ints]:
        """Distinct (design, agreements over all contexts) of the cells.

        Given its type, a prompt's preference sees the counts only through their total, so whatever integrates over
        preferences is computed once per total: 21 of them instead of up to 121 cells at n = 10 + 10.

        Returns
        -------
        design : (M,) of int
        agreed : (M,)
        cell : (C,) of int
            Row of the two that each cell has.
        """
        rows, cell = _distinct(np.column_stack([self.design, self.agreed]))
        return rows[:, 0].astype(np.int64), rows[:, 1], cell

    @cached_property
    def log_coefficient_of_cell(self) -> Floats:
        """Log of the product over contexts of the binomial coefficients, (C,)."""
        terms = gammaln(self.n + 1) - gammaln(self.k + 1) - gammaln(self.n - self.k + 1)
        return np.asarray(terms.sum(axis=1))

    @cached_property
    def log_coefficients(self) -> float:
        """Sum over prompts and contexts of the log binomial coefficients."""
        return float(self.weights @ self.log_coefficient_of_cell)


def count_cells(
    n: ArrayLike, k: ArrayLike, beliefs: ArrayLike | None = None, weights: ArrayLike | None = None
) -> CountCells:
    """Collect equal rows of counts into cells.

    Parameters
    ----------
    n, k : (N, S) of int
        Samples and agreements; n = 0 where a prompt lacks a context.
    beliefs : (S,) or (N, S) in [0, 1], optional
        Belief that the conversation is monitored; 1, 0, 0, … if left out (the first context is the
        monitored one).
    weights : (N,), optional
        Prompts with this row; one each if left out.

    Raises
    ------
    ValueError
        Shapes that do not agree, no prompt, k outside 0..n, a belief outside [0, 1].

    Examples
    --------
    >>> cells = count_cells([[10, 10], [10, 10], [10, 10]], [[9, 2], [3, 3], [9, 2]])
    >>> cells.k.tolist(), cells.weights.tolist()
    ([[3, 3], [9, 2]], [1.0, 2.0])
    """
    n, k = np.asarray(n, dtype=np.int64), np.asarray(k, dtype=np.int64)
    if n.ndim != 2 or n.shape != k.shape or n.size == 0:
        raise ValueError(f"n and k must share one shape (prompts, contexts), got {n.shape} and {k.shape}")
    if np.any(k < 0) or np.any(k > n):
        row = int(np.flatnonzero(np.any((k < 0) | (k > n), axis=1))[0])
        raise ValueError(f"row {row}: agreed {k[row].tolist()} must lie between 0 and n {n[row].tolist()}")
    told = np.eye(1, n.shape[1])[0] if beliefs is None else np.asarray(beliefs, dtype=np.float64)
    told = np.broadcast_to(told, n.shape)
    if not np.all((told >= 0) & (told <= 1)):
        raise ValueError("beliefs must lie in [0, 1]")
    weight = np.ones(len(n)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (len(n),) or not np.all(weight > 0):
        raise ValueError(f"weights must be positive, one for each of the {len(n)} rows")
    # An absent context carries no information, so its belief must not split designs.
    told = np.where(n > 0, told, 0.0)
    design_rows, design = _distinct(np.hstack([n, told]))
    cell_rows, cell = _distinct(np.column_stack([design, k]))
    contexts = n.shape[1]
    first = cell_rows[:, 0].astype(np.int64)
    return CountCells(
        n=design_rows[first, :contexts].astype(np.int64),
        k=cell_rows[:, 1:].astype(np.int64),
        weights=np.bincount(cell, weight),
        design=first,
        design_n=design_rows[:, :contexts],
        design_beliefs=design_rows[:, contexts:],
        cell=cell,
    )


def _distinct(rows: NDArray[np.generic]) -> tuple[Floats, Ints]:
    """Distinct rows in sorted order and the index of each row among them (np.unique is five times slower)."""
    values = np.asarray(rows, dtype=np.float64)
    order = np.lexsort(values.T[::-1])
    ordered = values[order]
    new = np.append(True, np.any(ordered[1:] != ordered[:-1], axis=1))
    index = np.empty(len(values), dtype=np.int64)
    index[order] = np.cumsum(new) - 1
    return ordered[new], index


def pair_cells(obs: Observations) -> CountCells:
    """Cells of the (train, deploy) pairs, at beliefs 1 and 0; for models in which beliefs play no part."""
    pairs = obs.pairs()
    if pairs.empty:
        raise ValueError("there is no prompt with both a train and a deploy row; nothing can be fitted")
    return count_cells(pairs[["n_train", "n_deploy"]], pairs[["agreed_train", "agreed_deploy"]])


@dataclass(frozen=True, eq=False)
class BeliefUnits:
    """Rows of counts with their beliefs, one unit per row; see `belief_units`.

    Attributes
    ----------
    n, k : (N, S) of int
        Samples and agreements; n = 0 where a unit lacks a context.
    beliefs : (N, S)
    labels : DataFrame of N rows
        The unit's labels, those of model, family, method, axis, setting and prompt_id that there are.
    unused : int
        Rows left out because they carry no belief.
    """

    n: Ints
    k: Ints
    beliefs: Floats
    labels: pd.DataFrame
    unused: int


def belief_units(obs: Observations, beliefs: Mapping[str, float]) -> BeliefUnits:
    """Rows of counts in which each sample has its stated belief, or that of its context where none is stated.

    A unit is one prompt of one model, family, method, axis and setting: its arms share one preference. Rows
    of context "none" without a stated belief tell nothing about incentives and are left out. S is the largest
    number of rows of a unit.
    """
    frame = obs.frame.assign(agreed=obs.agreed().to_numpy())
    belief = frame["context"].map(dict(beliefs)).astype(float)
    if "stated_belief" in frame:
        belief = frame["stated_belief"].astype(float).fillna(belief)
    frame = frame.assign(belief=belief)
    unused = int(frame["belief"].isna().sum())
    frame = frame[frame["belief"].notna()]
    if frame.empty:
        raise ValueError("no row has a belief: give stated_belief, or rows of context train and deploy")
    unit_key = [c for c in ("model", "family", "method", "axis", "setting", "prompt_id") if c in frame]
    # One row per unit and belief: samples of a prompt at the same belief are exchangeable in this model.
    rows = frame.groupby([*unit_key, "belief"], sort=True, dropna=False)[["n", "agreed"]].sum().reset_index()
    unit = rows.groupby(unit_key, sort=False, dropna=False).ngroup().to_numpy()
    slot = pd.Series(unit).groupby(unit).cumcount().to_numpy()
    shape = (int(unit.max()) + 1, int(slot.max()) + 1)
    n, k, told = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape)
    # Ascending beliefs fill slots from the right, so that with two contexts the train column comes first.
    column = shape[1] - 1 - slot
    n[unit, column], k[unit, column], told[unit, column] = rows["n"], rows["agreed"], rows["belief"]
    labels = rows.loc[slot == 0, unit_key].reset_index(drop=True)
    return BeliefUnits(n, k, told, labels, unused)


def belief_cells(obs: Observations, beliefs: Mapping[str, float]) -> tuple[CountCells, int]:
    """Cells of `belief_units`, and the number of rows left out because they carry no belief."""
    units = belief_units(obs, beliefs)
    return count_cells(units.n, units.k, units.beliefs), units.unused
