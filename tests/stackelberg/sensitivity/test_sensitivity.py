"""Sensitivity: slopes against closed forms, indices against known functions, prices against the solver, flips exact."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

import stackelberg as sb
from stackelberg import plots
from stackelberg.faking.normal_form import plan_labels
from stackelberg.faking.stacked import StackedGames
from stackelberg.sensitivity import (
    conclusion_flips,
    elasticities,
    morris,
    robustness,
    shadow_prices,
    sobol,
    tornado,
)

TYPES = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=0.8, sycophancy=0.2),
    sb.FollowerType(name="willing", prior=0.7, preference=-0.5),
]
FREE = sb.FakingGame(types=TYPES, cues=sb.CuePolicy.free(), budget=0.25)
FIXED = sb.FakingGame(types=TYPES, cues=sb.CuePolicy.informative(0.6), monitoring=0.3)

utils = st.floats(-1.5, 1.5).map(lambda x: round(x, 3))


@st.composite
def fixed_games(draw, sharp=False):
    count = draw(st.integers(1, 3))
    types = [
        sb.FollowerType(
            name=f"type {k}",
            prior=1 / count,
            preference=draw(utils),
            goal_guarding=draw(utils),
            sycophancy=draw(utils),
            plan_cost=draw(st.sampled_from([0.0, 0.0, 0.05])),
            cue_sharpness=draw(st.sampled_from([0.5, 2.0])) if sharp else 1.0,
        )
        for k in range(count)
    ]
    train, deploy = draw(st.floats(0.05, 0.95)), draw(st.floats(0.05, 0.95))
    return sb.FakingGame(
        types=types,
        cues=sb.CuePolicy.fixed([[train, 1 - train], [deploy, 1 - deploy]]),
        monitoring=draw(st.floats(0.05, 0.95)),
    )


def test_a_tornado_is_what_solving_the_changed_games_gives_and_can_be_drawn():
    ranges = {"budget": (0.1, 0.9), "preference[guarding]": (0.2, 0.7), "deploy_harm": (0.5, 2.0)}
    found = tornado(FREE, ranges, outcomes=["value", "monitoring_chosen"]).set_index("name")
    value = [sb.solve(replace(FREE, budget=b).to_game()).value for b in (0.1, 0.25, 0.9)]
    row = found.loc["budget", ["value_low", "value_base", "value_high"]]
    assert row.tolist() == pytest.approx(value)
    swings = (found[["value_low", "value_high"]].sub(found["value_base"], axis=0)).abs().max(axis=1)
    assert swings.is_monotonic_decreasing
    assert found["value_base"].nunique() == 1
    _, ax = plt.subplots()
    assert plots.tornado(found.reset_index(), ax, outcome="value", label="leader's value") is ax
    plt.close("all")


def test_a_price_of_ranges_that_leave_the_game_is_a_sentence():
    with pytest.raises(
        sb.GameError, match=r"1 of 3 points failed, the first since budget is 1\.5.*narrow the ranges"
    ):
        tornado(FREE, {"budget": (0.1, 1.5)})
    with pytest.raises(sb.GameError, match=r"no numeric column 'valu': nearest are 'value'"):
        tornado(FREE, {"budget": (0.1, 0.5)}, outcomes=["valu"])
    with pytest.raises(
        sb.GameError, match=r"'preference' stands for several numbers that differ: name one, such as"
    ):
        tornado(FREE, {"preference": (0.1, 0.5)})


def test_elasticities_of_thresholds_are_their_closed_forms():
    found = elasticities(FIXED, of="belief_threshold")
    found = found[found["outcome"] == "belief_threshold[guarding]"].set_index("name")["elasticity"]
    assert found["preference[guarding]"] == pytest.approx(1, abs=1e-6)
    assert found["goal_guarding[guarding]"] == pytest.approx(-0.8, abs=1e-6)  # its share of the incentive
    assert found["sycophancy[guarding]"] == pytest.approx(-0.2, abs=1e-6)
    assert found["modification[training]"] == pytest.approx(-0.8, abs=1e-6)
    assert found["preference[willing]"] == 0

    found = elasticities(FIXED, of="monitoring_threshold").set_index(["outcome", "name"])
    for cue in (
        "train",
        "deploy",
    ):  # logit q* = logit beta* - log LR, so dq*/q* = (1 - q*)/(1 - beta*) dbeta*/beta*
        name = f"monitoring_threshold[guarding, {cue}]"
        q = found.loc[(name, "preference[guarding]"), "outcome_base"]
        expected = (1 - q) / (1 - 0.4)
        assert found.loc[(name, "preference[guarding]"), "elasticity"] == pytest.approx(expected, rel=1e-5)
        utils = [f"{n}[guarding]" for n in ("preference", "goal_guarding", "sycophancy")]
        assert found.loc[[(name, u) for u in utils], "elasticity"].sum() == pytest.approx(0, abs=1e-6)


def test_the_value_has_degree_one_in_the_leaders_costs_and_kinks_are_not_averaged():
    found = elasticities(FREE).set_index("name")
    assert found.loc[["deploy_harm", "monitoring_cost"], "elasticity"].sum() == pytest.approx(1, abs=1e-4)
    at_kink = elasticities(replace(FREE, budget=0.4), ["budget"]).iloc[0]
    assert at_kink["slope_below"] == pytest.approx(0.65, rel=1e-3)
    assert at_kink["slope_above"] == pytest.approx(0, abs=1e-4)
    assert np.isnan(at_kink["elasticity"])
    at_end = elasticities(
        replace(FREE, budget=1.0, costs=sb.LeaderCosts(train_disagreement=-1.0)), ["budget"]
    ).iloc[0]
    assert np.isnan(at_end["slope_above"])
    assert not np.isnan(at_end["elasticity"])


def test_sobols_indices_of_the_ishigami_function():
    """Ishigami & Homma (1990), a = 7, b = 0.1: the indices are known."""
    angle = stats.uniform(-np.pi, 2 * np.pi)

    def ishigami(point):
        x, y, z = point["x"], point["y"], point["z"]
        return np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)

    found = sobol(lambda point: point, {"x": angle, "y": (-np.pi, np.pi), "z": angle}, ishigami, samples=1024)
    found = found.set_index("name")
    for name, first, total in (("x", 0.3139, 0.5576), ("y", 0.4424, 0.4424), ("z", 0.0, 0.2437)):
        assert found.loc[name, "first"] == pytest.approx(first, abs=0.05)
        assert found.loc[name, "total"] == pytest.approx(total, abs=0.05)
        assert found.loc[name, "total_low"] <= total <= found.loc[name, "total_high"]
    flat = sobol(lambda point: point, {"x": (0, 1)}, lambda point: 3.0, samples=4)
    assert flat[["first", "total"]].to_numpy().tolist() == [[0, 0]]


def test_morris_finds_the_coefficients_of_a_straight_line_and_the_spread_of_a_bend():
    found = morris(
        lambda point: point,
        {"x": (0, 2), "y": (0, 1), "z": (-1, 1)},
        lambda p: 3 * p["x"] - 4 * p["y"] + p["z"] ** 3 * p["y"],
    ).set_index("name")
    assert found.loc["x", ["effect", "mean", "spread"]].tolist() == pytest.approx([6, 6, 0], abs=1e-9)
    assert found.loc["z", "spread"] > 0.1
    game = morris(FREE, {"monitoring_cost": (0.05, 0.2), "preference[willing]": (-0.9, -0.1)}, trajectories=6)
    assert game["effect"].tolist() == pytest.approx([0.15 * 0.25, 0])  # all of the budget is used


def test_sampling_that_cannot_work_says_why():
    with pytest.raises(sb.GameError, match="needs a power of two"):
        sobol(FREE, {"budget": (0, 1)}, samples=100)
    with pytest.raises(sb.GameError, match="no number is named"):
        morris(FREE, {})
    with pytest.raises(sb.GameError, match=r"'value' is missing at \d+ of 48"):
        sobol(lambda point: point["x"], {"x": (0, 1)}, lambda x: np.nan if x > 0.5 else x, samples=16)


@settings(max_examples=25, deadline=None)
@given(fixed_games(), st.floats(0.1, 0.9), st.floats(0, 0.5), st.booleans())
def test_the_budgets_price_is_the_slope_of_the_value(game, budget, monitoring_cost, free):
    game = replace(game, budget=budget, costs=sb.LeaderCosts(monitoring_cost=monitoring_cost))
    if free:
        game = replace(game, cues=sb.CuePolicy.free([[1.0, 0.7], [0.8, 1.0]]))
    step = 1e-4
    below, at, above = (
        sb.solve(replace(game, budget=b).to_game()).value for b in (budget - step, budget, budget + step)
    )
    slopes = (at - below) / step, (above - at) / step
    assume(abs(slopes[0] - slopes[1]) < 1e-6)
    prices = shadow_prices(game).set_index("name")
    price = prices.loc["budget"]
    assert price["if_raised"] - 1e-5 <= slopes[1]  # while the replies stay; other replies can only add
    assert price["if_lowered"] + 1e-5 >= slopes[0]
    if price["if_lowered"] - price["if_raised"] < 1e-6:
        assert price["price"] == pytest.approx(slopes[0], abs=1e-5)
    assert (prices["slack"] >= -1e-9).all()
    assert (prices["price"] * prices["slack"]).abs().max() <= 1e-7  # complementary slackness


def test_prices_of_any_games_constraints():
    game = sb.BayesianStackelbergGame(
        [[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0], constraints=sb.LeaderConstraints([[1.0, 0.0]], [0.3])
    )
    prices = shadow_prices(game)
    assert prices["name"].tolist() == ["A_ub[0]", "type 0: action 1 over action 0"] or len(prices) == 2
    assert prices.loc[0, ["price", "if_raised", "if_lowered"]].tolist() == pytest.approx([1, 1, 1])
    freed = shadow_prices(sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0]))
    assert freed["kind"].tolist() == ["reply"]
    # x <= 1/2 keeps the reply; a util more for it lets x rise by 1/2, at 1 a unit
    assert freed["price"].tolist() == pytest.approx([0.5])
    capped = sb.FakingGame(types=TYPES, cues=sb.CuePolicy.free([[0.6, 1.0], [1.0, 1.0]]), budget=0.25)
    assert shadow_prices(capped)["name"].tolist()[:2] == ["budget", "cap[monitored, train]"]


@settings(max_examples=40, deadline=None)
@given(fixed_games(), st.data())
def test_nothing_flips_before_the_next_flip_and_something_does_beyond(game, data):
    names = robustness(game)["name"].unique().tolist()
    assert set(names) > {"monitoring", "preference[type 0]", "plan_cost[type 0]", "cue[monitored, train]"}
    name = data.draw(st.sampled_from(names))
    _check_flips(game, name, robustness(game, [name]), np.linspace(0.001, 0.999, 60))


@settings(max_examples=15, deadline=None)
@given(fixed_games(sharp=True), st.sampled_from(["monitoring", "preference[type 0]"]))
def test_flips_are_found_where_beliefs_are_not_bayesian(game, name):
    _check_flips(game, name, robustness(game, [name]), np.geomspace(1e-3, 0.999, 30))


def _check_flips(game, name, found, between):
    labels = plan_labels(2)

    def plans(values):
        games = StackedGames.of(game, {name: np.asarray(values)})
        good = games.is_game(bayesian=False)
        plans = np.broadcast_to(games.status_quo_plans(), (games.count, len(game.types)))
        return [[labels[p] for p in row] for row in plans[good]]

    for t, member in enumerate(game.types):
        own = found[found["type"] == member.name]
        if own.empty:  # another type's number, which must leave this type's plan as it is
            assert len({there[t] for there in plans(between)}) == 1
            continue
        row = own.iloc[0]
        base = row["base"]
        for side, sign in (("below", -1), ("above", 1)):
            flip = row[f"flip_{side}"]
            reach = abs(flip - base) if not np.isnan(flip) else 0.5 * (1 + abs(base))
            inside = [row_[t] for row_ in plans(base + sign * reach * between)]
            assert set(inside) <= {row["plan"]}
            if not np.isnan(flip) and reach > 1e-9:
                # replies that nearly tie count as tied, so not every step is beyond
                steps = np.array([1e-7, 1e-6, 1e-5]) * (1 + abs(flip))
                beyond = [there[t] for there in plans(flip + sign * steps)]
                assert not beyond or (beyond[-1] != row["plan"] and row[f"plan_{side}"] in beyond)


def test_robustness_in_closed_form():
    found = robustness(FIXED).set_index(["type", "name"])
    own = FIXED.beliefs()[0]
    assert found.loc[("guarding", "preference[guarding]"), "flip_above"] == pytest.approx(own[0])  # K is 1
    assert found.loc[("guarding", "preference[guarding]"), "flip_below"] == pytest.approx(own[1])
    q = FIXED.monitoring_threshold().set_index(["type", "cue"])["monitoring_threshold"]
    monitoring = found.loc[("guarding", "monitoring")]
    assert monitoring["plan"] == "comply/refuse"
    assert monitoring["flip_below"] == pytest.approx(q["guarding", "train"])
    assert monitoring["flip_above"] == pytest.approx(q["guarding", "deploy"])
    assert monitoring["move"] == pytest.approx(
        min(0.3 - q["guarding", "train"], q["guarding", "deploy"] - 0.3)
    )
    assert monitoring["flips"] == "both ways"
    never = found.loc[("willing", "monitoring")]
    assert np.isnan(never["move"])
    assert never["flips"] == "never from 0 to 1"
    assert (
        "willing",
        "preference[guarding]",
    ) not in found.index  # no reply depends on another type's numbers
    assert found.loc[("willing", "plan_cost[willing]"), "flips"] == "never from 0 on"
    edge = found.loc[("willing", "preference[willing]"), "flip_above"]
    assert (edge, np.signbit(edge)) == (0, False)
    with pytest.raises(sb.GameError, match="free"):
        robustness(FREE)


def test_a_conclusion_about_the_commitment_flips_where_the_envelope_says():
    from stackelberg.faking.envelope import cost_flips

    none_above, _ = cost_flips(FREE)
    found = conclusion_flips(
        FREE, {"monitoring_cost": (0.05, 2.0)}, lambda f: f["monitoring_chosen"] > 0, points=20
    )
    assert found.loc[0, "flip_above"] == pytest.approx(none_above, abs=1e-5)
    assert np.isnan(found.loc[0, "flip_below"])
