"""`stackelberg predict` and `stackelberg methods` write what the functions return, or say in a sentence why not."""

import json

import pandas as pd
import pytest

from estimators.simulate_methods import simulate_methods
from stackelberg.cli import main
from stackelberg.faking.training.objectives import DPO

OLMO = ["--shipped", "vlaf", "--only", "family=olmo2"]


def test_predict_prints_and_writes_the_scenarios(tmp_path, capsys):
    out = tmp_path / "p.csv"
    asked = ["--group", "olmo2", "--monitoring", "0:1:3", "--informativeness", "0.6"]
    assert main(["predict", "--shipped", "vlaf", *asked, "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert "new model of family olmo2" in text
    assert "spreads integrated out" in text
    table = pd.read_csv(out)
    assert table["monitoring"].tolist() == [0, 0.5, 1]
    assert table["expected"].iloc[[0, 2]].tolist() == [0, 0]
    assert main(["predict", "--shipped", "vlaf", *asked, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["expected"] for row in rows] == pytest.approx(table["expected"].tolist())


def test_predict_of_a_known_model_says_what_its_test_says(capsys):
    asked = [
        "--model",
        "Qwen3-8B",
        "--monitoring",
        "0.4",
        "--false-alarm",
        "0.1",
        "--miss",
        "0.2",
        "--bootstrap",
        "19",
    ]
    assert main(["predict", "--shipped", "vlaf", *asked]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "incentive to fake detected" in text
    assert "model Qwen3-8B" in text


def test_methods_writes_tables_and_a_figure_per_measure(tmp_path, capsys):
    out = tmp_path / "m"
    assert main(["methods", *OLMO, "--unit", "family", "--chain", "-o", str(out)]) == 0
    assert "not an experiment" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        "differences.csv",
        "faking_share.png",
        "fracture.png",
        "gap.png",
        "levels.csv",
        "pooled.csv",
    ]
    assert set(pd.read_csv(out / "differences.csv")["design"]) == {"chain"}


def test_simulated_counts_are_called_so_when_they_come_from_a_file(tmp_path, capsys):
    counts = simulate_methods(families={"A": 2}, axes={"safety": 0.0}, methods={"base": None, "DPO": DPO()})
    counts.observations.to_csv(tmp_path / "counts.csv")
    read = [str(tmp_path / "counts.csv"), "--orientation", "complied-is-agreement"]
    assert main(["methods", *read, "-o", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "simulated" in found["title"]
    assert {row["design"] for row in found["pooled"]} == {"simulated"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict"], "give one of LOG and --shipped"),
        (["predict", "--shipped", "published"], "no counts per prompt"),
        (["predict", "--shipped", "vlaf", "--model", "GPT"], "is none of Qwen2.5-7B"),
        (["predict", "--shipped", "vlaf", "--monitoring", "0:2:3"], "monitoring must lie in"),
        (["predict", "--shipped", "vlaf", "--monitoring", "x"], "the values are not"),
        (["predict", "--shipped", "vlaf", "--miss", "0.1"], "false_alarm and miss together"),
        (["predict", "--shipped", "vlaf", "--told", "--informativeness", "1"], "--told states the beliefs"),
        (["predict", "--shipped", "vlaf", "-o", "p.txt"], "name a .csv file"),
        (["predict", "--shipped", "vlaf", "--only", "olmo2"], "write COLUMN=VALUE"),
        (["predict", "--shipped", "vlaf", "--only", "family=x"], "family is one of qwen2.5"),
        (["predict", "--shipped", "vlaf", "--by", "arm"], "cannot group by 'arm'"),
        (["methods", "--shipped", "vlaf"], "no model has two methods"),
        (["methods", "--shipped", "vlaf", "--simulated"], "--simulated makes its own table"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
