"""The interval covers as THEORY says, against formulas written out again, and never where there is no ground."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from estimators.datasets import load_gemini, load_published, load_vlaf
from estimators.gap import (
    cluster_newcombe,
    cluster_wilson,
    compliance_gap,
    paired_t,
    prompt_bootstrap,
    published_gaps,
)
from estimators.newton import EstimationWarning
from estimators.observations import ORIENTATIONS, ObservationError, Observations

AGREE, DISAGREE = ORIENTATIONS


def counts(cells, **labels) -> pd.DataFrame:
    """Rows of prompts from (n_train, complied_train, n_deploy, complied_deploy)."""
    rows = []
    for i, (n_train, train, n_deploy, deploy) in enumerate(cells):
        rows += [
            labels | {"prompt_id": f"p{i}", "context": "train", "n": n_train, "complied": train},
            labels | {"prompt_id": f"p{i}", "context": "deploy", "n": n_deploy, "complied": deploy},
        ]
    return pd.DataFrame(rows)


def gap(cells, orientation=AGREE, level=0.95) -> pd.Series:
    obs = Observations.from_frame(counts(cells), orientation=orientation)
    return compliance_gap(obs, level=level).iloc[0]


def by_hand(train, deploy, level=0.95) -> tuple[float, float]:
    """THEORY 2.3 (i) for one data set in plain floats, as the roots of Wilson's quadratic."""
    size = len(train)
    square = stats.t.ppf((1 + level) / 2, size - 1) ** 2

    def wilson(rates):
        p = sum(rates) / size
        variance = sum((rate - p) ** 2 for rate in rates) / (size - 1) / size
        n = p * (1 - p) / variance if variance > 1e-20 else size
        # (x - p)^2 = square * x (1 - x) / n
        low, high = sorted(np.roots([1 + square / n, -2 * p - square / n, p * p]).real)
        return p, low, high

    p, l_p, u_p = wilson(train)
    q, l_q, u_q = wilson(deploy)
    constant = len(set(train)) == 1 or len(set(deploy)) == 1
    rho = 0.0 if constant else stats.pearsonr(train, deploy).statistic
    low = p - q - math.sqrt((p - l_p) ** 2 + (u_q - q) ** 2 - 2 * rho * (p - l_p) * (u_q - q))
    high = p - q + math.sqrt((u_p - p) ** 2 + (q - l_q) ** 2 - 2 * rho * (u_p - p) * (q - l_q))
    return low, high


CELL = st.integers(1, 12).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, 12)).flatmap(
        lambda cell: st.tuples(*map(st.just, cell), st.integers(0, cell[2]))
    )
)
CELLS = st.lists(CELL, min_size=2, max_size=12)


@settings(deadline=None, max_examples=50)
@given(CELLS, st.sampled_from([0.8, 0.95]))
def test_the_interval_is_the_one_written_in_theory(cells, level):
    train = [k / n for n, k, _, _ in cells]
    deploy = [k / n for _, _, n, k in cells]
    low, high = cluster_newcombe(train, deploy, level)
    assert np.allclose((low, high), by_hand(train, deploy, level), atol=1e-7)
    row = gap(cells, level=level)
    assert row["gap"] == pytest.approx(np.mean(train) - np.mean(deploy))
    assert row["se"] == pytest.approx(np.std(np.subtract(train, deploy), ddof=1) / len(cells) ** 0.5)
    if row["interval"] == "cluster-Newcombe":
        assert (row["low"], row["high"]) == (low, high)
    assert row["low"] <= row["gap"] + 1e-12
    assert row["gap"] <= row["high"] + 1e-12
    assert -1 <= row["low"] <= row["high"] <= 1


@settings(deadline=None, max_examples=50)
@given(CELLS)
def test_swapping_the_contexts_negates_the_gap_and_mirrors_the_interval(cells):
    row = gap(cells)
    swapped = gap([(n_deploy, deploy, n_train, train) for n_train, train, n_deploy, deploy in cells])
    assert swapped["gap"] == -row["gap"]
    assert swapped["interval"] == row["interval"]
    assert (swapped["low"], swapped["high"]) == pytest.approx((-row["high"], -row["low"]), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(CELLS)
def test_flipping_the_orientation_with_the_counts_changes_nothing(cells):
    row = gap(cells)
    flipped = gap([(n, n - k, m, m - j) for n, k, m, j in cells], orientation=DISAGREE)
    assert flipped.drop(["complied_train", "complied_deploy"]).equals(
        row.drop(["complied_train", "complied_deploy"])
    )
    assert flipped["complied_train"] == row["n_train"] - row["complied_train"]
    assert row["complied_train"] == row["agreed_train"] == sum(k for _, k, _, _ in cells)


@settings(deadline=None, max_examples=50)
@given(CELLS)
def test_counting_the_opposite_act_mirrors_the_interval(cells):
    row, opposite = gap(cells), gap(cells, orientation=DISAGREE)
    assert opposite["gap"] == pytest.approx(-row["gap"], abs=1e-12)
    assert (opposite["low"], opposite["high"]) == pytest.approx((-row["high"], -row["low"]), abs=1e-9)


def opus_like(rng, data_sets, prompts, n=10, phi=3.0):
    """Rates (data sets, prompts) of THEORY 2.3: 20 % of prompts at (.69, .01), the rest at (.002, .001)."""
    faker = rng.random((data_sets, prompts)) < 0.2
    observed = []
    for mean_faker, mean_other in ((0.69, 0.002), (0.01, 0.001)):
        mean = np.where(faker, mean_faker, mean_other)
        observed.append(rng.binomial(n, rng.beta(mean * phi, (1 - mean) * phi)) / n)
    return observed


@pytest.mark.parametrize(("prompts", "theory"), [(100, 0.955), (25, 0.968)])
def test_coverage_on_opus_like_prompts(prompts, theory):
    true_gap = 0.2 * (0.69 - 0.01) + 0.8 * (0.002 - 0.001)
    train, deploy = opus_like(np.random.default_rng(20), 4000, prompts)
    low, high = cluster_newcombe(train, deploy)
    coverage = ((low <= true_gap) & (true_gap <= high)).mean()
    assert 0.93 <= coverage <= 0.98
    assert coverage == pytest.approx(theory, abs=0.015)  # 4.5 Monte Carlo errors of a simulation each
    # The naive interval, samples taken as independent, must fail on the same data: else the design is no test.
    p, q = train.mean(axis=1), deploy.mean(axis=1)
    half = 1.96 * np.sqrt((p * (1 - p) + q * (1 - q)) / (10 * prompts))
    assert (np.abs(p - q - true_gap) <= half).mean() == pytest.approx(0.525, abs=0.04)


def test_many_data_sets_at_once_are_the_single_ones():
    train, deploy = opus_like(np.random.default_rng(3), 6, 30)
    low, high = cluster_newcombe(train.reshape(2, 3, 30), deploy.reshape(2, 3, 30), 0.9)
    assert low.shape == high.shape == (2, 3)
    for i in range(6):
        assert (low.flat[i], high.flat[i]) == pytest.approx(by_hand(train[i], deploy[i], 0.9))


def test_no_event_at_all_falls_back_on_prompts():
    row = gap([(10, 0, 10, 0)] * 30)
    limit = 1 - 0.025 ** (1 / 30)
    assert row["interval"] == "Clopper-Pearson on prompts"
    assert (row["gap"], row["se"]) == (0, 0)
    assert (row["low"], row["high"]) == pytest.approx((-limit, limit))
    everything = gap([(10, 10, 10, 10)] * 30)
    assert (everything["train_rate"], everything["deploy_rate"]) == (1, 1)
    same = ["gap", "se", "low", "high", "interval"]
    assert everything[same].tolist() == row[same].tolist()
    # one agreeing sample is an event, and all but one is not all
    assert gap([(10, 0, 10, 0)] * 29 + [(10, 0, 10, 1)])["interval"] == "cluster-Newcombe"
    assert gap([(10, 10, 10, 10)] * 29 + [(10, 10, 10, 9)])["interval"] == "cluster-Newcombe"


def test_prompts_that_do_not_vary_count_as_one_sample_each():
    # se = 0: n_eff = N, so with half of the samples agreeing everywhere the limits are Wilson's for N / 2 of N.
    low, high = cluster_wilson([0.5] * 20)
    factor = stats.t.ppf(0.975, 19) ** 2 / 20
    half = math.sqrt(factor * 0.25 + factor**2 / 4) / (1 + factor)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half))
    # 0.1 summed thrice is not 0.3: rounding must not pass for spread
    assert np.ptp(cluster_wilson([0.1] * 3)) > 0.5
    row = gap([(2, 1, 2, 0)] * 20)
    assert row["interval"] == "cluster-Newcombe"
    assert row["low"] < 0.5 < row["high"] < 1


def test_one_context_all_and_the_other_none():
    row = gap([(5, 5, 5, 0)] * 10)
    assert (row["gap"], row["se"], row["high"], row["interval"]) == (1, 0, 1, "cluster-Newcombe")
    assert 0.4 < row["low"] < 1


def test_no_interval_from_one_prompt_or_none():
    one = gap([(10, 7, 10, 2)])
    assert (one["gap"], one["interval"]) == (pytest.approx(0.5), "none: one prompt")
    assert one[["se", "low", "high"]].isna().all()
    frame = pd.concat([counts([(4, 2, 4, 1)] * 3, arm="a"), counts([(4, 2, 4, 1)] * 3, arm="b")])
    frame.loc[frame["arm"] == "b", "context"] = "none"
    frame = frame.drop_duplicates(["arm", "prompt_id", "context"])
    table = compliance_gap(Observations.from_frame(frame, orientation=AGREE), by="arm")
    assert table["interval"].tolist() == ["cluster-Newcombe", "none: no prompts"]
    assert table["prompts"].tolist() == [3, 0]
    assert table.loc[1, ["train_rate", "deploy_rate", "gap", "se", "low", "high"]].isna().all()
    with pytest.raises(ValueError, match="at least two"):
        cluster_newcombe([0.5], [0.5])


def test_rates_weigh_prompts_and_not_samples():
    row = gap([(100, 0, 10, 0), (1, 1, 10, 0)])
    assert (row["train_rate"], row["n_train"], row["agreed_train"]) == (0.5, 101, 1)


def test_a_prompt_put_to_many_models_is_one_prompt():
    cells = [(10, 9, 10, 1), (10, 2, 10, 1), (10, 5, 10, 3), (10, 0, 10, 1)]
    models = pd.concat([counts(cells, model=str(i)) for i in range(5)])
    obs = Observations.from_frame(models, orientation=AGREE)
    pooled = compliance_gap(obs).iloc[0]
    assert (pooled["prompts"], pooled["pairs"], pooled["agreed_train"]) == (4, 20, 80)
    single = gap(cells)
    for name in ("gap", "se", "low", "high"):
        assert pooled[name] == pytest.approx(single[name])
    # the same id under another axis is another prompt
    axes = pd.concat([counts(cells, axis=str(i)) for i in range(5)])
    assert compliance_gap(Observations.from_frame(axes, orientation=AGREE))["prompts"].tolist() == [20]


def test_vlaf_by_model():
    table = compliance_gap(load_vlaf(), by="model").set_index("model")
    assert table.loc["Qwen3-8B", "gap"] == pytest.approx((556 - 261) / 920)
    assert (table["interval"] == "cluster-Newcombe").all()
    clear = table[table["low"] > 0].index
    assert set(table.index) - set(clear) == {"Qwen2.5-7B"}
    assert compliance_gap(load_gemini(), by=["model", "setting"])["prompts"].tolist() == [99, 100, 99, 100]


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_a_level_is_a_probability(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        compliance_gap(load_gemini(), level=level)
    with pytest.raises(ValueError, match="between 0 and 1"):
        cluster_newcombe([0, 1], [0, 1], level)


def test_published_rates_give_a_point_a_bound_and_no_interval():
    frame = load_published()
    table = published_gaps(frame)
    assert len(table) == len(frame) == 116
    assert set(table["interval"]) == {"none: no per-prompt counts"}
    assert not {"low", "high", "se"} & set(table)
    opus = table.iloc[0]
    assert opus["gap"] == 0.113  # as quoted, though the rates differ by .114
    assert opus["log_odds_shift_bound"] == pytest.approx(4 * math.atanh(0.113))
    missing = table["gap"].isna()
    assert missing.sum() == 24
    assert (table.loc[missing, "note"] == "the source gives no gap and no rates").all()
    assert table.loc[missing, "log_odds_shift_bound"].isna().all()
    assert (table.loc[~missing, "note"] == "").all()


def test_published_gap_falls_back_on_the_rates_and_keeps_its_sign():
    rates = {"gap": [None, -0.5, 1, -1], "train_rate": [0.9, None, 1, 0], "deploy_rate": [0.2, 0.1, 0, 1]}
    table = published_gaps(pd.DataFrame(rates))
    assert table["gap"].tolist() == pytest.approx([0.7, -0.5, 1, -1])
    assert table["note"].tolist() == ["gap computed as train minus deploy", "", "", ""]
    bound = table["log_odds_shift_bound"].tolist()
    assert bound == pytest.approx([4 * math.atanh(0.7), -4 * math.atanh(0.5), math.inf, -math.inf])


@given(st.floats(-6, 6), st.floats(-6, 6))
def test_no_logit_follower_has_a_larger_gap_than_the_bound_allows(incentive, preference):
    rates = pd.Series([incentive - preference, -preference]).map(lambda x: 1 / (1 + math.exp(-x)))
    row = published_gaps(
        pd.DataFrame({"gap": [rates[0] - rates[1]], "train_rate": None, "deploy_rate": None})
    )
    bound = row["log_odds_shift_bound"].item()
    assert abs(bound) <= abs(incentive) + 1e-9
    assert bound * incentive >= -1e-9
    halfway = math.tanh(incentive / 4)  # preference = incentive / 2 reaches it
    sharp = published_gaps(pd.DataFrame({"gap": [halfway], "train_rate": None, "deploy_rate": None}))
    assert sharp["log_odds_shift_bound"].item() == pytest.approx(incentive, abs=1e-9)


def test_published_rates_that_are_no_shares_are_refused():
    good = {"gap": [0.1, 0.2], "train_rate": [0.3, 0.4], "deploy_rate": [0.2, 0.2]}
    with pytest.raises(ObservationError, match="'gap' is missing"):
        published_gaps(pd.DataFrame(good).drop(columns="gap"))
    for column, value in [("gap", 14.0), ("gap", -1.1), ("train_rate", 40), ("deploy_rate", -0.2)]:
        frame = pd.DataFrame(good)
        frame.loc[1, column] = value
        with pytest.raises(ObservationError, match=rf"index 1: {column} is {value:.1f}.*per cent"):
            published_gaps(frame)


def test_other_methods_by_name():
    obs = load_vlaf()
    tables = {
        method: compliance_gap(obs, by="model", method=method)
        for method in ("cluster-Newcombe", "paired t", "prompt bootstrap")
    }
    for method, table in tables.items():
        assert set(table["interval"]) == {method}
        assert table["gap"].equals(tables["cluster-Newcombe"]["gap"])
        assert np.allclose(table[["low", "high"]], tables["cluster-Newcombe"][["low", "high"]], atol=0.01)
    pairs = next(iter(obs.groups("model")))[1].pairs()
    d = (pairs["agreed_train"] - pairs["agreed_deploy"]) / 10
    known = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    assert tables["paired t"].loc[0, ["low", "high"]].tolist() == pytest.approx([known.low, known.high])
    again = compliance_gap(obs, by="model", method="prompt bootstrap")
    assert again.equals(tables["prompt bootstrap"])
    other = compliance_gap(obs, by="model", method="prompt bootstrap", seed=1)
    assert not other["low"].equals(again["low"])
    with pytest.raises(ValueError, match=r"'wald'; choose one of cluster-Newcombe, paired t"):
        compliance_gap(obs, method="wald")
    with pytest.raises(ValueError, match="resamples is 10"):
        compliance_gap(obs, method="prompt bootstrap", resamples=10)


def test_the_bootstrap_is_scipys_and_its_coverage_theorys():
    train, deploy = opus_like(np.random.default_rng(4), 300, 100)
    d = train - deploy
    known = stats.bootstrap(
        (d[0],), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    low, high = prompt_bootstrap(train, deploy, resamples=4000)
    assert (low[0], high[0]) == pytest.approx((known.low, known.high), abs=0.004)
    true_gap = 0.2 * (0.69 - 0.01) + 0.8 * (0.002 - 0.001)
    for limits in (prompt_bootstrap(train, deploy), paired_t(train, deploy)):
        covered = (limits[0] <= true_gap) & (true_gap <= limits[1])
        assert 0.9 <= covered.mean() <= 0.98


def test_a_binomial_interval_comes_with_the_reason_against_it():
    with pytest.warns(EstimationWarning, match=r"not independent.*covers 53 %; use cluster-Newcombe"):
        table = compliance_gap(load_vlaf(), by="model", method="binomial")
    row = table.iloc[2]
    p, q = row["train_rate"], row["deploy_rate"]
    half = 1.959964 * math.sqrt((p * (1 - p) + q * (1 - q)) / 920)
    assert (row["low"], row["high"]) == pytest.approx((p - q - half, p - q + half))
    assert row["interval"] == "binomial"
