"""What every exact method must deliver: certified incentive constraints, agreement, and the theorems of SSE."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from tests.games import exact_value, games, random_commitments

METHODS = ("multiple-lps", "dobss", "branch-and-bound")
few = settings(max_examples=60, deadline=None)


def scale(game):
    return 1 + float(np.nanmax(np.abs(game.leader_payoffs)))


@few
@given(games())
def test_certified_incentive_constraints_hold_exactly(game):
    for method in METHODS:
        certificate = sb.solve(game, method=method).certificate
        x = certificate.strategy
        assert sum(x) == 1
        assert min(x) >= 0
        if game.constraints is not None:
            for row, bound in zip(game.constraints.A_ub, game.constraints.b_ub, strict=True):
                assert sum(Fraction(float(a)) * p for a, p in zip(row, x, strict=True)) <= Fraction(
                    float(bound)
                )
        for l, j in enumerate(certificate.replies):
            C = game.payoffs(l)[1]
            own = [sum(Fraction(float(C[i, k])) * p for i, p in enumerate(x)) for k in range(C.shape[1])]
            assert own[j] == max(own)
            assert certificate.reply_gaps[l] == tuple(own[j] - other for other in own)
        assert certificate.value == exact_value(game, x)


@few
@given(games())
def test_methods_agree_and_multiple_lps_prove_it(game):
    proved, *others = (sb.solve(game, method=method) for method in METHODS)
    assert proved.certificate.claim == "optimal"
    assert proved.certificate.upper_bound >= proved.certificate.value
    for other in others:
        if other.certificate.claim != "near-tie":
            assert other.value == pytest.approx(proved.value, abs=1e-9 * scale(game))


@few
@given(games(), st.integers(0, 2**20))
def test_no_other_commitment_beats_the_proved_bound(game, seed):
    bound = sb.solve(game, method="multiple-lps").certificate.upper_bound
    for x in random_commitments(game, 40, seed):
        assert exact_value(game, x) <= bound


@few
@given(games(), st.integers(0, 2**20))
def test_value_is_invariant_to_affine_changes_and_relabelling(game, seed):
    rng = np.random.default_rng(seed)
    types, rows, _ = game.shape
    base = sb.solve(game)
    order, actions = rng.permutation(types), rng.permutation(rows)
    leader, follower = zip(*(game.payoffs(l) for l in order), strict=True)
    columns = [rng.permutation(R.shape[1]) for R in leader]
    changed = [
        rng.choice([0.5, 2.0, 8.0]) * C[np.ix_(actions, c)] + rng.integers(-4, 5)
        for C, c in zip(follower, columns, strict=True)
    ]
    constraints = game.constraints and sb.LeaderConstraints(
        game.constraints.A_ub[:, actions], game.constraints.b_ub
    )
    other = sb.BayesianStackelbergGame(
        [R[np.ix_(actions, c)] for R, c in zip(leader, columns, strict=True)],
        changed,
        game.prior[order],
        constraints=constraints,
    )
    assert sb.solve(other).value == pytest.approx(base.value, abs=1e-9 * scale(game))


@few
@given(games(max_types=2, constrained=False))
def test_splitting_a_type_or_adding_a_leader_action_never_hurts(game):
    base = sb.solve(game).value
    tables = [game.payoffs(l) for l in range(game.shape[0])]
    split = sb.BayesianStackelbergGame(
        [tables[0][0], *(R for R, _ in tables)],
        [tables[0][1], *(C for _, C in tables)],
        [game.prior[0] / 4, game.prior[0] * 3 / 4, *game.prior[1:]],
    )
    assert sb.solve(split).value == pytest.approx(base, abs=1e-9 * scale(game))
    more = sb.BayesianStackelbergGame(
        [np.vstack([R, R[:1] - 1]) for R, _ in tables], [np.vstack([C, C[:1]]) for _, C in tables], game.prior
    )
    assert sb.solve(more).value >= base - 1e-9 * scale(game)


@few
@given(games(max_types=3, constrained=False), st.integers(0, 2**20))
def test_value_is_convex_in_the_prior(game, seed):
    rng = np.random.default_rng(seed)
    tables = list(zip(*(game.payoffs(l) for l in range(game.shape[0])), strict=True))

    def value(prior):
        return sb.solve(sb.BayesianStackelbergGame(*tables, prior)).value

    p, q = rng.dirichlet(np.ones(game.shape[0]), 2)
    assert value((p + q) / 2) <= (value(p) + value(q)) / 2 + 1e-9 * scale(game)


@pytest.mark.parametrize("method", METHODS)
def test_conitzer_sandholm_2006(method):
    """Conitzer & Sandholm (EC 2006), section 1: commitment to the even mixture is worth 3.5, Nash only 2."""
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1])
    equilibrium = sb.solve(game, method=method)
    assert equilibrium.certificate.value == Fraction(7, 2)
    assert equilibrium.certificate.strategy == (Fraction(1, 2), Fraction(1, 2))
    assert equilibrium.replies.tolist() == [1]
    assert equilibrium.reply_probabilities.tolist() == [[0.0, 1.0]]


def test_auto_says_what_it_chose_and_why():
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1])
    assert "auto chose branch-and-bound: with 2 reply profiles" in sb.solve(game).message
    rng = np.random.default_rng(0)
    large = sb.BayesianStackelbergGame(
        rng.normal(size=(6, 2, 3)), rng.normal(size=(6, 2, 3)), np.full(6, 1 / 6)
    )
    assert sb.solve(large).method == "cells"
    assert "729 reply profiles" in sb.solve(large).message
    wider = sb.BayesianStackelbergGame(
        rng.normal(size=(6, 4, 3)), rng.normal(size=(6, 4, 3)), np.full(6, 1 / 6)
    )
    assert "auto chose branch-and-bound: 729 reply profiles" in sb.solve(wider).message


def test_a_game_without_commitments_raises_or_becomes_a_row():
    constraints = sb.LeaderConstraints([[1, 1]], [0.5])
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1], constraints=constraints)
    for method in METHODS:
        with pytest.raises(sb.SolveError, match="infeasible"):
            sb.solve(game, method=method)
        row = sb.solve(game, method=method, throw=False)
        assert row.status is sb.Status.INFEASIBLE
        assert np.isnan(row.value)
        assert row.certificate is None


def test_unknown_names_and_oversized_games_are_refused_with_the_mend():
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1])
    with pytest.raises(sb.SolveError, match="unknown method 'simplex'"):
        sb.solve(game, method="simplex")
    with pytest.raises(sb.SolveError, match="unknown MILP solver 'glpk'"):
        sb.solve(game, method="dobss", solver="glpk")
    rng = np.random.default_rng(0)
    large = sb.BayesianStackelbergGame(
        rng.normal(size=(12, 2, 3)), rng.normal(size=(12, 2, 3)), np.full(12, 1 / 12)
    )
    with pytest.raises(sb.SolveError, match='use method="dobss"'):
        sb.solve(large, method="multiple-lps")


def test_the_big_m_is_the_largest_loss_of_a_reply():
    from stackelberg.solvers.dobss import build

    game = sb.BayesianStackelbergGame([[[0, 0], [0, 0]]], [[[5, 1], [2, 4]]], [1])
    problem, _, _ = build(game)
    coefficients = {
        value
        for row in problem.constraints()
        for variable, value in row.items()
        if variable.name.startswith("q_0")
    }
    # losses in units of the largest stake (4): reply 0 loses at most 2 at row 1, reply 1 at most 4 at row 0
    assert {0.5, 1.0} <= {abs(c) for c in coefficients}


def test_results_come_as_tables():
    game = sb.BayesianStackelbergGame(
        [[[2, 4], [1, 3]]],
        [[[1, 0], [0, 1]]],
        [1],
        leader_actions=["up", "down"],
        follower_actions=["left", "right"],
    )
    equilibrium = sb.solve(game)
    assert equilibrium.strategy_table.to_dict("list") == {
        "leader_action": ["up", "down"],
        "probability": [0.5, 0.5],
    }
    assert equilibrium.reply_table["reply"].tolist() == ["right"]
    assert "up 0.5, down 0.5" in repr(equilibrium)


@pytest.mark.parametrize("method", METHODS)
def test_out_of_time_is_a_status_and_says_what_to_do(method):
    rng = np.random.default_rng(0)
    # far more than seconds of work for any method, so that no machine is fast enough to end within a millisecond
    shape = (6, 10, 5) if method == "multiple-lps" else (30, 20, 10)
    types = shape[0]
    game = sb.BayesianStackelbergGame(
        rng.normal(size=shape), rng.normal(size=shape), np.full(types, 1 / types)
    )
    row = sb.solve(game, method=method, time_limit=1e-3, throw=False)
    assert row.status is sb.Status.TIME_LIMIT
    assert np.isnan(row.value) == (row.certificate is None)
    if method == "multiple-lps":  # one program, no strategy before its end
        with pytest.raises(sb.SolveError, match="raise time_limit"):
            sb.solve(game, method=method, time_limit=1e-3)
