"""Presolve keeps the value: what it drops and merges, and what it must not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg.solvers.branch_and_bound import branch_and_bound
from stackelberg.solvers.multiple_lps import multiple_lps
from stackelberg.solvers.presolve import presolve
from tests.games import games

few = settings(max_examples=80, deadline=None)


def scale(game):
    return float(np.nanmax(np.abs(game.leader_payoffs))) or 1.0


@st.composite
def redundant_games(draw):
    """A game with copied types, leader actions and replies, and one type of prior zero."""
    game = draw(games(max_types=2, max_rows=3, constrained=False))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    tables = []
    for l in [*range(game.shape[0]), 0]:
        R, C = game.payoffs(l)
        rows = [*range(game.shape[1]), rng.integers(game.shape[1])]
        columns = [*range(R.shape[1]), rng.integers(R.shape[1])] if draw(st.booleans()) else range(R.shape[1])
        tables.append((rows, R, C, list(columns)))
    rows = tables[0][0]
    leader = [R[np.ix_(rows, columns)] for _, R, _, columns in tables]
    follower = [C[np.ix_(rows, columns)] for _, _, C, columns in tables]
    leader[0][-1] -= draw(st.sampled_from([0.0, 1.0]))  # the copied action pays the leader no more
    prior = np.append(game.prior, 0.0)
    if draw(st.booleans()):
        prior[[0, -1]] = prior[0] / 2
    return sb.BayesianStackelbergGame(leader, follower, prior)


@few
@given(redundant_games())
def test_the_value_is_kept(game):
    found = branch_and_bound(game)
    assert found.value == pytest.approx(multiple_lps(game).value, abs=1e-7 * scale(game))
    certificate = sb.certify(game, found)
    assert float(certificate.value) == pytest.approx(found.value, abs=1e-7 * scale(game))


@few
@given(games())
def test_the_smaller_game_has_fitting_shapes_and_scales(game):
    small = presolve(game)
    types, actions, replies = small.leader.shape
    assert small.follower.shape == small.leader.shape
    assert small.replies.shape == (types, replies)
    assert (small.leader >= 0).all()
    assert small.leader.max(axis=(1, 2)).sum() <= 1 + 1e-9
    assert sorted(np.concatenate(small.merged)) == np.flatnonzero(game.prior > 0).tolist()
    assert (small.actions[small.stand_in[small.actions]] == small.actions).all()
    assert actions == len(small.actions)
    assert (small.row_scale > 0).all()
    padding = small.replies < 0
    loss = small.follower[:, :, :1] - small.follower
    assert (loss.min(axis=1)[padding] >= 1 - 1e-9).all()


def test_a_reply_that_is_best_on_a_boundary_only_is_kept():
    # the follower is indifferent at "up" only, and the leader gains from the weakly dominated reply there
    game = sb.BayesianStackelbergGame([[[0, 5], [0, 0]]], [[[1, 1], [1, 0]]], [1.0])
    assert presolve(game).replies.tolist() == [[0, 1]]
    assert branch_and_bound(game).value == pytest.approx(5)


def test_a_weakly_dominated_reply_goes_where_the_leader_loses_nothing():
    game = sb.BayesianStackelbergGame([[[5, 0], [0, 0]]], [[[1, 1], [1, 0]]], [1.0])
    assert presolve(game).replies.tolist() == [[0]]


def test_of_equal_replies_the_first_stays():
    game = sb.BayesianStackelbergGame([[[1, 1, 1], [2, 2, 2]]], [[[3, 3, 3], [4, 4, 4]]], [1.0])
    small = presolve(game)
    assert small.replies.tolist() == [[0]]
    assert small.actions.tolist() == [0, 1]  # the first leaves the follower worse off: it is not a copy


def test_leader_actions_with_other_constraints_are_kept():
    payoffs = [[[1, 0], [1, 0], [0, 1]]], [[[1, 0], [1, 0], [0, 1]]]
    free = sb.BayesianStackelbergGame(*payoffs, [1.0])
    assert presolve(free).actions.tolist() == [0, 2]
    bounded = sb.LeaderConstraints(A_ub=[[1, 0, 0]], b_ub=[0.5])
    game = sb.BayesianStackelbergGame(*payoffs, [1.0], constraints=bounded)
    assert presolve(game).actions.tolist() == [0, 1, 2]
    equal = sb.LeaderConstraints(A_ub=[[1, 1, 0]], b_ub=[0.5])
    assert presolve(sb.BayesianStackelbergGame(*payoffs, [1.0], constraints=equal)).actions.tolist() == [0, 2]


def test_a_reply_of_minus_a_million_does_not_set_the_scale():
    follower = [[[1, 0, -1e6], [0, 1, -2e6]]]
    small = presolve(sb.BayesianStackelbergGame([[[2, 4, 0], [1, 3, 0]]], follower, [1.0]))
    assert small.stake.tolist() == [0.5]
