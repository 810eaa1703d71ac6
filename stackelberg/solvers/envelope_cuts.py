"""Envelope cuts: the least concave function above what a type gives the leader.

For type l let :math:`f_l(x) = \\max_j \\{p_l R^l_j x : j \\text{ a best reply at } x\\}`.  Its concave
envelope at x is

.. math:: \\max \\sum_j p_l R^l_j v_j \\;\\text{s.t.}\\; \\sum_j v_j = x, \\; v_j \\ge 0,\\;
          (C^l_j - C^l_k) v_j \\ge 0,

the relaxation of the mixed-integer program MIP-p-G (Casorran, Fortz, Labbe & Ordonez, EJOR 2019) for one
type.  We solve it by column generation and use the dual :math:`\\alpha`, with
:math:`\\theta_l \\le \\alpha x` as the cut:

1. Start from the corners :math:`e_i`, each worth :math:`f_l(e_i)`; they make up x with weights B^-1 x.
2. :math:`\\alpha` = (values of the basis) B^-1.
3. Find a point v, best reply j, with :math:`p_l R_j v > \\alpha v`: first among the points remembered, then
   by pricing: :math:`\\max (p_l R_j - \\alpha) v` over the part of the simplex where j is a best reply.
4. Enter it and go to 2; stop when no reply has such a point.  Stop early when :math:`\\alpha x`, which only
   grows, shows that no cut at x is violated.
"""

import numpy as np

from stackelberg.solvers.pricing import price_reply
from stackelberg.solvers.reduction import enter_point
from stackelberg.solvers.simplex import best_reply, dot, profile_lp
from stackelberg.solvers.state import (
    CUTOFF,
    EMPTY,
    OPTIMAL,
    STOP,
    WORK,
    Flags,
    Floats,
    Game,
    Ints,
    Pool,
)
from stackelberg.solvers.tiers import inlined, kernel

NO_CUT = 1e300
NUDGED = 2e-11
"""What the perturbation of a program on the dual can add to its value."""


@kernel
def point_in_cone(
    game: Game,
    l: int,
    j: int,
    vector: Floats,
    gradient: Floats,
    cone: Floats,
    cone_rows: int,
    tolerance: float,
    point: Floats,
    counters: Ints,
) -> int:
    """The same as :func:`find_point`, where the cone rows are non-negative."""
    m, row = point.size, l * game.replies + j
    objective, value = np.empty(m), np.empty(1)
    for i in range(m):
        objective[i] = vector[row, i] - gradient[i]
    types, replies = np.empty(1, np.int64), np.empty(1, np.int64)
    types[0], replies[0] = l, j
    status = profile_lp(
        game, objective, types, replies, 1, cone, cone_rows, tolerance + NUDGED, point, value, counters
    )
    if status != OPTIMAL:
        return status
    gain = 0.0
    for i in range(m):
        gain += objective[i] * point[i]
    return OPTIMAL if gain > tolerance else CUTOFF


@inlined
def find_point(
    game: Game,
    pool: Pool,
    l: int,
    j: int,
    vector: Floats,
    gradient: Floats,
    cone: Floats,
    cone_rows: int,
    is_confined: int,
    tolerance: float,
    point: Floats,
    counters: Ints,
    objective: Floats,
    mixture: Floats,
    multiplier: Floats,
) -> int:
    """Step 3: a point where j is a best reply and worth more than the gradient says.

    Returns OPTIMAL with the ``point``, CUTOFF where there is none, EMPTY where j never is a best reply, or
    CAPPED.  Confined to the cone rows it solves the search-space program, else the warm pricing program.
    """
    n, m, strategies = game.replies, point.size, game.pure_leader.shape[1]
    row = l * n + j
    if is_confined == 1:
        return point_in_cone(game, l, j, vector, gradient, cone, cone_rows, tolerance, point, counters)
    for z in range(strategies):
        drop = dot(game.points, z, gradient) if game.is_reduced == 1 else gradient[z]
        objective[z] = game.pure_leader[row, z] - drop
    status = price_reply(game, pool, l, j, objective, 0.1 * tolerance, mixture, multiplier, counters)
    if status != OPTIMAL:
        return status
    total = 0.0
    for i in range(m):
        point[i] = 0.0
    for z in range(strategies):
        share = mixture[z]
        if share > 0.0:
            total += share * objective[z]
            if game.is_reduced == 0:
                point[z] = share
            else:
                for i in range(m):
                    point[i] += share * game.points[z, i]
    return CUTOFF if total <= tolerance else OPTIMAL


@kernel
def separate(
    game: Game,
    pool: Pool,
    vector: Floats,
    allowed: Flags,
    l: int,
    x: Floats,
    cone: Floats,
    cone_rows: int,
    is_confined: int,
    target: float,
    gradient: Floats,
    utility: Floats,
    counters: Ints,
) -> float:
    """An envelope cut of type l at x into ``gradient``; its value at x, or NO_CUT if not below target.

    It holds over the simplex, or, confined, where the cone rows are non-negative.  Replies found to be
    nowhere best there are struck from ``allowed``.
    """
    m = x.size
    strategies = game.pure_leader.shape[1]
    memory = (
        np.zeros((m, m)),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.zeros(m),
        np.empty(pool.size[l], np.int64),
        np.empty(strategies),
        np.empty(strategies),
        np.empty(game.replies),
    )
    return separate_in(
        game,
        pool,
        vector,
        allowed,
        l,
        x,
        cone,
        cone_rows,
        is_confined,
        target,
        gradient,
        utility,
        counters,
        *memory,
    )


@inlined
def separate_in(
    game: Game,
    pool: Pool,
    vector: Floats,
    allowed: Flags,
    l: int,
    x: Floats,
    cone: Floats,
    cone_rows: int,
    is_confined: int,
    target: float,
    gradient: Floats,
    utility: Floats,
    counters: Ints,
    inverse: Floats,
    value: Floats,
    weight: Floats,
    direction: Floats,
    point: Floats,
    corner: Floats,
    remembered: Ints,
    objective: Floats,
    mixture: Floats,
    multiplier: Floats,
) -> float:
    """:func:`separate` in memory that it is given: zeros in ``inverse`` and ``corner``."""
    m, n = x.size, game.replies
    capacity = pool.point.shape[0] // game.types
    tolerance = 1e-9 / game.types
    spread = 0.38196601
    for i in range(m):
        spread = (spread * 991.0) % 1.0
        weight[i] = max(x[i], 0.0) + 1e-10 * (1.0 + spread)
        inverse[i, i] = 1.0
        worth = -50.0  # of a corner that is no commitment
        is_commitment = game.is_reduced == 0
        for k in range(cone_rows):
            if cone[k, i] < 0.0:
                is_commitment = False
        if is_commitment:
            worth = -3.0
            corner[i] = 1.0
            most = utility[best_reply(game.follower_by_action, l, corner, utility, 0)] - 1e-12
            corner[i] = 0.0
            for j in range(n):
                if allowed[l * n + j] != 0 and utility[j] >= most:
                    worth = max(worth, vector[l * n + j, i])
        value[i] = gradient[i] = worth
    count = 0
    for z in range(l * capacity, l * capacity + pool.size[l]):
        usable = allowed[l * n + pool.reply[z]] != 0
        for k in range(cone_rows):
            if usable and dot(pool.point, z, cone[k]) < -1e-9:
                usable = False
        if usable:
            remembered[count] = z
            count += 1
    quiet, j, from_memory = 0, -1, True
    for _ in range(300 + 40 * n):
        counters[WORK] += m * (2 * m + count)
        if counters[WORK] > counters[STOP]:
            return NO_CUT
        entering, worth = -1, 0.0
        if from_memory:
            gain = tolerance
            for k in range(count):
                z = remembered[k]
                a = pool.value[z] - dot(pool.point, z, gradient)
                if a > gain:
                    gain, entering = a, z
            if entering < 0:
                from_memory = False
            else:
                worth = pool.value[entering]
        if entering < 0:
            j = (j + 1) % n
            quiet += 1
            if allowed[l * n + j] != 0:
                status = find_point(
                    game,
                    pool,
                    l,
                    j,
                    vector,
                    gradient,
                    cone,
                    cone_rows,
                    is_confined,
                    tolerance,
                    point,
                    counters,
                    objective,
                    mixture,
                    multiplier,
                )
                if status == EMPTY:
                    allowed[l * n + j] = 0
                elif status == OPTIMAL:
                    worth = dot(vector, l * n + j, point)
                    entering = l * capacity + min(pool.size[l], capacity - 1)  # full: recycle the last place
                    if pool.size[l] < capacity:
                        pool.size[l] += 1
                    pool.value[entering] = worth
                    pool.reply[entering] = j
                    for i in range(m):
                        pool.point[entering, i] = point[i]
                elif status != CUTOFF:
                    return NO_CUT
        if entering >= 0:
            row = enter_point(inverse, weight, value, gradient, pool.point, entering, worth, direction, point)
            if row >= 0:
                quiet = 0
            else:
                from_memory = False
        a = 0.0
        for i in range(m):
            a += gradient[i] * x[i]
        if not a < target:
            return NO_CUT
        if quiet >= n:
            slack = 4.0 * tolerance + (NUDGED if is_confined == 1 else 0.0)
            for i in range(m):
                gradient[i] += slack
            return a + slack
    return NO_CUT
