"""The incentive without an assumed law of preferences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nchypergeom_fisher

from estimators.count_cells import count_cells
from estimators.law_check import any_law, check_law, conditional_delta
from estimators.shares import PreferenceLaw, simulate_agreed


def skewed(seed, delta=1.5, prompts=400):
    """Preferences that no normal law fits: nine in ten near −3, the others near 2."""
    rng = np.random.default_rng(seed)
    n = np.full((prompts, 2), 10)
    centre = np.where(rng.random(prompts) < 0.9, -3.0, 2.0)
    p = 1 / (
        1 + np.exp(-(centre[:, None] + 0.3 * rng.normal(size=(prompts, 1)) + delta * np.array([1.0, 0.0])))
    )
    return count_cells(n, rng.binomial(n, p))


def test_conditional_likelihood_is_the_noncentral_hypergeometric_law():
    data = skewed(0, prompts=40)
    delta, se = conditional_delta(data)

    def value(x):
        logs = [
            w * nchypergeom_fisher.logpmf(k[0], n.sum(), n[0], k.sum(), np.exp(x))
            for n, k, w in zip(data.n, data.k, data.weights, strict=True)
            if 0 < k.sum() < n.sum()
        ]
        return sum(logs)

    step = 1e-3
    assert (value(delta + step) - value(delta - step)) / (2 * step) == pytest.approx(0, abs=1e-3)
    curvature = (value(delta + step) - 2 * value(delta) + value(delta - step)) / step**2
    assert se == pytest.approx((-curvature) ** -0.5, rel=1e-3)


def test_it_covers_whatever_the_law():
    hits = 0
    for seed in range(60):
        delta, se = conditional_delta(skewed(seed))
        hits += abs(delta - 1.5) < 1.96 * se
    assert 52 <= hits <= 60


def test_any_law_has_the_largest_likelihood_and_agrees_with_the_conditional_delta():
    table = check_law(skewed(1)).set_index("law")
    assert table.loc["any", "log_likelihood"] > table.loc[["normal", "logistic"], "log_likelihood"].max() + 2
    assert abs(table.loc["any", "delta"] - table.loc["none assumed", "delta"]) < table.loc["any", "se"]
    assert np.all(table["low"] < table["delta"])


def test_where_preferences_are_normal_all_four_agree():
    rng = np.random.default_rng(2)
    n = np.full((400, 3), 10)
    law = PreferenceLaw(-1.0, 1.5, [2.0], [1.0])
    data = count_cells(n, simulate_agreed(rng, law, n, [1.0, 0.5, 0.0]), [1.0, 0.5, 0.0])
    table = check_law(data).set_index("law")
    assert np.ptp(table["delta"]) < 0.15
    assert np.all(np.abs(table["delta"] - 2.0) < 3 * table["se"])
    assert table.loc["any", "faking_share"] == pytest.approx(table.loc["normal", "faking_share"], abs=0.15)


def test_prompts_that_all_agree_or_all_refuse_say_nothing():
    data = count_cells([[5, 5]] * 4, [[0, 0], [5, 5], [0, 0], [5, 5]])
    delta, se = conditional_delta(data)
    assert np.isnan(se)
    assert np.isfinite(any_law(data, delta, se)[1])
