"""The decision has its size and its power, and names the level at which data were drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from estimators.datasets import load_gemini, load_vlaf
from estimators.diagnostics import LEVELS, diagnose, require_prompt_level
from estimators.observations import ObservationError, Observations


def observe(n, k, models=1, shared=True) -> Observations:
    """Counts k (models · prompts, 2), model by model."""
    prompts = len(k) // models
    frame = [
        {
            "model": f"m{i // prompts}",
            "prompt_id": f"p{i % prompts if shared else i}",
            "context": context,
            "n": n,
        }
        | {"complied": int(k[i, s])}
        for i in range(len(k))
        for s, context in enumerate(("train", "deploy"))
    ]
    return Observations.from_frame(pd.DataFrame(frame), orientation="complied-is-agreement")


def levels(draw, runs, seed=0, **labels):
    rng = np.random.default_rng(seed)
    return pd.Series(
        [diagnose(observe(10, draw(rng), **labels), draws=199, seed=run).level for run in range(runs)]
    ).value_counts(normalize=True)


def test_size_where_samples_are_on_their_own():
    found = levels(lambda rng: rng.binomial(10, [0.7, 0.3], size=(60, 2)), 100)
    assert found.get("prompt", 0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert found["sample"] >= 0.85


def test_power_where_prompts_differ_a_little():
    def draw(rng):
        p = rng.beta(np.array([0.7, 0.3]) * 9, np.array([0.3, 0.7]) * 9, size=(60, 2))  # correlation .1
        return rng.binomial(10, p)

    assert levels(draw, 40)["prompt"] >= 0.9


def test_one_sample_a_prompt_shows_types_by_association_alone():
    rng = np.random.default_rng(3)
    kind = rng.random(100) < 0.5
    together = rng.binomial(1, np.where(kind, 0.9, 0.1)[:, None], size=(100, 2))
    found = diagnose(observe(1, together))
    assert found.level == "prompt"
    assert (
        found.tests.set_index("test")["p_value"][["overdispersion_train", "overdispersion_deploy"]]
        .isna()
        .all()
    )
    apart = diagnose(observe(1, rng.binomial(1, 0.5, size=(100, 2))))
    assert apart.level == "undetermined"
    assert "none of such data sets" in apart.reason


@pytest.mark.parametrize("shared", [True, False])
def test_types_per_model(shared):
    rng = np.random.default_rng(4)
    rates = np.repeat([[0.9, 0.9], [0.9, 0.1], [0.1, 0.1]], 50, axis=0)
    found = diagnose(observe(10, rng.binomial(10, rates), models=3, shared=shared))
    assert found.level == "model"
    alike = diagnose(observe(10, rng.binomial(10, 0.5, size=(150, 2)), models=3, shared=shared))
    assert alike.level == "sample"
    assert alike.reason.endswith("nor do models")


def test_models_test_holds_its_size_where_prompts_differ():
    rng = np.random.default_rng(5)
    p_values = []
    for run in range(100):
        willing = np.tile(rng.beta(1, 1, 20), 3)
        k = rng.binomial(10, np.column_stack([willing, willing]))
        tests = diagnose(observe(10, k, models=3), draws=99, seed=run).tests.set_index("test")
        p_values.append(tests.loc["models", "p_value"])
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_few_or_flat_counts_are_undetermined():
    few = diagnose(observe(10, np.random.default_rng(6).binomial(10, 0.5, size=(4, 2))))
    flat = diagnose(observe(10, np.zeros((50, 2), int)))
    assert few.level == flat.level == "undetermined"
    assert flat.table()[["p_value_association", "correlation_train"]].isna().all(axis=None)
    assert require_prompt_level(observe(10, np.zeros((50, 2), int))).level == "undetermined"


def test_the_shipped_models_have_types_of_prompts_and_the_same_seed_the_same_tests():
    for labels, group in load_vlaf().groups("model"):
        assert require_prompt_level(group, draws=199).level == "prompt", labels
    first, again = (diagnose(load_gemini(), draws=99, seed=2) for _ in range(2))
    assert first.tests.equals(again.tests)
    assert first.level in LEVELS
    assert (first.tests["adjusted"].dropna() >= first.tests["p_value"][:3]).all()


def test_correlation_is_the_one_drawn():
    rng = np.random.default_rng(7)
    k = rng.binomial(10, rng.beta(0.5, 1.5, size=(4000, 2)))  # ICC 1 / (2 + 1)
    found = diagnose(observe(10, k), draws=99)
    assert (found.correlation_train, found.correlation_deploy) == pytest.approx((1 / 3, 1 / 3), abs=0.03)


def test_refusals():
    alike = observe(10, np.random.default_rng(8).binomial(10, 0.5, size=(80, 2)))
    with pytest.raises(
        ObservationError, match=r"no types of prompts: prompts do not differ beyond .*; report the gap"
    ):
        require_prompt_level(alike)
    with pytest.raises(ValueError, match="draws be at least 99"):
        diagnose(alike, draws=10)
