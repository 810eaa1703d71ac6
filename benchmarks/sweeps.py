"""A sweep of a million points against the same loop over DOBSS: ``python -m benchmarks.sweeps``.

A faking game with two cues and three types, once with cues that the leader designs and once with fixed ones; three of
its numbers vary on a full grid.  ``sb.sweep`` takes the whole grid, its table included, on all cores that it may use;
DOBSS on HiGHS takes some of the points drawn at random, each built and solved as a loop would.
"""

import time
from statistics import mean

import numpy as np

import stackelberg as sb
from benchmarks import methods, page
from stackelberg.solve_batch import available_threads
from stackelberg.solvers import dobss
from stackelberg.solvers.pulp_solver import solve_milp
from stackelberg.sweep import points
from stackelberg.sweep.templates import game_at

TYPES = [
    sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    sb.FollowerType(name="pleasing", prior=0.3, preference=0.2, sycophancy=0.5, plan_cost=0.02),
    sb.FollowerType(name="willing", prior=0.4, preference=-0.5),
]
CUES = {"designed cues": sb.CuePolicy.free(), "fixed cues": sb.CuePolicy.informative(0.6)}


def grid(side: int) -> dict[str, np.ndarray]:
    """Three axes of as many values each, none on a type's threshold."""
    return {
        "preference[guarding]": np.linspace(-0.203, 1.207, side),
        "monitoring_cost": np.linspace(0.0, 0.9, side),
        "budget": np.linspace(0.05, 1.0, side),
    }


def loop(template: sb.FakingGame, axes: dict[str, np.ndarray], chosen: np.ndarray) -> tuple[list[float], ...]:
    """Values by DOBSS, seconds a point, and of these the solver's own."""
    table = points(axes)
    columns = {name: table[name].to_numpy()[chosen] for name in table.columns}
    values, seconds, solver = [], [], []
    for point in range(len(chosen)):
        started = time.perf_counter()
        game = game_at(template, columns, point).to_game(reduce=True)
        milp = dobss.build(game)
        values.append(solve_milp(game, milp, threads=1, gap=1e-9).value)
        seconds.append(time.perf_counter() - started)
        solver.append(methods.solver_seconds(milp, np.nan))
    return values, seconds, solver


def rows(side: int, looped: int, seed: int) -> list[str]:
    """Table of both games."""
    lines = [
        "| game | points | seconds | points a second | DOBSS, ms a point (HiGHS alone) "
        "| points of DOBSS in that time (HiGHS alone) | largest difference of values |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, cues in CUES.items():
        template = sb.FakingGame(types=TYPES, cues=cues)
        axes = grid(side)
        sb.sweep(template, {**axes, "budget": [0.5]}, batch=True)  # loads or compiles the kernels
        started = time.perf_counter()
        found = sb.sweep(template, axes, batch=True)
        ours = time.perf_counter() - started
        assert (found["status"] == "optimal").all()
        chosen = np.random.default_rng(seed).choice(len(found), looped, replace=False)
        values, seconds, solver = loop(template, axes, chosen)
        apart = np.abs(found["value"].to_numpy()[chosen] - values).max()
        lines.append(
            f"| {name} | {len(found):,} | {ours:.1f} | {len(found) / ours:,.0f} "
            f"| {1e3 * mean(seconds):.0f} ({1e3 * mean(solver):.0f}) "
            f"| {ours / mean(seconds):,.0f} ({ours / mean(solver):,.0f}) | {apart:.0e} |"
        )
    return lines


def compose(smoke: bool, seed: int) -> list[str]:
    """The page."""
    cores, looped = available_threads(), 4 if smoke else 100
    return [
        "# How fast a sweep is",
        "",
        "A faking game with two cues and three types; the guarding type's preference, the monitoring cost and the "
        f"budget vary on a full grid. `sb.sweep`, table included, on {cores} core{'s' if cores > 1 else ''}, against a "
        f"loop that builds and solves DOBSS on HiGHS on one ({looped} of the points, drawn at random).",
        "",
        *rows(8 if smoke else 100, looped, seed),
    ]


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    page.command("sweeps", __doc__, "a small grid, few points by DOBSS", compose, arguments)


if __name__ == "__main__":
    main()
