"""Best replies under the one tie rule, and logit replies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg.response import break_ties
from tests.games import games, random_commitments


@given(games(constrained=False), st.integers(0, 2**20))
def test_best_replies_are_best_and_among_ties_best_for_the_leader(game, seed):
    x = np.array([float(p) for p in random_commitments(game, 1, seed)[-1]])
    replies = sb.best_replies(game, x)
    for l, j in enumerate(replies):
        R, C = game.payoffs(l)
        own, gain = x @ C, x @ R
        stakes = 1e-8 * (1 + np.abs(C).max())
        assert own[j] >= own.max() - stakes
        assert gain[j] >= gain[own >= own.max() - 1e-15].max() - 1e-12


@given(st.integers(1, 5), st.integers(0, 2**20))
def test_the_tie_rule_without_tolerance_is_lexicographic(count, seed):
    rng = np.random.default_rng(seed)
    follower, leader = rng.integers(0, 3, count).astype(float), rng.integers(0, 3, count).astype(float)
    expected = max(range(count), key=lambda j: (follower[j], leader[j], -j))
    assert break_ties(follower, leader, 0.0) == expected


@given(games(constrained=False))
def test_logit_replies_are_probabilities_and_approach_the_best_reply(game):
    x = np.full(game.shape[1], 1 / game.shape[1])
    soft = sb.logit_replies(game, x, 1.0)
    assert np.allclose(soft.sum(axis=1), 1)
    assert (soft[~game.is_action] == 0).all()
    flat = sb.logit_replies(game, x, 0.0)
    assert np.allclose(flat, game.is_action / game.follower_action_counts[:, None])
    sharp = sb.logit_replies(game, x, 1e7)
    for l in range(game.shape[0]):
        own = x @ game.payoffs(l)[1]
        if len(own) > 1 and np.diff(np.sort(own))[-1] > 1e-4:
            assert sharp[l, np.argmax(own)] > 0.999


def test_logit_replies_match_the_two_action_logistic():
    game = sb.BayesianStackelbergGame([[[0, 0]]], [[[1.2, 0.0]]], [1])
    assert sb.logit_replies(game, [1.0], 2.0)[0, 0] == pytest.approx(1 / (1 + np.exp(-2.4)), abs=1e-15)


def test_bad_arguments_are_named():
    game = sb.BayesianStackelbergGame([[[0, 0]]], [[[1, 0]]], [1])
    with pytest.raises(sb.GameError, match="strategy has shape"):
        sb.best_replies(game, [0.5, 0.5])
    with pytest.raises(sb.GameError, match="rationality"):
        sb.logit_replies(game, [1.0], -1.0)
