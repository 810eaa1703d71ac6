"""The command line: exit codes, one-sentence errors, clean JSON, summaries of at most 80 columns."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

import estimators
from stackelberg.cli import main

GAME = {
    "leader_payoffs": [[[2, 4], [1, 3]]],
    "follower_payoffs": [[[1, 0], [0, 1]]],
    "prior": [1],
    "leader_actions": ["up", "down"],
    "follower_actions": ["left", "right"],
}
AGREE = ["--orientation", "complied-is-agreement"]
GOOD = (
    "prompt_id,context,n,complied\na,train,10,8\na,deploy,10,2\n"
    "b,train,10,9\nb,deploy,10,3\nc,train,10,1\nc,deploy,10,0\n"
)


@pytest.fixture
def counts(tmp_path):
    def write(text):
        path = tmp_path / "counts.csv"
        path.write_text(text)
        return str(path)

    return write


def test_solve_prints_the_equilibrium(tmp_path, capsys):
    (tmp_path / "game.json").write_text(json.dumps(GAME))
    assert main(["solve", str(tmp_path / "game.json")]) == 0
    out = capsys.readouterr().out
    assert "value 3.5" in out
    assert "certificate: optimal" in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_on_stdout_is_json_alone_in_a_fresh_process(tmp_path):
    """HiGHS greets on standard output once per process; the greeting must not reach it."""
    (tmp_path / "game.json").write_text(json.dumps(GAME))
    for method in ("multiple-lps", "dobss"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "stackelberg.cli",
                "solve",
                str(tmp_path / "game.json"),
                "--json",
                "--method",
                method,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout)["certificate"]["value"] == "7/2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("prompt_id,context,n,complied\n", ["no rows"]),
        ("prompt_id,context,n\na,train,1\n", ["complied", "missing"]),
        (GOOD.replace("a,train,10,8", "a,train,10,11"), ["row 2", "11"]),
        (GOOD.replace("b,deploy,10,3", "b,deploy,-10,3"), ["row 5", "-10"]),
        (GOOD.replace("a,train,10,8", "a,training,10,8"), ["row 2", "'training'", "train"]),
        (GOOD.replace("a,train,10,8", "a,train,10,"), ["row 2", "complied"]),
        (GOOD + "c,deploy,10,0\n", ["8", "7"]),
        (GOOD + "d,train,10,3\n", ["row 8", "prompt_id d", "unpaired"]),
        (
            GOOD.replace("complied", "complied,mood").replace("\n", ",x\n").replace("mood,x", "mood"),
            ["'mood'"],
        ),
    ],
)
def test_bad_counts_end_with_code_2_and_one_sentence(counts, capsys, text, words):
    assert main(["analyze", counts(text), *AGREE]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("stackelberg analyze: error: ")
    assert "\n" not in error
    assert "Traceback" not in error
    for word in words:
        assert word in error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prior": [0.7]}, ["prior sums to 0.7"]),
        ({"follower_payoffs": [[[1, 0, 0], [0, 1, 0]]]}, ["type 0", "(2, 2)", "(2, 3)"]),
        ({"leader_payoffs": [[[2, None], [1, 3]]]}, ["leader payoff", "'up'", "nan"]),
        ({"payoffs": 1}, ["'payoffs'"]),
    ],
)
def test_bad_games_end_with_code_2_and_one_sentence(tmp_path, capsys, changes, words):
    (tmp_path / "game.json").write_text(json.dumps(GAME | changes))
    assert main(["solve", str(tmp_path / "game.json")]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    for word in ["game.json", *words]:
        assert word in error


def test_without_an_orientation_the_choices_are_named(counts, capsys):
    assert main(["analyze", counts(GOOD)]) == 2
    error = capsys.readouterr().err
    assert "complied-is-agreement" in error
    assert "complied-is-disagreement" in error
    assert main(["analyze", counts(GOOD), "--orientation", "sideways"]) == 2
    assert "'sideways' is unknown" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze"], ["LOG", "--shipped"]),
        (["analyze", "nowhere.csv", *AGREE], ["nowhere.csv", "cannot be read"]),
        (["analyze", "--shipped", "vlaf", *AGREE], ["shipped data carry their orientation"]),
        (["analyze", "--shipped", "vlaf", "--budget", "1.5"], ["budget is 1.5"]),
        (["analyze", "--shipped", "vlaf", "--by", "colour"], ["colour"]),
        (["analyze", "--shipped", "vlaf", "--monitoring-cost", "-1"], ["monitoring_cost", "-1"]),
        (["analyze", "--shipped", "vlaf", "--belief-train", "0"], ["equal"]),
        (["solve", "nowhere.json"], ["nowhere.json", "cannot be read"]),
    ],
)
def test_bad_arguments_end_with_code_2_and_one_sentence(capsys, arguments, words):
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    for word in words:
        assert word in error


def test_analyze_a_file_of_ones_own(counts, tmp_path, capsys):
    out = tmp_path / "result"
    path = counts(GOOD + "d,train,10,3\n")
    assert main(["analyze", path, *AGREE, "--unpaired", "drop", "--bootstrap", "19", "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines() if str(out) not in line) <= 80
    assert "Left out: 1 rows" in text
    assert "monitoring cost 0.1" in text  # every output prints its assumptions
    assert str(out) in text
    record = json.loads((out / "results.json").read_text())
    schema = json.loads((Path(estimators.__file__).parent / "schemas" / "results.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(record)
    assert record["dropped"][0]["rows"] == 1
    for name in ("gaps", "train_deploy", "faking_plane", "tornado"):
        assert (out / f"{name}.png").stat().st_size > 5_000
    assert pd.read_csv(out / "gaps.csv")["gap"].iloc[0] == pytest.approx((0.6 + 0.6 + 0.1) / 3)


def test_analyze_json_is_the_record(counts, tmp_path, capsys):
    arguments = ["analyze", counts(GOOD), *AGREE, "--bootstrap", "19", "-o", str(tmp_path / "o"), "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "o" / "results.json").read_text())


def test_a_folder_that_cannot_be_written_is_named(counts, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert (
        main(["analyze", counts(GOOD), *AGREE, "--bootstrap", "0", "-o", str(tmp_path / "file" / "deep")])
        == 2
    )
    assert "cannot be written" in capsys.readouterr().err


def test_published_rates_give_a_point_and_a_bound_and_no_interval(capsys):
    assert main(["analyze", "--shipped", "published"]) == 0
    out = capsys.readouterr().out
    assert "No interval" in out
    assert max(map(len, out.splitlines())) <= 80
    opus = next(line for line in out.splitlines() if "prompted helpful-only" in line)
    assert opus.split()[-2:] == ["0.113", "0.45"]


LOG = "".join(
    json.dumps({"question": q, "told": told, "score": score}) + "\n"
    for q, told, score in [
        ("a", "yes", 1),
        ("a", "yes", 0.5),
        ("a", "no", 0),
        ("b", "yes", 1),
        ("b", "no", None),
    ]
)
LAYOUT = [
    "--context",
    "told",
    "--contexts",
    "yes=train, no=deploy",
    "--columns",
    "prompt_id=question",
    "--score",
    "score",
]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_convert_writes_a_tidy_table_and_says_what_was_left_out(tmp_path, capsys, suffix):
    (tmp_path / "log.jsonl").write_text(LOG)
    out = tmp_path / f"counts.{suffix}"
    arguments = ["convert", str(tmp_path / "log.jsonl"), "-o", str(out), "--unpaired", "drop", *LAYOUT]
    assert main(arguments) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "2 rows, 1 pairs, 2 samples" in text
    assert "Left out: 1 samples (partial score); 1 samples (sample unscored); 1 rows (no deploy row)." in text
    assert main([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(row["reason"], row["samples"]) for row in record["dropped"]] == [
        ("partial score", 1),
        ("sample unscored", 1),
        ("no deploy row", 1),
    ]
    obs = estimators.read_observations(out, orientation=AGREE[1])
    assert obs.frame.to_numpy().tolist() == [["a", "train", 1, 1], ["a", "deploy", 1, 0]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["-o", "counts.xlsx"], ["'.xlsx'", ".parquet"]),
        (["-o", "no/where/counts.csv"], ["counts.csv", "cannot be written"]),
        (["--columns", "prompt_id"], ["--columns", "equals sign"]),
        (["--contexts", "yes=train,no=paid"], ["'paid'", "deploy"]),
        (["--score", "marks"], ["'marks'", "question, told, score"]),
        (["--format", "xml"], ["'xml'", "inspect"]),
        (["--threshold", "nan"], ["threshold"]),
    ],
)
def test_convert_of_what_cannot_be_read_or_written_ends_with_code_2(
    tmp_path, capsys, monkeypatch, changes, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.jsonl").write_text(LOG)
    assert main(["convert", "log.jsonl", "-o", "counts.csv", "--unpaired", "drop", *LAYOUT, *changes]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_analyze_reads_a_log_and_prints_what_was_left_out_by_reason(tmp_path, capsys):
    rows = [
        {"question": str(q), "told": told, "score": int(q < 6 + 3 * (told == "yes"))}
        for q in range(12)
        for told in ("yes", "no")
    ]
    log = tmp_path / "log.jsonl"
    log.write_text(LOG + "".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "result"
    arguments = [
        "analyze",
        str(log),
        *AGREE,
        *LAYOUT,
        "--unpaired",
        "drop",
        "--bootstrap",
        "9",
        "-o",
        str(out),
    ]
    assert main(arguments) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Left out: 1 samples (partial score); 1 samples (sample unscored); 1 rows (no deploy row)." in text
    dropped = json.loads((out / "results.json").read_text())["dropped"]
    assert dropped[0] == {"reason": "partial score", "rows": 0, "prompts": 1, "samples": 1}


def test_an_interval_that_is_no_width_ends_with_code_2(counts, capsys):
    assert main(["analyze", counts(GOOD), *AGREE, "--interval", "5"]) == 2
    assert "interval is 5.0" in capsys.readouterr().err


def test_the_wanted_interval_and_the_posterior_are_told_in_the_summary(counts, capsys, tmp_path, monkeypatch):
    """Without the extra, asking for the posterior is a line of the summary and no failure."""
    monkeypatch.setitem(sys.modules, "nutpie", None)
    asked = ["--bootstrap", "0", "--interval", "0.3", "--posterior", "-o", str(tmp_path / "out")]
    assert main(["analyze", counts(GOOD), *AGREE, *asked]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "95 % intervals to a width of 0.3 (delta: 1.24)" in text
    assert "stackelberg[bayes]" in text
    assert pd.read_csv(tmp_path / "out" / "posterior.csv").empty
    assert set(pd.read_csv(tmp_path / "out" / "planning.csv")["wanted"].round(2)) == {0.3, 1.24}
