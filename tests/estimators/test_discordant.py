"""The exact test holds its size whatever the prompts are like, and counts what it says it counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from estimators.discordant import discordant_test
from estimators.observations import Observations


def observe(cells, **labels) -> Observations:
    """Prompts from (n_train, agreed_train, n_deploy, agreed_deploy)."""
    rows = [
        labels | {"prompt_id": f"p{i}", "context": context, "n": n, "complied": k}
        for i, cell in enumerate(cells)
        for context, n, k in (("train", *cell[:2]), ("deploy", *cell[2:]))
    ]
    return Observations.from_frame(pd.DataFrame(rows), orientation="complied-is-agreement")


CELL = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.sampled_from([n, n + 1])).flatmap(
        lambda cell: st.tuples(*map(st.just, cell), st.integers(0, cell[2]))
    )
)


@settings(deadline=None, max_examples=40)
@given(st.lists(CELL, min_size=1, max_size=12).filter(lambda cells: any(a == b for a, _, b, _ in cells)))
def test_prompts_are_counted_by_the_sign_of_their_move(cells):
    row = discordant_test(observe(cells)).iloc[0]
    equal = [(k, j) for n, k, m, j in cells if n == m]
    up, down = sum(k > j for k, j in equal), sum(k < j for k, j in equal)
    assert row[["prompts", "discordant", "up", "down"]].tolist() == [len(equal), up + down, up, down]
    assert row["unequal_pairs"] == len(cells) - len(equal)
    if up + down:
        assert row["p_value"] == pytest.approx(binomtest(up, up + down).pvalue)
        assert row["low"] <= row["share_up"] <= row["high"]
    else:
        assert row["p_value"] == 1


@pytest.mark.parametrize("n", [1, 3, 10])
def test_exact_size_for_prompts_of_any_kind(n):
    rng = np.random.default_rng(n)
    p = rng.beta(0.3, 0.7, 40)  # prompts differ much; no context does anything
    rejected = []
    for _ in range(400):
        k, j = rng.binomial(n, p), rng.binomial(n, p)
        up, down = (k > j).sum(), (k < j).sum()
        rejected.append(binomtest(up, up + down).pvalue <= 0.05 if up + down else False)
    assert np.mean(rejected) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    by_table = discordant_test(observe([(n, a, n, b) for a, b in zip(k, j)])).iloc[0]
    assert (by_table["up"], by_table["down"]) == (up, down)


def test_unequal_numbers_of_samples_would_break_it_as_the_docstring_says():
    deploy = binom.pmf(np.arange(11), 10, 0.05)
    assert round(0.05 * (1 - deploy[10]), 2) == 0.05
    assert round(0.95 * (1 - deploy[0]), 2) == 0.38


def test_pooled_models_share_their_prompts():
    frames = [
        observe([(10, 9, 10, 1), (10, 5, 10, 5), (10, 4, 10, 5)], model="a").frame,
        observe([(10, 0, 10, 0), (10, 5, 10, 4), (10, 5, 10, 4)], model="b").frame,
    ]
    obs = Observations.from_frame(pd.concat(frames), orientation="complied-is-agreement")
    row = discordant_test(obs).iloc[0]
    assert row[["prompts", "up", "down"]].tolist() == [3, 2, 0]  # the third moved by −.1 and .1
    both = discordant_test(obs, by="model")
    assert both[["up", "down"]].to_numpy().tolist() == [[1, 1], [2, 0]]
    assert (both["q_value"] >= both["p_value"]).all()


def test_no_equal_pairs_no_test_and_wrong_choices():
    none = discordant_test(observe([(3, 1, 4, 2)])).iloc[0]
    assert none[["prompts", "unequal_pairs"]].tolist() == [0, 1]
    assert np.isnan(none["p_value"])
    with pytest.raises(ValueError, match="choose two-sided"):
        discordant_test(observe([(3, 1, 3, 2)]), alternative="up")
    one_sided = discordant_test(observe([(3, 3, 3, 1)] * 5), alternative="greater").iloc[0]
    assert one_sided["p_value"] == pytest.approx(1 / 32)
