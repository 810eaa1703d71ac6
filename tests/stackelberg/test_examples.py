import subprocess
import sys

import numpy as np
import pytest

import stackelberg as sb
from benchmarks import instances
from stackelberg import examples
from stackelberg.response import replies_value


@pytest.mark.parametrize("worked", examples.worked_games(), ids=lambda w: w.game.name)
def test_worked_games_have_the_value_they_state(worked):
    solved = sb.solve(worked.game, method="multiple-lps")
    assert solved.certificate.value == worked.value
    assert solved.certificate.claim == "optimal"
    stated = np.array([float(p) for p in worked.strategy])
    value, _ = replies_value(worked.game, stated, sb.best_replies(worked.game, stated))
    assert value == pytest.approx(float(worked.value), abs=1e-12)
    assert all(published <= float(worked.value) for published in worked.published.values())


def test_paruchuri_s_published_commitments_pay_what_the_text_says():
    worked = examples.paruchuri_2008()
    for strategy, name in (([0, 1], "commitment to b"), ([0.5, 0.5], "uniform commitment")):
        value, _ = replies_value(worked.game, strategy, sb.best_replies(worked.game, strategy))
        assert value == worked.published[name]


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: examples.uniform(3, 4, 2, seed),
        lambda seed: examples.uniform(3, 4, 2, seed, integer=False),
        lambda seed: examples.covariant(3, 4, 2, seed),
        lambda seed: examples.patrol(4, 3, seed),
        lambda seed: examples.security(5, 3, seed),
    ],
)
def test_a_seed_gives_one_game(make):
    one, same, other = make(7), make(7), make(8)
    np.testing.assert_array_equal(one.leader_payoffs, same.leader_payoffs)
    np.testing.assert_array_equal(one.prior, same.prior)
    assert (one.leader_payoffs != other.leader_payoffs).any()
    assert make(np.random.default_rng(7)).prior.tolist() == one.prior.tolist()


def test_families_have_the_shapes_they_promise():
    assert examples.patrol(5, 4, 0).shape == (4, 20, 5)
    assert examples.security(8, 4, 0).shape == (4, 28, 8)
    assert examples.uniform(2, 3, 4, 0, high=1).leader_payoffs.max() <= 1


@pytest.mark.parametrize("correlation", [-0.9, 0.5])
def test_covariant_games_have_the_correlation_asked_for(correlation):
    game = examples.covariant(30, 30, 10, 0, correlation=correlation)
    found = np.corrcoef(game.leader_payoffs.ravel(), game.follower_payoffs.ravel())[0, 1]
    assert found == pytest.approx(correlation, abs=0.03)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: examples.covariant(2, 2, 1, 0, correlation=1.2), "correlation is 1.2"),
        (lambda: examples.patrol(3, 1, 0, length=4), "4 houses out of 3"),
        (lambda: examples.security(3, 1, 0, resources=0), "0 resources for 3 targets"),
    ],
)
def test_impossible_families_say_what_is_possible(make, match):
    with pytest.raises(sb.GameError, match=match):
        make()


@pytest.mark.parametrize("size", [s for sizes in instances.ROWS.values() for s in sizes], ids=str)
def test_benchmark_sizes_are_what_their_names_say(size):
    assert instances.instance(size, 1).shape == (size.types, size.leader_actions, size.follower_actions)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, stackelberg as sb; sb.examples.uniform(2, 2, 1, 0); "
        "heavy = {'numba', 'pandas', 'scipy', 'cvxpy', 'pulp', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
