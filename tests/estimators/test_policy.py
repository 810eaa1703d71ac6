"""From a fitted law to a game, its plane of predictions and its commitment."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import estimators as est
from estimators.policy import Assumptions, advice, faking_game, policy_plane, recommend, solver_check
from estimators.shares import agreement_rate, faking_share
from stackelberg.faking import LeaderCosts

LAW = est.PreferenceLaw(mu=-1.0, sigma=1.5, deltas=np.array([2.0]), shares=np.array([1.0]))


@st.composite
def laws(draw):
    number = st.floats(-4, 4).map(lambda x: round(x, 3))
    types = draw(st.integers(1, 2))
    deltas = [draw(number) for _ in range(types)]
    share = draw(st.floats(0.05, 0.95)) if types == 2 else 1.0
    shares = [share, 1 - share][:types]
    return est.PreferenceLaw(draw(number), draw(st.floats(0.1, 4)), np.array(deltas), np.array(shares))


@settings(deadline=None, max_examples=40)
@given(laws())
def test_the_game_of_a_law_replies_as_the_law_predicts(law):
    """Under revealing cues the game's fakers have the law's faking share, up to the cells that tie at belief 1."""
    from stackelberg.faking import CuePolicy

    game = replace(faking_game(law, Assumptions(cells=64)), cues=CuePolicy.informative(1.0), monitoring=0.3)
    replies = game.replies()
    fakers = replies.loc[replies["behaviour"] == "faker", "prior"].sum()
    assert fakers == pytest.approx(float(faking_share(law, 1.0, 0.0)), abs=2.02 / 64)


@settings(deadline=None, max_examples=40)
@given(laws())
def test_logit_replies_of_the_cells_predict_the_laws_rates(law):
    from stackelberg.faking import CuePolicy

    game = faking_game(law, Assumptions(cells=256), follower="logit")
    game = replace(game, cues=CuePolicy.informative(1.0), monitoring=0.3)
    rates = game.parameters("prior") @ game.reply_probabilities()
    assert rates == pytest.approx(agreement_rate(law, [1.0, 0.0]), abs=2e-3)


def test_the_plane_meets_the_law_at_revealing_cues_and_bayes_elsewhere():
    plane = policy_plane(LAW)
    revealing = plane[(plane["informativeness"] == 1) & plane["monitoring"].between(0.01, 0.99)]
    assert revealing["faking_share"].to_numpy() == pytest.approx(float(faking_share(LAW, 1.0, 0.0)))
    assert revealing["train_rate"].to_numpy() == pytest.approx(float(agreement_rate(LAW, 1.0)))
    opaque = plane[plane["informativeness"] == 0]
    assert (opaque["faking_share"] == 0).all()
    np.testing.assert_allclose(opaque["belief_train"], opaque["monitoring"], atol=1e-12)
    never = plane[(plane["informativeness"] == 1) & (plane["monitoring"] == 0)]
    assert never["train_rate"].isna().all()
    assert never["deploy_rate"].notna().all()


@pytest.mark.parametrize("label", ["olmo2-32b", "Qwen3-8B", "olmo2-32b-sft", "Qwen2.5-7B"])
def test_32_against_128_cells_move_the_value_by_less_than_1e_3(label):
    group = next(g for labels, g in est.datasets.load_vlaf().groups("model") if labels["model"] == label)
    for incentives in ("one", "two"):
        law = est.StructuralPayoffs(incentives=incentives, bootstrap=0).fit(group).law_
        for budget in (0.1, 0.25, 1.0):
            values = [advice(law, Assumptions(cells=cells, budget=budget))[1] for cells in (32, 128)]
            assert values[0] == pytest.approx(values[1], abs=1e-3)


def test_two_routes_agree_on_the_coarse_game():
    check = solver_check(LAW, Assumptions())
    assert check["value"].iloc[0] == pytest.approx(check["value"].iloc[1], abs=1e-9)
    assert check["certificate"].tolist() == ["optimal", "feasible"]


def test_recommendation_of_a_fit():
    group = next(
        g for labels, g in est.datasets.load_vlaf().groups("model") if labels["model"] == "olmo2-32b"
    )
    fit = est.StructuralPayoffs(bootstrap=0).fit(group)
    table = recommend(fit, Assumptions(budget=0.25), draws=20).set_index("follower")
    best, logit = table.loc["best reply"], table.loc["logit"]
    assert best["certificate"] == "optimal"
    assert best["error"] <= 1e-12
    assert logit["error"] < 1e-5
    for row in (best, logit):
        assert row["monitoring_low"] <= row["monitoring"] <= row["monitoring_high"]
        assert row["value_low"] <= row["value"] <= row["value_high"]
        assert row["value"] >= row["value_unmonitored"]
    assert (
        best["belief_train"] > 0.25
    )  # a short budget pools: the train cue is believed more than the share monitored
    for row, is_logit in ((best, False), (logit, True)):
        price = row["no_monitoring_above"]
        for factor, sign in ((1.01, 0), (0.99, 1)):
            changed = Assumptions(budget=0.25, costs=LeaderCosts(monitoring_cost=price * factor))
            assert np.sign(advice(fit.law_, changed, logit=is_logit)[0]) == sign


def test_assumptions_print_and_change():
    given_ = Assumptions()
    assert given_.changed("monitoring_cost", 0.5).costs.monitoring_cost == 0.5
    assert given_.changed("budget", 0.5).budget == 0.5
    assert set(given_.table()["assumption"]) == set(given_.values())
    assert given_.table()["meaning"].str.len().min() > 10
    with pytest.raises(ValueError, match="belief_train is 2"):
        Assumptions(belief_train=2)
