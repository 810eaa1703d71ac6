"""What training methods do to one logit: drifts against losses, flows against an ODE solver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

import stackelberg as sb
from stackelberg.faking.training.flow import closed_flow, dose_between, flow, rest_point, train, unit_dose
from stackelberg.faking.training.losses import expected_loss
from stackelberg.faking.training.modification import (
    modification,
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
