"""Bayesian Stackelberg games, and when a language model fakes alignment.

>>> import stackelberg as sb
>>> game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
>>> sb.solve(game).value
3.5
"""

from stackelberg import examples
from stackelberg.certify import certify
from stackelberg.equilibrium import Certificate, Equilibrium, Proof, SolveError, Status
from stackelberg.faking import (
    Commitment,
    CuePolicy,
    FakingGame,
    FollowerType,
    LeaderCosts,
    Method,
    TrainingRun,
    status_quo,
)
from stackelberg.files import read_game, write_game
from stackelberg.game import BayesianStackelbergGame, GameError, LeaderConstraints
from stackelberg.response import best_replies, logit_replies
from stackelberg.solve import solve
from stackelberg.solve_batch import BatchEquilibria, solve_batch
from stackelberg.sweep import sweep

__version__ = "0.1.0"

__all__ = [
    "BatchEquilibria",
    "BayesianStackelbergGame",
    "Certificate",
    "Commitment",
    "CuePolicy",
    "Equilibrium",
    "FakingGame",
    "FollowerType",
    "GameError",
    "LeaderConstraints",
    "LeaderCosts",
    "Method",
    "Proof",
    "SolveError",
    "Status",
    "TrainingRun",
    "best_replies",
    "certify",
    "examples",
    "logit_replies",
    "read_game",
    "solve",
    "solve_batch",
    "status_quo",
    "sweep",
    "write_game",
]
