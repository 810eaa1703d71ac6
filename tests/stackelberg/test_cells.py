import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg import examples
from stackelberg.equilibrium import Status
from stackelberg.solvers import kernels, sweep
from stackelberg.solvers.cells import cells
from stackelberg.solvers.multiple_lps import multiple_lps
from tests.stackelberg.games import games


def assert_same_value(game):
    one, other = cells(game), sb.solve(game, method="multiple-lps")
    scale = np.nanmax(np.abs(game.leader_payoffs)) or 1.0
    assert abs(one.value - float(other.certificate.value)) <= 1e-9 * scale
    checked = sb.certify(game, one)
    assert checked.claim == "feasible"
    assert float(checked.value) == pytest.approx(one.value, abs=1e-9 * scale)


@settings(max_examples=150, deadline=None)
@given(games(leader_actions=(2, 3)))
def test_agrees_with_the_multiple_lps(game):
    assert_same_value(game)


@settings(max_examples=100, deadline=None)
@given(games(leader_actions=(2, 3)), st.data())
def test_agrees_under_leader_constraints(game, data):
    m = game.shape[1]
    whole = st.integers(-3, 3)
    row = data.draw(st.lists(whole, min_size=m, max_size=m))
    bound = data.draw(st.integers(-4, 6)) / 2
    equal = data.draw(st.booleans())
    more = {"A_eq": [row], "b_eq": [bound]} if equal else {"A_ub": [row], "b_ub": [bound]}
    constrained = sb.BayesianStackelbergGame(
        [game.payoffs(l)[0] for l in range(game.shape[0])],
        [game.payoffs(l)[1] for l in range(game.shape[0])],
        game.prior,
        constraints=sb.LeaderConstraints(**more),
    )
    if min(row) > bound or (equal and max(row) < bound):
        assert cells(constrained).status is Status.INFEASIBLE
    else:
        assert_same_value(constrained)


def test_ties_of_several_types_at_one_point_are_credited_together():
    # Each of 50 types rewards the leader only at its indifference point, 1/3 for all, found by other payoffs.
    types = 50
    follower = [[[2 * (l + 1), 0], [0, l + 1]] for l in range(types)]
    leader = [[[-1, 0], [0, -1]]] * types
    game = sb.BayesianStackelbergGame(
        [np.array(R) + np.array([[0, 1], [-2, 0]]) for R in leader], follower, np.full(types, 1 / types)
    )
    proposal = cells(game)
    assert proposal.value == pytest.approx(multiple_lps_of_one_type(game), abs=1e-12)
    assert proposal.strategy == pytest.approx([1 / 3, 2 / 3], abs=1e-12)


def multiple_lps_of_one_type(game):
    one = sb.BayesianStackelbergGame(game.leader_payoffs[:1], game.follower_payoffs[:1], [1.0])
    return multiple_lps(one).value


@pytest.mark.parametrize("m", [2, 3])
def test_solve_takes_it_by_name_and_by_itself(m):
    game = examples.uniform(m, 3, 8, 0)
    chosen, named = sb.solve(game), sb.solve(game, method="cells")
    assert chosen.method == "cells"
    assert "auto chose cells" in chosen.message
    assert chosen.value == named.value
    assert named.certificate.claim == "feasible"
    assert named.value == pytest.approx(sb.solve(game, method="dobss").value, rel=1e-7)


def test_other_numbers_of_actions_are_refused():
    with pytest.raises(sb.SolveError, match="two or three leader actions, not 4"):
        sb.solve(examples.uniform(4, 2, 2, 0), method="cells")


def test_an_empty_polygon_is_infeasible():
    constraints = sb.LeaderConstraints(A_ub=[[1, 1, 0], [0, 0, 1]], b_ub=[0.25, 0.5])
    game = sb.BayesianStackelbergGame(
        np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), [1.0], constraints=constraints
    )
    assert sb.solve(game, method="cells", throw=False).status is Status.INFEASIBLE
    with pytest.raises(sb.SolveError, match="constraints"):
        sb.solve(game, method="cells")


def test_out_of_time_returns_the_best_side():
    proposal = cells(examples.uniform(3, 3, 5, 0), time_limit=0.0)
    assert proposal.status is Status.TIME_LIMIT
    assert proposal.bound == np.inf
    assert np.isfinite(proposal.value)


@pytest.mark.slow
def test_compiled_and_interpreted_give_the_same_floats():
    made = [examples.uniform(m, 4, 30, [m, seed]) for m in (2, 3) for seed in range(5)]
    interpreted = [cells(game) for game in made] if not kernels.is_compiled(sweep) else None
    kernels.compile_kernels(sweep)
    compiled = [cells(game) for game in made]
    for one, other in zip(interpreted or compiled, compiled, strict=True):
        np.testing.assert_array_equal(one.strategy, other.strategy)


@pytest.mark.slow
def test_many_types():
    game = examples.uniform(2, 5, 20_000, 0, integer=False)
    few = examples.uniform(2, 5, 200, 0, integer=False)
    assert cells(few).value == pytest.approx(sb.solve(few, method="strong-milp").value, rel=1e-7)
    proposal = cells(game)
    grid = np.linspace(0, 1, 201)
    values = [sb.response.replies_value(game, [1 - s, s], sb.best_replies(game, [1 - s, s]))[0] for s in grid]
    assert proposal.value >= max(values)
