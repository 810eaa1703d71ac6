"""Training methods as the leader's actions, and the choice between them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg.faking import choice
from stackelberg.faking.training.modification import (
    modification,
)
from stackelberg.faking.training.objectives import (
    BCO,
    DPO,
    GRPO,
    KTO,
    SFT,
    PolicyGradient,
)


def test_methods_take_their_modification_from_the_run():
    run = sb.TrainingRun(generalisation=0.9)
    assert sb.Method.dpo(run=run).modification == pytest.approx(0, abs=1e-12)
    assert sb.Method.sft(run=run).modification == pytest.approx(0.816, abs=1e-3)
    assert sb.Method.grpo(group_size=8, run=run).name == "GRPO, dose 1"
    assert sb.Method.kto(desirable_weight=2.0, run=replace(run, train_share=0.7)).name == (
        "KTO(desirable_weight=2.0), dose 1, train_share=0.7"
    )
    assert sb.Method.bco(run=run, name="b").name == "b"
    method = sb.Method.policy_gradient(run=run)
    assert method.refused_change == pytest.approx(modification(PolicyGradient(), run).refused)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dose": -1.0}, "dose must not be negative"),
        ({"until": 1.0}, "until is 1.0"),
        ({"generalisation": 2.0}, "generalisation is 2.0"),
        ({"exploration": 0.5}, "exploration is 0.5"),
        ({"own_logit": float("nan")}, "own_logit is nan"),
        ({"reference": "other"}, "reference is 'other'"),
    ],
)
def test_runs_that_make_no_sense_are_refused(change, match):
    with pytest.raises(sb.GameError, match=match):
        sb.TrainingRun(**change)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DPO(beta=0.0), "beta is 0.0"),
        (lambda: KTO(label_noise=2.0), "label_noise is 2.0"),
        (lambda: KTO(desirable_weight=-1.0), "must not be negative"),
        (lambda: KTO(baseline="none"), "baseline is 'none'"),
        (lambda: BCO(shift="none"), "shift is 'none'"),
        (lambda: GRPO(group_size=1), "group_size is 1"),
        (lambda: GRPO(kl=-1.0), "kl is -1.0"),
        (lambda: GRPO(kl_gradient="x"), "kl_gradient is 'x'"),
        (lambda: sb.Method("m", cost=float("nan")), "cost is nan"),
    ],
)
def test_hyperparameters_that_make_no_sense_are_refused(make, match):
    with pytest.raises(sb.GameError, match=match):
        make()


def _types():
    guards = [
        sb.FollowerType(name=f"guarding {d}", prior=0.25, preference=0.3, goal_guarding=0.3 * d)
        for d in (2, 8)
    ]
    return [sb.FollowerType(name="willing", prior=0.5, preference=-0.5), *guards]


@settings(max_examples=25, deadline=None)
@given(
    worth=st.sampled_from([0.0, 0.4, 2.0]),
    cost=st.sampled_from([0.0, 0.05]),
    free=st.booleans(),
    budget=st.sampled_from([0.3, 1.0]),
    data=st.data(),
)
def test_a_menu_is_worth_at_least_its_best_method_and_the_value_is_that_of_the_shares(
    worth, cost, free, budget, data
):
    numbers = data.draw(st.lists(st.tuples(st.floats(-0.2, 0.9), st.floats(0, 0.5)), min_size=2, max_size=3))
    methods = [sb.Method(f"m{k}", round(d, 3), round(f, 3), cost) for k, (d, f) in enumerate(numbers)]
    cues = sb.CuePolicy.free() if free else sb.CuePolicy.informative(0.6)
    costs = sb.LeaderCosts(training_value=worth)
    game = sb.FakingGame(types=_types(), methods=methods, cues=cues, budget=budget, costs=costs)
    frame = choice.compare_methods(game)
    assert (frame["costs"] >= -1e-9).all()
    assert set(frame["claim"]) <= {"optimal", "near-tie"}
    best = game.optimal_commitment()
    # the leader's account, written out from shares and compliance
    total = -(costs.monitoring_cost + cost) * best.monitoring + worth * choice.trained_change(best)
    refused = 1 - game.parameters("prior") @ np.nan_to_num(best.compliance, nan=1.0)
    total -= costs.deploy_harm * float(best.shares[:, 1].sum(axis=0) @ refused)
    assert best.value == pytest.approx(total, abs=1e-7)
    whole = sb.solve(game.to_game(reduce=False), method="branch-and-bound")
    assert whole.value == pytest.approx(best.value, abs=1e-7)


def test_deterrence_alone_wants_the_method_that_puts_most_at_stake_and_training_wants_dpo():
    run = sb.TrainingRun(dose=10.0)
    methods = [sb.Method.dpo(run=run), sb.Method.sft(run=run), sb.Method.grpo(run=run)]
    for worth, expected in ((0.0, "SFT, dose 10"), (2.0, "DPO, dose 10")):
        game = sb.FakingGame(
            types=_types(),
            methods=methods,
            cues=sb.CuePolicy.free(),
            budget=0.5,
            costs=sb.LeaderCosts(training_value=worth),
        )
        assert choice.compare_methods(game)["method"].iloc[1] == expected
    revealing = replace(game, cues=sb.CuePolicy.informative(1.0))
    least = choice.least_faking(revealing)
    assert least["method"] == "DPO, dose 10"
    assert least["faking_share"] == 0
    assert choice.compare_methods(revealing).set_index("method")["faking_share"]["SFT, dose 10"] == 0.5


def test_regions_name_the_answer_at_every_point():
    game = sb.FakingGame(
        types=_types(),
        cues=sb.CuePolicy.informative(1.0),
        budget=0.5,
        costs=sb.LeaderCosts(training_value=1.0),
    )
    frame = choice.method_regions(game, [DPO(), SFT()], generalisation=[0.0, 0.9], dose=[0.5, 5.0])
    assert frame["method"].tolist()[2:] == ["SFT", "DPO"]
    assert (frame["margin"].iloc[2:] > 0).all()
    still = frame[frame["generalisation"] == 0]  # nothing carries over, so no method does anything
    assert (still["method"] == "any").all()


def test_the_envelope_leaves_methods_with_costs_to_a_solver():
    game = sb.FakingGame(types=_types(), methods=[sb.Method("m", cost=0.1)], cues=sb.CuePolicy.free())
    with pytest.raises(sb.GameError, match="a method's own cost"):
        game.optimal_commitment(method="envelope")
    assert game.optimal_commitment().certificate.claim == "optimal"
