"""solve_batch and the sweep against what one would do otherwise: ``python -m benchmarks.batch``.

Batches: games a second, arrays included on both sides, against a loop that builds and solves DOBSS on HiGHS
game by game, and two threads against one.  Sweep: two leader actions and very many types, against MIP-p-G on
HiGHS with a few.
"""

import time
from collections.abc import Callable

import numpy as np

import stackelberg as sb
from benchmarks import methods, page
from stackelberg import examples
from stackelberg.solvers import dobss, kernels, strong_milp, tiny
from stackelberg.solvers.cells import cells
from stackelberg.solvers.pulp_solver import solve_milp

SHAPES = {(2, 2, 2): 200_000, (3, 3, 3): 100_000, (4, 4, 4): 30_000}
"""(leader actions, follower actions, types) and how many games."""
GOALS = {(2, 2, 2): 3_900, (3, 3, 3): 8_000, (4, 4, 4): 8_000}


def games(shape: tuple[int, int, int], count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer payoffs in 0 to 100, as in :func:`stackelberg.examples.uniform`."""
    m, n, types = shape
    rng = np.random.default_rng([7, m, n, types, seed])
    weights = rng.random((count, types)) + 0.2
    payoffs = rng.integers(0, 101, (2, count, types, m, n)).astype(float)
    return payoffs[0], payoffs[1], weights / weights.sum(axis=1, keepdims=True)


def fastest(run: Callable[[], object], repeats: int) -> float:
    """Least seconds of several runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def loop(R: np.ndarray, C: np.ndarray, p: np.ndarray) -> list[float]:
    """What a sweep without solve_batch does."""
    values = []
    for g in range(len(R)):
        game = sb.BayesianStackelbergGame(R[g], C[g], p[g])
        values.append(solve_milp(game, dobss.build(game), threads=1).value)
    return values


def batches(repeats: int, looped: int, share: float, seed: int) -> list[str]:
    """Table of games a second."""
    lines = [
        "| m × n × types | games/s, one thread | two threads | DOBSS+HiGHS | ratio | goal | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape, count in SHAPES.items():
        R, C, p = games(shape, int(count * share), seed)
        kernels.compile_kernels(tiny)
        sb.solve_batch(R, C, p, threads=1)
        one = fastest(lambda: sb.solve_batch(R, C, p, threads=1), repeats) / len(R)  # noqa: B023
        two = fastest(lambda: sb.solve_batch(R, C, p, threads=2), repeats) / len(R)  # noqa: B023
        few = R[:looped], C[:looped], p[:looped]
        started = time.perf_counter()
        values = loop(*few)
        other = (time.perf_counter() - started) / looped
        apart = np.abs(sb.solve_batch(*few).value - values).max()
        lines.append(
            f"| {' × '.join(map(str, shape))} | {1 / one:,.0f} | {1 / two:,.0f} ({one / two:.2f}×) "
            f"| {1 / other:,.1f} | {other / one:,.0f}× | {GOALS[shape]:,}× | {apart:.1e} |"
        )
    return lines


def sweeps(repeats: int, many: int, seed: int) -> list[str]:
    """Two leader actions: very many types swept, a few by MIP-p-G on HiGHS."""
    large = examples.uniform(2, 5, many, [8, many, seed], integer=False)
    small = examples.uniform(2, 5, 20, [8, 20, seed], integer=False)
    cells(large)
    swept = fastest(lambda: cells(large), repeats)
    milp = strong_milp.build_mip_p_g(small)
    value = solve_milp(small, milp, threads=1, gap=1e-6).value
    solved = methods.solver_seconds(milp, np.nan)
    apart = abs(value - cells(small).value)
    return [
        f"Two leader actions, 5 replies: {many:,} types swept in {swept:.4f} s, not re-checked in rationals; "
        f"MIP-p-G takes HiGHS {solved:.4f} s for 20 types, and agrees with the sweep of those to {apart:.1e}."
    ]


def compose(smoke: bool, seed: int) -> list[str]:
    """The page."""
    return [
        "# How fast very many games are",
        "",
        *batches(1 if smoke else 9, 5 if smoke else 200, 0.02 if smoke else 1.0, seed),
        "",
        *sweeps(1 if smoke else 5, 10_000 if smoke else 100_000, seed),
    ]


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    page.command("batch", __doc__, "small batches, one repeat", compose, arguments)


if __name__ == "__main__":
    main()
