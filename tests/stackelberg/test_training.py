"""What training methods do: drifts against losses, flows against an ODE solver, and the theorems of METHODS."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

import stackelberg as sb
from stackelberg.faking import choice
from stackelberg.faking.training import dynamics, outcomes
from stackelberg.faking.training.flow import closed_flow, dose_between, flow, rest_point, train, unit_dose
from stackelberg.faking.training.losses import expected_loss
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
    Mixture,
    PolicyGradient,
    clip_ceiling,
    group_drift,
    unanimous,
)

INFINITE = float("inf")
few = settings(max_examples=60, deadline=None)
logits = st.floats(-6, 6)
betas = st.floats(0.05, 1.0)
sizes = st.integers(2, 32)

OBJECTIVES = {
    "dpo": lambda r: DPO(beta=r.uniform(0.05, 1), label_noise=r.uniform(0, 0.5)),
    "dpo self-sampled": lambda r: DPO(beta=r.uniform(0.05, 1), self_sampled=True),
    "bco": lambda r: BCO(beta=r.uniform(0.05, 1), label_noise=r.uniform(0, 0.5), comply_share=r.uniform(0.05, 0.95)),
    "bco classes": lambda r: BCO(beta=r.uniform(0.05, 1), comply_share=r.uniform(0.05, 0.95), label_noise=0.1,
                                 shift="classes"),
    "kto": lambda r: KTO(beta=r.uniform(0.05, 1), label_noise=r.uniform(0, 0.5), comply_share=r.uniform(0, 1),
                         desirable_weight=r.uniform(0.5, 2), undesirable_weight=r.uniform(0.5, 2)),
    "kto kl": lambda r: KTO(beta=r.uniform(0.05, 1), baseline="kl", desirable_weight=r.uniform(0.5, 2)),
    "kto zero": lambda r: KTO(beta=r.uniform(0.05, 1), baseline="zero"),
    "sft": lambda r: SFT(comply_share=r.uniform(0, 1)),
    "grpo": lambda r: GRPO(group_size=int(r.integers(2, 17)), scaled=bool(r.integers(2)),
                           sample_deviation=bool(r.integers(2)), kl=r.uniform(0, 0.2)),
    "grpo reverse": lambda r: GRPO(kl=r.uniform(0, 0.2), kl_gradient="reverse"),
    "grpo infinite": lambda r: GRPO(group_size=INFINITE, scaled=bool(r.integers(2))),
    "policy gradient": lambda r: PolicyGradient(),
    "mixture": lambda r: Mixture(((GRPO(), 0.7), (DPO(beta=r.uniform(0.05, 1)), r.uniform(0, 1)))),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVES)
def test_drift_is_minus_the_numerical_derivative_of_the_loss(name):
    """1,000 random points: 20 settings of the hyperparameters with 50 logits and references each."""
    rng = np.random.default_rng(0)
    worst, step = 0.0, 1e-3
    for _ in range(20):
        objective = OBJECTIVES[name](rng)
        at, reference = rng.uniform(-6, 6, 50), rng.uniform(-6, 6, 50)
        # Richardson: central differences at h and h/2 leave an error of h**4
        central = [
            (
                expected_loss(objective, at + h, reference, at)
                - expected_loss(objective, at - h, reference, at)
            )
            / (2 * h)
            for h in (step, step / 2)
        ]
        slope = (4 * central[1] - central[0]) / 3
        worst = max(worst, float(np.abs(objective.drift(at, reference) + slope).max()))
    assert worst < 1e-6


def test_an_objective_without_a_stated_loss_is_named():
    with pytest.raises(TypeError, match="float has no stated loss"):
        expected_loss(1.0, 0.0, 0.0, 0.0)


CLOSED = [
    DPO(beta=0.1), DPO(beta=0.7), BCO(beta=0.3), BCO(beta=0.3, shift="classes"), SFT(), GRPO(group_size=INFINITE),
    GRPO(group_size=INFINITE, scaled=False), GRPO(group_size=4, scaled=False), PolicyGradient(),
]  # fmt: skip


@pytest.mark.parametrize("objective", CLOSED, ids=str)
def test_closed_flow_is_what_an_adaptive_solver_finds(objective):
    rng = np.random.default_rng(1)
    start, reference = rng.uniform(-7, 7, (2, 40))
    for doses in (0.3, 2.0, 3 * unit_dose(objective)):
        done = solve_ivp(
            lambda _, y: objective.drift(y, reference),
            (0, doses),
            start,
            method="Radau",
            rtol=1e-12,
            atol=1e-13,
        )
        assert np.abs(closed_flow(objective, start, reference, doses) - done.y[:, -1]).max() < 1e-8


@given(start=logits, reference=logits, beta=betas, doses=st.tuples(st.floats(0, 50), st.floats(0, 50)))
@few
def test_closed_flow_is_a_flow(start, reference, beta, doses):
    """Two doses in turn are their sum, and no dose is no change."""
    for objective in (DPO(beta=beta), SFT(), GRPO(group_size=INFINITE), PolicyGradient()):
        middle = closed_flow(objective, start, reference, doses[0])
        end = closed_flow(objective, middle, reference, doses[1])
        assert end == pytest.approx(float(closed_flow(objective, start, reference, sum(doses))), abs=1e-9)
        assert float(closed_flow(objective, start, reference, 0.0)) == pytest.approx(start, abs=1e-12)


def test_closed_flow_at_the_far_ends():
    assert float(closed_flow(SFT(), 300.0, 0.0, 1.0)) == pytest.approx(300.0)
    assert float(closed_flow(SFT(), -700.0, 0.0, 5.0)) == pytest.approx(-695.0)
    assert float(closed_flow(DPO(), 0.0, 0.0, 1e12)) == pytest.approx(10 * np.log(1e10), rel=1e-3)


@given(logit_=logits, reference=logits, beta=betas)
@few
def test_bco_at_beta_is_dpo_at_half_of_it(logit_, reference, beta):
    for shift in ("mean", "classes"):
        drift = BCO(beta=beta, shift=shift).drift(logit_, reference)
        assert drift == pytest.approx(float(DPO(beta=beta / 2).drift(logit_, reference)), abs=1e-12)


@given(logit_=logits, reference=logits, beta=betas, noise=st.floats(0, 0.5))
@few
def test_so_it_is_with_label_noise_under_the_mean_shift(logit_, reference, beta, noise):
    drift = BCO(beta=beta, label_noise=noise).drift(logit_, reference)
    assert drift == pytest.approx(
        float(DPO(beta=beta / 2, label_noise=noise).drift(logit_, reference)), abs=1e-12
    )


@given(logit_=st.floats(-12, 12), size=sizes, scaled=st.booleans(), sample=st.booleans())
@few
def test_group_drift_is_symmetric_and_below_its_limit(logit_, size, scaled, sample):
    here, mirror = group_drift(np.array([logit_, -logit_]), size, scaled, sample)
    assert here == pytest.approx(mirror, rel=1e-12)
    assert 0 < here <= group_drift(logit_, INFINITE, scaled) * (1 + 1e-12)


@given(size=sizes, scaled=st.booleans(), sample=st.booleans())
@few
def test_group_drift_is_linear_at_the_corners(size, scaled, sample):
    objective = GRPO(group_size=size, scaled=scaled, sample_deviation=sample)
    for corner in (-18.0, 18.0):
        rare = expit(-abs(corner))
        assert float(objective.drift(corner, 0.0)) / rare == pytest.approx(objective.corner_slope, rel=1e-5)


@given(size=st.integers(2, 12), at=st.floats(-4, 4))
@few
def test_one_refusal_instead_of_a_compliance_shifts_the_expected_update_by_minus_the_slope_over_the_size(
    size, at
):
    """-h'(p)/G: the difference of expected updates given one answer's action, by enumeration of the rest."""
    p, rest = expit(at), np.arange(size)
    from scipy.stats import binom

    def update(complied):
        inside = (complied > 0) & (complied < size)
        k = np.where(inside, complied, 1)
        return np.where(inside, np.sqrt(k * (size - k) * (size - 1) / size**3), 0.0)

    weights = binom.pmf(rest, size - 1, p)
    difference = weights @ (update(rest) - update(rest + 1))
    step = 1e-5
    slope = (group_drift(logit(p + step), size) - group_drift(logit(p - step), size)) / (2 * step)
    assert difference == pytest.approx(-slope / size, abs=1e-6)


def test_corner_speeds_of_group_sizes_and_unanimous_groups():
    assert GRPO(group_size=8).corner_slope / GRPO(group_size=2).corner_slope == pytest.approx(3.5)
    assert unanimous([0.02, 0.14, 0.5], 8) == pytest.approx([0.851, 0.299, 0.0078], abs=5e-4)


@pytest.mark.parametrize("clip", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.8])
def test_many_epochs_on_one_clipped_batch_stop_at_the_ceiling(p, clip):
    """Gradient steps on the clipped surrogate of a batch with both actions, until nothing moves."""
    new, step = logit(p), 1e-3
    for _ in range(100_000):
        ratio = expit(new) / p, expit(-new) / (1 - p)
        push = (1 - p) * p * (ratio[0] < 1 + clip) * ratio[0] * expit(-new)
        push += p * (1 - p) * (ratio[1] > 1 - clip) * ratio[1] * expit(new)
        if push == 0:
            break
        new += step * push / (p * (1 - p))
    ceiling = float(clip_ceiling(p, clip))
    assert expit(new) <= ceiling + step
    if ceiling < 1:
        assert expit(new) == pytest.approx(ceiling, abs=2 * step)


@given(
    start=st.tuples(logits, logits),
    g=st.floats(0, 1),
    dose=st.floats(0.1, 30),
    kind=st.sampled_from(sorted(OBJECTIVES)),
)
@settings(max_examples=40, deadline=None)
def test_training_on_the_train_cue_conserves_the_deploy_logit_less_g_times_the_train_logit(
    start, g, dose, kind
):
    objective = OBJECTIVES[kind](np.random.default_rng(2))
    end = flow(objective, start, start, dose, generalisation=g)
    assert end[1] - g * end[0] == pytest.approx(start[1] - g * start[0], abs=1e-9)
    assert end[0] == pytest.approx(float(train(objective, start[0], start[0], dose)), abs=1e-8)


def test_flow_over_both_cues_is_what_another_solver_finds():
    rng = np.random.default_rng(3)
    for name in ("dpo", "kto", "sft", "grpo"):
        objective = OBJECTIVES[name](rng)
        start, g, x = rng.uniform(-4, 4, (2, 5)), 0.6, 0.7

        def rate(_, y, objective=objective, start=start, g=g, x=x):
            train_push, deploy_push = objective.drift(y.reshape(2, 5), start)
            return np.stack(
                [x * train_push + g * (1 - x) * deploy_push, g * x * train_push + (1 - x) * deploy_push]
            ).ravel()

        doses = np.array([0.0, 1.0, 20.0])
        done = solve_ivp(rate, (0, 20), start.ravel(), method="Radau", t_eval=doses, rtol=1e-11, atol=1e-12)
        path = flow(objective, start, start, doses, generalisation=g, train_share=x)
        assert np.abs(path.reshape(3, -1) - done.y.T).max() < 1e-7


def test_flow_names_what_is_wrong():
    with pytest.raises(sb.GameError, match="first axis must be"):
        flow(SFT(), [0.0, 1.0, 2.0], [0.0, 1.0, 2.0], 1.0)
    with pytest.raises(sb.GameError, match=r"generalisation is 1.5"):
        flow(SFT(), [0.0, 1.0], [0.0, 1.0], 1.0, generalisation=1.5)
    with pytest.raises(sb.GameError, match="ascending"):
        flow(SFT(), [0.0, 1.0], [0.0, 1.0], [2.0, 1.0])


@given(beta=betas, noise=st.floats(0.02, 0.45), reference=st.floats(-3, 3))
@few
def test_label_noise_caps_dpo_and_bco_at_twice_that(beta, noise, reference):
    cap = logit(1 - noise) / beta
    assert rest_point(DPO(beta=beta, label_noise=noise), reference) == pytest.approx(
        reference + cap, abs=1e-6
    )
    assert rest_point(BCO(beta=beta, label_noise=noise), reference) == pytest.approx(
        reference + 2 * cap, abs=1e-6
    )


@given(beta=st.floats(0.05, 1), noise=st.floats(0, 0.45), reference=st.floats(-3, 3))
@few
def test_label_noise_does_not_cap_kto(beta, noise, reference):
    assert rest_point(KTO(beta=beta, label_noise=noise), reference) == INFINITE


@given(beta=st.floats(0.01, 2), reference=st.floats(-4, 4))
@few
def test_rest_point_of_grpo_with_a_coded_kl_term(beta, reference):
    p = expit(reference)
    closed = (1 + 2 * beta**2 * p + np.sqrt(1 + 4 * beta**2 * p * (1 - p))) / (2 * (1 + beta**2))
    found = rest_point(GRPO(group_size=INFINITE, kl=beta), reference)
    assert expit(found) == pytest.approx(closed, abs=1e-9)


def test_rest_point_of_sft_is_the_share_of_compliant_answers():
    assert expit(rest_point(SFT(comply_share=0.7), 0.0, start=-3.0)) == pytest.approx(0.7)
    assert rest_point(SFT(comply_share=0.7), 0.0, start=float(logit(0.7))) == pytest.approx(logit(0.7))


@pytest.mark.parametrize(
    "objective", [DPO(beta=0.3), KTO(desirable_weight=4 / 3), SFT(), GRPO(), DPO(self_sampled=True)], ids=str
)
def test_dose_between_undoes_the_flow(objective):
    dose = dose_between(objective, -3.0, 1.5, -2.0)
    assert float(train(objective, -3.0, -2.0, dose)) == pytest.approx(1.5, abs=1e-7)


def test_a_dose_that_never_gets_there_is_infinite_and_the_unit_dose_says_why():
    assert dose_between(DPO(beta=1.0, label_noise=0.2), 0.0, 2.0, 0.0) == INFINITE
    with pytest.raises(sb.GameError, match=r"DPO.*stops at 0.8"):
        unit_dose(DPO(beta=1.0, label_noise=0.2))
    with pytest.raises(sb.GameError, match=r"until=0.95.*stops at 0.9"):
        modification(SFT(comply_share=0.93), sb.TrainingRun(until=0.95))


# ---- plans ----------------------------------------------------------------------------------------------------------


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
    large = GRPO(group_size=INFINITE)
    for a in (4.0, 7.0):
        assert crossover_dose(large, sb.TrainingRun(plan_logit=a)) == pytest.approx(4 * np.sinh(a / 2))
    assert crossover_dose(GRPO(), sb.TrainingRun(plan_logit=7.0)) == pytest.approx(452.8, abs=0.5)
    run = sb.TrainingRun(generalisation=0.8, own_logit=-4.0)
    for beta in (0.1, 0.5):
        y = beta * 4 / 0.8
        assert persistence_dose(DPO(beta=beta), run) == pytest.approx((np.exp(y) + y - 1) / beta**2, rel=1e-9)
    noisy = DPO(beta=0.5, label_noise=0.1)  # logit(0.9) / 0.5 = 4.39 < 5
    assert persistence_dose(noisy, run) == INFINITE
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


# ---- outcomes -------------------------------------------------------------------------------------------------------


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


# ---- dynamics -------------------------------------------------------------------------------------------------------


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


# ---- methods as the leader's actions --------------------------------------------------------------------------------


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


# ---- the leader's choice --------------------------------------------------------------------------------------------


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
