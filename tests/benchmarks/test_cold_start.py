from pathlib import Path

import pytest

from benchmarks import cold_start
from stackelberg.solve import METHODS

ONE_GAME = next(case for case in cold_start.CASES if case.games == 1 and case.method == "solve_batch")


def record(first, compiled=False):
    return {"first": first, "import": 0.2, "numba": compiled, "compiled": compiled}


def test_a_small_game_is_solved_without_the_compiler(tmp_path):
    said = cold_start.fresh(ONE_GAME, tmp_path)
    assert said["first"] < 5
    assert not said["numba"]
    assert not said["compiled"]
    assert not list(tmp_path.rglob("*.nbc"))


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="unknown method"):
        cold_start.fresh(cold_start.Case("bad", cold_start.SMALL, "no such"), tmp_path)


@pytest.mark.parametrize("case", [c for c in cold_start.CASES if c.method in (*METHODS, "solve_batch")])
def test_every_case_is_a_program(case):
    assert compile(case.code, case.label, "exec").co_names


def test_small_games_meet_the_cache_that_the_large_ones_filled(tmp_path, monkeypatch):
    seen = []

    def asked(case, cache):
        seen.append((case.label, cache.name, sorted(f.name for f in Path(cache).iterdir())))
        if case.compiles and cache.name != "full":
            (cache / "kernel").touch()
        return record(0.1)

    monkeypatch.setattr(cold_start, "fresh", asked)
    small, large = ONE_GAME, cold_start.CASES[-1]
    cold_start.measured([small, large], 2, tmp_path)
    assert [(label, files) for label, _, files in seen] == [
        (large.label, []),
        (small.label, []),
        (small.label, []),
        *[(small.label, ["kernel"])] * 2,
        *[(large.label, ["kernel"])] * 2,
    ]


def test_a_goal_is_missed_by_time_or_by_waiting_for_the_compiler():
    warm = [record(0.1)]
    assert "| 2.0 | no | met |" in cold_start.row(ONE_GAME, [record(0.2)], warm)
    assert "| 4.0 | no | MISSED |" in cold_start.row(ONE_GAME, [record(0.4)], warm)
    assert "| 1.0 | yes | MISSED |" in cold_start.row(ONE_GAME, [record(0.1, True)], warm)
    assert "| 90.0 | yes | compiles |" in cold_start.row(cold_start.CASES[-1], [record(9.0, True)], warm)
