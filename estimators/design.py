"""The design of an evaluation: how many samples each prompt answers, and at which beliefs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimators.count_cells import CountCells, count_cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Design:
    """Which samples are asked for: of how many prompts, how many, and at which beliefs.

    Attributes
    ----------
    n : (N, S) of int
        Samples of prompt i in slot s; 0 where it has none.
    beliefs : (N, S)
        Beliefs in [0, 1] that the conversation is monitored; the first slot is train where there are two.

    Examples
    --------
    >>> Design.regular(prompts=3, samples=10).n.tolist()
    [[10, 10], [10, 10], [10, 10]]
    """

    n: Ints
    beliefs: Floats

    def __post_init__(self) -> None:
        n, beliefs = np.asarray(self.n, dtype=np.int64), np.asarray(self.beliefs, dtype=np.float64)
        if n.ndim != 2 or n.size == 0 or np.any(n < 0):
            raise ValueError(
                f"n must be (prompts, slots), none negative and none missing, got shape {n.shape}"
            )
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "beliefs", np.broadcast_to(beliefs, n.shape))

    @classmethod
    def regular(cls, prompts: int, samples: int, beliefs: ArrayLike = (1.0, 0.0)) -> Design:
        """Every prompt answers `samples` samples at each of these beliefs (S,)."""
        told = np.asarray(beliefs, dtype=np.float64)
        return cls(np.full((prompts, len(told)), samples), told)

    @classmethod
    def of(cls, cells: CountCells) -> Design:
        """The design that these counts came from, whose multiplicities must be whole."""
        repeats = np.rint(cells.weights).astype(np.int64)
        return cls(np.repeat(cells.n, repeats, axis=0), np.repeat(cells.beliefs, repeats, axis=0))

    @property
    def prompts(self) -> int:
        """Number of prompts N."""
        return len(self.n)

    def counted(self, agreed: ArrayLike) -> CountCells:
        """Cells of the agreements (N, S)."""
        return count_cells(self.n, agreed, self.beliefs)
