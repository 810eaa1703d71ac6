"""Hypothesis strategies for games, and an SSE value computed from the payoffs in fractions, apart from the library."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

import stackelberg as sb

small_integers = st.integers(-3, 3).map(float)
floats = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 6))


@st.composite
def priors(draw, size):
    weights = np.array(
        draw(st.lists(st.integers(0, 8), min_size=size, max_size=size).filter(any)), dtype=float
    )
    return weights / weights.sum()


@st.composite
def games(draw, max_types=3, max_rows=4, max_columns=3, constrained=None):
    """Games with ties (small integers) or without, ragged replies, with or without leader constraints."""
    types, rows = draw(st.integers(1, max_types)), draw(st.integers(1, max_rows))
    counts = draw(st.lists(st.integers(1, max_columns), min_size=types, max_size=types))
    entry = draw(st.sampled_from([small_integers, floats]))

    def table(columns):
        values = draw(st.lists(entry, min_size=rows * columns, max_size=rows * columns))
        return np.array(values).reshape(rows, columns)

    leader, follower = [table(c) for c in counts], [table(c) for c in counts]
    constraints = None
    if (draw(st.booleans()) if constrained is None else constrained) and rows > 1:
        # "the first k actions together at most b": always met by the last action alone
        k, b = draw(st.integers(1, rows - 1)), draw(st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9]))
        constraints = sb.LeaderConstraints(A_ub=[[float(i < k) for i in range(rows)]], b_ub=[b])
    return sb.BayesianStackelbergGame(leader, follower, draw(priors(types)), constraints=constraints)


def exact_value(game, strategy):
    """Leader's value at a rational commitment, exact ties broken for the leader."""
    total = Fraction(0)
    for l in range(game.shape[0]):
        R, C = game.payoffs(l)
        own = [sum(Fraction(float(C[i, j])) * x for i, x in enumerate(strategy)) for j in range(C.shape[1])]
        gains = [sum(Fraction(float(R[i, j])) * x for i, x in enumerate(strategy)) for j in range(R.shape[1])]
        total += Fraction(float(game.prior[l])) * max(
            g for g, u in zip(gains, own, strict=True) if u == max(own)
        )
    return total


def random_commitments(game, count, seed=0):
    """Rational commitments that meet the constraints of `games`: pure ones and random ones."""
    rows = game.shape[1]
    rng = np.random.default_rng(seed)
    points = [[Fraction(int(i == k)) for i in range(rows)] for k in range(rows)]
    for _ in range(count):
        weights = rng.integers(0, 10, rows) * rng.integers(0, 2, rows)
        weights[rng.integers(rows)] += 1
        points.append([Fraction(int(w), int(weights.sum())) for w in weights])
    more = game.constraints
    if more is None:
        return points
    return [
        x
        for x in points
        if all(
            sum(Fraction(float(a)) * p for a, p in zip(row, x, strict=True)) <= Fraction(float(b))
            for row, b in zip(more.A_ub, more.b_ub, strict=True)
        )
    ]
