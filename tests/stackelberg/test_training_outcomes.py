"""What training ends in: sampled runs against the flow, and a strategic model over rounds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import stackelberg as sb
from stackelberg.faking.training import dynamics, outcomes
from stackelberg.faking.training.flow import flow, unit_dose
from stackelberg.faking.training.modification import (
    persistence_dose,
)
from stackelberg.faking.training.objectives import (
    BCO,
    DPO,
    GRPO,
    KTO,
    SFT,
    Mixture,
    PolicyGradient,
)


@pytest.mark.parametrize("objective", [DPO(), BCO(), KTO(), SFT(), GRPO(), PolicyGradient()], ids=str)
def test_sampled_training_agrees_with_the_flow_within_its_monte_carlo_error(objective):
    """3,000 prompts.  The step is small enough that its bias stays below the error."""
    rng = np.random.default_rng(4)
    start = outcomes.prompts(-1.0, count=3000)
    run = sb.TrainingRun(generalisation=0.6, train_share=0.7)
    sampled = outcomes.sampled_run(objective, start, run, steps=1000, rng=rng, pooled=False)
    exact = flow(objective, start, start, unit_dose(objective), generalisation=0.6, train_share=0.7)
    difference = expit(sampled) - expit(exact)
    error = difference.std(axis=1) / np.sqrt(3000)
    step_bias = 1e-4  # shows under SFT alone, whose samples hardly differ
    assert np.all(np.abs(difference.mean(axis=1)) < 4 * error + step_bias)
    assert np.all(error < 0.004)


def test_pooled_baselines_change_little():
    rng = np.random.default_rng(5)
    start = outcomes.prompts(-4.0, count=3000)
    run = sb.TrainingRun(generalisation=0.3)
    for objective in (BCO(), KTO()):
        sampled = outcomes.summarise(outcomes.sampled_run(objective, start, run, steps=300, rng=rng))
        exact = outcomes.outcome(objective, start, run)
        assert sampled.train_rate == pytest.approx(exact.train_rate, abs=0.02)
        assert sampled.deploy_rate == pytest.approx(exact.deploy_rate, abs=0.02)


def test_what_cannot_be_sampled_is_named():
    start, rng = outcomes.prompts(-1.0, count=10), np.random.default_rng(0)
    with pytest.raises(sb.GameError, match="no sampled run"):
        outcomes.sampled_run(GRPO(kl=0.1), start, steps=2, rng=rng)
    for call in (outcomes.outcome, lambda o, s, r: outcomes.sampled_run(o, s, r, steps=1, rng=rng)):
        with pytest.raises(sb.GameError, match="fixed dose"):
            call(SFT(), start, sb.TrainingRun(until=0.9))


def test_the_rate_gap_can_close_while_the_log_odds_gap_does_not():
    start = outcomes.prompts(-1.0)
    before, after = (
        outcomes.summarise(start),
        outcomes.outcome(DPO(), start, sb.TrainingRun(dose=3.0, generalisation=0.9)),
    )
    assert after.gap < before.gap
    assert after.log_odds_gap > before.log_odds_gap


def test_fixed_data_with_a_reference_trains_the_preference_away_and_sft_does_not():
    run = sb.TrainingRun(dose=0.1, generalisation=0.8)
    far = dynamics.StrategicModel(far_sighted=True)
    for objective, expected in ((DPO(), 12), (BCO(), 12), (KTO(), 12)):
        for model in (None, far):
            played = dynamics.rounds(objective, run, model)
            assert not played["fakes"].any()
            assert dynamics.first_compliant_round(played) == expected
    assert dynamics.first_compliant_round(dynamics.rounds(SFT(), run)) == 4
    persistent = dynamics.rounds(SFT(), run, far)
    assert dynamics.first_compliant_round(persistent) is None
    assert persistent["fakes"].iloc[:90].all()


def test_a_faked_run_ends_when_the_persistence_dose_says():
    """A sycophant fakes every round, so the closed form applies: rounds are doses over the round's dose."""
    run = sb.TrainingRun(dose=0.1, generalisation=0.8)
    sycophant = dynamics.StrategicModel(deployments=0.0, sycophancy=1.0)
    for objective in (DPO(), GRPO()):
        played = dynamics.rounds(objective, run, sycophant, count=120)
        assert played["fakes"].all()
        predicted = persistence_dose(objective, run) / (0.1 * unit_dose(objective))
        assert dynamics.first_compliant_round(played) == int(np.floor(predicted)) + 1


def test_remedies_shorten_faking():
    run = sb.TrainingRun(dose=0.5, generalisation=0.8)
    far = dynamics.StrategicModel(far_sighted=True)

    def faked(objective, run):
        return int(dynamics.rounds(objective, run, far, count=20)["fakes"].sum())

    plain = faked(GRPO(), run)
    assert faked(GRPO(), replace(run, exploration=0.1)) < plain
    assert faked(GRPO(), replace(run, train_share=0.7)) < plain
    pairs = unit_dose(DPO()) / unit_dose(GRPO())  # in doses, so that a tenth of the training is pairs
    assert faked(Mixture(((GRPO(), 0.9), (DPO(), 0.1 * pairs))), run) < plain


def test_remedies_are_actions_that_put_less_at_stake():
    """Each at 10 unit doses, where GRPO has come to modify a consistent refuser."""
    run = sb.TrainingRun(dose=10.0)
    plain = sb.Method.grpo(run=run).modification
    pairs = Mixture(((GRPO(), 0.9), (DPO(), 0.1 * unit_dose(DPO()) / unit_dose(GRPO()))))
    for remedy in (
        sb.Method.grpo(run=replace(run, exploration=0.1)),
        sb.Method.grpo(run=replace(run, train_share=0.7)),
        sb.Method.trained(pairs, run, name="GRPO with pairs"),
    ):
        assert remedy.modification < plain - 0.05
        assert remedy.complied_change > 0.25


def test_rewarding_outcomes_conserves_the_ratio_of_reasoning_modes_or_raises_it():
    start = [0.86, 0.12, 0.02]
    for gradient in ("natural", "hierarchical"):
        _, faked, honest = dynamics.reasoning_modes(start, 0.99, gradient=gradient)
        assert faked / honest == pytest.approx(6, rel=1e-6)
        assert faked + honest == pytest.approx(0.99, abs=1e-8)
        assert dynamics.reasoning_modes(start, 0.99, gradient=gradient, penalty=0.1)[1] < faked
    assert dynamics.reasoning_modes(start, 0.99, gradient="softmax")[1] == pytest.approx(0.98, abs=0.005)
