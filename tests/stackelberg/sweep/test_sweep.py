"""Sweeps: the same frame whoever computes it, whatever interrupts it; failures are rows."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats

import stackelberg as sb
from stackelberg.solve import solve
from stackelberg.sweep import points
from stackelberg.sweep.store import write_chunk

TYPES = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    sb.FollowerType(name="willing", prior=0.5, preference=-0.5),
    sb.FollowerType(name="opposed", prior=0.2, preference=0.9, goal_guarding=0.7),
]
GAME = sb.FakingGame(types=TYPES, cues=sb.CuePolicy.free(), budget=0.5)
FIXED = sb.FakingGame(types=TYPES, cues=sb.CuePolicy.informative(0.6))
MATRIX = sb.BayesianStackelbergGame(
    [[[2, 4], [1, 3]]],
    [[[1, 0], [0, 1]]],
    [1.0],
    leader_actions=["up", "down"],
    follower_actions=["left", "right"],
)


def slow_value(game, rng):
    """A function for workers: it takes its time and draws."""
    time.sleep(0.01)
    if game.monitoring > 0.95:
        raise ValueError("too much monitoring")
    return {"faking": sb.status_quo(game)["faking_share"], "draw": rng.random()}


SLOW_GRID = {"monitoring": np.linspace(0, 1, 40), "informativeness": [0.0, 1.0]}


def run_slowly(folder=None, **options):
    return sb.sweep(FIXED, SLOW_GRID, slow_value, seed=3, resume=folder, chunk=4, **options)


def test_a_batch_gives_what_solving_one_by_one_gives():
    grid = {"budget": [0.0, 0.2, 0.5, 1.0], "preference[guarding]": [-0.2, 0.4, 1.2]}
    batch, alone = sb.sweep(GAME, grid), sb.sweep(GAME, grid, batch=False)
    assert (alone["claim"] == "optimal").all()
    np.testing.assert_allclose(batch["value"], alone["value"], atol=1e-9)
    best = sb.sweep(GAME, grid, sb.FakingGame.optimal_commitment)
    np.testing.assert_allclose(batch["value"], best["value"], atol=1e-9)
    assert set(batch.columns) <= set(alone.columns)
    for _, row in batch.iterrows():  # the columns describe a commitment that is worth the value, cue by cue
        game = sb.FakingGame(
            types=TYPES, cues=sb.CuePolicy.free(), monitoring=row["monitoring_chosen"], budget=1
        )
        assert row["monitoring_chosen"] <= row["budget"] + 1e-12
        sent = [c for c in game.cues.cues if not np.isnan(row[f"belief[{c}]"])]
        if len(sent) == 2:
            high, low = row["belief[train]"], row["belief[deploy]"]
            weight = (row["monitoring_chosen"] - low) / (high - low) if high != low else 1.0
            shares = {"train": weight, "deploy": 1 - weight}
        else:
            shares = {sent[0]: 1.0}
        harm = sum(shares[c] * (1 - row[f"belief[{c}]"]) * (1 - row[f"compliance[{c}]"]) for c in sent)
        assert row["value"] == pytest.approx(-0.1 * row["monitoring_chosen"] - harm, abs=1e-9)


def test_payoffs_of_any_game_are_varied_by_name():
    name = "leader_payoffs[type 0, up, right]"
    found = sb.sweep(MATRIX, {name: [4.0, 10.0, np.nan]})
    assert found["value"].iloc[:2].tolist() == pytest.approx([3.5, 6.5])
    assert found["strategy[up]"].iloc[0] == pytest.approx(0.5)
    assert found["reply[type 0]"].iloc[0] == "right"
    assert found["status"].tolist() == ["optimal", "optimal", "failed"]
    assert "payoffs must be finite" in found["message"].iloc[2]
    limited = sb.BayesianStackelbergGame(
        MATRIX.leader_payoffs, MATRIX.follower_payoffs, [1.0], leader_actions=["up", "down"],
        follower_actions=["left", "right"], constraints=sb.LeaderConstraints([[1.0, 0.0]], [0.3]),
    )  # fmt: skip
    found = sb.sweep(limited, {name: [4.0]})
    assert found["value"].tolist() == pytest.approx([3.3])
    assert found["claim"].tolist() == ["optimal"]


def test_functions_of_a_point_may_be_templates():
    grid = {"x": [1.0, 2.0], "word": ["a", "abc"]}
    found = sb.sweep(lambda point: point["x"] * len(point["word"]), grid, lambda y: y)
    assert found["value"].tolist() == [1.0, 3.0, 2.0, 6.0]
    assert found["word"].tolist() == ["a", "abc"] * 2


def test_axes_cross_and_draws_are_reproducible():
    grid = {
        "monitoring": [0.1, 0.2],
        "preference[guarding]": stats.norm(0.4, 0.1),
        ("goal_guarding[guarding]", "goal_guarding[opposed]"): np.arange(6.0).reshape(3, 2),
        "sycophancy": stats.uniform(0, 1),
    }
    table = points(grid, draws=5, seed=1)
    assert len(table) == 2 * 5 * 3
    joint = ["goal_guarding[guarding]", "goal_guarding[opposed]"]
    assert list(table.columns) == ["monitoring", "preference[guarding]", "sycophancy", *joint]
    assert_frame_equal(table, points(grid, draws=5, seed=1))
    assert not table.equals(points(grid, draws=5, seed=2))
    fewer = {name: axis for name, axis in grid.items() if name != "sycophancy"}
    assert set(points(fewer, draws=5, seed=1)["preference[guarding]"]) == set(table["preference[guarding]"])
    assert (
        len(table.drop_duplicates(["goal_guarding[guarding]", "goal_guarding[opposed]"])) == 3
    )  # joint, not crossed


@pytest.mark.parametrize(
    ("grid", "options", "words"),
    [
        ({"preference[guardin]": [1.0]}, {}, r"nearest are 'preference\[guarding\]'"),
        ({"monitoring": [[0.1]]}, {}, "'monitoring' has values of shape"),
        ({"monitoring": []}, {}, "'monitoring' has no values"),
        ({}, {}, "no points"),
        ({"monitoring": stats.uniform()}, {}, "say how many draws"),
        ({"monitoring": [0.1]}, {"draws": 3}, "no axis is a distribution"),
        ({("monitoring", "budget"): [[0.1]]}, {}, "joint axis"),
        ({"monitoring": [0.1], ("monitoring",): [[0.1]]}, {}, "two axes vary 'monitoring'"),
        ({"monitoring": [0.1]}, {"chunk": -1}, "at least 1 point per chunk"),
        ({"monitoring": [0.1]}, {"batch": True, "fn": sb.FakingGame.beliefs}, "batch=True needs"),
    ],
)
def test_bad_sweeps_name_the_culprit(grid, options, words):
    with pytest.raises(sb.GameError, match=words):
        sb.sweep(FIXED, grid, **options)


def test_what_is_no_row_is_refused_and_what_fails_is_a_row():
    with pytest.raises(TypeError, match="returned ndarray"):
        sb.sweep(FIXED, {"monitoring": [0.1]}, sb.FakingGame.beliefs)
    with pytest.raises(TypeError, match="returned a column 'monitoring' that is varied"):
        sb.sweep(FIXED, {"monitoring": [0.1]}, lambda game: {"monitoring": 1})
    found = sb.sweep(FIXED, {"monitoring": [0.1, 1.5]}, lambda game: {"value": 1 / 0})
    assert found["status"].tolist() == ["failed", "failed"]
    assert found["message"].tolist() == [
        "ZeroDivisionError: division by zero",
        "monitoring is 1.5: it must be between 0 and 1",
    ]
    quick = sb.sweep(GAME, {"budget": [0.5]}, partial(solve, method="multiple-lps"))
    assert quick["method"].tolist() == ["multiple-lps"]


@pytest.mark.parametrize("workers", [2, 8])
def test_the_frame_does_not_depend_on_the_workers(workers):
    with ThreadPoolExecutor(workers) as executor:
        assert_frame_equal(run_slowly(executor=executor), run_slowly())


def test_processes_give_the_same_frame_and_a_dead_one_says_how_to_go_on(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        grid = {"monitoring": [0.1, 0.4]}
        assert_frame_equal(
            sb.sweep(FIXED, grid, sb.status_quo, executor=executor, chunk=1),
            sb.sweep(FIXED, grid, sb.status_quo),
        )
        with pytest.raises(
            sb.SolveError, match=r"a worker process died after \d of 2 chunks .*start again with resume"
        ):
            sb.sweep(FIXED, grid, partial(_die), executor=executor, chunk=1, resume=tmp_path / "run")


def _die(game):
    os.kill(os.getpid(), signal.SIGKILL)


def test_chunks_of_any_size_give_the_same_frame():
    grid = {"budget": np.linspace(-0.1, 1, 12), "preference[opposed]": [0.1, 0.8]}
    whole = sb.sweep(GAME, grid)
    assert (whole["status"] == "failed").sum() == 2
    for chunk in (1, 5):
        assert_frame_equal(sb.sweep(GAME, grid, chunk=chunk), whole)


def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path):
    folder, root = tmp_path / "run", Path(__file__).parents[3]
    code = "import sys; sys.path[:0] = sys.argv[2:]\nimport test_sweep\ntest_sweep.run_slowly(sys.argv[1])\n"
    child = subprocess.Popen([sys.executable, "-c", code, str(folder), str(root), str(Path(__file__).parent)])
    try:
        while len(list(folder.glob("chunk-*.parquet"))) < 3:
            assert child.poll() is None, "the sweep ended before it could be killed"
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("chunk-*.parquet")}
    assert 3 <= len(kept) < 20
    (folder / ".part-1-chunk-000019.parquet").write_bytes(b"half a fi")
    resumed = run_slowly(folder)
    assert_frame_equal(resumed, run_slowly())
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept  # none was solved again
    assert not list(folder.glob(".part-*"))
    assert_frame_equal(run_slowly(folder), resumed)  # all from files


def test_a_folder_of_another_sweep_is_refused(tmp_path):
    grid = {"monitoring": [0.1, 0.4]}
    sb.sweep(FIXED, grid, sb.status_quo, resume=tmp_path / "a")
    for changed, words in (
        ({"grid": {"monitoring": [0.1, 0.5]}}, "points"),
        ({"template": sb.FakingGame(types=TYPES, cues=sb.CuePolicy.informative(0.61))}, "template"),
        ({"fn": lambda game: 1.0}, "fn"),
        ({"seed": 5}, "seed"),
        ({"chunk": 1}, "chunk"),
    ):
        call = {"template": FIXED, "grid": grid, "fn": sb.status_quo} | changed
        with pytest.raises(sb.GameError, match=rf"holds another sweep \((?:fn, )?{words}"):
            sb.sweep(call.pop("template"), call.pop("grid"), call.pop("fn"), resume=tmp_path / "a", **call)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    with pytest.raises(sb.GameError, match="holds other files"):
        sb.sweep(FIXED, grid, sb.status_quo, resume=tmp_path / "b")
    (tmp_path / "a" / "chunk-000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(sb.GameError, match=r"chunk-000000.parquet cannot be read"):
        sb.sweep(FIXED, grid, sb.status_quo, resume=tmp_path / "a")


def test_columns_that_parquet_cannot_hold_are_named(tmp_path):
    with pytest.raises(sb.GameError, match="cannot be written as Parquet"):
        write_chunk(tmp_path, 0, pd.DataFrame({"odd": [1, "a"]}))


def test_interrupting_keeps_what_is_finished(tmp_path):
    seen = []

    def stop(game):
        seen.append(game.monitoring)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        sb.sweep(FIXED, {"monitoring": [0.1, 0.2, 0.3, 0.4]}, stop, resume=tmp_path / "run", chunk=1)
    found = sb.sweep(FIXED, {"monitoring": [0.1, 0.2, 0.3, 0.4]}, stop, resume=tmp_path / "run", chunk=1)
    assert seen == [0.1, 0.2, 0.3, 0.3, 0.4]
    assert (found["status"] == "ok").all()
