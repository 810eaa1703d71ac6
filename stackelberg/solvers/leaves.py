"""From the leaves of a finished search to a proof of optimality in the game's own units.

The kernels give multipliers: :func:`dominate` for every cut, :func:`weigh_leaves` for every leaf.
:func:`proof_of` translates them back through the reduction, the scaling and the presolve:

- a cut's values at the pure strategies are its values in the original game; facets of the hull are
  non-negative there and may be dropped;
- an old cut that still bounds a type whose reply a leaf fixes is replaced by the fixed payoff and the cut's
  own multipliers for that reply;
- merged types share a cut in proportion to their priors;
- a reply that is nowhere best gets a leaf of its own.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.equilibrium import Proof
from stackelberg.solvers import state as st
from stackelberg.solvers.ascent import NOTHING
from stackelberg.solvers.master import master_lp, refactor, trivial_basis
from stackelberg.solvers.presolve import Presolved
from stackelberg.solvers.pricing import EMPTY_REGION, FRESH, price_reply
from stackelberg.solvers.simplex import dot
from stackelberg.solvers.state import (
    ACTIVE,
    BROKEN,
    CAPPED,
    EMPTY,
    LEAVES,
    OPTIMAL,
    SHARED,
    Best,
    Cuts,
    Floats,
    Game,
    Ints,
    Pool,
    Scratch,
)
from stackelberg.solvers.tiers import entry

CLEARANCE = 3e-11
"""A leaf's program is solved until its bound is this close to the incumbent (the perturbation is 1e-11)."""
MOST_CUTS = 2000


@entry
def dominate(
    game: Game, pool: Pool, cuts: Cuts, which: Ints, excess: Floats, multiplier: Floats, counters: Ints
) -> None:
    """By how much each reply exceeds each listed cut at most (negative: not at all), and the multipliers."""
    n, strategies = game.replies, game.pure_leader.shape[1]
    objective, mixture, price = np.empty(strategies), np.empty(strategies), np.zeros(n)
    for c in range(which.size):
        cut = which[c]
        l = cuts.owner[cut]
        for j in range(n):
            row = l * n + j
            for z in range(strategies):
                objective[z] = game.pure_leader[row, z] - dot(game.points, z, cuts.vector[cut])
            excess[c, j] = objective[0]
            for z in range(strategies):
                excess[c, j] = max(excess[c, j], objective[z])
            status = price_reply(game, pool, l, j, objective, 1e-12, mixture, price, counters)
            if status == CAPPED:  # steep prices round more coarsely: once more, from a fresh basis
                status = price_reply(game, pool, l, j, objective, 1e-9, mixture, price, counters)
            if status == OPTIMAL:
                # What the multipliers prove, not the mixture's worth: that one is of perturbed rows.
                most = NOTHING
                for z in range(strategies):
                    a = objective[z]
                    for k in range(n):
                        a += price[k] * (game.pure_follower[row, z] - game.pure_follower[l * n + k, z])
                    most = max(most, a)
                if most < excess[c, j]:
                    excess[c, j] = most
                    for k in range(n):
                        multiplier[c, j, k] = price[k]


@entry
def refute(game: Game, pool: Pool, which: Ints, multiplier: Floats, counters: Ints) -> None:
    """Multipliers by which each listed reply, nowhere best, loses against the others everywhere."""
    n, strategies = game.replies, game.pure_leader.shape[1]
    zero, mixture = np.zeros(strategies), np.empty(strategies)
    for c in range(which.size):
        pool.column[which[c], n] = FRESH
        price_reply(game, pool, which[c] // n, which[c] % n, zero, 1e-12, mixture, multiplier[c], counters)


@entry
def weigh_leaves(
    game: Game, cuts: Cuts, best: Best, cutoff: float, s: Scratch, number: Ints, weight: Floats
) -> None:
    """Column numbers and weights of every logged leaf's dual solution, shape (leaves, m + L + 1).

    An empty region's ray is followed until the bound is below the cutoff.
    """
    L, m = game.types, s.x.size
    counters, basis = best.counters, s.basis
    first_bound = 1 + m + cuts.facet.shape[0] + L * game.replies * game.replies
    ray = np.empty(1, np.int64)
    for leaf in range(counters[LEAVES]):
        top = 0
        for l in range(L):
            s.fixed[l] = best.leaf_fixed[leaf, l]
            s.flagged[l] = 1 if s.fixed[l] >= 0 else 0
            basis.key[l] = best.leaf_basis[leaf, m + l]
        for r in range(m):
            basis.column[r] = best.leaf_basis[leaf, r]
            if basis.column[r] == 0:
                top = r
        for k in range(best.leaf_cuts[leaf]):
            cuts.active[k] = cuts.shared[k]
        counters[ACTIVE] = best.leaf_cuts[leaf]
        if refactor(game, cuts, basis, s) == BROKEN:
            top = trivial_basis(game, cuts, basis, s)
            refactor(game, cuts, basis, s)
        status = master_lp(game, cuts, counters, s.fixed, s.flagged, basis, top, cutoff, s, ray)
        step = 0.0
        if status == EMPTY and s.direction[top] > 0.0:
            step = max(basis.level[top] - cutoff + 1e-3, 0.0) / s.direction[top]
        for l in range(L):
            s.key_level[l] = 1.0
        for r in range(m + 1):
            if r < m:
                number[leaf, r] = basis.column[r]
                weight[leaf, r] = max(basis.level[r] - step * s.direction[r], 0.0)
            else:
                number[leaf, r] = max(ray[0], 0)
                weight[leaf, r] = step
            if number[leaf, r] >= first_bound:
                s.key_level[cuts.owner[number[leaf, r] - first_bound]] -= weight[leaf, r]
        for l in range(L):
            number[leaf, m + 1 + l] = first_bound + basis.key[l]
            weight[leaf, m + 1 + l] = max(s.key_level[l], 0.0)


def log_remaining(tree: st.Tree, best: Best) -> None:
    """Log the nodes that are still open, within the gap, as leaves."""
    counters = best.counters
    for slot in tree.slot[: counters[st.OPEN]]:
        k = counters[LEAVES]
        if k >= len(best.leaf_fixed):
            counters[st.LEAVES_LOST] = 1
            return
        best.leaf_fixed[k], best.leaf_basis[k, :-1] = tree.fixed[slot], tree.basis[slot]
        best.leaf_basis[k, -1], best.leaf_cuts[k] = -1, counters[SHARED]
        counters[LEAVES] = k + 1


def nowhere_best(small: Presolved, pool: Pool) -> NDArray[np.int64]:
    """Replies (padding apart) whose regions were found to be empty: each needs a leaf of its own."""
    is_empty = pool.column[:, -1] == EMPTY_REGION
    return np.flatnonzero(is_empty & (small.replies >= 0).ravel())


def proof_of(
    small: Presolved,
    game: Game,
    cuts: Cuts,
    best: Best,
    which: NDArray[np.int64],
    excess: NDArray[np.float64],
    multiplier: NDArray[np.float64],
    number: NDArray[np.int64],
    weight: NDArray[np.float64],
    empty: NDArray[np.int64],
    refutation: NDArray[np.float64],
) -> Proof:
    """The proof in the original game's units, from what the kernels found.

    Parameters
    ----------
    which : ndarray of int, shape (cuts,)
        Rows of the cut table.
    excess, multiplier : ndarray, shape (cuts, N) and (cuts, N, N)
        From :func:`dominate`, after the cuts were shifted.
    number, weight : ndarray, shape (leaves, columns)
        From :func:`weigh_leaves`.
    empty : ndarray of int, shape (k,)
        From :func:`nowhere_best`.
    refutation : ndarray, shape (k, N)
        From :func:`refute`.
    """
    original = small.game
    types, actions, replies = original.shape
    L, n, m = game.types, game.replies, game.perturbation.size
    first_cone = 1 + m + cuts.facet.shape[0]
    first_bound = first_cone + L * n * n
    leaves = len(number)
    inequalities = 0 if original.constraints is None else len(original.constraints.b_ub)
    equalities = 0 if original.constraints is None else len(original.constraints.b_eq)
    low = (small.offset / original.prior[original.prior > 0].sum()) if small.offset else 0.0

    place = np.full(len(cuts.owner), -1)
    place[which] = np.arange(len(which))
    t_of, first = cuts.owner[which], np.array([members[0] for members in small.merged])
    per_stake = small.unit / small.stake

    # Multipliers of the cuts' replies, in original replies: padding is worse than a type's first reply.
    real = small.replies >= 0
    known = np.where(real, small.replies, small.replies[:, :1])
    mu = np.full((len(which), replies, replies), np.nan)
    for c, t in enumerate(t_of):
        for j in np.flatnonzero(real[t] & (excess[c] <= 1e-9)):
            row = np.zeros(replies)
            np.add.at(row, known[t], multiplier[c, j] * per_stake[t])
            row[known[t, j]] = 0.0
            mu[c, known[t, j]] = row
    at_pure = cuts.vector[which] @ game.points[:-1].T  # values at the kept leader actions
    at_all = small.unit * at_pure[:, small.stand_in]

    fixed = best.leaf_fixed[:leaves]
    leaf_replies = np.full((leaves, types), -1)
    y = np.zeros((leaves, types, replies))
    z, w = np.zeros((leaves, inequalities)), np.zeros((leaves, equalities))
    v = np.zeros((leaves, len(which)))
    for t, members in enumerate(small.merged):
        rows = np.flatnonzero(fixed[:, t] >= 0)
        leaf_replies[np.ix_(rows, members)] = known[t, fixed[rows, t]][:, None]
    for leaf, column in zip(*np.nonzero(weight > 0), strict=True):
        code, share = int(number[leaf, column]), weight[leaf, column]
        if code >= first_bound:
            cut = code - first_bound
            t = int(cuts.owner[cut])
            c = place[cut]
            if fixed[leaf, t] < 0:
                v[leaf, c] += share
            elif c >= 0:  # an old cut of a type that is fixed by now
                y[leaf, first[t]] += share * np.nan_to_num(mu[c, known[t, fixed[leaf, t]]])
        elif code >= first_cone:
            r, k = divmod(code - first_cone, n)
            t = r // n
            y[leaf, first[t], known[t, k]] += share * per_stake[t]
        elif 1 + m <= code < 1 + m + len(small.rows):
            h = code - 1 - m
            source, amount = int(small.row_source[h]), share * small.unit / small.row_scale[h]
            if source < inequalities:
                z[leaf, source] += amount
            else:
                e, is_negative = divmod(source - inequalities, 2)
                w[leaf, e] += -amount if is_negative else amount

    # Replies that are nowhere best: the other types are bounded by their trivial cuts.
    alone = np.full((len(empty), types), -1)
    y_alone, v_alone = np.zeros((len(empty), types, replies)), np.zeros((len(empty), len(which)))
    for e, r in enumerate(empty):
        t, own = int(r) // n, int(r) % n
        alone[e, small.merged[t]] = known[t, own]
        loss = -(refutation[e] @ (game.pure_follower[r] - game.pure_follower[t * n : t * n + n])).max()
        if loss > 0:  # scaled so that the bound falls below any value
            np.add.at(y_alone[e, first[t]], known[t], refutation[e] * per_stake[t] * 2.0 / loss)
        v_alone[e, [place[L * n + other] for other in range(L) if other != t]] = 1.0
    leaf_replies, y, v = np.vstack([leaf_replies, alone]), np.vstack([y, y_alone]), np.vstack([v, v_alone])
    z, w = (np.vstack([a, np.zeros((len(empty), a.shape[1]))]) for a in (z, w))

    # Merged types share a cut; types of prior zero get an empty one.
    cut_types, vectors, covers, weights = [], [], [], []
    for t, members in enumerate(small.merged):
        mine = np.flatnonzero(t_of == t)
        for l in members:
            share = original.prior[l] / original.prior[members].sum()
            cut_types += [l] * len(mine)
            vectors.append(share * at_all[mine] + low * original.prior[l])
            covers.append(share * mu[mine])
            weights.append(v[:, mine])
    for l in np.flatnonzero(original.prior == 0):
        cut_types.append(l)
        vectors.append(np.zeros((1, actions)))
        covers.append(np.zeros((1, replies, replies)))
        weights.append(np.ones((len(v), 1)))
    return Proof(
        replies=leaf_replies,
        reply_multipliers=y,
        ub_multipliers=z,
        eq_multipliers=w,
        cut_types=np.array(cut_types),
        cut_vectors=np.vstack(vectors),
        cut_multipliers=np.concatenate(covers),
        cut_weights=np.hstack(weights),
    )
