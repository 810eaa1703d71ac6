"""Pricing of envelope cuts: a warm-started primal simplex over the mixtures at which a reply is best."""

import numpy as np

from stackelberg.solvers.simplex import TOLERANCE, eliminate, ratio_test
from stackelberg.solvers.state import CAPPED, EMPTY, OPTIMAL, WORK, Floats, Game, Ints, Pool
from stackelberg.solvers.tiers import inlined, kernel

FRESH, WARM, EMPTY_REGION = 0, 1, 2


@kernel
def price_reply(
    game: Game,
    pool: Pool,
    l: int,
    j: int,
    objective: Floats,
    tolerance: float,
    x: Floats,
    multiplier: Floats,
    counters: Ints,
) -> int:
    """Maximise objective x over the pure strategies' mixtures x at which j is a best reply of type l.

    A primal simplex with n rows: convexity in row j, "as good as k" in row k, and one column per pure
    strategy; its basis is kept from one separation to the next.  Columns m0 + k are surpluses, column
    m0 + n is virtual (one in every row) and starts the first phase.  ``multiplier[k]`` gets the price of
    "as good as k" (where a region is found to be empty, such that j loses against that mixture of the others
    everywhere).  Returns OPTIMAL, EMPTY or CAPPED.
    """
    n, strategies = game.replies, game.pure_follower.shape[1]
    dual, direction, column, reduced = np.zeros(n), np.empty(n), np.empty(n), np.empty(strategies)
    return price_in(
        game, pool, l, j, objective, tolerance, x, multiplier, counters, dual, direction, column, reduced
    )


@inlined
def price_in(
    game: Game,
    pool: Pool,
    l: int,
    j: int,
    objective: Floats,
    tolerance: float,
    x: Floats,
    multiplier: Floats,
    counters: Ints,
    dual: Floats,
    direction: Floats,
    column: Floats,
    reduced: Floats,
) -> int:
    """:func:`price_reply` in memory that it is given: zeros in ``dual``."""
    follower = game.pure_follower
    n, strategies = game.replies, follower.shape[1]
    row_id = l * n + j
    inverse, level, basic = pool.inverse[row_id], pool.level[row_id], pool.column[row_id]
    if basic[n] == EMPTY_REGION:
        return EMPTY
    virtual = strategies + n
    for z in range(strategies):  # steep objectives round reduced costs more coarsely
        tolerance = max(tolerance, 1e-14 * abs(objective[z]))
    phase = 2
    if basic[n] == FRESH:
        phase = 1
        spread = 0.5454
        for k in range(n):
            for i in range(n):
                inverse[k, i] = 0.0
        for k in range(n):
            spread = (spread * 983.0) % 1.0
            inverse[k, k] = -1.0
            inverse[j, k] = 1.0
            basic[k] = strategies + k
            level[k] = 1.0 + 1e-10 * (1.0 + spread)
        basic[j] = virtual
        level[j] = 1.0
    for _ in range(200 + 20 * n):
        counters[WORK] += n * (n + strategies)
        virtual_row = -1
        for i in range(n):
            dual[i] = 0.0
        for r in range(n):
            price = 0.0
            if basic[r] < strategies:
                if phase == 2:
                    price = objective[basic[r]]
            elif basic[r] == virtual:
                price = -1.0 if phase == 1 else -100.0
                virtual_row = r
            if price != 0.0:
                for i in range(n):
                    dual[i] += price * inverse[i, r]
        if phase == 1 and (virtual_row < 0 or level[virtual_row] < 1e-11):
            phase = 2
            continue
        convexity = dual[j]
        dual[j] = 0.0
        gain, entering, total = tolerance, -1, 0.0
        for k in range(n):
            total += dual[k]
            if dual[k] > gain:
                gain, entering = dual[k], strategies + k
        dual[j] = -total
        for i in range(strategies):
            reduced[i] = -convexity
        for k in range(n):
            price = dual[k]
            for i in range(strategies):
                reduced[i] += price * follower[l * n + k, i]
        for i in range(strategies):
            a = reduced[i]
            if phase == 2:
                a += objective[i]
            if a > gain:
                gain, entering = a, i
        if entering < 0:
            if phase == 1:
                if level[virtual_row] > 1e-9:
                    for k in range(n):
                        multiplier[k] = max(-dual[k], 0.0) if k != j else 0.0
                    basic[n] = EMPTY_REGION
                    return EMPTY
                phase = 2
                continue
            for i in range(strategies):
                x[i] = 0.0
            for r in range(n):  # the vertex of the program itself: levels are of the perturbed one, whose
                if basic[r] < strategies:  # surplus near-equal payoffs would magnify
                    x[basic[r]] = max(inverse[j, r], 0.0)
            for k in range(n):
                multiplier[k] = max(-dual[k], 0.0) if k != j else 0.0
            basic[n] = WARM
            return OPTIMAL
        for k in range(n):
            column[k] = 0.0
            if entering < strategies:
                column[k] = follower[row_id, entering] - follower[l * n + k, entering]
        if entering < strategies:
            column[j] = 1.0
        else:
            column[entering - strategies] = -1.0
        row = ratio_test(inverse, column, direction, level, -1)
        if phase == 2 and virtual_row >= 0 and abs(direction[virtual_row]) > TOLERANCE:
            row = virtual_row  # it goes first, at level 0: no price would hold it there on steep objectives
            level[row] = 0.0
        if row < 0:
            break
        eliminate(inverse, level, direction, row, max(level[row], 0.0) / direction[row])
        basic[row] = entering
    basic[n] = FRESH
    return CAPPED
