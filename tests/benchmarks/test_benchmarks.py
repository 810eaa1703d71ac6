import math
import time
import tomllib
from pathlib import Path

import pytest

import stackelberg as sb
from benchmarks import batch, large, measure, methods, report, solvers, sweeps
from benchmarks.instances import Size, instance

SMALL = Size("uniform", 3, 3, 2)


def record(method, seconds, seed=1, status="optimal", **more):
    return {"size": str(SMALL), "seed": seed, "method": method, "seconds": seconds, "status": status, **more}


def test_a_ratio_is_the_median_over_seeds_of_the_best_method_of_a_column():
    records = [record("cells", 0.001, seed) for seed in (1, 2, 3)]
    records += [record("dobss+gurobi", s, seed) for seed, s in ((1, 0.1), (2, 0.2), (3, 0.9))]
    records += [record("d2+gurobi", 0.05, 1)]
    ratio, bounded = report.ratio(records, str(SMALL), report.COLUMNS["best formulation on Gurobi"])
    assert ratio == pytest.approx(200)
    assert not bounded


def test_running_out_of_time_gives_a_lower_bound():
    records = [record("cells", 0.001), record("dobss+cbc", 60.0, status="time-limit")]
    value = report.ratio(records, str(SMALL), ("dobss+cbc",))
    assert value == (pytest.approx(60_000), True)
    assert report.shown(value) == "> 60,000×"
    assert report.ratio(records, str(SMALL), ("d2+cbc",)) is None


def test_the_mean_over_sizes_is_geometric():
    mean, bounded = report.geometric_mean([(10.0, False), (1000.0, True), None])
    assert mean == pytest.approx(100)
    assert bounded
    assert report.geometric_mean([None]) is None


def test_disagreements_name_the_worst_instance():
    records = [record("cells", 1, value=10.0), record("d2+highs", 1, value=10.001)]
    assert "at most 1.0e-04 relative (uniform 3x3x2, seed 1" in report.disagreements(records)


def test_a_child_that_will_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(measure, "GRACE", 0.1)
    assert measure.in_child(lambda: time.sleep(60) or {}, 0.1)["status"] == "killed"


def test_a_failure_is_a_record():
    def fail():
        raise ValueError("size-limited licence")

    found = measure.in_child(fail, 1.0)
    assert found["status"] == "error"
    assert found["message"] == "ValueError: size-limited licence"


def test_records_survive_an_interrupted_line(tmp_path):
    path = tmp_path / "records.jsonl"
    measure.append(path, record("cells", 1.0))
    path.write_text(path.read_text() + '{"size": "unif')
    measure.append(path, record("cells", 2.0, seed=2))
    assert [r["seed"] for r in measure.read(path)] == [1, 2]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_run_is_resumed_and_stops_a_peer_after_two_timeouts(tmp_path, capsys):
    calls = []

    def method(game, limit):
        return {"status": "time-limit", "seconds": limit}

    def counted(measure_it, limit):
        calls.append(limit)
        return measure_it()

    path = tmp_path / "records.jsonl"
    original, measure.in_child = measure.in_child, counted
    try:
        for _ in range(2):
            solvers.run({"row": (SMALL,)}, (1, 2, 3), {"dobss+highs": method}, 1.0, path)
    finally:
        measure.in_child = original
    assert len(calls) == 2


def test_methods_fit_the_games_they_are_meant_for():
    four = batch.games((4, 4, 4), 1, 0)
    game = sb.BayesianStackelbergGame(*(a[0] for a in four))
    assert not methods.fits("cells", game)
    assert methods.fits("multiple-lps", game)
    assert methods.fits("dobss+highs", game)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_commands_run(tmp_path, capsys):
    records = tmp_path / "r.jsonl"
    arguments = ["--smoke", "--rows", "two leader actions", "--methods", "cells", "mip-p-g+highs"]
    solvers.main([*arguments, "--records", str(records), "--page", str(tmp_path / "page.md")])
    assert (tmp_path / "page.png").stat().st_size > 1000
    assert "MIP-p-G+HiGHS" in (tmp_path / "page.md").read_text()
    assert all(math.isfinite(r["seconds"]) for r in measure.read(records))
    batch.main(["--smoke", "--page", str(tmp_path / "batch.md")])
    assert "games/s" in (tmp_path / "batch.md").read_text()
    sweeps.main(["--smoke", "--page", str(tmp_path / "sweeps.md")])
    assert "| designed cues | 512 |" in (tmp_path / "sweeps.md").read_text()
    records = tmp_path / "large.jsonl"
    large.main(["--smoke", "--records", str(records), "--page", str(tmp_path / "large.md")])
    assert "| 2, 2 |" in (tmp_path / "large.md").read_text()
    assert all(r["trace"][-1][2] <= r["trace"][-1][3] for r in measure.read(records))


def test_open_spiel_finds_the_value_of_a_game_with_one_type():
    pytest.importorskip("pyspiel", reason="OpenSpiel is in the bench extra, which is not installed")
    game = instance(Size("uniform", 3, 4, 1), 3000)
    found = methods.open_spiel(game, 5.0)
    assert methods.fits("open-spiel", game)
    assert not methods.fits("open-spiel", instance(SMALL, 3000))
    assert found["value"] == pytest.approx(sb.solve(game).value, rel=1e-6)
    assert found["nodes"] == 4  # one program per follower action


def test_what_cannot_be_measured_says_why(monkeypatch):
    monkeypatch.setattr(methods.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(methods.pulp, "listSolvers", lambda onlyAvailable: ["HiGHS"])
    assert "open-spiel" not in methods.available()
    missing = methods.missing()
    assert missing["open-spiel"] == "OpenSpiel is not installed; try pip install open-spiel"
    assert missing["scip"].endswith("try pip install 'pyscipopt'")
    assert "highs" not in missing
    page = report.page([record("cells", 1.0, machine={})], {"row": (SMALL,)}, "plot.png", missing)
    assert "- open-spiel: OpenSpiel is not installed" in page


def test_benchmarks_run_only_when_asked_for():
    root = Path(__file__).parents[2]
    options = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert not any(path.startswith("benchmarks") for path in options["testpaths"])
    assert "benchmarks/test_speed.py" in (root / "Makefile").read_text()
