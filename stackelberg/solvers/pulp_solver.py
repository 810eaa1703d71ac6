"""What the MILP formulations share: commitment, binary replies, and any solver that PuLP finds."""

from typing import Any, NamedTuple

import numpy as np
import pulp
from numpy.typing import ArrayLike, NDArray

from stackelberg.equilibrium import Proposal, SolveError, Status
from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import best_replies, payoff_scale
from stackelberg.solvers.highs import silence_greeting

SOLVERS = {"highs": "HiGHS", "cbc": "COIN_CMD", "scip": "SCIP_PY", "gurobi": "GUROBI", "cplex": "CPLEX_PY"}
"""Our names of solvers, and PuLP's."""


class Milp(NamedTuple):
    """A mixed-integer program of a game.

    Attributes
    ----------
    problem : pulp.LpProblem
    x : list of pulp.LpVariable, length (leader actions)
        The commitment.
    reply : list of list of pulp.LpVariable, (types) by (follower actions of the type)
        Binary: whether a type plays a reply.
    """

    problem: pulp.LpProblem
    x: list[pulp.LpVariable]
    reply: list[list[pulp.LpVariable]]


def commitment_and_replies(game: BayesianStackelbergGame, name: str) -> Milp:
    """A program with what every formulation starts from: x in X, and one reply per type."""
    types, rows, _ = game.shape
    problem = pulp.LpProblem(name, pulp.LpMaximize)
    x = [problem.add_variable(f"x_{i}", 0, 1) for i in range(rows)]
    counts = game.follower_action_counts.tolist()
    reply = [
        [problem.add_variable(f"q_{l}_{j}", cat="Binary") for j in range(counts[l])] for l in range(types)
    ]
    problem += pulp.lpSum(x) == 1
    for l in range(types):
        problem += pulp.lpSum(reply[l]) == 1
    if (more := game.constraints) is not None:
        for A, b in zip(more.A_ub, more.b_ub, strict=True):
            problem += pulp.lpSum(a * xi for a, xi in zip(A, x, strict=True)) <= b
        for A, b in zip(more.A_eq, more.b_eq, strict=True):
            problem += pulp.lpSum(a * xi for a, xi in zip(A, x, strict=True)) == b
    return Milp(problem, x, reply)


def scaled_follower_payoffs(game: BayesianStackelbergGame) -> list[NDArray[np.float64]]:
    """Each type's payoffs in units of its own stakes, so that a solver's tolerances mean the same for all."""
    scale = payoff_scale(game)
    return [game.payoffs(l)[1] / (scale[l] if scale[l] > 0 else 1.0) for l in range(game.shape[0])]


def most_lost(payoffs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per reply, the most that it can lose against the best other: the tight big M, shape (replies,).

    At a commitment x the loss is :math:`\\max_k P_{\\cdot k} x - P_{\\cdot j} x`, convex in x, so its maximum
    over the simplex is at a pure commitment: :math:`\\max_i (\\max_k P_{ik} - P_{ij})`.
    """
    lost: NDArray[np.float64] = (payoffs.max(axis=1, keepdims=True) - payoffs).max(axis=0)
    return lost


def solve_milp(
    game: BayesianStackelbergGame,
    milp: Milp,
    *,
    solver: str = "highs",
    time_limit: float | None = None,
    gap: float = 0.0,
    warm_start: ArrayLike | None = None,
    threads: int | None = None,
) -> Proposal:
    """Solve a formulation with a named solver.

    Parameters
    ----------
    game : BayesianStackelbergGame
    milp : Milp
        Of this game.
    solver : str
        "highs" (default), "cbc", "scip", "gurobi" or "cplex", where PuLP finds it.
    time_limit : float, optional
        Seconds.
    gap : float
        Relative gap at which to stop; 0 proves optimality to the solver's tolerance.
    warm_start : array_like, shape (leader actions,), optional
        A commitment to start from, with the best replies to it.
    threads : int, optional
        The solver's own default where None.

    Returns
    -------
    Proposal

    Raises
    ------
    SolveError
        If the solver is unknown or not installed.
    """
    if warm_start is not None:
        strategy, replies = np.asarray(warm_start, dtype=float), best_replies(game, warm_start)
        for variable, probability in zip(milp.x, strategy.tolist(), strict=True):
            variable.setInitialValue(probability)
        for chosen, j in zip(milp.reply, replies.tolist(), strict=True):
            for k, variable in enumerate(chosen):
                variable.setInitialValue(int(k == j))
    found = pick(solver, time_limit, gap, threads, warm_start is not None)
    stats = milp.problem.solve(found)
    types, rows, _ = game.shape
    status = _STATUS.get(stats.status, Status.FAILED)
    message = f"{milp.problem.name} on {solver} through PuLP: {stats.status_str}"
    bound = np.inf if stats.best_bound is None else float(stats.best_bound)
    if not stats.has_solution:
        return Proposal(np.full(rows, np.nan), np.zeros(types, dtype=int), np.nan, bound, status, message, 0)
    strategy = np.clip([variable.value() for variable in milp.x], 0, None)
    return Proposal(
        strategy=strategy / strategy.sum(),
        replies=np.array(
            [np.argmax([q.value() or 0.0 for q in chosen]) for chosen in milp.reply]
        ),  # one-hot, nearly
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


def pick(
    name: str, time_limit: float | None, gap: float, threads: int | None = None, warm: bool = False
) -> pulp.LpSolver:
    """PuLP's solver of a name, quiet and with tolerances tight enough for near-ties."""
    if name not in SOLVERS:
        raise SolveError(f"unknown MILP solver {name!r}: choose one of {', '.join(SOLVERS)}")
    options: dict[str, Any] = {"msg": False, "timeLimit": time_limit, "gapRel": gap}
    if name == "highs":
        silence_greeting()
        # HiGHS stops at 1e-4 by default and lets integers and rows be 1e-6 off: both too coarse.
        options |= {"mip_feasibility_tolerance": 1e-9, "primal_feasibility_tolerance": 1e-9}
    if warm:
        options["warmStart"] = True
    if threads is not None:
        options["Threads" if name == "gurobi" else "threads"] = threads
    solver: pulp.LpSolver = getattr(pulp, SOLVERS[name])(**options)
    if not solver.available():
        available = [known for known, cls in SOLVERS.items() if cls in pulp.listSolvers(onlyAvailable=True)]
        raise SolveError(
            f"MILP solver {name!r} is not installed: install it, or use one of {', '.join(available)}"
        )
    return solver
