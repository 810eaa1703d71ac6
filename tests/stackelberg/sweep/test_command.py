"""The command: game files of both kinds, axes as text, tables out, and errors that say what to write."""

import json

import numpy as np
import pandas as pd
import pytest

import stackelberg as sb
from stackelberg import cli
from stackelberg.faking.file import faking_game_from_record, read_faking_game
from stackelberg.sweep.command import axis

FAKING = {
    "types": [
        {"name": "guarding", "prior": 0.3, "preference": 0.4, "goal_guarding": 1.0},
        {"name": "willing", "prior": 0.7, "preference": -0.5},
    ],
    "cues": {"informativeness": 0.6},
    "monitoring": 0.2,
}


@pytest.fixture
def faking(tmp_path):
    path = tmp_path / "faking.json"
    path.write_text(json.dumps(FAKING))
    return path


def test_a_faking_game_is_read_with_all_its_parts(faking):
    assert read_faking_game(faking).replies()["behaviour"].tolist() == ["faker", "complier"]
    full = FAKING | {
        "methods": [{"name": "x"}, {"name": "y", "modification": 0.5}],
        "method_mix": [0.5, 0.5],
        "costs": {"monitoring_cost": 0.2},
        "budget": 0.5,
        "cues": {"free": True, "cues": ["a", "b", "c"], "costs": [0, 0, 0.1]},
    }
    game = faking_game_from_record(full)
    assert game.costs.monitoring_cost == 0.2
    assert game.cues.cues == ("a", "b", "c")
    assert game.methods[1].modification == 0.5
    fixed = faking_game_from_record(FAKING | {"cues": {"probabilities": [[0.9, 0.1], [0.2, 0.8]]}})
    np.testing.assert_allclose(fixed.cue_probabilities(), [[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"typs": []}, "unknown key 'typs'; it may have types, methods"),
        ({"types": []}, "types need at least one member"),
        ({"types": [{"name": "a", "prior": 1}]}, "type 0: key 'preference' is missing"),
        ({"types": [{"name": "a", "prior": "1", "preference": 0}]}, "type 0: a value is of the wrong kind"),
        ({"cues": {"informativeness": 0.6, "cues": ["a", "b"]}}, "cues: unknown key 'cues'"),
        ({"cues": 3}, "cues must be a JSON object, not int"),
        ({"costs": {"monitoring": 1}}, "costs: unknown key 'monitoring'"),
    ],
)
def test_a_bad_faking_game_names_the_key(change, words):
    with pytest.raises(sb.GameError, match=words):
        faking_game_from_record(FAKING | change)


def test_axes_as_text():
    assert axis("preference[a=b]=0.1,0.2")[0] == "preference[a=b]"
    assert axis("x=0:1:5")[1].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert axis("x=uniform(1, 3)")[1].support() == (1, 3)
    assert axis("x=normal(1, 3)")[1].std() == pytest.approx(3)
    assert axis("x=lognormal(0, 1)")[1].median() == pytest.approx(1)
    for text in ("x", "=1", "x=a", "x=0:1", "x=normal(1)", "x=weibull(1,2)"):
        with pytest.raises(sb.GameError, match="--set"):
            axis(text)


def test_the_command_prints_a_table_json_and_files(faking, tmp_path, capsys):
    arguments = ["sweep", str(faking), "--set", "monitoring=0:1.1:12", "--status-quo"]
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith("12 points: 11 ok, 1 failed")
    assert "monitoring is 1.1: it must be between 0 and 1" in err
    assert cli.main([*arguments, "--json", "-o", str(tmp_path / "table.csv")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["status"] == {"ok": 11, "failed": 1}
    assert record["rows"][2]["behaviour[guarding]"] == "faker"
    assert record["rows"][11]["faking_share"] is None
    table = pd.read_csv(tmp_path / "table.csv")
    game = read_faking_game(faking)
    expected = sb.sweep(game, {"monitoring": np.linspace(0, 1.1, 12)}, sb.status_quo)
    np.testing.assert_allclose(table["faking_share"], expected["faking_share"])
    table[["monitoring"]].head(3).to_csv(tmp_path / "points.csv", index=False)
    folder = tmp_path / "run"
    again = [
        "sweep",
        str(faking),
        "--points",
        str(tmp_path / "points.csv"),
        "--resume",
        str(folder),
        "--certify",
        "--json",
    ]
    assert cli.main(again) == 0
    first = json.loads(capsys.readouterr().out)
    assert [row["claim"] for row in first["rows"]] == ["optimal"] * 3
    assert len(list(folder.glob("chunk-*.parquet"))) == 3
    assert cli.main(again) == 0
    assert json.loads(capsys.readouterr().out) == first


def test_the_command_sweeps_payoffs_of_any_game(tmp_path, capsys):
    path = tmp_path / "game.json"
    sb.write_game(sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0]), path)
    name = "leader_payoffs[type 0, leader action 0, follower action 1]"
    assert cli.main(["sweep", str(path), "--set", f"{name}=4,10", "--json"]) == 0
    assert [row["value"] for row in json.loads(capsys.readouterr().out)["rows"]] == pytest.approx([3.5, 6.5])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give the axes with --set NAME=SPEC, or a table with --points FILE"),
        (["--set", "monitorin=1"], "nearest are 'monitoring'"),
        (["--set", "monitoring=1", "-o", "x.txt"], "name a .csv or .parquet file"),
        (["--set", "monitoring=1", "--workers", "0"], "give at least 1"),
        (["--set", "monitoring=uniform(0,1)"], "say how many draws"),
        (["--points", "missing.csv"], "missing.csv: cannot be read"),
    ],
)
def test_bad_commands_end_with_one_sentence(faking, options, words, capsys):
    assert cli.main(["sweep", str(faking), *options]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
