"""D2 and MIP-p-G: the two formulations of Casorrán, Fortz, Labbé & Ordóñez (EJOR 278, 2019).

==================  ============================================================================
in the paper        here
==================  ============================================================================
:math:`x_i`         the leader's mixed strategy
:math:`q^k_j`       ``reply[l][j]``: binary, type l replies j
:math:`h^k_{ij}`    ``joint[l][i][j]`` = :math:`x_i q^l_j`, linearised (MIP-p-G)
:math:`f^k`         ``leader[l]``: what the leader gets from type l (D2)
:math:`s^k`         ``own[l]``: what type l's best reply gives it (D2)
:math:`M_1, M_2`    ``leader_m[l][j]``, ``own_m[l][j]``: one per type and reply, from the payoffs (D2)
:math:`\\pi^k`       ``p[l]``, the prior
==================  ============================================================================

**MIP-p-G** asks that each share :math:`h^k_{\\cdot j}` of the commitment that type k answers by j be one at
which j is a best reply.  It needs no big M, its relaxation is exact for one type and the tightest of the
formulations that the paper compares, and it has a row for each pair of replies.

.. math::
    \\max \\sum_{k,i,j} \\pi^k R^k_{ij} h^k_{ij} \\quad\\text{s.t.}\\quad \\sum_j h^k_{ij} = x_i,\\;
    \\sum_i h^k_{ij} = q^k_j,\\; \\sum_i (C^k_{ij} - C^k_{il}) h^k_{ij} \\ge 0 \\;\\forall j, l,\\;
    \\sum_j q^k_j = 1,\\; q \\in \\{0,1\\}

**D2** replaces the shares by the two players' payoffs: the smallest of the formulations, and the weakest.

.. math::
    \\max \\sum_k \\pi^k f^k \\quad\\text{s.t.}\\quad
    f^k \\le \\sum_i R^k_{ij} x_i + (1 - q^k_j) M^{k}_{1j},\\;
    0 \\le s^k - \\sum_i C^k_{ij} x_i \\le (1 - q^k_j) M^{k}_{2j},\\; \\sum_j q^k_j = 1,\\; q \\in \\{0,1\\}

Each M is the most that reply j can lose against another at any commitment, to the leader and to the type
(:func:`~stackelberg.solvers.pulp_solver.most_lost`): :math:`f^k` is some reply's payoff, so row j need not
allow more.
"""

from typing import Any, Literal

import pulp

from stackelberg.equilibrium import Proposal, SolveError
from stackelberg.game import BayesianStackelbergGame
from stackelberg.solvers.pulp_solver import (
    Milp,
    commitment_and_replies,
    most_lost,
    scaled_follower_payoffs,
    solve_milp,
)

Formulation = Literal["mip-p-g", "d2"]


def build_mip_p_g(game: BayesianStackelbergGame) -> Milp:
    """The MIP-p-G program of a game."""
    types, rows, _ = game.shape
    I, L = range(rows), range(types)
    J = [range(count) for count in game.follower_action_counts.tolist()]
    p = game.prior
    R = [game.payoffs(l)[0] for l in L]
    C = scaled_follower_payoffs(game)

    milp = commitment_and_replies(game, "MIP-p-G")
    problem, x, reply = milp.problem, milp.x, milp.reply
    joint = [[[problem.add_variable(f"h_{l}_{i}_{j}", 0, 1) for j in J[l]] for i in I] for l in L]

    problem += pulp.lpSum(p[l] * R[l][i, j] * joint[l][i][j] for l in L for i in I for j in J[l])
    for l in L:
        for i in I:
            problem += pulp.lpSum(joint[l][i]) == x[i]
        for j in J[l]:
            problem += pulp.lpSum(joint[l][i][j] for i in I) == reply[l][j]
            for k in J[l]:
                if k != j:
                    problem += pulp.lpSum((C[l][i, j] - C[l][i, k]) * joint[l][i][j] for i in I) >= 0
    return milp


def build_d2(game: BayesianStackelbergGame) -> Milp:
    """The D2 program of a game."""
    types, rows, _ = game.shape
    I, L = range(rows), range(types)
    J = [range(count) for count in game.follower_action_counts.tolist()]
    p = game.prior
    R = [game.payoffs(l)[0] for l in L]
    C = scaled_follower_payoffs(game)
    leader_m, own_m = [most_lost(R[l]) for l in L], [most_lost(C[l]) for l in L]

    milp = commitment_and_replies(game, "D2")
    problem, x, reply = milp.problem, milp.x, milp.reply
    leader = [problem.add_variable(f"f_{l}") for l in L]
    own = [problem.add_variable(f"s_{l}") for l in L]

    problem += pulp.lpSum(p[l] * leader[l] for l in L)
    for l in L:
        for j in J[l]:
            gain = pulp.lpSum(R[l][i, j] * x[i] for i in I)
            problem += leader[l] <= gain + (1 - reply[l][j]) * leader_m[l][j]
            loss = own[l] - pulp.lpSum(C[l][i, j] * x[i] for i in I)
            problem += loss >= 0
            problem += loss <= (1 - reply[l][j]) * own_m[l][j]
    return milp


BUILD = {"mip-p-g": build_mip_p_g, "d2": build_d2}


def strong_milp(
    game: BayesianStackelbergGame, *, formulation: Formulation = "mip-p-g", **options: Any
) -> Proposal:
    """Solve a game by MIP-p-G or D2.

    Parameters
    ----------
    game : BayesianStackelbergGame
    formulation : {"mip-p-g", "d2"}
    **options
        ``solver``, ``time_limit``, ``gap``, ``warm_start``, ``threads``: see
        :func:`~stackelberg.solvers.pulp_solver.solve_milp`.

    Returns
    -------
    Proposal

    Raises
    ------
    SolveError
        If the formulation or the solver is unknown, or the solver is not installed.
    """
    if formulation not in BUILD:
        raise SolveError(f"unknown formulation {formulation!r}: choose one of {', '.join(BUILD)}")
    return solve_milp(game, BUILD[formulation](game), **options)
