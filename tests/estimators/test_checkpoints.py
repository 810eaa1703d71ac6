"""Statistics of two checkpoints on simulated training whose method is known, and what they refuse to say."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import estimators as est
from estimators import checkpoints
from stackelberg.faking.training.flow import train
from stackelberg.faking.training.objectives import DPO, SFT, PolicyGradient


def observe(train_logit, deploy_logit, seed, n=10):
    rng = np.random.default_rng(seed)
    rows = [
        {"prompt_id": f"p{i}", "context": context, "n": n, "complied": rng.binomial(n, expit(eta))}
        for context, logits in (("train", train_logit), ("deploy", deploy_logit))
        for i, eta in enumerate(logits)
    ]
    return est.Observations.from_frame(pd.DataFrame(rows), orientation="complied-is-agreement")


def start(prompts, seed, mean=-2.0, spread=2.0):
    deploy = np.random.default_rng([seed, 1]).normal(mean, spread, prompts)
    return deploy + 1.0, deploy


def after(objective, train_logit, deploy_logit, dose, g=0.6):
    moved = train(objective, train_logit, train_logit, dose)
    return moved, deploy_logit + g * (moved - train_logit)


def pair(objective, dose, seed, prompts=500):
    before = start(prompts, seed)
    return observe(*before, [seed, 2]), observe(*after(objective, *before, dose), [seed, 3])


FLAT = DPO(beta=0.05)
FLAT_DOSE = 2.0 / 0.025


def test_a_pair_law_is_recovered():
    rng = np.random.default_rng(0)
    first = rng.normal(-1, 1.5, 4000)
    second = 0.5 + 0.8 * first + rng.normal(0, 0.5, 4000)
    counts = rng.binomial(10, expit(np.stack([first, second], axis=1))).astype(float)
    law = checkpoints.fit_pair_law(counts, np.full_like(counts, 10))
    truth = np.array([-1, 0.5 - 0.8, np.log(1.5), np.log(1.3), np.arctanh(0.8 * 1.5 / 1.3)])
    error = law.influence.std(axis=0) / np.sqrt(4000)
    assert np.abs(law.parameters - truth).max() < 4 * error.max()
    assert (np.abs(law.parameters - truth) < 4 * error).all()
    assert np.abs(law.influence.mean(axis=0)).max() < 1e-3


def test_flat_shifts_have_no_slope_and_sft_has_one():
    flat = checkpoints.shift_slope(*pair(FLAT, FLAT_DOSE, 1))
    steep = checkpoints.shift_slope(*pair(SFT(), 8.0, 1))
    assert flat.low < 0 < flat.high
    assert steep.high < -0.3
    naive = [o.pairs() for o in pair(FLAT, FLAT_DOSE, 1)]  # rates regress to the mean, the law does not
    raw = [logit((t["agreed_train"] + 0.5) / 11) for t in naive]
    assert np.polyfit(raw[0], raw[1] - raw[0], 1)[0] < flat.low


def test_shape_evidence_finds_the_method():
    for objective, dose, name in (
        (FLAT, FLAT_DOSE, "constant"),
        (SFT(), 8.0, "SFT"),
        (PolicyGradient(), 12.0, "PG"),
    ):
        frame = checkpoints.shape_evidence(*pair(objective, dose, 2))
        assert frame["method"].iloc[0] == name
        assert frame["weight"].iloc[:4].sum() == pytest.approx(1)
        assert frame["dose"].iloc[0] > 0
    assert frame["method"].iloc[-1] == "any linear shift"


def test_shape_evidence_mirrors_training_towards_refusal():
    before, later = pair(SFT(), 8.0, 3)
    turned = [est.Observations(o.frame, "complied-is-disagreement") for o in (before, later)]
    direct, mirrored = checkpoints.shape_evidence(before, later), checkpoints.shape_evidence(*turned)
    assert direct["log_likelihood"].to_numpy() == pytest.approx(
        mirrored["log_likelihood"].to_numpy(), abs=1e-3
    )


def test_spread_and_overlap_in_deploy():
    before, later = pair(SFT(), 12.0, 4)
    assert checkpoints.deploy_spread(before, later).high < 0
    found = checkpoints.overlap(before, later, train_share=1.0)
    assert found.low < 0.6 < found.high
    inverse = checkpoints.overlap(before, later, train_share=0.0)
    assert inverse.estimate == pytest.approx(1 / found.estimate)


def test_overlap_is_refused_without_the_mixture():
    before, later = pair(SFT(), 5.0, 5, prompts=30)
    with pytest.raises(
        est.ObservationError, match="not identified from checkpoints without the training mixture"
    ):
        checkpoints.overlap(before, later)
    with pytest.raises(est.ObservationError, match="train_share is 2"):
        checkpoints.overlap(before, later, train_share=2.0)


def test_label_noise_caps_the_shift():
    noisy = DPO(beta=0.5, label_noise=0.2)
    before, later = pair(noisy, 400.0, 6)
    found = checkpoints.noise_cap(before, later, beta=0.5, label_noise=0.2)
    assert found.low < 0 < found.high  # at the cap: logit(.8) / .5
    beyond = checkpoints.noise_cap(before, later, beta=0.5, label_noise=0.2, method="bco")
    assert beyond.estimate == pytest.approx(found.estimate - logit(0.8) / 0.5)
    with pytest.raises(ValueError, match="caps 'dpo' and 'bco'"):
        checkpoints.noise_cap(before, later, beta=0.5, label_noise=0.2, method="kto")
    with pytest.raises(ValueError, match=r"label_noise 0.7"):
        checkpoints.noise_cap(before, later, beta=0.5, label_noise=0.7)


def test_corner_ratio_of_two_runs_from_one_start():
    """Two constant shifts, one twice the other, at every logit and so at the corner."""
    before = start(800, 7)
    runs = [observe(before[0] + s, before[1], [7, k]) for k, s in enumerate((0.0, 2.0, 1.0))]
    found = checkpoints.corner_ratio(*runs, at=-3.0)
    assert found.low < 2 < found.high


def test_announced_ratio_of_perceived_modifications():
    _, deploy = start(800, 8)
    arms = [observe(deploy + gap, deploy, [8, k]) for k, gap in enumerate((0.5, 2.5, 1.5))]
    found = checkpoints.announced_ratio(*arms)
    assert found.low < 2 < found.high
    assert "assumes" in found.note


def test_the_rate_gap_closes_while_the_log_odds_gap_does_not():
    train_logit, deploy = start(1500, 9, mean=-1.0, spread=1.0)
    before, later = observe(train_logit, deploy, 10), observe(train_logit + 3.4, deploy + 3.2, 11)
    rates, odds = checkpoints.gap_changes(before, later)
    assert rates.high < 0
    assert odds.high > 0


def test_what_does_not_match_is_named():
    before, later = pair(SFT(), 5.0, 12, prompts=30)
    other = est.Observations(later.frame, "complied-is-disagreement")
    with pytest.raises(est.ObservationError, match="differ in orientation"):
        checkpoints.shift(before, other)
    renamed = est.Observations(
        later.frame.assign(prompt_id="x" + later.frame["prompt_id"]), later.orientation
    )
    with pytest.raises(est.ObservationError, match="no prompt in common"):
        checkpoints.shift(before, renamed)
    with pytest.raises(est.ObservationError, match="only 5 prompts"):
        checkpoints.shift(*pair(SFT(), 5.0, 13, prompts=5))
    lone = [observe(*start(20, 14), k, n=1) for k in range(2)]
    with pytest.raises(est.ObservationError, match="one sample per prompt"):
        checkpoints.shift(*lone)
    with pytest.raises(est.ObservationError, match="appears twice"):
        checkpoints.shift(est.datasets.load_vlaf(), est.datasets.load_vlaf())


def test_the_shipped_stages():
    """Point estimates near METHODS 5; with standard errors, train-cue-only training is not excluded in any stage."""
    stages = {
        labels["method"]: obs
        for labels, obs in est.datasets.load_vlaf().groups(["model", "method"])
        if labels["model"].startswith("olmo2-32b")
    }
    chain = ["base", "sft", "dpo", "grpo"]
    for (one, two), (in_train, in_deploy) in zip(
        itertools.pairwise(chain), ((-1.77, -1.70), (-1.38, -2.0), (1.38, 0.90)), strict=True
    ):
        for context, stated in (("train", in_train), ("deploy", in_deploy)):
            found = checkpoints.shift(stages[one], stages[two], context)
            assert abs(found.estimate - stated) < found.se
        assert checkpoints.overlap(stages[one], stages[two], train_share=1.0).low < 1
    assert checkpoints.table([found])["prompts"].tolist() == [92]


@pytest.mark.slow
def test_intervals_of_the_slope_cover():
    inside = 0
    for seed in range(150):
        found = checkpoints.shift_slope(*pair(FLAT, 1.0 / 0.025, seed, prompts=150))
        inside += found.low <= 0 <= found.high
    assert 0.89 <= inside / 150 <= 0.99
