"""Commitment pays: no Nash equilibrium of a game with one type gives the leader more than its commitment does.

At a Nash equilibrium (x, y) every reply in y is a best reply to x, so the best of them for the leader gives it
at least x'Ry, and the strong Stackelberg equilibrium at least that (von Stengel & Zamir, GEB 2010).
The equilibria are nashpy's, by support enumeration, each checked here before it counts.
"""

import warnings

import numpy as np
import pytest
from hypothesis import event, given

import stackelberg as sb
from tests.stackelberg.games import games
from tests.stackelberg.test_exact_methods import METHODS, close, every, fast

nashpy = pytest.importorskip(
    "nashpy", reason="nashpy enumerates the Nash equilibria: it is in the test extra, which is not installed"
)

REGRET = 1e-9
"""What a player may lose to rounding, of its largest payoff."""
one_type = games(leader_actions=(2, 3), follower_actions=(1, 4), types=(1, 1))


def regret(payoffs, own, played):
    """What a player could gain by another action, of its largest payoff."""
    return float(payoffs.max() - own @ payoffs) / (np.abs(played).max() or 1.0)


def equilibria(game):
    """Leader's payoffs at the Nash equilibria that support enumeration finds and that are ones."""
    R, C = game.payoffs(0)
    with warnings.catch_warnings():  # nashpy warns of degenerate games, which are what we want here
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        found = list(nashpy.Game(R, C).support_enumeration())
    return [
        float(x @ R @ y) for x, y in found if regret(R @ y, x, R) <= REGRET and regret(x @ C, y, C) <= REGRET
    ]


@every
@fast
@given(game=one_type)
def test_no_nash_equilibrium_does_better(method, game):
    payoffs = equilibria(game)
    event(f"{len(payoffs)} equilibria")
    value = METHODS[method](game)
    assert all(payoff <= value or close(payoff, value, game, method) for payoff in payoffs)


@every
def test_commitment_beats_the_only_equilibrium_of_the_first_example(method):
    game = sb.examples.conitzer_sandholm_2006().game
    assert equilibria(game) == [2.0]
    assert METHODS[method](game) == pytest.approx(3.5)


@every
def test_where_interests_are_opposed_commitment_is_worth_the_minimax_value(method):
    R = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    game = sb.BayesianStackelbergGame([R], [-R], [1.0])
    (payoff,) = equilibria(game)
    assert METHODS[method](game) == pytest.approx(payoff, abs=1e-9) == pytest.approx(0, abs=1e-9)
