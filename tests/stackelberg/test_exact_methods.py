"""What every exact method owes: the definition of the equilibrium, its symmetries, and agreement."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from benchmarks.instances import Size, instance
from stackelberg.response import replies_value
from tests.stackelberg.games import games


def by_batch(game):
    arrays = (game.leader_payoffs, game.follower_payoffs, game.prior)
    return float(sb.solve_batch(*(a[None] for a in arrays)).value[0])


METHODS = {
    "branch-and-bound": lambda game: sb.solve(game, method="branch-and-bound").value,
    "multiple-lps": lambda game: sb.solve(game, method="multiple-lps").value,
    "cells": lambda game: sb.solve(game, method="cells").value,
    "dobss": lambda game: sb.solve(game, method="dobss").value,
    "mip-p-g": lambda game: sb.solve(game, method="strong-milp").value,
    "d2": lambda game: sb.solve(game, method="strong-milp", formulation="d2").value,
    "batch": by_batch,
}
EXACT = ("cells", "batch")  # to rounding; the others to their solver's tolerance
every = pytest.mark.parametrize("method", METHODS)
fast = settings(max_examples=15, deadline=None)
small = games(leader_actions=(2, 3), follower_actions=(1, 3), types=(1, 3), most_profiles=30)


def close(one, other, game, method):
    scale = np.nanmax(np.abs(game.leader_payoffs)) or 1.0
    return abs(one - other) <= (1e-9 if method in EXACT else 1e-6) * scale


def tables(game):
    return zip(*(game.payoffs(l) for l in range(game.shape[0])), strict=True)


def changed(game, leader=None, follower=None, prior=None):
    R, C = (list(A) for A in tables(game))
    return sb.BayesianStackelbergGame(leader or R, follower or C, game.prior if prior is None else prior)


@every
@fast
@given(game=small, seed=st.integers(0, 1000))
def test_no_commitment_does_better(method, game, seed):
    value = METHODS[method](game)
    m = game.shape[1]
    rng = np.random.default_rng(seed)
    for x in (*np.eye(m), *rng.dirichlet(np.ones(m), 10), np.full(m, 1 / m)):
        other, _ = replies_value(game, x, sb.best_replies(game, x, tolerance=0))
        assert other <= value or close(other, value, game, method)


@every
@fast
@given(game=small)
def test_agrees_with_the_multiple_lps(method, game):
    assert close(METHODS[method](game), METHODS["multiple-lps"](game), game, method)


@every
@fast
@given(game=small, factor=st.sampled_from([0.25, 3.0]), offset=st.integers(-3, 3))
def test_a_type_s_units_do_not_matter(method, game, factor, offset):
    _, C = (list(A) for A in tables(game))
    C[0] = factor * C[0] + offset * np.arange(1, game.shape[1] + 1)[:, None]
    assert close(METHODS[method](changed(game, follower=C)), METHODS[method](game), game, method)


@every
@fast
@given(game=small, seed=st.integers(0, 1000))
def test_labels_do_not_matter(method, game, seed):
    rng = np.random.default_rng(seed)
    R, C = (list(A) for A in tables(game))
    rows, types = rng.permutation(game.shape[1]), rng.permutation(game.shape[0])
    columns = [rng.permutation(A.shape[1]) for A in R]
    moved = [[A[l][np.ix_(rows, columns[l])] for l in types] for A in (R, C)]
    assert close(
        METHODS[method](changed(game, *moved, prior=game.prior[types])), METHODS[method](game), game, method
    )


@every
@fast
@given(game=small)
def test_splitting_a_type_changes_nothing(method, game):
    R, C = (list(A) for A in tables(game))
    prior = np.r_[game.prior[0] / 4, game.prior[1:], 0.75 * game.prior[0]]
    split = changed(game, [*R, R[0]], [*C, C[0]], prior)
    assert close(METHODS[method](split), METHODS[method](game), game, method)


@every
@fast
@given(game=small)
def test_another_leader_action_never_hurts(method, game):
    if game.shape[1] != 3:
        return
    R, C = tables(game)
    fewer = changed(game, [A[:2] for A in R], [A[:2] for A in C])
    less, more = METHODS[method](fewer), METHODS[method](game)
    assert less <= more or close(less, more, game, method)


@every
@fast
@given(game=small, seed=st.integers(0, 1000))
def test_the_value_is_convex_in_the_prior(method, game, seed):
    ends = np.random.default_rng(seed).dirichlet(np.ones(game.shape[0]), 2)
    ends /= ends.sum(axis=1, keepdims=True)
    values = [METHODS[method](changed(game, prior=p)) for p in (ends[0], ends.mean(axis=0), ends[1])]
    chord = (values[0] + values[2]) / 2
    assert values[1] <= chord or close(values[1], chord, game, method)


@pytest.mark.parametrize("seed", range(5))
def test_the_faking_game_is_one_of_them(seed):
    game = instance(Size("faking", 2, 2, 4), seed)
    values = [
        value(game) for method, value in METHODS.items() if method != "cells" or game.shape[1] in (2, 3)
    ]
    assert all(abs(a - b) <= 1e-6 for a, b in pairwise(values))
