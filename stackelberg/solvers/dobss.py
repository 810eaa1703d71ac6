"""DOBSS: the mixed-integer program of Paruchuri et al. (AAMAS 2008, MILP (7)), written as in the paper.

====================  ==============================================================
in the paper          here
====================  ==============================================================
:math:`x_i`           the leader's mixed strategy
:math:`q^l_j`         ``reply[l][j]``: binary, type l replies j
:math:`z^l_{ij}`      ``joint[l][i][j]`` = :math:`x_i q^l_j`, linearised
:math:`a^l`           ``own[l]``: what type l's best reply gives it
:math:`M`             ``big_m[l][j]``, one per type and reply, derived from the payoffs
====================  ==============================================================

.. math::
    \\max \\sum_{l,i,j} p^l R^l_{ij} z^l_{ij} \\quad\\text{s.t.}\\quad
    \\sum_{i,j} z^l_{ij} = 1,\\; \\sum_j z^l_{ij} = x_i,\\; \\sum_i z^l_{ij} = q^l_j,\\;
    0 \\le a^l - \\sum_i C^l_{ij} x_i \\le (1 - q^l_j) M^l_j,\\; \\sum_j q^l_j = 1,\\; q \\in \\{0,1\\}

The paper states :math:`q^l_j \\le \\sum_i z^l_{ij} \\le 1` and :math:`\\sum_j z^l_{ij} = \\sum_j z^1_{ij}`;
with :math:`\\sum_j q^l_j = 1` the equalities above say the same.  :math:`M^l_j` is the most that type l can
lose by replying j (:func:`~stackelberg.solvers.pulp_solver.most_lost`).
"""

from typing import Any

import pulp

from stackelberg.equilibrium import Proposal
from stackelberg.game import BayesianStackelbergGame
from stackelberg.solvers.pulp_solver import (
    Milp,
    commitment_and_replies,
    most_lost,
    scaled_follower_payoffs,
    solve_milp,
)


def build(game: BayesianStackelbergGame) -> Milp:
    """The DOBSS program of a game, to read, write to an LP file or hand to any solver."""
    types, rows, _ = game.shape
    I, L = range(rows), range(types)
    J = [range(count) for count in game.follower_action_counts.tolist()]
    p = game.prior
    R = [game.payoffs(l)[0] for l in L]
    C = scaled_follower_payoffs(game)
    big_m = [most_lost(C[l]) for l in L]

    milp = commitment_and_replies(game, "DOBSS")
    problem, x, reply = milp.problem, milp.x, milp.reply
    joint = [[[problem.add_variable(f"z_{l}_{i}_{j}", 0, 1) for j in J[l]] for i in I] for l in L]
    own = [problem.add_variable(f"a_{l}") for l in L]

    problem += pulp.lpSum(p[l] * R[l][i, j] * joint[l][i][j] for l in L for i in I for j in J[l])
    for l in L:
        for i in I:
            problem += pulp.lpSum(joint[l][i]) == x[i]
        for j in J[l]:
            problem += pulp.lpSum(joint[l][i][j] for i in I) == reply[l][j]
            loss = own[l] - pulp.lpSum(C[l][i, j] * x[i] for i in I)
            problem += loss >= 0
            problem += loss <= (1 - reply[l][j]) * big_m[l][j]
    return milp


def dobss(game: BayesianStackelbergGame, **options: Any) -> Proposal:
    """Solve a game by DOBSS.

    Parameters
    ----------
    game : BayesianStackelbergGame
    **options
        ``solver``, ``time_limit``, ``gap``, ``warm_start``, ``threads``: see
        :func:`~stackelberg.solvers.pulp_solver.solve_milp`.

    Returns
    -------
    Proposal

    Raises
    ------
    SolveError
        If the solver is unknown or not installed.
    """
    return solve_milp(game, build(game), **options)
