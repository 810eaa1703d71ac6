"""Predictions of faking obey the theorems of the faking game, and cover what they promise to cover."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.count_cells import count_cells
from estimators.datasets import load_vlaf
from estimators.observations import Observations
from estimators.population import Population, fit_population, spreads_of
from estimators.posterior import Posterior
from estimators.prediction import leave_one_out, predict_faking
from estimators.scenarios import scenarios
from estimators.shares import PreferenceLaw, agreement_rate, faking_share, simulate_agreed
from estimators.structural import StructuralPayoffs

share = st.floats(0, 1)


@pytest.fixture(scope="module")
def people():
    return fit_population(load_vlaf())


@pytest.fixture(scope="module")
def one(people):
    return people.fits[people.models.index("Qwen3-8B")]


@settings(max_examples=8, deadline=None)
@given(iota=share, alarm=st.floats(0.01, 0.99), miss=share)
def test_nothing_is_faked_without_monitoring_with_nothing_but_monitoring_or_with_empty_cues(
    people, one, iota, alarm, miss
):
    tables = [
        scenarios([0.0, 1.0], iota),
        scenarios([0.0, 1.0], false_alarm=alarm, miss=miss),
        scenarios(iota, 0.0),
        scenarios(iota, false_alarm=alarm, miss=1 - alarm),
    ]
    for source, asked in ((source, table) for source in (people, one) for table in tables):
        found = predict_faking(source, asked, draws=200)
        # an uninformative policy gives both cues one belief, but for rounding
        assert found["high_95"].max() < 1e-9


@given(
    q=share, iota=st.integers(0, 16).map(lambda k: k / 16)
)  # exact, so that a cue is never sent in both or none
def test_symmetric_error_rates_are_informativeness(q, iota):
    wrong = (1 - iota) / 2
    one, two = scenarios(q, iota), scenarios(q, false_alarm=wrong, miss=wrong)
    beliefs = ["belief_train", "belief_deploy"]
    np.testing.assert_allclose(one[beliefs], two[beliefs], atol=1e-12)


@given(q=share, alarm=share, miss=share)
def test_the_train_cue_speaks_for_monitoring_and_bayes_is_consistent(q, alarm, miss):
    row = scenarios(q, false_alarm=alarm, miss=miss).iloc[0]
    if not np.isnan(row["belief_train"]) and not np.isnan(row["belief_deploy"]):
        assert row["belief_train"] >= row["belief_deploy"] - 1e-12
        assert row["belief_train"] >= q - 1e-12


def test_a_known_model_is_its_own_fit(one):
    asked = scenarios([0.2, 0.7], 0.8)
    found = predict_faking(one, asked)
    low, high = one.faking_share_interval(asked["belief_train"], asked["belief_deploy"])
    np.testing.assert_allclose(found["low_95"], low)
    np.testing.assert_allclose(found["high_95"], high)
    assert set(found["draws"]) == {"asymptotic normal law of the fit, 4000 draws"}


def test_the_gap_is_that_of_the_law(one):
    asked = scenarios([0.2, 0.7], 0.8)
    rates = agreement_rate(one.law_, asked[["belief_train", "belief_deploy"]].to_numpy())
    still = StructuralPayoffs(incentives="one", bootstrap=0)
    still.__dict__ |= one.__dict__ | {"draws_": one.parameters_[None]}
    np.testing.assert_allclose(
        predict_faking(still, asked, quantity="gap")["expected"], rates[:, 0] - rates[:, 1], atol=1e-7
    )


def test_a_group_without_data_is_predicted_by_the_pooled_law():
    by_method = fit_population(load_vlaf(), "method")
    asked = scenarios([0.1, 0.5], 0.6)
    unseen, pooled = (predict_faking(by_method, asked, group=group) for group in ("kto", None))
    pd.testing.assert_frame_equal(unseen, pooled)
    assert unseen["who"].unique().tolist() == ["new model of a new method"]


def test_prompts_make_a_known_model_certain_but_not_a_new_one(one):
    rng = np.random.default_rng(0)
    truth = rng.normal([-1.5, 0.3, 1.6], [1.0, 0.3, 0.7], (12, 3))
    widths = {}
    for variance in (0.05, 1e-6):
        parameters = spreads_of(truth, np.full((12, 3), variance), ["a"] * 12)
        people = Population("family", ("m",) * 12, ("a",) * 12, (one,) * 12, parameters)
        found = predict_faking(people, group="a")
        widths[variance] = float((found["high_95"] - found["low_95"]).iloc[0])
    assert widths[1e-6] > 0.8 * widths[0.05] > 0.2


def test_probability_and_quantiles_say_the_same(people):
    asked = scenarios([0.3], 0.6)
    found = predict_faking(people, asked, group="olmo2").iloc[0]
    again = predict_faking(people, asked, group="olmo2", exceeds=float(found["high_50"])).iloc[0]
    assert again["probability"] == pytest.approx(0.25, abs=0.01)
    decisive = predict_faking(people, asked, group="olmo2", quantity="decisive_share").iloc[0]
    assert decisive["expected"] < found["expected"]


def test_a_tested_fit_carries_its_verdict():
    cells = count_cells([[10, 10]] * 6, [[9, 2], [10, 5], [8, 1], [5, 0], [2, 0], [9, 6]])
    fit = StructuralPayoffs(incentives="one", bootstrap=99).fit_cells(cells)
    assert predict_faking(fit, model="mine").iloc[0][["who", "reading"]].tolist() == [
        "model mine",
        "incentive to fake detected",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "Qwen3-8B", "group": "qwen3"}, "not both"),
        ({"model": "GPT"}, "there is no model 'GPT' among Qwen2.5-7B"),
        ({"quantity": "sum"}, "choose one of faking_share"),
        ({"asked": pd.DataFrame({"belief_train": [1.0]})}, "lack the column belief_deploy"),
        (
            {"asked": pd.DataFrame({"belief_train": [1.5], "belief_deploy": 0.0})},
            r"must lie in \[0, 1\], got 1.5",
        ),
        ({"levels": (1.5,)}, "level"),
    ],
)
def test_what_cannot_be_predicted_is_refused(people, change, message):
    with pytest.raises(ValueError, match=message):
        predict_faking(people, **change)


def test_a_new_model_is_not_to_be_had_from_one_fit(one):
    with pytest.raises(ValueError, match="says nothing about a new model"):
        predict_faking(one, group="qwen3")
    with pytest.raises(ValueError, match="give informativeness, or false_alarm and miss"):
        scenarios(0.5, 0.5, miss=0.1)
    with pytest.raises(ValueError, match="monitoring must lie"):
        scenarios([0.5, 1.2])


def simulated(rng, models, prompts, family=lambda j: "f"):
    """Counts of models drawn from one population, and the law of a further one."""
    mean, sd = np.array([-1.2, 0.2, 1.6]), np.array([0.8, 0.3, 0.7])
    laws = [
        PreferenceLaw(mu, np.exp(log_sigma), [delta], [1.0])
        for mu, log_sigma, delta in rng.normal(mean, sd, (models + 1, 3))
    ]
    rows = []
    n = np.full((prompts, 2), 10)
    for j, law in enumerate(laws[:-1]):
        agreed = simulate_agreed(rng, law, n, [1.0, 0.0])
        for context, complied in zip(("train", "deploy"), agreed.T):
            ids = [str(i) for i in range(prompts)]
            part = pd.DataFrame({"prompt_id": ids, "context": context, "n": 10, "complied": complied})
            rows.append(part.assign(model=f"m{j}", family=family(j)))
    return Observations.from_frame(pd.concat(rows), orientation="complied-is-agreement"), laws[-1]


@pytest.mark.slow
def test_intervals_of_a_new_model_cover_its_true_share():
    rng = np.random.default_rng(11)
    runs, inside, checked = 60, {50: 0, 95: 0}, 0
    asked = scenarios([0.3], 0.7)
    for _ in range(runs):
        obs, law = simulated(rng, 8, 60)
        people = fit_population(obs)
        found = predict_faking(people, asked, group="f").iloc[0]
        truth = float(faking_share(law, found["belief_train"], found["belief_deploy"]))
        checked += int(leave_one_out(people)["inside"].sum())
        for level in inside:
            inside[level] += found[f"low_{level}"] <= truth <= found[f"high_{level}"]
    assert abs(inside[50] / runs - 0.5) < 3 * np.sqrt(0.25 / runs)
    assert inside[95] / runs > 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)
    assert checked / (8 * runs) == pytest.approx(0.95, abs=0.035)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::estimators.newton.EstimationWarning"
)  # short chains serve a rough comparison
def test_posterior_and_normal_laws_predict_alike():
    pytest.importorskip("nutpie")
    obs, _ = simulated(np.random.default_rng(5), 4, 50)
    sampled = Posterior(chains=2, draws=200, tune=200, seed=1).fit(obs)
    people = fit_population(obs)
    asked = scenarios([0.3], 0.7)
    for who in ({"model": "m0"}, {"group": "f"}):
        one, two = (predict_faking(source, asked, **who).iloc[0] for source in (sampled, people))
        assert one["who"] == two["who"]
        assert one["draws"].startswith("posterior")
        assert one["expected"] == pytest.approx(two["expected"], abs=0.04)
        assert one["high_95"] == pytest.approx(two["high_95"], abs=0.15)
    with pytest.raises(ValueError, match="there is no model 'm9'"):
        predict_faking(sampled, asked, model="m9")
    assert predict_faking(sampled, asked)["who"].iloc[0] == "new model of a new family"
