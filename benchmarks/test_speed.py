"""A handful of games, ours against a peer in the same run: ``make bench``.

``pytest`` alone does not collect this folder.  ``extra_info`` of every benchmark holds the peer, its seconds
on the same instance (its solver's own, model building not counted) and the ratio; the ratios are printed at the end.
For the whole table: ``python -m benchmarks.solvers``.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import stackelberg as sb
from benchmarks import batch, measure, methods, solvers
from benchmarks.instances import Size, instance
from stackelberg import examples
from stackelberg.solvers import kernels, tiny

pytest.importorskip(
    "pytest_benchmark", reason="pytest-benchmark is in the bench extra, which is not installed"
)

SEED = 3000
LIMIT = 60.0
LOOPED = 20
"""Games that the peer of solve_batch solves one by one."""
PEERS = ("mip-p-g+gurobi", "mip-p-g+highs")
"""The first that is installed and solves the instance."""
HAS_SEARCH = importlib.util.find_spec("stackelberg.solvers.branch_and_bound") is not None

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Everything is imported and compiled before the clock runs, and before children are forked."""
    solvers.warm(methods.available(), {"": (Size("uniform", 3, 3, 3), Size("uniform", 5, 5, 8))})
    kernels.compile_kernels(tiny)
    sb.solve_batch(*batch.games((2, 2, 2), 2, SEED), threads=1)


def against(benchmark: Any, ratios: list[str], label: str, peer: str, seconds: float, units: int = 1) -> None:
    """Note the peer's seconds per unit, and the ratio to ours."""
    if benchmark.stats is None:  # benchmarks are disabled
        return
    own = benchmark.stats.stats.median / units
    ratio = seconds / own
    benchmark.extra_info.update(peer=peer, peer_seconds=seconds, seconds=own, ratio=ratio)
    ratios.append(f"{label:35s} {own:10.3g} s, {ratio:12,.0f} times as fast as {peer} ({seconds:.3g} s)")


def measured(peer: str, game: sb.BayesianStackelbergGame) -> measure.Record:
    """A peer on a game, the fastest of three processes of its own: what disturbs a single run favours us."""
    run = partial(methods.available()[peer], game, LIMIT)
    return min(
        (measure.in_child(run, LIMIT) for _ in range(3)),
        key=lambda r: (r["status"] != "optimal", r.get("seconds", LIMIT)),
    )


CASES: list[Any] = [
    pytest.param(name, Size("uniform", *shape), id=f"{name} {'x'.join(map(str, shape))}")
    for name, shape in (
        ("cells", (3, 3, 3)),
        ("branch-and-bound", (3, 3, 3)),
        ("branch-and-bound", (5, 5, 8)),
        ("branch-and-bound", (10, 10, 4)),
    )
]


@pytest.mark.benchmark(group="one game")
@pytest.mark.parametrize(("name", "size"), CASES)
def test_one_game(benchmark: Any, ratios: list[str], name: str, size: Size) -> None:
    if name == "branch-and-bound" and not HAS_SEARCH:
        pytest.skip("this version of the library has no branch-and-bound")
    game = instance(size, SEED)
    search: Callable[..., Any] = methods.SEARCHES[name]
    proposal = benchmark(search, game, LIMIT)
    peer, record = next(
        (peer, record)
        for peer in PEERS
        if peer in methods.available() and (record := measured(peer, game))["status"] == "optimal"
    )
    assert proposal.value == pytest.approx(record["value"], rel=2 * methods.GAP)
    against(benchmark, ratios, f"{size}, {name}", peer, record["seconds"])


@pytest.mark.benchmark(group="batch")
@pytest.mark.parametrize("shape", [(2, 2, 2), (4, 4, 4)], ids=lambda shape: "x".join(map(str, shape)))
def test_batch(benchmark: Any, ratios: list[str], shape: tuple[int, int, int]) -> None:
    R, C, p = batch.games(shape, batch.SHAPES[shape] // 10, SEED)
    found = benchmark(sb.solve_batch, R, C, p, threads=1)

    def looped() -> measure.Record:
        values: list[float] = []
        seconds = batch.fastest(
            lambda: values.extend(batch.loop(R[:LOOPED], C[:LOOPED], p[:LOOPED])), repeats=1
        )
        return {"seconds": seconds / LOOPED, "values": values}

    record = measure.in_child(looped, LIMIT)
    assert found.value[:LOOPED] == pytest.approx(record["values"], rel=1e-6)
    label = f"solve_batch {'x'.join(map(str, shape))}, per game"
    against(benchmark, ratios, label, "a loop over DOBSS on HiGHS", record["seconds"], units=len(R))


@pytest.mark.benchmark(group="two leader actions")
def test_two_leader_actions(benchmark: Any, ratios: list[str]) -> None:
    few, many = (examples.uniform(2, 5, types, [8, types, SEED], integer=False) for types in (20, 1000))
    sweep = methods.SEARCHES["cells"]
    benchmark(sweep, many, LIMIT)
    record = measured("mip-p-g+highs", few)
    assert sweep(few, LIMIT).value == pytest.approx(record["value"], rel=2 * methods.GAP)
    against(benchmark, ratios, "cells, 1,000 types", "mip-p-g+highs on 20 types", record["seconds"])
