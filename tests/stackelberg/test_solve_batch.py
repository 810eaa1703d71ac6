import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg import examples
from stackelberg.response import TIE_TOLERANCE, payoff_scale, replies_value
from stackelberg.solvers import kernels, settle, sweep, tiny
from tests.stackelberg.games import games

module = importlib.import_module("stackelberg.solve_batch")  # the package's name for it is the function


def stacked(made):
    """Games of one shape as batch arrays."""
    return (
        np.stack([g.leader_payoffs for g in made]),
        np.stack([g.follower_payoffs for g in made]),
        np.stack([g.prior for g in made]),
    )


def assert_solves(made, batch):
    for b, game in enumerate(made):
        exact = float(sb.solve(game, method="multiple-lps").certificate.value)
        scale = np.nanmax(np.abs(game.leader_payoffs)) or 1.0
        assert abs(batch.value[b] - exact) <= 1e-9 * scale
        recomputed, own = replies_value(game, batch.strategy[b], batch.replies[b])
        assert recomputed == pytest.approx(batch.value[b], abs=1e-12 * scale)
        follower = np.where(
            game.is_action, np.einsum("i,lij->lj", batch.strategy[b], game.follower_payoffs), -np.inf
        )
        assert (own >= follower.max(axis=1) - 2 * TIE_TOLERANCE * payoff_scale(game)).all()
        by_rule, _ = replies_value(game, batch.strategy[b], sb.best_replies(game, batch.strategy[b]))
        assert by_rule == pytest.approx(batch.value[b], abs=1e-12 * scale)


@settings(max_examples=200, deadline=None)
@given(games(ragged=False))
def test_agrees_with_the_multiple_lps(game):
    assert_solves([game], sb.solve_batch(*stacked([game])))


@pytest.mark.parametrize(
    "shape", [(1, 3, 2), (2, 2, 2), (2, 4, 4), (3, 3, 3), (4, 4, 2), (3, 2, 5), (5, 3, 3)]
)
@pytest.mark.parametrize("high", [2, 100])
def test_agrees_with_solve_on_random_games(shape, high):
    made = [examples.uniform(*shape, [seed, *shape], high=high) for seed in range(12)]
    assert_solves(made, sb.solve_batch(*stacked(made)))


def test_agrees_with_the_sweep_where_there_are_many_types():
    made = [examples.uniform(2, 4, 40, seed, high=high) for seed in range(3) for high in (2, 100)]
    batch = sb.solve_batch(*stacked(made))
    for b, game in enumerate(made):
        assert batch.value[b] == pytest.approx(sb.solve(game, method="cells").value, rel=1e-9)
        assert (batch.replies[b] == sb.best_replies(game, batch.strategy[b])).all()


def test_missing_replies_are_nan():
    game = sb.BayesianStackelbergGame(
        [[[2, 4], [1, 3]], [[1], [2]]], [[[1, 0], [0, 1]], [[0], [0]]], [0.5, 0.5]
    )
    batch = sb.solve_batch(*stacked([game, game]))
    assert batch.value == pytest.approx(sb.solve(game).value, rel=1e-9)
    assert batch.replies[:, 1].tolist() == [0, 0]


def test_ties_go_to_the_leader_and_then_to_the_first():
    R, C = np.array([[[[1.0, 2.0, 2.0]]]]), np.zeros((1, 1, 1, 3))
    assert sb.solve_batch(R, C, [1.0]).replies.tolist() == [[1]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-6, 1.0, 1e6]), st.integers(-5, 5))
def test_units_of_payoffs_do_not_matter(seed, factor, offset):
    game = examples.uniform(3, 3, 2, seed, high=5)
    R, C, p = stacked([game])
    plain, scaled = sb.solve_batch(R, C, p), sb.solve_batch(factor * R + offset, factor * C + offset, p)
    assert scaled.value[0] == pytest.approx(factor * plain.value[0] + offset, rel=1e-9, abs=1e-9 * factor)


def test_a_game_too_large_for_the_kernels_goes_to_solve(monkeypatch):
    monkeypatch.setattr(module, "MOST_PROGRAMS", 1)
    monkeypatch.setattr(module, "INTERPRETED_PROGRAMS", 10**6 if not kernels.is_compiled(tiny) else 1)
    made = [examples.uniform(3, 3, 3, seed) for seed in range(3)]
    out = [np.empty(3), np.empty((3, 3)), np.empty((3, 3), dtype=np.int64), np.empty(3, dtype=np.int64)]
    tiny.solve_games(*stacked(made), 0, 3, 1, *out)
    assert (out[3] == -1).any()
    assert_solves(made, sb.solve_batch(*stacked(made)))


def test_threads_and_compilation_change_no_bit():
    made = [examples.uniform(3, 3, 3, seed, high=high) for seed in range(100) for high in (2, 100)]
    arrays = stacked(made)
    interpreted = sb.solve_batch(*arrays) if not kernels.is_compiled(tiny) else None
    kernels.compile_kernels(tiny)
    one, two = sb.solve_batch(*arrays, threads=1), sb.solve_batch(*arrays, threads=2)
    for other in filter(None, (two, interpreted)):
        np.testing.assert_array_equal(one.value, other.value)
        np.testing.assert_array_equal(one.strategy, other.strategy)
        np.testing.assert_array_equal(one.replies, other.replies)


def test_chunks_cover_every_game_once():
    for first, last, size, workers in [
        (0, 0, 1, 1),
        (0, 5, 2, 1),
        (1, 7, 3, 3),
        (0, 1000, 10**6, 2),
        (3, 500, 7, 4),
    ]:
        seen = []
        module._in_chunks(first, last, size, workers, lambda begin, end: seen.append((begin, end)))  # noqa: B023
        assert sorted(g for begin, end in seen for g in range(begin, end)) == list(range(first, last))


def test_an_empty_batch_is_empty():
    batch = sb.solve_batch(np.empty((0, 2, 3, 3)), np.empty((0, 2, 3, 3)), [0.5, 0.5])
    assert len(batch) == 0
    assert batch.strategy.shape == (0, 3)
    assert repr(batch) == "BatchEquilibria(0 games, 2 types, 3 leader actions)"


def test_results_are_read_only():
    batch = sb.solve_batch(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), [1.0])
    with pytest.raises(ValueError, match="read-only"):
        batch.value[0] = 2


def ones(*shape):
    return np.ones(shape)


def spoiled(value):
    A = ones(4, 2, 3, 3)
    A[3, 1, 2, 0] = value
    return A


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((ones(2, 2, 2), ones(2, 2, 2), [1.0]), r"leader payoffs have shape \(2, 2, 2\)"),
        ((ones(2, 1, 2, 2), ones(2, 1, 2, 3), [1.0]), "both must be the same"),
        ((ones(2, 1, 2, 0), ones(2, 1, 2, 0), [1.0]), "none of the last three 0"),
        ((ones(4, 2, 3, 3), ones(4, 2, 3, 3), [1.0]), r"the prior has shape \(1,\)"),
        ((ones(4, 2, 3, 3), ones(4, 2, 3, 3), [0.5, 0.4]), "game 0: the prior sums to 0.9"),
        (
            (ones(2, 2, 3, 3), ones(2, 2, 3, 3), [[0.5, 0.5], [1.5, -0.5]]),
            "game 1, type 1: the prior is -0.5",
        ),
        (
            (spoiled(np.nan), ones(4, 2, 3, 3), [0.5, 0.5]),
            "game 3, type 1: the leader payoff at leader action 2",
        ),
        ((ones(4, 2, 3, 3), spoiled(np.inf), [0.5, 0.5]), "game 3, type 1: the follower payoff .* is inf"),
        ((spoiled(np.nan), spoiled(np.nan), [0.5, 0.5]), "game 3, type 1: the leader payoff"),
        (("text", ones(4, 2, 3, 3), [0.5, 0.5]), "leader payoffs are not an array of numbers"),
    ],
)
def test_the_culprit_is_named(arguments, match):
    with pytest.raises(sb.GameError, match=match):
        sb.solve_batch(*arguments)


def test_threads_must_be_positive():
    with pytest.raises(sb.SolveError, match="threads is 0"):
        sb.solve_batch(ones(1, 1, 2, 2), ones(1, 1, 2, 2), [1.0], threads=0)


def test_worker_processes_keep_to_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert module.available_threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert module.available_threads() >= 1


def test_kernels_and_the_tie_rule_use_the_same_tolerance():
    assert settle.RULE_TIE == TIE_TOLERANCE
    assert tiny.TIE < settle.RULE_TIE
    assert sweep.TIE < settle.RULE_TIE


COLD = """
import sys, time
import numpy as np, stackelberg as sb
rng = np.random.default_rng(0)
R, C = rng.random((2, {games}, 3, 3, 3))
batch = sb.solve_batch(R, C, np.full(3, 1 / 3))
print(repr(float(batch.value.sum())), 'numba' in sys.modules)
"""


def in_fresh_process(tmp_path, games):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    run = [sys.executable, "-c", COLD.format(games=games)]
    return subprocess.run(run, env=environment, capture_output=True, text=True, check=True)


def test_a_few_games_do_not_wait_for_the_compiler(tmp_path):
    run = in_fresh_process(tmp_path, 20)
    assert run.stdout.split()[1] == "False"
    assert run.stderr == ""


@pytest.mark.slow
def test_compiling_announces_itself_once_and_is_cached(tmp_path):
    first, again = in_fresh_process(tmp_path, 20_000), in_fresh_process(tmp_path, 20_000)
    assert first.stdout == again.stdout
    assert first.stderr.startswith("stackelberg: compiling the solver of small games")
    assert again.stderr == ""


@pytest.mark.slow
def test_a_loop_of_small_batches_is_compiled_in_the_end():
    code = (
        "import sys, numpy as np, stackelberg as sb\n"
        "R, C = np.random.default_rng(0).random((2, 100, 3, 3, 3))\n"
        "for _ in range(200): sb.solve_batch(R, C, np.full(3, 1 / 3))\n"
        "print('numba' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"
