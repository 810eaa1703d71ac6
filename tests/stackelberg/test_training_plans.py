"""What a plan puts at stake in training: modification under a fixed dose and until the target is met."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

import stackelberg as sb
from stackelberg.faking.training.flow import flow, unit_dose
from stackelberg.faking.training.modification import (
    crossover_dose,
    modification,
    modification_path,
    patience,
    persistence_dose,
)
from stackelberg.faking.training.objectives import (
    BCO,
    DPO,
    GRPO,
    KTO,
    SFT,
    PolicyGradient,
    group_drift,
)

few = settings(max_examples=60, deadline=None)
betas = st.floats(0.05, 1.0)


@given(beta=betas, noise=st.floats(0, 0.05), g=st.floats(0, 1), dose=st.floats(0.1, 5), b=st.floats(0.5, 5))
@few
def test_dpo_modifies_both_plans_alike_at_their_own_reference(beta, noise, g, dose, b):
    run = sb.TrainingRun(dose=dose, generalisation=g, own_logit=-b)
    for objective in (DPO(beta=beta), BCO(beta=beta)):
        change = modification(objective, run)
        assert change.modification == pytest.approx(0, abs=1e-9)
        assert change.refused >= -1e-12


@given(up=st.floats(0.5, 2), down=st.floats(0.5, 2), share=st.floats(0.2, 0.8))
@few
def test_sign_of_ktos_modification_at_a_small_dose(up, down, share):
    contrast = up * share - down * (1 - share)
    if abs(contrast) < 0.05:
        return
    objective = KTO(desirable_weight=up, undesirable_weight=down, comply_share=share)
    start = np.array([[-4.0, 4.0], [-2.0, -2.0]])
    end = flow(objective, start, start, 1e-3, generalisation=0.9)[1]
    assert np.sign(end[0] - end[1]) == np.sign(contrast)


def test_no_method_puts_anything_at_stake_without_generalisation():
    for objective in (DPO(), SFT(), GRPO(), KTO(desirable_weight=2.0)):
        assert modification(objective, sb.TrainingRun(generalisation=0.0)).modification == 0


@pytest.mark.parametrize("objective", [DPO(), BCO(), KTO(), SFT(), GRPO(), PolicyGradient()], ids=str)
def test_until_puts_the_same_at_stake_under_every_method(objective):
    """Without deploy traffic: the refuser is taken to the target, the faker not at all."""
    run = sb.TrainingRun(until=0.95, generalisation=0.9)
    end = -2 + 0.9 * (logit(0.95) + 4)
    assert modification(objective, run).modification == pytest.approx(expit(end) - expit(-2), abs=1e-9)
    both = modification(objective, replace(run, train_share=0.7))
    assert both.complied == 0
    assert both.refused > 0


def test_until_with_deploy_traffic_ends_where_the_flow_first_reaches_the_target():
    run = sb.TrainingRun(until=0.9, generalisation=0.6, train_share=0.6)
    refused = modification(SFT(), run).refused
    doses = np.linspace(0, 8, 4001) * unit_dose(SFT())
    path = flow(SFT(), [-4.0, -2.0], [-4.0, -2.0], doses, generalisation=0.6, train_share=0.6)
    first = np.argmax(expit(path[:, 0]) >= 0.9)
    assert refused == pytest.approx(expit(path[first, 1]) - expit(-2), abs=2e-3)


def test_a_reference_frozen_at_refusal_rewards_faking_under_dpo_too():
    frozen = sb.TrainingRun(reference="refuse")
    assert modification(DPO(beta=0.1), frozen).modification == pytest.approx(0.18, abs=0.005)
    assert modification(DPO(beta=0.5), frozen).modification == pytest.approx(0.365, abs=0.001)


def test_path_of_doses_agrees_with_single_doses():
    run = sb.TrainingRun(generalisation=0.7)
    refused, complied = modification_path(GRPO(), run, [0.5, 2.0, 8.0])
    for k, dose in enumerate((0.5, 2.0, 8.0)):
        change = modification(GRPO(), replace(run, dose=dose))
        assert (refused[k], complied[k]) == pytest.approx((change.refused, change.complied), abs=1e-9)


def test_crossover_and_persistence():
    large = GRPO(group_size=np.inf)
    for a in (4.0, 7.0):
        assert crossover_dose(large, sb.TrainingRun(plan_logit=a)) == pytest.approx(4 * np.sinh(a / 2))
    assert crossover_dose(GRPO(), sb.TrainingRun(plan_logit=7.0)) == pytest.approx(452.8, abs=0.5)
    run = sb.TrainingRun(generalisation=0.8, own_logit=-4.0)
    for beta in (0.1, 0.5):
        y = beta * 4 / 0.8
        assert persistence_dose(DPO(beta=beta), run) == pytest.approx((np.exp(y) + y - 1) / beta**2, rel=1e-9)
    noisy = DPO(beta=0.5, label_noise=0.1)  # logit(0.9) / 0.5 = 4.39 < 5
    assert persistence_dose(noisy, run) == np.inf
    assert np.isfinite(persistence_dose(noisy, replace(run, own_logit=-3.0)))
    explored = replace(run, exploration=0.05, plan_logit=9.0, own_logit=-2.0)
    assert persistence_dose(GRPO(), explored) == pytest.approx(2 / (0.8 * float(group_drift(logit(0.95), 8))))


def test_patience_is_where_the_game_says_that_faking_starts():
    method = sb.Method.sft(run=sb.TrainingRun(dose=1.0))
    least = float(patience(method.modification))
    for factor, behaviour in ((0.99, "refuser"), (1.01, "faker")):
        guard = sb.FollowerType(name="guard", prior=1.0, preference=0.3, goal_guarding=0.3 * least * factor)
        game = sb.FakingGame(types=[guard], methods=[method])
        assert game.replies()["behaviour"].tolist() == [behaviour]
