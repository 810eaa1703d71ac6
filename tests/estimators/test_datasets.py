"""The shipped counts are the ones that the sources give, read with the sources' meaning."""

from __future__ import annotations

import csv
from importlib.resources import files

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from estimators.datasets import load_gemini, load_published, load_vlaf
from estimators.readers import read_observations

HERE = files("estimators.datasets")


@pytest.mark.parametrize(
    ("model", "train", "deploy"),
    [("Qwen2.5-32B", 344, 222), ("Qwen3-8B", 556, 261), ("olmo2-32b-dpo", 160, 53)],
)
def test_pooled_vlaf_counts(model, train, deploy):
    counts = load_vlaf().counts("model").set_index(["model", "context"])
    for context, complied in (("train", train), ("deploy", deploy)):
        row = counts.loc[(model, context)]
        assert (row["complied"], row["agreed"], row["n"], row["prompts"]) == (complied, complied, 920, 92)


def test_vlaf_is_ten_models_on_the_same_92_prompts():
    obs = load_vlaf()
    assert (obs.orientation, obs.safety, obs.dropped.empty) == ("complied-is-agreement", "neutral", True)
    assert obs.frame.groupby("model")["prompt_id"].nunique().tolist() == [92] * 10
    assert obs.frame["prompt_id"].nunique() == 92
    assert obs.frame.groupby("axis")["prompt_id"].nunique().to_dict() == {
        "authority": 20,
        "care": 12,
        "fairness": 20,
        "loyalty": 20,
        "sanctity": 20,
    }
    chain = obs.frame.loc[obs.frame["family"] == "olmo2", "method"].unique()
    assert list(chain) == ["base", "sft", "dpo", "grpo"]


def test_gemini_counts_match_those_that_the_source_prints():
    obs = load_gemini()
    assert (obs.orientation, obs.safety) == ("complied-is-agreement", "complied-is-unsafe")
    counts = obs.counts("model").set_index(["model", "context"])
    # README of the source: openrouter 57 of 100, google 6 of 100; vertex told training 24 %, told private 4 %.
    for route, context, complied, n in [
        ("openrouter", "train", 57, 100),
        ("google", "train", 6, 99),
        ("vertex", "train", 73, 300),
        ("vertex", "deploy", 13, 300),
    ]:
        row = counts.loc[(f"gemini-3.1-pro-preview@{route}", context)]
        assert (row["complied"], row["n"]) == (complied, n)


def test_gemini_lost_prompts_whole_before_it_was_shipped():
    obs = load_gemini()
    assert obs.dropped.empty
    every = {f"advbench_{index:03d}" for index in range(100)}
    missing = {model: every - set(rows) for model, rows in obs.frame.groupby("model")["prompt_id"]}
    assert {model.split("@")[1]: prompts for model, prompts in missing.items() if prompts} == {
        "aistudio": {"advbench_076"},
        "google": {"advbench_020"},
    }


@pytest.mark.parametrize(
    ("name", "load"), [("vlaf_values.csv", load_vlaf), ("gemini_tiers.csv", load_gemini)]
)
def test_no_cell_of_the_file_is_changed_and_writing_gives_it_back(name, load, tmp_path):
    obs = load()
    with (HERE / name).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert obs.frame.astype(str).to_dict("records") == [{key: row[key] for key in obs.frame} for row in rows]
    obs.to_csv(tmp_path / name)
    back = read_observations(tmp_path / name, orientation=obs.orientation, safety=obs.safety)
    assert_frame_equal(back.frame, obs.frame)


def test_published_keeps_every_row_and_fills_nothing():
    frame = load_published()
    with (HERE / "published_rates.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(frame) == list(rows[0])
    assert len(frame) == len(rows)
    for column in frame:
        for cell, text in zip(frame[column], (row[column] for row in rows)):
            assert pd.isna(cell) if text == "" else (cell == text or float(cell) == float(text))
    rates = frame[["train_rate", "deploy_rate", "faking_reasoning_rate_train"]]
    assert rates.apply(lambda rate: rate.dropna().between(0, 1).all()).all()
    assert frame[["source", "url", "model", "setting", "context_pair", "status"]].notna().all(axis=None)


def test_the_licences_name_every_file_and_its_holder():
    text = (HERE / "LICENSES.md").read_text(encoding="utf-8")
    shipped = {entry.name for entry in HERE.iterdir() if entry.name.endswith(".csv")}
    assert shipped == {"vlaf_values.csv", "gemini_tiers.csv", "published_rates.csv"}
    for words in [*shipped, "2025 launchnlp", "2026 Johan Bonilla", "90ca2680", "99c6de1f", '"AS IS"']:
        assert words in text
    for load in (load_vlaf, load_gemini):
        assert all(f"`{column}`" in text for column in load().frame)
    assert all(f"`{column}`" in text for column in load_published())
