"""DOBSS: the mixed-integer program of Paruchuri et al. (AAMAS 2008, MILP (7)), written as in the paper.

==========  ==============================================================
in the paper  here
==========  ==============================================================
:math:`x_i`  the leader's mixed strategy
:math:`q^l_j`  ``reply[l][j]``: binary, type l replies j
:math:`z^l_{ij}`  ``joint[l][i][j]`` = :math:`x_i q^l_j`, linearised
:math:`a^l`  ``own[l]``: what type l's best reply gives it
:math:`M`  ``big_m[l][j]``, one per type and reply, derived from the payoffs
==========  ==============================================================

.. math::
    \\max \\sum_{l,i,j} p^l R^l_{ij} z^l_{ij} \\quad\\text{s.t.}\\quad
    \\sum_{i,j} z^l_{ij} = 1,\\; \\sum_j z^l_{ij} = x_i,\\; \\sum_i z^l_{ij} = q^l_j,\\;
    0 \\le a^l - \\sum_i C^l_{ij} x_i \\le (1 - q^l_j) M^l_j,\\; \\sum_j q^l_j = 1,\\; q \\in \\{0,1\\}

The paper states :math:`q^l_j \\le \\sum_i z^l_{ij} \\le 1` and :math:`\\sum_j z^l_{ij} = \\sum_j z^1_{ij}`;
with :math:`\\sum_j q^l_j = 1` the equalities above say the same.  A valid :math:`M^l_j` is the most that type l
can lose by replying j at a pure commitment, :math:`\\max_i (\\max_k C^l_{ik} - C^l_{ij})`: the loss is convex
in x, so its maximum over the simplex is at a vertex.
"""

import numpy as np
import pulp

from stackelberg.equilibrium import Proposal, SolveError, Status
from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import payoff_scale
from stackelberg.solvers.highs import silence_greeting


def build(
    game: BayesianStackelbergGame,
) -> tuple[pulp.LpProblem, list[pulp.LpVariable], list[list[pulp.LpVariable]]]:
    """The DOBSS program of a game, to read, write to an LP file or hand to any solver.

    Returns
    -------
    problem : pulp.LpProblem
    x : list of pulp.LpVariable, length (leader actions)
    reply : list of list of pulp.LpVariable, (types) by (follower actions of the type)
    """
    types, rows, _ = game.shape
    I, L = range(rows), range(types)
    J = [range(count) for count in game.follower_action_counts.tolist()]
    p = game.prior
    R = [game.payoffs(l)[0] for l in L]
    scale = np.where((s := payoff_scale(game)) > 0, s, 1.0)
    C = [
        game.payoffs(l)[1] / scale[l] for l in L
    ]  # a positive rescaling, so that tolerances mean the same for all
    big_m = [(C[l].max(axis=1, keepdims=True) - C[l]).max(axis=0) for l in L]

    problem = pulp.LpProblem("DOBSS", pulp.LpMaximize)
    x = [problem.add_variable(f"x_{i}", 0, 1) for i in I]
    reply = [[problem.add_variable(f"q_{l}_{j}", cat="Binary") for j in J[l]] for l in L]
    joint = [[[problem.add_variable(f"z_{l}_{i}_{j}", 0, 1) for j in J[l]] for i in I] for l in L]
    own = [problem.add_variable(f"a_{l}") for l in L]

    problem += pulp.lpSum(p[l] * R[l][i, j] * joint[l][i][j] for l in L for i in I for j in J[l])
    problem += pulp.lpSum(x) == 1
    for l in L:
        problem += pulp.lpSum(reply[l]) == 1
        for i in I:
            problem += pulp.lpSum(joint[l][i]) == x[i]
        for j in J[l]:
            problem += pulp.lpSum(joint[l][i][j] for i in I) == reply[l][j]
            loss = own[l] - pulp.lpSum(C[l][i, j] * x[i] for i in I)
            problem += loss >= 0
            problem += loss <= (1 - reply[l][j]) * big_m[l][j]
    if (more := game.constraints) is not None:
        for A, b in zip(more.A_ub, more.b_ub, strict=True):
            problem += pulp.lpSum(a * xi for a, xi in zip(A, x, strict=True)) <= b
        for A, b in zip(more.A_eq, more.b_eq, strict=True):
            problem += pulp.lpSum(a * xi for a, xi in zip(A, x, strict=True)) == b
    return problem, x, reply


def dobss(
    game: BayesianStackelbergGame, *, solver: str = "highs", time_limit: float | None = None, gap: float = 0.0
) -> Proposal:
    """Solve a game by DOBSS with a named MILP solver.

    Parameters
    ----------
    game : BayesianStackelbergGame
    solver : str
        A solver that PuLP finds: "highs" (default), "cbc", "scip", "gurobi" or "cplex".
    time_limit : float, optional
        Seconds.
    gap : float
        Relative gap at which to stop; 0 proves optimality to the solver's tolerance.

    Returns
    -------
    Proposal

    Raises
    ------
    SolveError
        If the solver is unknown or not installed.
    """
    problem, x, reply = build(game)
    stats = problem.solve(_solver(solver, time_limit, gap))
    types, rows, _ = game.shape
    status = _STATUS.get(stats.status, Status.FAILED)
    message = f"DOBSS on {solver} through PuLP: {stats.status_str}"
    bound = np.inf if stats.best_bound is None else float(stats.best_bound)
    if not stats.has_solution:
        return Proposal(np.full(rows, np.nan), np.zeros(types, dtype=int), np.nan, bound, status, message, 0)
    strategy = np.clip([xi.value() for xi in x], 0, None)
    return Proposal(
        strategy=strategy / strategy.sum(),
        replies=np.array(
            [np.argmax([q.value() or 0.0 for q in chosen]) for chosen in reply]
        ),  # one-hot, up to tolerance
        value=float(stats.objective if stats.objective is not None else np.nan),
        bound=bound,
        status=status,
        message=message,
        nodes=int(stats.nodes or 0),
    )


_STATUS = {
    pulp.LpSolveStatus.Optimal: Status.OPTIMAL,
    pulp.LpSolveStatus.Infeasible: Status.INFEASIBLE,
    pulp.LpSolveStatus.TimeLimit: Status.TIME_LIMIT,
    pulp.LpSolveStatus.NodeLimit: Status.NODE_LIMIT,
    pulp.LpSolveStatus.GapLimit: Status.GAP,
}

_SOLVERS = {"highs": "HiGHS", "cbc": "COIN_CMD", "scip": "SCIP_PY", "gurobi": "GUROBI", "cplex": "CPLEX_PY"}


def _solver(name: str, time_limit: float | None, gap: float) -> pulp.LpSolver:
    if name not in _SOLVERS:
        raise SolveError(f"unknown MILP solver {name!r}: choose one of {', '.join(_SOLVERS)}")
    # HiGHS stops at 1e-4 by default and lets integers and rows be 1e-6 off: both too coarse for near-ties.
    tight = (
        {"mip_feasibility_tolerance": 1e-9, "primal_feasibility_tolerance": 1e-9} if name == "highs" else {}
    )
    if name == "highs":
        silence_greeting()
    solver: pulp.LpSolver = getattr(pulp, _SOLVERS[name])(
        msg=False, timeLimit=time_limit, gapRel=gap, **tight
    )
    if not solver.available():
        available = [known for known, cls in _SOLVERS.items() if cls in pulp.listSolvers(onlyAvailable=True)]
        raise SolveError(
            f"MILP solver {name!r} is not installed: install it, or use one of {', '.join(available)}"
        )
    return solver
