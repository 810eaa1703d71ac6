"""Comparisons are scipy's tests where scipy has them, and false discoveries stay below their bound."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from estimators.compare import compare, difference, q_values
from estimators.datasets import load_vlaf
from estimators.observations import ObservationError, Observations


def observe(rows) -> Observations:
    """From (model, axis, prompt_id, agreed_train, agreed_deploy) of ten samples each."""
    frame = [
        {"model": model, "axis": axis, "prompt_id": prompt, "context": context, "n": 10, "complied": k}
        for model, axis, prompt, *counts in rows
        for context, k in zip(("train", "deploy"), counts)
    ]
    return Observations.from_frame(pd.DataFrame(frame), orientation="complied-is-agreement")


def drawn(seed, models, prompts, shift=0.0, own_prompts=False):
    """Models with one law, but for a `shift` of the last one's train rate; prompts differ in willingness."""
    rng = np.random.default_rng(seed)
    rows = []
    willing = rng.beta(1, 1, prompts)
    for m in range(models):
        p = rng.beta(1, 1, prompts) if own_prompts else willing
        train = np.clip(p + (shift if m == models - 1 else 0.0), 0, 1)
        k, j = rng.binomial(10, train), rng.binomial(10, p)
        name = f"m{m}"
        ids = [f"{name}-{i}" if own_prompts else f"p{i}" for i in range(prompts)]
        rows += [(name, "a", i, *counts) for i, *counts in zip(ids, k, j)]
    return rows


def gaps(rows, model):
    return {r[2]: (r[3] - r[4]) / 10 for r in rows if r[0] == model}


def test_shared_prompts_are_the_paired_test():
    rows = drawn(1, 2, 30, 0.2)
    row = compare(observe(rows), "model", level=0.9).iloc[0]
    a, b = (np.array([*gaps(rows, m).values()]) for m in ("m0", "m1"))
    known = stats.ttest_rel(a, b)
    assert (row["test"], row["df"], row["prompts_shared"]) == ("paired t", 29, 30)
    assert (row["statistic"], row["p_value"]) == pytest.approx((known.statistic, known.pvalue))
    assert (row["low"], row["high"]) == pytest.approx(tuple(known.confidence_interval(0.9)))


def test_other_prompts_are_welchs_test():
    rows = drawn(2, 1, 30) + [
        ("m1", "a", f"q{i}", k, j) for i, (k, j) in enumerate([(9, 1), (5, 5), (7, 0)] * 4)
    ]
    row = compare(observe(rows), "model").iloc[0]
    a, b = (np.array([*gaps(rows, m).values()]) for m in ("m0", "m1"))
    known = stats.ttest_ind(a, b, equal_var=False)
    assert (row["test"], row["prompts_shared"]) == ("Welch t", 0)
    assert (row["df"], row["p_value"]) == pytest.approx((known.df, known.pvalue))


def test_some_shared_prompts_lie_between():
    rows = drawn(3, 2, 40)
    cut = [r for r in rows if not (r[0] == "m1" and int(r[2][1:]) < 10)]
    row = compare(observe(cut), "model").iloc[0]
    assert (row["test"], row["prompts_shared"], row["df"]) == ("partly paired t", 30, 29)
    a, b = pd.Series(gaps(cut, "m0")), pd.Series(gaps(cut, "m1"))
    ca, cb = ((x - x.mean()) / np.sqrt(len(x) * (len(x) - 1)) for x in (a, b))
    assert row["se"] ** 2 == pytest.approx(a.var() / 40 + b.var() / 30 - 2 * (ca * cb).sum())


def test_axes_are_other_prompts_and_models_of_a_family_are_averaged_per_prompt():
    table = compare(load_vlaf())
    assert table["over"].value_counts().to_dict() == {"model": 45, "family": 3, "method": 10, "axis": 10}
    assert set(table[table["over"] == "axis"]["test"]) == {"Welch t"}
    assert set(table[table["over"] != "axis"]["test"]) == {"paired t"}
    assert (table["q_value"] >= table["p_value"]).all()
    family = table[(table["first"] == "qwen2.5") & (table["second"] == "qwen3")].iloc[0]
    assert (family["prompts_first"], family["gap_first"]) == (92, pytest.approx(0.065, abs=5e-4))
    swapped = compare(Observations(load_vlaf().frame[::-1].reset_index(drop=True), "complied-is-agreement"))
    assert np.allclose(sorted(table["p_value"]), sorted(swapped["p_value"]))


@pytest.mark.parametrize("own_prompts", [False, True])
def test_with_no_difference_few_tables_find_one(own_prompts):
    found = []
    for seed in range(250):
        rows = drawn(seed, 4, 25, own_prompts=own_prompts)
        by_model = [pd.Series(gaps(rows, f"m{m}")) for m in range(4)]
        p = [difference(a, b, 0.95)["p_value"] for a, b in itertools.combinations(by_model, 2)]
        found.append((q_values(p) <= 0.05).any())
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 250)
    shifted = compare(observe(drawn(1, 4, 25, 0.4, own_prompts)), "model")
    different = shifted[shifted["q_value"] <= 0.05][["first", "second"]]
    assert (different == "m3").any(axis=1).all()
    assert len(different) == 3


def test_what_cannot_be_compared_says_why():
    one = compare(observe([*drawn(5, 1, 8), ("m1", "a", "p0", 3, 1)]), "model").iloc[0]
    assert one["test"] == "none: fewer than two prompts"
    assert np.isnan(one["q_value"])
    flat = compare(observe([(m, "a", f"p{i}", 0, 0) for m in "ab" for i in range(5)]), "model").iloc[0]
    assert (flat["test"], flat["difference"]) == ("none: no variation over prompts", 0)
    with pytest.raises(ObservationError, match="nothing to compare: none of model"):
        compare(observe(drawn(6, 1, 5)))
    with pytest.raises(ObservationError, match="cannot group by 'size'"):
        compare(observe(drawn(6, 2, 5)), "size")
    with pytest.raises(ValueError, match="choose bh or by"):
        compare(observe(drawn(6, 2, 5)), control="none")


def test_q_values_skip_what_was_not_tested():
    p = np.array([0.01, np.nan, 0.03, 0.5])
    assert q_values(p)[[0, 2, 3]] == pytest.approx(stats.false_discovery_control([0.01, 0.03, 0.5]))
    assert (q_values(p, "by")[[0, 2, 3]] >= q_values(p)[[0, 2, 3]]).all()
    assert np.isnan(q_values([np.nan])).all()
