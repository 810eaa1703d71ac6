"""Kernels of the tie rule: :func:`stackelberg.response.break_ties` for many games at once."""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.kernels import entry, inner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RULE_TIE = 1e-9
"""The tie rule's tolerance, :data:`stackelberg.response.TIE_TOLERANCE`; a test compares them."""
STAKES_FLOOR = 1e-5
"""Smallest unit of ties as a share of the largest payoff, as in :func:`stackelberg.response.payoff_scale`."""


@inner
def unit_of_ties(C: Floats, g: int, l: int) -> float:
    """Largest stake of a type between two replies, with a floor: ``response.payoff_scale``."""
    widest = 0.0
    largest = 0.0
    for i in range(C.shape[2]):
        low = C[g, l, i, 0]
        high = low
        for j in range(C.shape[3]):
            low = min(low, C[g, l, i, j])
            high = max(high, C[g, l, i, j])
        widest = max(widest, high - low)
        largest = max(largest, max(high, -low))
    return max(widest, STAKES_FLOOR * largest)


@inner
def settle(
    R: Floats, C: Floats, prior: Floats, g: int, x: Floats, unit: Floats, own: Floats, replies: Ints
) -> float:
    """Replies at x by the tie rule, from the payoffs as given, and the leader's value in utils."""
    _, K, m, n = R.shape
    value = 0.0
    for l in range(K):
        highest = 0.0
        for j in range(n):
            a = 0.0
            for i in range(m):
                a += C[g, l, i, j] * x[i]
            own[j] = a
            if j == 0 or a > highest:
                highest = a
        highest -= RULE_TIE * unit[l]
        chosen = -1
        most = 0.0
        for j in range(n):
            if own[j] >= highest:
                a = 0.0
                for i in range(m):
                    a += R[g, l, i, j] * x[i]
                if chosen < 0 or a > most:
                    most = a
                    chosen = j
        replies[g, l] = chosen
        value += prior[g, l] * most
    return value


@entry
def settle_games(
    R: Floats,
    C: Floats,
    prior: Floats,
    units: Floats,
    first: int,
    last: int,
    strategy: Floats,
    value: Floats,
    replies: Ints,
) -> None:
    """Replies and values of games ``first`` to ``last - 1`` at commitments and units of ties given."""
    own = np.empty(R.shape[3])
    for g in range(first, last):
        value[g] = settle(R, C, prior, g, strategy[g], units[g], own, replies)
