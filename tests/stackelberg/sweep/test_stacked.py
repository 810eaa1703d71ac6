"""The vectorised normal form is the normal form, point by point, whatever is varied."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg.faking.normal_form import all_plans, reduced_form, tensors, vertices
from stackelberg.faking.numbers import number_places
from stackelberg.faking.stacked import StackedGames
from stackelberg.faking.thresholds import behaviour
from stackelberg.sweep.templates import game_at, template_values

utils = st.floats(-2, 2).map(lambda x: round(x, 3))
share = st.floats(0, 1).map(lambda x: round(x, 3))


@st.composite
def templates(draw):
    count, cues = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    names = ("train", "deploy", "none")[:cues]
    types = [
        sb.FollowerType(
            name=f"type {k}",
            prior=1 / count,
            preference=draw(utils),
            goal_guarding=draw(utils),
            sycophancy=draw(utils),
            plan_cost=draw(st.sampled_from([0.0, 0.1])),
            cue_sharpness=draw(st.sampled_from([1.0, 1.0, 2.0])),
        )
        for k in range(count)
    ]
    rows = (
        np.array(draw(st.lists(st.integers(0, 9), min_size=2 * cues, max_size=2 * cues)), dtype=float) + 0.5
    )
    rows = rows.reshape(2, cues) / rows.reshape(2, cues).sum(axis=1, keepdims=True)
    policy = draw(
        st.sampled_from(
            [
                sb.CuePolicy.fixed(rows, names, np.arange(cues) * 0.1),
                sb.CuePolicy.free(cues=names),
                sb.CuePolicy.free(np.maximum(rows, 0.6), names)
                if cues > 1
                else sb.CuePolicy.free(cues=names),
            ]
        )
    )
    methods = [
        sb.Method(f"method {k}", draw(utils), draw(share), draw(share))
        for k in range(draw(st.integers(1, 2)))
    ]
    return sb.FakingGame(
        types=types,
        methods=methods,
        cues=policy,
        monitoring=draw(share),
        budget=draw(share),
        costs=sb.LeaderCosts(refusal_value=draw(utils), training_value=draw(st.sampled_from([0.0, 0.4]))),
    )


@st.composite
def varied(draw):
    """A template, and columns of three points that are mostly games."""
    template = draw(templates())
    names = draw(st.lists(st.sampled_from(sorted(number_places(template))), max_size=6, unique=True))
    columns = {name: np.array(draw(st.lists(share, min_size=3, max_size=3))) for name in names}
    return template, columns or {"monitoring": np.array([0.1, 0.5, 1.0])}


@settings(max_examples=150, deadline=None)
@given(varied())
def test_all_points_at_once_are_the_games_one_by_one(case):
    template, columns = case
    games = StackedGames.of(template, columns)
    for point, good in enumerate(games.is_game(bayesian=False)):
        if not good:
            continue
        one, own = games.game(point), games.select(np.array([point]))
        for ours, theirs in zip(
            own.tensors(), tensors(one), strict=True
        ):  # the leader's are those of any type
            np.testing.assert_allclose(np.broadcast_to(ours[0], theirs.shape), theirs, rtol=0, atol=1e-12)
        np.testing.assert_allclose(own.vertices()[0], vertices(one, distinct=True), rtol=0, atol=1e-12)
        if games.is_game()[point]:
            leader, follower, prior = own.reduced()
            form = reduced_form(one)
            np.testing.assert_allclose(leader[0], form.leader_payoffs, rtol=0, atol=1e-12)
            np.testing.assert_allclose(follower[0], form.follower_payoffs, rtol=0, atol=1e-12)
            np.testing.assert_allclose(prior[0], form.prior, rtol=0, atol=1e-12)
        if template.cues.probabilities is not None:
            plans = all_plans(len(template.cues.cues))
            np.testing.assert_array_equal(plans[own.status_quo_plans()[0]], one.best_plans())
            found = sb.status_quo(one)
            named = [found[f"behaviour[{t.name}]"] for t in one.types]
            assert named == behaviour(one.best_plans(), one.beliefs())
            fakers = sum(t.prior for t, does in zip(one.types, named, strict=True) if does == "faker")
            assert found["faking_share"] == pytest.approx(fakers)


@settings(max_examples=60, deadline=None)
@given(varied())
def test_points_that_are_no_games_are_found_without_building_them(case):
    template, columns = case
    games = StackedGames.of(template, columns)
    for point, good in enumerate(games.is_game()):
        try:
            games.game(point).to_game()
            possible = True
        except sb.GameError:
            possible = False
        assert possible or not good  # never taken for a game where there is none
        assert (
            good or not possible
        )  # and a game is refused for rounding only, which these numbers do not reach


@given(templates())
@settings(max_examples=30, deadline=None)
def test_a_templates_own_values_give_the_template_back(template):
    values = {
        name: np.array([x]) for name, x in template_values(template).items() if name != "informativeness"
    }
    again = game_at(template, values, 0)
    for ours, theirs in zip(tensors(again), tensors(template), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_names_mean_what_one_would_change_by_hand():
    types = [
        sb.FollowerType(name=n, prior=p, preference=0.4, goal_guarding=1.0)
        for n, p in (("a", 0.2), ("b", 0.3), ("c", 0.5))
    ]
    game = sb.FakingGame(
        types=types, cues=sb.CuePolicy.informative(0.5), methods=[sb.Method("x"), sb.Method("y", 0.5)]
    )

    def at(**values):
        return game_at(game, {name: np.array([x]) for name, x in values.items()}, 0)

    assert at(monitoring=0.1).monitoring == 0.1
    assert at(deploy_harm=3.0).costs == replace(game.costs, deploy_harm=3.0)
    assert at(**{"preference[b]": 0.9}).parameters("preference").tolist() == [0.4, 0.9, 0.4]
    assert at(preference=0.9).parameters("preference").tolist() == [0.9, 0.9, 0.9]
    assert at(**{"modification[y]": 2.0}).methods == (sb.Method("x"), sb.Method("y", 2.0))
    np.testing.assert_allclose(at(informativeness=1.0).cue_probabilities(), np.eye(2))
    np.testing.assert_allclose(
        at(**{"cue[unmonitored, train]": 0.1}).cue_probabilities(), [[0.75, 0.25], [0.1, 0.9]]
    )
    np.testing.assert_allclose(at(**{"prior[c]": 0.0}).parameters("prior"), [0.4, 0.6, 0.0])
    np.testing.assert_allclose(at(**{"method_mix[y]": 0.3}).status_quo_mix(), [0.7, 0.3])
    with pytest.raises(sb.GameError, match=r"no number 'preference\[d\]': nearest are .*'preference\[a\]'"):
        at(**{"preference[d]": 1.0})
