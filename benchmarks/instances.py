"""The seeded instances of every benchmark: families by name, sizes by row of the table.

Seeds are spelt as sequences (family number, sizes, seed), so an instance depends on nothing but its name.
Seeds 1000 to 1004 are the benchmark's; nothing was tuned on them.
"""

from dataclasses import dataclass

import numpy as np

from stackelberg import examples
from stackelberg.faking import CuePolicy, FakingGame, FollowerType, LeaderCosts
from stackelberg.game import BayesianStackelbergGame

SEEDS = (1000, 1001, 1002, 1003, 1004)


@dataclass(frozen=True)
class Size:
    """One size of one family; patrols and security sets follow from the number of follower actions."""

    family: str
    leader_actions: int
    follower_actions: int
    types: int

    def __str__(self) -> str:
        return f"{self.family} {self.leader_actions}x{self.follower_actions}x{self.types}"


def instance(size: Size, seed: int) -> BayesianStackelbergGame:
    """The instance of a size and seed."""
    m, n, types = size.leader_actions, size.follower_actions, size.types
    family, _, parameter = size.family.partition(" ")
    if family == "uniform":
        return examples.uniform(m, n, types, [1, m, n, types, seed])
    if family == "degenerate":
        return examples.uniform(m, n, types, [3, m, n, types, seed], high=2)
    if family == "covariant":
        correlation = float(parameter or -0.5)
        stream = [4, m, n, types, seed, round(1000 * (correlation + 1))]
        return examples.covariant(m, n, types, stream, correlation=correlation)
    if family == "patrol":
        return examples.patrol(n, types, [5, n, 2, types, seed])
    if family == "security":
        return examples.security(n, types, [6, n, 2, types, seed])
    if family == "faking":
        return faking(types, [9, types, seed])
    raise ValueError(f"unknown family {size.family!r}")


def faking(types: int, seed: examples.Seed) -> BayesianStackelbergGame:
    """A faking game in normal form: hidden types that differ in every parameter, two cues, one method."""
    rng = np.random.default_rng(seed)
    weights = rng.random(types) + 0.2
    followers = [
        FollowerType(
            name=f"type {l}",
            prior=weight,
            preference=rng.normal(0.2, 0.5),
            goal_guarding=rng.uniform(0, 2),
            sycophancy=rng.uniform(0, 0.3),
            plan_cost=rng.uniform(0, 0.05),
        )
        for l, weight in enumerate(weights / weights.sum())
    ]
    costs = LeaderCosts(
        deploy_harm=rng.uniform(0.5, 1.5),
        train_disagreement=rng.uniform(0, 1),
        refusal_value=rng.uniform(0, 0.5),
        monitoring_cost=rng.uniform(0.02, 0.3),
    )
    cues = CuePolicy.informative(rng.uniform(0.3, 1))
    return FakingGame(types=followers, cues=cues, monitoring=0.2, costs=costs).to_game()


SQUARE = ((5, 5, 8), (10, 10, 8), (10, 10, 10))
ROWS: dict[str, tuple[Size, ...]] = {
    "uniform and covariant": tuple(Size(f, *s) for f in ("uniform", "covariant -0.5") for s in SQUARE),
    "20 × 20": tuple(Size(f, 20, 20, types) for f in ("uniform", "covariant -0.5") for types in (2, 4)),
    "patrol": tuple(Size("patrol", 20, 5, types) for types in (4, 10, 20)),
    "security": tuple(Size("security", 28, 8, types) for types in (4, 8)),
}
"""Rows of the table of ratios, each with its sizes."""

SMOKE: dict[str, tuple[Size, ...]] = {
    "uniform and covariant": (Size("uniform", 3, 3, 2), Size("covariant -0.5", 3, 3, 3)),
    "two leader actions": (Size("uniform", 2, 4, 4),),
    "patrol": (Size("patrol", 6, 3, 2),),
    "security": (Size("security", 3, 3, 2),),
}
"""Tiny sizes, to see that everything runs."""
