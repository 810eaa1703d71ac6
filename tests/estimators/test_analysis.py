"""The whole pipeline on shipped counts: groups, tables, output, and the same result for the same seed."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import estimators as est
from estimators.analysis import analyze
from estimators.output import results_record, summary, write_analysis

SCHEMA = json.loads((Path(est.__file__).parent / "schemas" / "results.json").read_text())


def olmo():
    frame = est.datasets.load_vlaf().frame
    frame = frame[frame["family"] == "olmo2"]
    return est.Observations.from_frame(frame, orientation="complied-is-agreement")


@pytest.fixture(scope="module")
def analysis():
    return analyze(olmo(), bootstrap=19, draws=5)


def test_the_olmo_stages_as_published_in_the_issue(analysis):
    """One-type deltas of base, sft, dpo, grpo: 1.17, 1.10, 1.72, 2.20; faking shares .47, .01, .09, .18."""
    table = analysis.structural.set_index(["method", "parameter"])["estimate"]
    for method, delta, share in (
        ("base", 1.17, 0.47),
        ("sft", 1.10, 0.01),
        ("dpo", 1.72, 0.09),
        ("grpo", 2.20, 0.18),
    ):
        assert table[method, "delta_one_type"] == pytest.approx(delta, abs=0.015)
        assert table[method, "faking_share"] == pytest.approx(share, abs=0.012)


def test_groups_are_by_columns_and_axes_pooled(analysis):
    labels = analysis.gaps[["model", "method", "axis"]]
    assert labels.iloc[:4]["axis"].eq("all").all()
    assert labels.iloc[4:]["model"].eq("all").all()
    assert len(labels) == 4 + 5
    for table in (analysis.fracture, analysis.selection, analysis.class_selection):
        pd.testing.assert_frame_equal(table[["model", "method", "axis"]], labels)


def test_by_may_hold_the_axis_or_nothing():
    obs = olmo()
    by_axis = analyze(obs, ["axis"], bootstrap=0, draws=0)
    assert list(by_axis.gaps["axis"]) == list(dict.fromkeys(obs.frame["axis"]))
    whole = analyze(obs, [], bootstrap=0, draws=0)
    assert whole.gaps["axis"].iloc[0] == "all"
    assert whole.gaps["pairs"].iloc[0] == 4 * 92


def test_output_meets_its_schema_and_80_columns(analysis, tmp_path):
    written = write_analysis(analysis, tmp_path / "out", "olmo stages")
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    assert record == json.loads(json.dumps(results_record(analysis, "olmo stages"), allow_nan=False))
    assert record["assumptions"]["monitoring_cost"] == 0.1
    text = summary(analysis, "olmo stages")
    assert max(map(len, text.splitlines())) <= 80
    for name, value in analysis.assumptions.values().items():
        assert f"{name.replace('_', ' ')} {value:g}" in text.replace("\n", " ")
    for name, table in analysis.tables().items():
        back = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        assert list(back.columns) == list(table.columns)
        assert len(back) == len(table)
    assert sum(path.suffix == ".png" for path in written) == 5


def test_same_seed_same_result(analysis):
    again = analyze(olmo(), bootstrap=19, draws=5)
    for name, table in analysis.tables().items():
        pd.testing.assert_frame_equal(table, again.tables()[name])


def test_no_faking_share_is_printed_where_no_incentive_is_detected():
    frame = est.datasets.load_vlaf().frame
    obs = est.Observations.from_frame(
        frame[frame["model"] == "Qwen2.5-7B"], orientation="complied-is-agreement"
    )
    result = analyze(obs, bootstrap=99, draws=0)
    line = next(
        l for l in summary(result, "x").split("decisive")[-1].splitlines() if l.startswith("Qwen2.5-7B")
    )
    assert "no incentive detected" in line


def test_all_refusals_are_analysed_and_noted():
    rows = [(f"p{i}", context, 5, 0) for i in range(6) for context in ("train", "deploy")]
    frame = pd.DataFrame(rows, columns=["prompt_id", "context", "n", "complied"])
    result = analyze(
        est.Observations.from_frame(frame, orientation="complied-is-agreement"), bootstrap=9, draws=5
    )
    assert result.notes["note"].str.contains("no variation").any()
    assert result.gaps["interval"].iloc[0] == "Clopper-Pearson on prompts"
    assert max(map(len, summary(result, "refusals").splitlines())) <= 80
    json.dumps(results_record(result, "refusals"), allow_nan=False)


def test_without_pairs_there_is_nothing_to_compare():
    frame = pd.DataFrame({"prompt_id": ["a"], "context": ["none"], "n": [3], "complied": [1]})
    obs = est.Observations.from_frame(frame, orientation="complied-is-agreement")
    with pytest.raises(est.ObservationError, match="no prompt with both"):
        analyze(obs)


def test_the_tornado_tries_every_assumption_of_the_leader(analysis):
    names = set(analysis.tornado["name"])
    assert {"deploy_harm", "monitoring_cost", "train_disagreement", "refusal_value", "budget"} <= names
    assert {"belief_train", "belief_deploy", "mu", "sigma", "delta"} <= names
    assert np.isfinite(analysis.tornado.drop(columns=["name", "kind"]).to_numpy(dtype=float)).all()


def test_counts_without_types_of_prompts_get_no_faker_class_and_a_note():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"prompt_id": np.repeat(range(90), 2), "context": ["train", "deploy"] * 90, "n": 10})
    frame["complied"] = rng.binomial(10, np.where(frame["context"] == "train", 0.8, 0.2))
    obs = est.Observations.from_frame(frame, orientation="complied-is-agreement")
    result = analyze(obs, bootstrap=0, draws=0)
    assert result.diagnostics["level"].tolist() == ["sample"]
    assert result.class_selection["faker_share"].isna().all()
    assert "no types of prompts" in result.class_selection["faker_reason"].iloc[0]
    assert result.notes["note"].str.startswith("types: no types of prompts").sum() == 1
    assert result.comparisons.empty
    text = summary(result, "alike").replace("\n", " ")
    assert "Types live per sample in 1 of 1 groups" in text


def test_comparisons_and_bounds_are_in_the_analysis(analysis):
    assert set(analysis.comparisons["over"]) == {"model", "method", "axis"}
    assert (analysis.fracture["bound_low"] <= analysis.fracture["bound_high"]).all()
    assert len(analysis.discordant) == len(analysis.diagnostics) == len(analysis.gaps)
    assert (analysis.discordant["q_value"] >= analysis.discordant["p_value"]).all()
    assert "Gaps that differ at a false-discovery rate of 5 %" in summary(analysis, "x").replace("\n", " ")


def test_the_checks_are_in_the_analysis_with_their_readings(analysis):
    """Four stages on the same prompts: laws, bounds, shared prompts, pooling by method, and a plan for each."""
    own = analysis.law_checks[analysis.law_checks["axis"] == "all"]
    assert set(own["law"]) == {"normal", "logistic", "any", "none assumed", "graded"}
    pooled = analysis.law_checks[analysis.law_checks["axis"] != "all"]
    assert pooled["reading"].str.startswith("not checked").all()
    assert len(analysis.payoff_bounds) == 4
    assert set(analysis.crossed["parameter"]) == {"mu", "loading", "sigma", "delta", "explained"}
    assert analysis.sharing["p_value"].iloc[0] <= 0.01
    assert analysis.pooling["over"].unique().tolist() == ["method"]  # one family
    assert (analysis.selection.loc[analysis.selection["axis"] != "all", "incentives"] == "one").all()
    text = " ".join(summary(analysis, "x").split())
    for words in (
        "Other laws of preference",
        "Indifference belief",
        "not identified; only their sum",
        "--posterior",
    ):
        assert words in text


def test_a_plan_reaches_the_width_it_names(analysis):
    table = analysis.planning[analysis.planning["prompts"] > 0]
    assert (table["width"] <= table["wanted"] * (1 + 1e-9)).all()
    few = table[table["quantity"] == "gap"].groupby("method")["fewest"].sum()
    assert (few == 1).all()
    wider = table[(table["quantity"] == "delta") & (table["samples"] == 10)].set_index("method")
    now = wider["prompts_now"] * (wider["width_now"] / wider["wanted"]) ** 2
    # The delta of each stage was fitted to 92 prompts at ten samples, so its present width says the same.
    np.testing.assert_allclose(wider["prompts"], now, rtol=0.15)


@pytest.mark.parametrize("interval", [0.0, 1.0])
def test_an_interval_that_is_no_width_is_refused(interval):
    with pytest.raises(ValueError, match="interval is"):
        analyze(olmo(), interval=interval)
