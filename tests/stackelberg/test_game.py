"""A game is validated when it is built: every error is one sentence that names the culprit."""

import numpy as np
import pytest

import stackelberg as sb

L, F = [[[1, 2], [3, 4]]], [[[0, 1], [1, 0]]]


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((L, F, [0.4]), {}, ["prior sums to 0.4", "rescale"]),
        ((L, F, [np.nan]), {"types": ["opus"]}, ["'opus'", "nan"]),
        ((L, F, [0.5, 0.5]), {}, ["prior", "1 types"]),
        ((L, F, ["many"]), {}, ["prior", "not a list of numbers"]),
        ((L, [[[0, 1, 2], [1, 0, 2]]], [1]), {"types": ["opus"]}, ["'opus'", "(2, 2)", "(2, 3)"]),
        ((L * 2, F, [1]), {}, ["2 types", "follower payoffs 1"]),
        (
            ([[[1, 2]], [[1, 2], [3, 4]]], [[[1, 2]], [[1, 2], [3, 4]]], [0.5, 0.5]),
            {},
            ["type 1", "2 leader actions"],
        ),
        (
            ([[[1, np.inf], [3, 4]]], F, [1]),
            {"leader_actions": ["up", "down"]},
            ["leader", "'up'", "inf", "finite"],
        ),
        ((L, [[[0, 1], [np.nan, 0]]], [1]), {}, ["follower payoff", "leader action 1", "nan"]),
        ((L, F, [1]), {"leader_actions": ["up"]}, ["1 labels for 2 leader actions"]),
        ((L, F, [1]), {"follower_actions": ["a", "a"]}, ["'a'", "two follower actions"]),
        (
            (L, F, [1]),
            {"constraints": sb.LeaderConstraints([[1, 1, 1]], [1])},
            ["3 columns", "2 leader actions"],
        ),
        (([1, 2], F, [1]), {}, ["leader payoffs", "shape"]),
        (([], [], []), {}, ["empty", "at least one type"]),
        (([[["x"]]], F, [1]), {}, ["leader payoffs are not numbers"]),
    ],
)
def test_bad_game_names_the_culprit(arguments, options, words):
    with pytest.raises(sb.GameError) as error:
        sb.BayesianStackelbergGame(*arguments, **options)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_bad_constraints_name_the_culprit():
    with pytest.raises(sb.GameError, match="only one of A_ub and b_ub"):
        sb.LeaderConstraints(A_ub=[[1, 1]])
    with pytest.raises(sb.GameError, match="not finite"):
        sb.LeaderConstraints([[1, np.nan]], [1])
    with pytest.raises(sb.GameError, match="columns"):
        sb.LeaderConstraints([[1, 1]], [1], [[1, 1, 1]], [1])


def test_ragged_types_are_padded_and_cannot_be_mistaken_for_payoffs():
    game = sb.BayesianStackelbergGame([[[1, 2]], [[3]]], [[[1, 2]], [[3]]], [0.5, 0.5])
    assert game.shape == (2, 1, 2)
    assert np.isnan(game.leader_payoffs[1, 0, 1])
    assert not game.is_action[1, 1]
    assert game.payoffs(1)[0].tolist() == [[3.0]]
    assert game.follower_actions[1] == ("follower action 0",)


def test_a_game_is_immutable():
    game = sb.BayesianStackelbergGame(L, F, [1])
    with pytest.raises(ValueError, match="read-only"):
        game.leader_payoffs[0, 0, 0] = 9
    with pytest.raises(AttributeError):
        game.name = "other"
