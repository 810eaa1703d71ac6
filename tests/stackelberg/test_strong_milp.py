import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg import examples
from stackelberg.solvers import dobss, strong_milp
from stackelberg.solvers.pulp_solver import SOLVERS, most_lost, pick
from tests.stackelberg.games import games


@pytest.mark.parametrize("formulation", ["mip-p-g", "d2"])
@settings(max_examples=30, deadline=None)
@given(game=games(most_profiles=40))
def test_agrees_with_the_multiple_lps(formulation, game):
    one = sb.solve(game, method="strong-milp", formulation=formulation)
    other = sb.solve(game, method="multiple-lps")
    scale = np.nanmax(np.abs(game.leader_payoffs)) or 1.0
    assert one.value == pytest.approx(other.value, abs=1e-7 * scale)
    assert one.certificate.claim in ("feasible", "near-tie")


@pytest.mark.parametrize("formulation", ["mip-p-g", "d2"])
def test_leader_constraints_are_kept(formulation):
    base = examples.uniform(3, 3, 2, 5)
    constraints = sb.LeaderConstraints(A_ub=[[1, 0, 0]], b_ub=[0.25], A_eq=[[0, 1, -1]], b_eq=[0])
    game = sb.BayesianStackelbergGame(
        base.leader_payoffs, base.follower_payoffs, base.prior, constraints=constraints
    )
    one = sb.solve(game, method="strong-milp", formulation=formulation)
    assert one.value == pytest.approx(sb.solve(game, method="multiple-lps").value, rel=1e-9)
    assert one.strategy[0] <= 0.25
    assert one.strategy[1] == one.strategy[2]


def test_the_relaxation_of_mip_p_g_is_exact_for_one_type():
    game = examples.uniform(5, 5, 1, 3)
    milp = strong_milp.build_mip_p_g(game)
    for q in milp.reply[0]:
        q.cat = "Continuous"
    stats = milp.problem.solve(pick("highs", None, 0.0))
    assert stats.objective == pytest.approx(sb.solve(game, method="multiple-lps").value, rel=1e-9)


@given(st.integers(0, 1000))
def test_big_m_is_never_exceeded_and_reached_somewhere(seed):
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-3, 4, (4, 3)).astype(float)
    lost = most_lost(payoffs)
    at = rng.dirichlet(np.ones(4), 50) @ payoffs
    assert (at.max(axis=1, keepdims=True) - at <= lost + 1e-12).all()
    assert ((payoffs.max(axis=1, keepdims=True) - payoffs) == lost).any(axis=0).all()


@pytest.mark.parametrize("build", [dobss.build, strong_milp.build_mip_p_g, strong_milp.build_d2])
def test_a_warm_start_is_handed_over_and_changes_no_answer(build):
    game = examples.uniform(4, 3, 3, 2)
    optimum = sb.solve(game, method="dobss")
    milp = build(game)
    again = strong_milp.solve_milp(game, milp, warm_start=optimum.strategy)
    assert again.value == pytest.approx(optimum.value, rel=1e-9)


def test_solve_passes_a_warm_start_and_a_gap_on():
    game = examples.uniform(4, 3, 3, 2)
    best = sb.solve(game, method="multiple-lps").value
    for method in ("dobss", "strong-milp"):
        loose = sb.solve(game, method=method, gap=0.5, warm_start=[0.25] * 4)
        assert loose.value >= 0.5 * best


def test_unknown_names_are_listed():
    game = examples.uniform(2, 2, 1, 0)
    with pytest.raises(sb.SolveError, match="unknown formulation 'd3': choose one of mip-p-g, d2"):
        strong_milp.strong_milp(game, formulation="d3")
    with pytest.raises(sb.SolveError, match="unknown MILP solver 'xyz'"):
        sb.solve(game, method="strong-milp", solver="xyz")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("formulation", ["mip-p-g", "d2"])
def test_every_installed_solver_agrees(solver, formulation):
    game = examples.uniform(4, 4, 3, 1)
    try:
        found = sb.solve(game, method="strong-milp", formulation=formulation, solver=solver)
    except sb.SolveError as error:
        pytest.skip(str(error))
    assert found.value == pytest.approx(sb.solve(game, method="multiple-lps").value, rel=1e-6)
