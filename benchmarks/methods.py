"""Our methods and their peers, each as a function of a game and a limit that returns a record.

``seconds`` is what is compared: for us the whole search, arrays in and strategy out, without the rational
re-check; for a peer its solver's own time, without building or handing over the model, which
``build_seconds`` holds.  Everything runs on one thread, to a relative gap of 1e-6.
"""

import importlib
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pulp

import stackelberg as sb
from benchmarks.measure import Record
from stackelberg.equilibrium import Proposal, Status
from stackelberg.solvers import dobss, strong_milp
from stackelberg.solvers.pulp_solver import SOLVERS, Milp, pick

GAP = 1e-6
REPEAT_SECONDS = 0.2
"""Our own searches are repeated for this long, and the median is kept: a millisecond alone is noise."""

FORMULATIONS = {"dobss": dobss.build, "mip-p-g": strong_milp.build_mip_p_g, "d2": strong_milp.build_d2}


def ours(search: Callable[[sb.BayesianStackelbergGame, float], Proposal]) -> Callable[..., Record]:
    """A method of ours, from a function that returns a proposal."""

    def run(game: sb.BayesianStackelbergGame, limit: float) -> Record:
        times: list[float] = []
        while not times or sum(times) < REPEAT_SECONDS:
            started = time.perf_counter()
            proposal = search(game, limit)
            times.append(time.perf_counter() - started)
        status = "optimal" if proposal.status is Status.OPTIMAL else str(proposal.status)
        return {
            "status": status,
            "seconds": median(times),
            "repeats": len(times),
            "value": float(proposal.value),
            "bound": float(proposal.bound),
            "nodes": int(proposal.nodes),
        }

    return run


def peer(formulation: str, solver: str) -> Callable[..., Record]:
    """A formulation on a solver, through PuLP."""

    def run(game: sb.BayesianStackelbergGame, limit: float) -> Record:
        started = time.perf_counter()
        milp = FORMULATIONS[formulation](game)
        built = time.perf_counter()
        handed_over = _writing_seconds(milp) if solver == "cbc" else 0.0
        called = time.perf_counter()
        stats = milp.problem.solve(pick(solver, limit, GAP, threads=1))
        wall = time.perf_counter() - called
        seconds = solver_seconds(milp, wall - handed_over)
        done = stats.status in (pulp.LpSolveStatus.Optimal, pulp.LpSolveStatus.GapLimit)
        out_of_time = stats.status == pulp.LpSolveStatus.TimeLimit or seconds >= limit
        return {
            "status": "optimal" if done else "time-limit" if out_of_time else "error",
            "message": stats.status_str,
            "seconds": seconds,
            "build_seconds": built - started + wall - seconds,
            "value": None if stats.objective is None else float(stats.objective),
            "nodes": int(stats.nodes or 0),
        }

    return run


def _writing_seconds(milp: Milp) -> float:
    """CBC reads the model from a file; writing it is not its doing."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        milp.problem.writeMPS(str(Path(folder) / "model.mps"), rename=True)
        return time.perf_counter() - started


def solver_seconds(milp: Milp, wall: float) -> float:
    """The solver's own clock where it has one."""
    model = getattr(milp.problem, "solverModel", None)
    for name in ("getRunTime", "getSolvingTime"):  # HiGHS, SCIP
        if hasattr(model, name):
            return float(getattr(model, name)())
    return float(getattr(model, "Runtime", wall))  # Gurobi; CBC has none


def _branch_and_bound(game: sb.BayesianStackelbergGame, limit: float) -> Proposal:
    module = importlib.import_module("stackelberg.solvers.branch_and_bound")
    proposal: Proposal = module.branch_and_bound(game, time_limit=limit)
    return proposal


def _cells(game: sb.BayesianStackelbergGame, limit: float) -> Proposal:
    from stackelberg.solvers.cells import cells

    return cells(game, time_limit=limit)


def _multiple_lps(game: sb.BayesianStackelbergGame, limit: float) -> Proposal:
    from stackelberg.solvers.multiple_lps import multiple_lps

    return multiple_lps(game, time_limit=limit)


def available() -> dict[str, Callable[..., Record]]:
    """Every method that can run here, by name; ours first."""
    methods: dict[str, Callable[..., Record]] = {}
    if importlib.util.find_spec("stackelberg.solvers.branch_and_bound"):
        methods["branch-and-bound"] = ours(_branch_and_bound)
    methods["cells"] = ours(_cells)
    methods["multiple-lps"] = ours(_multiple_lps)
    installed = pulp.listSolvers(onlyAvailable=True)
    for solver, name in SOLVERS.items():
        if name in installed:
            methods |= {f"{formulation}+{solver}": peer(formulation, solver) for formulation in FORMULATIONS}
    return methods


OURS = ("branch-and-bound", "cells")
"""What the ratios are against: the faster of these, as ``solve`` would choose."""


def fits(method: str, game: sb.BayesianStackelbergGame) -> bool:
    """Whether a method is meant for a game at all."""
    if method == "cells":
        return game.shape[1] in (2, 3)
    if method == "multiple-lps":
        from stackelberg.solvers.multiple_lps import MOST_PROFILES, profile_count

        return profile_count(game) <= MOST_PROFILES
    return True
