"""Value curves and reply maps: they show the game that the solvers solve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg import landscape


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), types=st.integers(1, 4), replies=st.integers(1, 4))
def test_the_top_of_the_curve_is_the_equilibrium_value(seed, types, replies):
    """Ties going to the leader, the best limit from inside a piece is the strong equilibrium's value."""
    rng = np.random.default_rng(seed)
    shape = (types, 2, replies)
    game = sb.BayesianStackelbergGame(
        rng.normal(size=shape), rng.normal(size=shape), rng.dirichlet(np.ones(types))
    )
    curve = landscape.value_curve(game)
    assert curve["value"].max() == pytest.approx(sb.solve(game).value, abs=1e-7)
    assert (curve.groupby("piece")["probability"].agg(["min", "max"]).to_numpy()[1:, 0] > 0).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), q=st.floats(0.001, 0.999))
def test_a_strip_says_what_its_type_replies(seed, q):
    rng = np.random.default_rng(seed)
    game = sb.BayesianStackelbergGame(rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 2, 3)), [0.2, 0.3, 0.5])
    strips = landscape.reply_strips(game)
    here = strips[(strips["low"] < q) & (q < strips["high"])]
    replies = sb.best_replies(game, [q, 1 - q])
    assert here["type"].tolist() == list(game.types)
    assert here["reply"].tolist() == [game.follower_actions[t][j] for t, j in enumerate(replies)]
    ends = strips.groupby("type")[["low", "high"]].agg(["min", "max"])
    assert (ends["low"]["min"] == 0).all()
    assert (ends["high"]["max"] == 1).all()


def test_the_map_of_three_actions_stays_below_the_equilibrium_value():
    rng = np.random.default_rng(3)
    game = sb.BayesianStackelbergGame(rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3, 3)), [0.4, 0.6])
    found, best = landscape.reply_map(game, steps=60), sb.solve(game).value
    assert found["value"].max() <= best + 1e-9
    assert found["value"].max() >= best - 0.1
    assert np.allclose(found[list(game.leader_actions)].sum(axis=1), 1)
    assert len(found) == 61 * 62 // 2


def test_other_games_are_refused():
    game = sb.BayesianStackelbergGame(np.zeros((1, 4, 2)), np.zeros((1, 4, 2)), [1.0])
    with pytest.raises(sb.GameError, match="4 leader actions: this picture is for 2"):
        landscape.value_curve(game)
    with pytest.raises(sb.GameError, match="4 leader actions: this picture is for 3"):
        landscape.reply_map(game)
