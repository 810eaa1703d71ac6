"""Kernels that prepare a small game for :mod:`stackelberg.solvers.tiny`: scale, order, drop.

Leader payoffs are weighted by the prior, and all payoffs divided by their scale, so that one tolerance serves
all; a type's follower payoffs are taken relative to its first reply, which changes no best reply.  A reply is
dropped if another is strictly better for the type at every pure commitment, or never worse for the type nor
for the leader.  What is left has one row per (type, reply), types by falling leader stakes, rows
``begin[d] .. begin[d + 1] - 1`` for the d-th, replies that promise the leader most first; and one column per
leader action.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.kernels import inner
from stackelberg.solvers.settle import unit_of_ties

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIE = 1e-10
"""A reply must beat another by more than this, in scaled payoffs, to make it dispensable."""


@inner
def measure(R: Floats, C: Floats, prior: Floats, g: int, order: Ints, unit: Floats, stakes: Floats) -> float:
    """Order the types by the leader's stakes, fill the units of their ties; returns the leader's scale."""
    _, K, m, n = R.shape
    leader_scale = 0.0
    for l in range(K):
        least = R[g, l, 0, 0]
        most = least
        for i in range(m):
            for j in range(n):
                least = min(least, R[g, l, i, j])
                most = max(most, R[g, l, i, j])
        leader_scale = max(leader_scale, max(most, -least))
        unit[l] = unit_of_ties(C, g, l)
        stakes[l] = prior[g, l] * (most - least)
        d = l
        while d > 0 and stakes[order[d - 1]] < stakes[l]:
            order[d] = order[d - 1]
            d -= 1
        order[d] = l
    return leader_scale


@inner
def pays_as_well(k: int, j: int, V: Floats) -> bool:
    """Whether row k gives the leader no less than row j at every pure commitment."""
    pays = True
    for i in range(V.shape[1]):
        pays = pays and V[k, i] >= V[j, i]
    return pays


@inner
def mark_redundant(first: int, last: int, V: Floats, D: Floats, keeps: Ints) -> None:
    """Set ``keeps`` to 0 for the rows of one type that another row makes dispensable, to 1 for the others."""
    m = V.shape[1]
    for j in range(last - first):
        keeps[j] = 1
    for j in range(first, last):
        for k in range(first, j):
            least = D[k, 0] - D[j, 0]  # what the type gains by k over j: range over pure commitments
            most = least
            for i in range(1, m):
                gain = D[k, i] - D[j, i]
                least = min(least, gain)
                most = max(most, gain)
            if least > TIE or (least >= 0.0 and pays_as_well(k, j, V)):
                keeps[j - first] = 0
            elif most < -TIE or (most <= 0.0 and pays_as_well(j, k, V)):
                keeps[k - first] = 0


@inner
def highest_payoff(V: Floats, row: int) -> float:
    """The most that a reply can give the leader."""
    most = V[row, 0]
    for i in range(1, V.shape[1]):
        most = max(most, V[row, i])
    return most


@inner
def sort_rows(first: int, last: int, V: Floats, D: Floats) -> None:
    """Replies that promise the leader most come first: good incumbents early, insertion sort."""
    for j in range(first + 1, last):
        row = j
        while row > first and highest_payoff(V, row) > highest_payoff(V, row - 1):
            for i in range(V.shape[1]):
                V[row, i], V[row - 1, i] = V[row - 1, i], V[row, i]
                D[row, i], D[row - 1, i] = D[row - 1, i], D[row, i]
            row -= 1


@inner
def prepare(
    R: Floats,
    C: Floats,
    prior: Floats,
    g: int,
    V: Floats,
    D: Floats,
    begin: Ints,
    order: Ints,
    unit: Floats,
    stakes: Floats,
    keeps: Ints,
) -> None:
    """Scale game g, order its types and drop redundant replies."""
    _, K, m, n = R.shape
    leader_scale = measure(R, C, prior, g, order, unit, stakes)
    row = 0
    for d in range(K):
        l = order[d]
        begin[d] = row
        weight = prior[g, l] / leader_scale if leader_scale > 0.0 else 0.0
        factor = 1.0 / unit[l] if unit[l] > 0.0 else 1.0
        for i in range(m):
            first = C[g, l, i, 0]
            for j in range(n):
                V[row + j, i] = weight * R[g, l, i, j]
                D[row + j, i] = factor * (C[g, l, i, j] - first)
        # Rows are judged against all others before any is dropped; moving them up keeps their order.
        mark_redundant(row, row + n, V, D, keeps)
        kept = 0
        for j in range(n):
            if keeps[j] == 1:
                if kept < j:
                    for i in range(m):
                        V[row + kept, i] = V[row + j, i]
                        D[row + kept, i] = D[row + j, i]
                kept += 1
        sort_rows(row, row + kept, V, D)
        row += kept
    begin[K] = row
