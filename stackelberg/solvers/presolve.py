"""Presolve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import payoff_scale


@dataclass(frozen=True, eq=False)
class Presolved:
    leader: NDArray[np.float64]
    follower: NDArray[np.float64]
    rows: NDArray[np.float64]
    unit: float
    offset: float
    strategies: int
    kept: NDArray[np.int64]

    def strategy(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        full = np.zeros(self.strategies)
        full[self.kept] = x
        return full


def presolve(game: BayesianStackelbergGame) -> Presolved:
    types, m, n = game.shape
    R = game.leader_payoffs.copy(); C = game.follower_payoffs.copy()
    scale = payoff_scale(game); scale = np.where(scale > 0, scale, 1.0)
    C = C / scale[:, None, None]
    C -= np.nanmean(C, axis=2, keepdims=True)
    for l in range(types):
        c = game.follower_action_counts[l]
        C[l, :, c:] = C[l, :, :1] - 1.0
        R[l, :, c:] = R[l, :, :1]
    low = R.min(); unit = max(R.max() - low, 1e-300)
    leader = (R - low) / unit * game.prior[:, None, None]
    rows = np.zeros((0, m))
    if (more := game.constraints) is not None:
        eq = more.b_eq[:, None] - more.A_eq
        rows = np.vstack([more.b_ub[:, None] - more.A_ub, eq, -eq])
        size = np.abs(rows).max(axis=1, initial=0, keepdims=True)
        rows = rows[(size[:, 0] > 0)] / size[size[:, 0] > 0]
        rows = rows[(rows < 0).any(axis=1)]
    return Presolved(leader, C, rows, float(unit), float(low * game.prior.sum()), m, np.arange(m))
