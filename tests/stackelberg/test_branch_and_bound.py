"""Branch and bound: agrees with the multiple LPs, proves what it says, stops when told, resumes where it stood."""

import signal
import sys
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings

import stackelberg as sb
from stackelberg.solvers import branch_and_bound as bb
from stackelberg.solvers import interrupts, leaves, progress, reduction, resumable, state, tiers, tuning
from stackelberg.solvers.ascent import leader_value
from stackelberg.solvers.multiple_lps import multiple_lps
from stackelberg.solvers.presolve import presolve
from tests.games import games

few = settings(max_examples=80, deadline=None)


def scale(game):
    return float(np.nanmax(np.abs(game.leader_payoffs))) or 1.0


def random_game(seed, types, rows, columns, kind="normal"):
    rng = np.random.default_rng(seed)
    shape = (types, rows, columns)
    prior = rng.random(types) + 0.2
    if kind == "integers":
        R, C = rng.integers(0, 4, shape), rng.integers(0, 3, shape)
    elif kind == "low rank":
        R, C = (np.einsum("ir,lrj->lij", rng.random((rows, 3)), rng.normal(size=(types, 3, columns))),) * 2
        C = -R + np.einsum("ir,lrj->lij", rng.random((rows, 1)), rng.normal(size=(types, 1, columns)))
    else:
        R = rng.normal(size=shape)
        C = -0.5 * R + rng.normal(size=shape)
    return sb.BayesianStackelbergGame(R.astype(float), C.astype(float), prior / prior.sum())


@few
@given(games(max_types=4))
def test_agrees_with_the_multiple_lps(game):
    expected, found = multiple_lps(game), bb.branch_and_bound(game)
    assert found.status is sb.Status.OPTIMAL
    assert found.value == pytest.approx(expected.value, abs=1e-7 * scale(game))
    assert found.bound >= expected.value - 1e-9 * scale(game)


def listed(leader, follower, prior):
    """A game from one table a type, by (leader action, reply)."""
    tables = [[np.array(table, float) for table in side] for side in (leader, follower)]
    return sb.BayesianStackelbergGame(*tables, prior)


# A reply that is best on a face only, by payoffs an eighth apart: perturbed rows made a point beside it worth 1e-9.
BEST_ON_A_FACE = listed(
    [[[0, 0, 0], [0, 0, 0], [0, 1, 0]], *[np.zeros((3, k)) for k in (1, 1, 3)]],
    [[[0, 0, 0], [-2, 0, 0], [1, -0.125, 0]], *[np.zeros((3, k)) for k in (1, 1, 3)]],
    [1, 0, 0, 0],
)
# Replies that are best within 1e-6 of a corner only: cuts so steep that their pricing never settled.
BEST_NEAR_A_CORNER = listed(
    [
        [[-5.890609, 0.2, 0], [7.494828, 0, 0], [0, 6.441487, -3.140396], [4.370614, 0, -0.908336]],
        [[10, 1e-5, -4.857591], [0, 7.581943, 5.176948], [-2.882434, 1.367436, 5.963694], [0.50811, 0, 0]],
    ],
    [
        [
            [0, -5.808017, -3.301134],
            [0, 1e-5, -7.096135],
            [7.582973, 9.238291, 0.269099],
            [0, -6.413676, -7.430496],
        ],
        [
            [-3.347457, -3.45054, 0],
            [-9.472313, -7.25597, 8.978778],
            [0, -3.37277, 6.052484],
            [1.1, 0, 3.165603],
        ],
    ],
    [7 / 15, 8 / 15],
)
# A relaxation that exceeds the value by 4e-9 of the payoffs: within the gap of a search, not of a proof.
BARELY_OPEN = listed(
    [
        [[0, 8.378525], [1e-6, 3.399077], [3.5, 9.353073], [4, 3.571006]],
        [[5.641052, 6.660693], [0, -8.291014], [-9.863812, 8.808242], [0, 0]],
    ],
    [
        [[0, 8.378525], [1e-6, 3.399077], [3.5, 9.353073], [4, 3.571006]],
        [[1e-6, 0], [1.184711, -0.287541], [10, -4.900954], [4.287661, 9.982574]],
    ],
    [4 / 9, 5 / 9],
)


@few
@example(BEST_ON_A_FACE)
@example(BEST_NEAR_A_CORNER)
@example(BARELY_OPEN)
@given(games(max_types=4))
def test_proves_its_answer_optimal_in_rationals(game):
    certificate = sb.solve(game, method="branch-and-bound").certificate
    assert certificate.claim in ("optimal", "near-tie")
    assert certificate.upper_bound >= certificate.value


@pytest.mark.parametrize("kind", ["normal", "integers", "low rank"])
@pytest.mark.parametrize("seed", range(6))
def test_agrees_on_games_with_real_trees(kind, seed):
    game = random_game(seed, 5, 6, 3, kind)
    expected, found = multiple_lps(game), sb.solve(game, method="branch-and-bound")
    assert found.value == pytest.approx(expected.value, abs=1e-7 * scale(game))
    assert found.certificate.claim == "optimal"


def test_equality_constraints_and_an_empty_set_of_commitments():
    rng = np.random.default_rng(5)
    R, C = rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 5, 3))
    fair = sb.LeaderConstraints(A_eq=[[1, -1, 0, 0, 0]], b_eq=[0], A_ub=[[0, 0, 1, 1, 0]], b_ub=[0.25])
    game = sb.BayesianStackelbergGame(R, C, [0.2, 0.3, 0.5], constraints=fair)
    found = sb.solve(game, method="branch-and-bound")
    assert found.certificate.claim == "optimal"
    assert found.certificate.strategy[0] == found.certificate.strategy[1]
    assert found.value == pytest.approx(multiple_lps(game).value, abs=1e-9)
    empty = sb.LeaderConstraints(A_eq=[[1, 1, 1, 1, 1]], b_eq=[0.5])
    game = sb.BayesianStackelbergGame(R, C, [0.2, 0.3, 0.5], constraints=empty)
    assert bb.branch_and_bound(game).status is sb.Status.INFEASIBLE


def test_local_cuts_where_few_leader_actions_meet_many_types():
    game = random_game(1, 40, 3, 2)
    search = resumable.Search(presolve(game))
    assert search.options.local_cuts == 1
    found = bb.branch_and_bound(game)
    assert found.value == pytest.approx(sb.solve(game, method="cells").value, abs=1e-7)
    assert sb.solve(game, method="branch-and-bound").certificate.claim == "feasible"
    assert sb.solve(game, method="branch-and-bound", prove=True).certificate.claim == "optimal"


def test_a_small_tree_grown_large_starts_again_from_a_cut_root(monkeypatch):
    monkeypatch.setattr(tuning, "LATE_RESTART_NODES", 100)
    game = random_game(1, 4, 20, 20)
    search = resumable.Search(presolve(game))
    assert search.options.root_rounds == 0
    assert not search.advance(node_limit=99)
    assert search.best.counters[state.SEPARATIONS] == 0
    before = search.value
    assert search.advance()
    assert search.options.root_rounds == tuning.ROOT_ROUNDS
    assert search.best.counters[state.SEPARATIONS] > 0
    assert search.value >= before
    assert search.bound - search.value <= 2e-8 * search.unit


def test_local_cuts_still_cut_where_each_of_many_types_is_worth_little():
    """Beyond 50 types a program's perturbation was worth more than the tolerance, and no cut was ever found."""
    found = bb.branch_and_bound(random_game(0, 60, 4, 4), node_limit=200)
    assert found.status is sb.Status.OPTIMAL


def test_rank_reduction_searches_fewer_coordinates():
    game = random_game(0, 4, 20, 3, "low rank")
    search = resumable.Search(presolve(game))
    assert search.columns is not None
    assert search.best.x.size == 5  # three common factors, one of the followers' own, and the constant
    assert search.advance()
    x = search.strategy
    assert (x >= 0).all()
    value = leader_value(search.game, search.cuts.vector, x @ search.points, search.profile, np.zeros(3))
    assert value == pytest.approx(search.best.numbers[state.VALUE], abs=1e-9)


@pytest.mark.parametrize("rows", [24, 44, 80])
def test_agrees_on_games_with_many_leader_actions(rows):
    """Beyond twice types times replies every game is of low rank, and its hull has more facets than can be found."""
    for seed in range(2):
        rng = np.random.default_rng([rows, seed])
        game = sb.BayesianStackelbergGame(
            rng.random((3, rows, 4)), rng.random((3, rows, 4)), np.full(3, 1 / 3)
        )
        expected, found = multiple_lps(game), bb.branch_and_bound(game)
        assert found.status is sb.Status.OPTIMAL
        assert found.value == pytest.approx(expected.value, abs=1e-7)


def test_a_hull_that_is_not_closed_costs_time_and_not_the_answer(monkeypatch):
    """Reduced as far as it goes, with room for one facet: the search notices and starts again unreduced."""
    monkeypatch.setattr(reduction, "MOST_COORDINATES", 99)
    monkeypatch.setattr(reduction, "LARGEST_SHARE", 1.0)
    monkeypatch.setattr(resumable, "MOST_FACETS", 1)
    reported = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        game = sb.BayesianStackelbergGame(rng.random((2, 24, 3)), rng.random((2, 24, 3)), [0.5, 0.5])
        small = presolve(game)
        reduced = resumable.Search(small)
        assert reduced.columns is not None
        reported.append(bb._proposal(game, small, reduced, reduced.advance(), 0.0, None).status)
        found = bb.branch_and_bound(game)
        assert found.status is sb.Status.OPTIMAL
        assert found.value == pytest.approx(multiple_lps(game).value, abs=1e-7)
    assert sb.Status.FAILED in reported


def test_limits_return_the_incumbent_and_a_bound():
    game = random_game(7, 8, 6, 4)
    best = bb.branch_and_bound(game)
    stopped = bb.branch_and_bound(game, node_limit=1)
    assert stopped.status is sb.Status.NODE_LIMIT
    assert stopped.value <= best.value + 1e-9 <= stopped.bound + 2e-9
    late = bb.branch_and_bound(game, time_limit=0.0)
    assert late.status is sb.Status.TIME_LIMIT
    assert np.isnan(late.strategy).all()
    with pytest.raises(sb.SolveError, match="out of time"):
        sb.solve(game, method="branch-and-bound", time_limit=0.0)


def test_a_time_limit_holds_on_a_game_far_too_large():
    started = time.perf_counter()
    found = bb.branch_and_bound(random_game(0, 30, 12, 8), time_limit=0.3)
    assert (
        time.perf_counter() - started < 60
    )  # it would run for hours; how near the limit it ends is a benchmark
    assert found.status is sb.Status.TIME_LIMIT
    assert found.value <= found.bound


def test_a_gap_stops_early_with_a_valid_bound():
    game = random_game(7, 8, 6, 4)
    best, rough = bb.branch_and_bound(game), bb.branch_and_bound(game, gap=0.5)
    assert rough.nodes <= best.nodes
    assert rough.value <= best.value + 1e-9 <= rough.bound + 2e-9
    assert rough.bound - rough.value <= 0.5 * abs(rough.value) + 1e-9


def test_a_search_in_tiny_steps_ends_where_one_step_ends(monkeypatch):
    game = random_game(7, 6, 6, 4)
    whole, steps = resumable.Search(presolve(game)), resumable.Search(presolve(game))
    assert whole.advance()
    monkeypatch.setattr(resumable.Search, "_budget", tiny_budget)
    assert not steps.advance(node_limit=2)
    assert steps.value <= whole.value + 1e-9 <= steps.bound + 2e-9
    assert steps.advance()
    assert steps.value == pytest.approx(whole.value, abs=1e-9)


def interrupted_step(search):
    with interrupts.held_interrupts():
        signal.raise_signal(signal.SIGINT)
        search.advance(node_limit=1)


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
def test_an_interrupt_leaves_a_search_that_goes_on():
    search = resumable.Search(presolve(random_game(7, 6, 6, 4)))
    usual = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_step(search)
        assert search.nodes == 1  # the step was not cut short
        assert search.advance()
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_number_that_is_none_costs_a_repair_and_not_the_answer():
    game = random_game(3, 4, 5, 3)
    whole, broken = resumable.Search(presolve(game)), resumable.Search(presolve(game))
    assert whole.advance()
    assert not broken.advance(node_limit=1)
    broken.tree.basis[:, 0] = broken.tree.basis[:, 1]  # a singular basis at every open node
    assert broken.advance()
    assert broken.value == pytest.approx(whole.value, abs=1e-9)
    if whole.nodes > 1:
        assert broken.best.counters[state.REPAIRS] > 0


def test_progress_and_messages_name_the_tier(capsys, monkeypatch):
    game = random_game(7, 6, 6, 4)
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(resumable.Search, "_budget", tiny_budget)
    monkeypatch.setattr(resumable, "_needs_compiled", lambda seconds: False)
    assert "interpreted" in bb.branch_and_bound(game, progress=True).message
    assert "bound" in capsys.readouterr().err


def tiny_budget(search, seconds, left):
    return int(20_000 * seconds / resumable.CHUNK_SECONDS)


def damaged(proof, field, change):
    return replace(proof, **{field: change(getattr(proof, field).copy())})


def test_a_corrupted_proof_weakens_and_never_lies():
    game = random_game(2, 5, 5, 3)
    equilibrium = sb.solve(game, method="branch-and-bound", prove=True)
    assert equilibrium.certificate.claim == "optimal"
    proof, value = equilibrium.proof, equilibrium.certificate.value
    assert (proof.replies < 0).any()
    rng = np.random.default_rng(0)

    def claim(changed):
        certificate = sb.certify(game, replace(equilibrium, proof=changed))
        assert certificate.value == value
        assert certificate.upper_bound is None or certificate.upper_bound >= value
        return certificate.claim

    claims = []
    for leaf in range(len(proof.replies)):  # a missing leaf leaves profiles uncovered
        keep = np.arange(len(proof.replies)) != leaf
        fields = ("replies", "reply_multipliers", "ub_multipliers", "eq_multipliers", "cut_weights")
        claims.append(claim(replace(proof, **{name: getattr(proof, name)[keep] for name in fields})))
    assert claims.count("feasible") >= len(claims) // 2
    lowered = damaged(proof, "cut_vectors", lambda a: a - 10.0)  # cuts that cut off the truth are repaired
    assert claim(lowered) in ("optimal", "feasible")
    assert claim(damaged(proof, "cut_multipliers", lambda a: a * np.nan)) == "feasible"
    assert claim(damaged(proof, "cut_weights", lambda a: a * 0)) == "feasible"
    for field in ("reply_multipliers", "cut_vectors", "cut_multipliers", "cut_weights"):
        for _ in range(5):
            claim(damaged(proof, field, lambda a: a + rng.normal(size=a.shape)))


def test_no_commitment_beats_a_proved_bound_even_with_a_wrong_proof():
    game = random_game(4, 3, 4, 3)
    equilibrium = sb.solve(game, method="branch-and-bound", prove=True)
    rng = np.random.default_rng(1)
    best = sb.solve(game, method="multiple-lps").certificate.value
    for _ in range(20):
        proof = equilibrium.proof
        proof = damaged(proof, "cut_multipliers", lambda a: np.abs(a + rng.normal(size=a.shape)))
        proof = damaged(proof, "reply_multipliers", lambda a: np.abs(a + rng.normal(size=a.shape)))
        certificate = sb.certify(game, replace(equilibrium, proof=proof))
        assert certificate.upper_bound is None or certificate.upper_bound >= best - Fraction(1, 10**9)


def test_importing_the_solver_and_small_games_do_not_load_numba():
    import subprocess

    code = (
        "import sys, numpy as np, stackelberg as sb\n"
        "rng = np.random.default_rng(0)\n"
        "game = sb.BayesianStackelbergGame(rng.normal(size=(3,3,3)), rng.normal(size=(3,3,3)), [.25,.25,.5])\n"
        "assert sb.solve(game, method='branch-and-bound').certificate.claim == 'optimal'\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_the_compiled_tier_takes_over_and_agrees(monkeypatch):
    """Compiles where no cache is found, which takes half a minute."""
    for seed, kind in [(0, "normal"), (1, "integers"), (2, "low rank")]:
        game = random_game(seed, 6, 8, 4, kind)
        plain = resumable.Search(presolve(game), most_leaves=5000)
        assert plain.advance()
        both = resumable.Search(presolve(game), most_leaves=5000)
        monkeypatch.setattr(resumable.Search, "_budget", lambda self, *_: 10**7 if self.is_compiled else 3000)
        both.advance(node_limit=1)
        monkeypatch.setattr(resumable, "_needs_compiled", lambda seconds: True)
        assert both.advance()
        monkeypatch.undo()
        assert tiers.is_loaded()
        assert tiers.is_cached()
        assert both.value == pytest.approx(plain.value, abs=1e-9)
        assert both.proof() is not None


@pytest.mark.slow
def test_threads_find_the_same_value_and_a_proof(monkeypatch):
    """On a low-rank game too, whose threads find facets of their own."""
    monkeypatch.setattr(resumable, "_needs_compiled", lambda seconds: True)
    monkeypatch.setattr(resumable, "RESTART_NODES", 8)
    for game in (random_game(7, 8, 8, 5), random_game(3, 9, 12, 4, "low rank")):
        alone = bb.branch_and_bound(game)
        small = presolve(game)
        search = resumable.Search(small, most_leaves=20_000)
        budget = resumable.Search._budget
        search.advance(node_limit=8)
        monkeypatch.setattr(resumable.Search, "_budget", lambda self, *_: 300_000)  # many rounds
        assert search.advance(threads=3)
        monkeypatch.setattr(resumable.Search, "_budget", budget)
        assert search.value == pytest.approx(alone.value, abs=1e-7)
        proposal = bb._proposal(game, small, search, True, 0.0, None)
        assert sb.certify(game, proposal).claim == "optimal"


@pytest.mark.slow
@pytest.mark.parametrize("room", [400_000, 700])
def test_threads_with_local_cuts_find_the_same_value(monkeypatch, room):
    """Each thread has cuts of its own, which gathering renumbers, or drops where there is no room for them."""
    monkeypatch.setattr(resumable, "_needs_compiled", lambda seconds: True)
    game = random_game(4, 40, 5, 5)
    alone = bb.branch_and_bound(game)
    monkeypatch.setattr(resumable, "RESTART_NODES", 4)
    monkeypatch.setattr(resumable, "MOST_LOCAL_CUTS", room)
    search = resumable.Search(presolve(game))
    search.advance(node_limit=4)
    before = search.best.counters[state.VECTORS]
    monkeypatch.setattr(resumable.Search, "_budget", lambda self, *_: 2_000_000)  # many rounds
    assert search.advance(threads=3)
    assert search.best.counters[state.VECTORS] > before
    assert search.value == pytest.approx(alone.value, abs=1e-7)
    assert search.bound == pytest.approx(alone.value, abs=1e-7)


def test_a_reply_that_is_nowhere_best_is_refuted_in_a_reduced_game():
    """In the reduced coordinates its region need not be empty: the refutation is in pure strategies."""
    proved = 0
    for seed in range(12):
        game = random_game(seed, 4, 9, 5, "low rank")
        equilibrium = sb.solve(game, method="branch-and-bound", prove=True)
        search = resumable.Search(presolve(game))
        assert search.advance()
        proved += len(leaves.nowhere_best(search.small, search.pool)) > 0
        assert equilibrium.certificate.claim == "optimal"
    assert proved > 0


def test_many_short_calls_count_as_one_long_one(monkeypatch):
    """A search that is called for a moment at a time is compiled when one long call would be."""
    seen = []
    monkeypatch.setattr(resumable, "_needs_compiled", lambda seconds: seen.append(seconds))
    search = resumable.Search(presolve(random_game(0, 12, 10, 5)))
    search._is_large = False
    for _ in range(4):
        search.advance(deadline=time.perf_counter() + 0.02)
    assert len(seen) >= 4
    assert seen == sorted(seen)
    assert seen[-1] > 0.02
