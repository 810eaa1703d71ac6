"""The rational re-check: it repairs floats, detects near-ties, and weakens its claim where a proof is damaged."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg.equilibrium import Proposal, Status
from tests.games import exact_value, games

few = settings(max_examples=60, deadline=None)


@few
@given(games(), st.integers(0, 2**20))
def test_a_perturbed_strategy_is_repaired_to_the_same_exact_value(game, seed):
    equilibrium = sb.solve(game, method="multiple-lps")
    noise = 1 + 1e-7 * np.random.default_rng(seed).normal(size=game.shape[1])
    shaken = replace(equilibrium, strategy=equilibrium.strategy * noise)
    assert sb.certify(game, shaken).value == equilibrium.certificate.value


@few
@given(games(), st.integers(0, 2**20))
def test_whatever_is_proposed_the_certificate_is_true(game, seed):
    """A nonsense proposal gets a claim that holds: exact best replies, the value that they give, no bound."""
    rng = np.random.default_rng(seed)
    strategy = rng.dirichlet(np.ones(game.shape[1]))
    replies = [int(rng.integers(n)) for n in game.follower_action_counts]
    proposal = Proposal(strategy, np.array(replies), 1e6, np.inf, Status.OPTIMAL, "nonsense", 0)
    certificate = sb.certify(game, proposal)
    assert certificate.claim == "near-tie"
    assert certificate.upper_bound is None
    assert certificate.value == exact_value(game, certificate.strategy)
    assert "1000000" in certificate.message


def test_near_tie_gives_both_values():
    """Reply 1 is worse by 1e-12 everywhere: a float solver may propose it, no exact commitment supports it."""
    game = sb.BayesianStackelbergGame([[[0.0, 1.0]]], [[[1e-12, 0.0]]], [1])
    proposal = Proposal(np.array([1.0]), np.array([1]), 1.0, 1.0, Status.OPTIMAL, "", 0)
    certificate = sb.certify(game, proposal)
    assert certificate.claim == "near-tie"
    assert certificate.replies == (0,)
    assert certificate.value == 0
    assert "proposed value 1;" in certificate.message
    assert "worth 0" in certificate.message


@few
@given(games(max_types=2), st.data())
def test_a_damaged_proof_weakens_and_never_lies(game, data):
    equilibrium = sb.solve(game, method="multiple-lps")
    true_bound, proof = equilibrium.certificate.upper_bound, equilibrium.proof
    leaves = len(proof.replies)
    dropped = data.draw(st.integers(0, leaves - 1))
    keep = np.arange(leaves) != dropped
    shorter = replace(
        proof,
        **{
            name: getattr(proof, name)[keep]
            for name in ("replies", "reply_multipliers", "ub_multipliers", "eq_multipliers")
        },
    )
    certificate = sb.certify(game, replace(equilibrium, proof=shorter))
    if certificate.claim == "optimal":  # the leaf's profile has a reply that another one always replaces
        assert certificate.upper_bound >= true_bound - 2e-9 * (
            1 + float(np.nanmax(np.abs(game.leader_payoffs)))
        )
    else:
        assert certificate.upper_bound is None
    noisy = replace(
        proof, reply_multipliers=proof.reply_multipliers + data.draw(st.sampled_from([-1.0, 0.5, 1e3]))
    )
    certificate = sb.certify(game, replace(equilibrium, proof=noisy))
    assert certificate.upper_bound >= equilibrium.certificate.value  # any multipliers give a valid bound
    assert certificate.value == equilibrium.certificate.value
    if certificate.claim == "optimal":
        assert float(certificate.upper_bound - true_bound) <= 2e-9 * (
            1 + float(np.nanmax(np.abs(game.leader_payoffs)))
        )


def test_one_corrupted_number_weakens_the_claim():
    """Two profiles tie for the follower at the optimum; the losing leaf's multiplier is what bounds it."""
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1])
    equilibrium = sb.solve(game, method="multiple-lps")
    assert equilibrium.certificate.claim == "optimal"
    game = sb.BayesianStackelbergGame([[[0, 4], [0, 4]]], [[[1, 0], [1, 0]]], [1])  # reply 1 never best
    equilibrium = sb.solve(game, method="multiple-lps")
    assert equilibrium.certificate.upper_bound == equilibrium.certificate.value == 0
    multipliers = equilibrium.proof.reply_multipliers.copy()
    leaf = int(np.argmax(equilibrium.proof.replies[:, 0] == 1))
    multipliers[leaf] = 0.0
    damaged = replace(equilibrium, proof=replace(equilibrium.proof, reply_multipliers=multipliers))
    certificate = sb.certify(game, damaged)
    assert certificate.claim == "feasible"
    assert certificate.upper_bound == 4


def test_equality_constraints_hold_exactly_and_enter_the_bound():
    constraints = sb.LeaderConstraints(A_eq=[[0.75, -0.25, 0.0]], b_eq=[0.0])
    rng = np.random.default_rng(3)
    game = sb.BayesianStackelbergGame(
        rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3, 2)), [0.5, 0.5], constraints=constraints
    )
    certificate = sb.solve(game, method="multiple-lps").certificate
    assert certificate.claim == "optimal"
    assert certificate.strategy[0] * Fraction(3, 4) == certificate.strategy[1] * Fraction(1, 4)


def test_an_equilibrium_of_another_game_is_refused():
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1])
    other = sb.BayesianStackelbergGame([[[2, 4]]], [[[1, 0]]], [1])
    with pytest.raises(ValueError, match="this game needs 1 finite probabilities"):
        sb.certify(other, sb.solve(game))
