"""The planner keeps its word: at the prompts it asks for, simulated intervals have the wanted width."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from estimators.choice_likelihood import ChoiceForm
from estimators.choice_recovery import ChoiceRecovery, arms_design
from estimators.gap import cluster_newcombe
from estimators.latent_class_law import ClassLaw
from estimators.planning import law_bound, plan, plan_gap
from estimators.shares import PreferenceLaw, simulate_agreed
from estimators.simulate import Design
from estimators.structural_fit import fit_candidate
from estimators.structural_likelihood import ONE, TWO

LAW = PreferenceLaw(-3.0, 2.0, [2.0], [1.0])
CLASSES = ClassLaw(shares=(0.25, 0.2, 0.55), train=(0.93, 0.85, 0.05), deploy=(0.92, 0.12, 0.04), phi=20.0)
RUNS = 30


@pytest.mark.parametrize("law", [LAW, CLASSES], ids=["preferences", "classes"])
@pytest.mark.parametrize("samples", [1, 10])
def test_the_gap_gets_its_width(law, samples):
    row = plan_gap(law, 0.1, samples=[samples]).iloc[0]
    design = Design.regular(int(row["prompts"]), samples)
    widths = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        if isinstance(law, ClassLaw):
            cells = law.simulate(design, rng)
            k = np.repeat(cells.k, cells.weights.astype(int), axis=0)
        else:
            k = simulate_agreed(rng, law, design.n, design.beliefs)
        low, high = cluster_newcombe(*(k / samples).T)
        widths.append(high - low)
    assert np.mean(widths) == pytest.approx(0.1, rel=0.08)


def test_an_incentive_gets_its_width():
    row = plan(law_bound(LAW), "delta", 0.6, samples=[8]).iloc[0]
    design, widths = Design.regular(int(row["prompts"]), 8), []
    for seed in range(RUNS):
        k = simulate_agreed(np.random.default_rng(seed), LAW, design.n, design.beliefs)
        fit = fit_candidate(design.counted(k), ONE)
        widths.append(2 * 1.96 * np.sqrt(fit.covariance[2, 2]))
    assert np.mean(widths) == pytest.approx(0.6, rel=0.06)


def test_a_threshold_of_the_choice_model_gets_its_width_over_arms():
    arms = [(0.9, 0.1), (0.7, 0.3), (0.5, 0.1)]
    design = lambda prompts, samples: arms_design(arms, prompts, samples)[0]  # noqa: E731
    form = ChoiceForm(("complier", "refuser", "strategic"), 5)
    x = (np.log(0.55 / 0.25), np.log(0.2 / 0.25), 2.6, -2.9, np.log(6.0), 0.45, np.log(20.0))
    model = ChoiceRecovery(form, tuple(map(float, x)), (0.9, 0.7, 0.5, 0.3, 0.1))
    row = plan(model.bound, "beta_star[strategic]", 0.08, design=design, samples=[6]).iloc[0]
    planned, widths = design(int(row["prompts"]), 6), []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        estimate = model.refit(model.simulate(planned, rng), rng).estimates["beta_star[strategic]"]
        widths.append(estimate.high - estimate.low)
    assert np.mean(widths) == pytest.approx(0.08, rel=0.1)


def test_bounds_of_two_incentives_are_those_of_their_information():
    law = PreferenceLaw(-1.5, 1.0, [0.0, 3.0], [0.6, 0.4])
    bound = law_bound(law)(Design.regular(400, 10))
    k = simulate_agreed(np.random.default_rng(0), law, np.full((20_000, 2), 10), [1.0, 0.0])
    fit = fit_candidate(Design.regular(20_000, 10).counted(k), TWO)
    se = np.sqrt(np.diag(fit.covariance) * 50)
    assert [bound["mu"], bound["delta_1"], bound["delta_2"]] == pytest.approx(se[[0, 2, 3]], rel=0.1)


def test_wider_intervals_and_more_samples_need_fewer_prompts_and_one_row_is_cheapest():
    table = plan(law_bound(LAW), "gap", 0.05, samples=[2, 5, 10])
    assert table["prompts"].is_monotonic_decreasing
    assert (plan(law_bound(LAW), "gap", 0.1, samples=[2, 5, 10])["prompts"] < table["prompts"] / 3).all()
    assert table["fewest"].sum() == 1
    assert (table["width"] <= 0.05).all()


def test_what_samples_cannot_identify_is_said():
    table = plan(
        law_bound(LAW),
        "sigma",
        0.5,
        samples=[1, 10],
        design=lambda prompts, n: Design.regular(prompts, n, [1.0]),
    )
    assert table["prompts"].tolist()[0] == 0
    assert pd.isna(table["se"].iloc[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantity": "lambda"}, "the model has no 'lambda'"),
        ({"width": 0.0}, "must be positive"),
        ({"samples": []}, "must be positive"),
        ({"level": 1.0}, "level is 1.0"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        plan(law_bound(LAW), **({"quantity": "delta", "width": 0.5, "samples": [2]} | options))
