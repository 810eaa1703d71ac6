"""Rank reduction: search in the few coordinates through which payoffs depend on the commitment.

In security and patrol games many pure strategies differ little: stacked over types and replies, the payoffs
form a matrix A (with a row of ones) of rank r far below the number m0 of pure strategies.  We then search
for a point y of the standard simplex of :math:`\\mathbb R^r` instead of x:

1. A pivoted QR factorisation picks r columns S with :math:`A = A_S Z` (columns of Z sum to one).
2. With :math:`b_k = \\min(0, \\min_i Z_{ki})` and :math:`g = 1 - \\sum_k b_k`, the points
   :math:`P_i = (Z_i - b)/g` lie in the standard simplex, and the payoffs at y are
   :math:`g A_S y + A_S b`.
3. y is a commitment only inside the convex hull of the :math:`P_i`.  Its facets :math:`h y \\ge 0` are
   found when a y violates one (:func:`outside_hull`), which few ever do.
"""

import numpy as np
from scipy.linalg import lapack

from stackelberg.solvers.simplex import dot, eliminate, ratio_test
from stackelberg.solvers.state import FACETS, WORK, Floats, Game, Ints
from stackelberg.solvers.tiers import entry, inlined, kernel

RANK_TOLERANCE = 1e-9
MOST_COORDINATES, LARGEST_SHARE = 9, 0.3
"""Up to this many coordinates, and this share of the pure strategies, a reduction pays.

The hull of the points has facets exponential in the coordinates.  At 60 strategies 8 coordinates made a search
1.6 times faster, 10 cost a fifth, 16 thirteen times the time; at 128 strategies of rank 41 no hull was closed.
"""
INSIDE, FACET_ADDED, NO_ROOM = 0, 1, 2


def skeleton(matrix: Floats) -> tuple[Ints, Floats] | None:
    """Columns S and coefficients Z with ``matrix = matrix[:, S] @ Z``; None where that does not pay.

    Parameters
    ----------
    matrix : ndarray, shape (rows, columns)
        Its first row is all ones, so that the columns of Z sum to one.

    Also None where too many columns are left for the reduction to pay; see :data:`MOST_COORDINATES`.
    """
    columns = matrix.shape[1]
    factored, order, *_ = lapack.dgeqp3(matrix)  # columns in the order of what is left of them
    size = np.abs(np.diagonal(factored))
    rank = int((size > RANK_TOLERANCE * size[0]).sum())
    if rank > min(MOST_COORDINATES, LARGEST_SHARE * columns, columns - 2):
        return None
    coefficients, _ = lapack.dtrtrs(factored[:rank, :rank], factored[:rank])
    order = order - 1
    Z = np.empty((rank, columns))
    Z[:, order] = coefficients
    Z[:, order[:rank]] = np.eye(rank)  # below its diagonal the factor holds something else
    return order[:rank].astype(np.int64), Z


def simplex_coordinates(Z: Floats) -> tuple[Floats, Floats, float]:
    """Points (columns, r) in the standard simplex, shift b (r,) and scale g of step 2."""
    shift = np.minimum(Z.min(axis=1), 0.0)
    scale = 1.0 - shift.sum()
    points = ((Z - shift[:, None]) / scale).T.copy()
    points[points < 1e-13] = 0.0
    return points / points.sum(axis=1, keepdims=True), shift, float(scale)


@inlined
def enter_point(
    inverse: Floats,
    weight: Floats,
    value: Floats,
    gradient: Floats,
    points: Floats,
    z: int,
    worth: float,
    direction: Floats,
    column: Floats,
) -> int:
    """Enter point z, worth ``worth``, into a basis of m points; the row it took or -1.

    Updates the weights with which the basis makes up the target, and ``gradient`` = value B^-1.
    """
    m = column.size
    for i in range(m):
        column[i] = points[z, i]
    row = ratio_test(inverse, column, direction, weight, -1)
    if row < 0:
        return -1
    eliminate(inverse, weight, direction, row, max(weight[row], 0.0) / direction[row])
    value[row] = worth
    for i in range(m):
        a = 0.0
        for r in range(m):
            a += value[r] * inverse[i, r]
        gradient[i] = a
    return row


@entry
def hull_distance(points: Floats, y: Floats, normal: Floats, chosen: Ints, weight: Floats) -> float:
    """How far y must move to the centre to be a combination of the points; 0 inside.

    Minimise sigma, where y + sigma * centre is a conic combination (the last row of ``points`` is minus the
    centre).  ``chosen`` and ``weight`` get the combination (-1: none), ``normal`` the dual: a facet.
    """
    m = y.size
    inverse, value, direction, column = np.zeros((m, m)), np.empty(m), np.empty(m), np.empty(m)
    return combine(points, y, normal, chosen, weight, inverse, value, direction, column)


@inlined
def combine(
    points: Floats,
    y: Floats,
    normal: Floats,
    chosen: Ints,
    weight: Floats,
    inverse: Floats,
    value: Floats,
    direction: Floats,
    column: Floats,
) -> float:
    """:func:`hull_distance` in memory that it is given: zeros in ``inverse``."""
    m, count = y.size, points.shape[0] - 1
    spread = 0.38196601
    for i in range(m):
        spread = (spread * 991.0) % 1.0
        weight[i] = max(y[i], 0.0) + 1e-12 * (1.0 + spread)
        value[i] = normal[i] = -1e3
        chosen[i] = -1
        inverse[i, i] = 1.0
    for _ in range(100 + 20 * m):
        cost, entering = 1e-9, -1
        for z in range(count + 1):
            a = -dot(points, z, normal)
            if z == count:
                a -= 1.0
            if a > cost:
                cost, entering = a, z
        if entering < 0:
            break
        worth = -1.0 if entering == count else 0.0
        row = enter_point(inverse, weight, value, normal, points, entering, worth, direction, column)
        if row < 0:
            break
        chosen[row] = entering
    distance = 0.0
    for i in range(m):
        distance -= normal[i] * y[i]
    return distance


@kernel
def outside_hull(game: Game, facet: Floats, counters: Ints, y: Floats) -> int:
    """INSIDE, or FACET_ADDED after adding a facet that cuts y off, or NO_ROOM for another facet."""
    m = y.size
    normal, weight, chosen = np.empty(m), np.empty(m), np.empty(m, np.int64)
    points, count = game.points, game.points.shape[0] - 1
    counters[WORK] += m * count * 10
    if not hull_distance(points, y, normal, chosen, weight) > 1e-8:
        return INSIDE
    row = counters[FACETS]
    if row >= facet.shape[0]:
        return NO_ROOM
    lowest, largest = 0.0, 0.0
    for z in range(count):
        lowest = min(lowest, dot(points, z, normal))
    for i in range(m):  # on the simplex a constant shift moves h y by that constant: makes the facet valid
        normal[i] -= lowest
        largest = max(largest, abs(normal[i]))
    if not largest > 0.0:
        return INSIDE
    for i in range(m):
        facet[row, i] = normal[i] / largest
    counters[FACETS] = row + 1
    return FACET_ADDED
