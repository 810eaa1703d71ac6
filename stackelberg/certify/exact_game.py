"""A game in rationals: values, replies and the best commitment of a reply profile, without rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from stackelberg.certify.rational import Vector, dot, exact, fraction, vertex_optimum
from stackelberg.game import BayesianStackelbergGame


@dataclass(frozen=True)
class Solution:
    """Exact optimum of one profile's linear program, with the multipliers that prove it."""

    replies: list[int]
    x: Vector
    value: Fraction
    multipliers: dict[Any, Any]


@dataclass(frozen=True)
class ExactGame:
    """A game in rationals: lists of fmpq, (type, follower action) -> vector over leader actions."""

    game: BayesianStackelbergGame
    prior: Vector
    leader: list[list[Vector]]
    follower: list[list[Vector]]
    rows: int

    @classmethod
    def of(cls, game: BayesianStackelbergGame) -> "ExactGame":
        """A game's floats, taken as given."""
        tables = [game.payoffs(l) for l in range(game.shape[0])]
        return cls(
            game,
            exact(game.prior),
            [[exact(column) for column in R.T] for R, _ in tables],
            [[exact(column) for column in C.T] for _, C in tables],
            game.shape[1],
        )

    def value(self, x: Vector, replies: Sequence[int]) -> Fraction:
        """The leader's expected payoff."""
        terms = (p * dot(R[j], x) for p, R, j in zip(self.prior, self.leader, replies, strict=True))
        return fraction(sum(terms, fmpq(0)))

    def best_replies(self, x: Vector) -> list[int]:
        """Best replies at x; exact ties go to the leader, then to the first, as SSE is defined."""
        chosen = []
        for R, C in zip(self.leader, self.follower, strict=True):
            own = [dot(column, x) for column in C]
            tied = [j for j, value in enumerate(own) if value == max(own)]
            chosen.append(max(tied, key=lambda j: (dot(R[j], x), -j)))
        return chosen

    def reply_gaps(self, x: Vector, replies: Sequence[int]) -> tuple[tuple[Fraction, ...], ...]:
        """What each type loses by each other reply."""
        own = [[dot(column, x) for column in C] for C in self.follower]
        return tuple(tuple(fraction(v[j] - other) for other in v) for v, j in zip(own, replies, strict=True))

    def neighbouring_profiles(self, guess: NDArray[np.float64]) -> list[list[int]]:
        """Profiles to try where the proposed one fails: exact best replies at points of X near the guess."""
        points = [exact(np.clip(guess, 0, None))]
        total = sum(points[0], fmpq(0))
        points[0] = [q / total for q in points[0]]
        equalities, inequalities = self.commitment_rows()
        vertex = vertex_optimum(equalities, inequalities, [fmpq(0)] * self.rows, guess)
        if vertex is not None:
            points.append(vertex[0])
        if not self._feasible(points[0], equalities, inequalities):
            points = points[1:]
        return [self.best_replies(x) for x in points]

    @staticmethod
    def _feasible(x: Vector, equalities: list[Any], inequalities: list[Any]) -> bool:
        return all(dot(g, x) == h for _, g, h in equalities) and all(
            dot(g, x) >= h for _, g, h in inequalities
        )

    def commitment_rows(self) -> tuple[list[Any], list[Any]]:
        """Rows (key, coefficients, right-hand side) of X: equalities g x = h and inequalities g x >= h."""
        unit = [[fmpq(int(i == k)) for k in range(self.rows)] for i in range(self.rows)]
        equalities: list[Any] = [(("sum", 0), [fmpq(1)] * self.rows, fmpq(1))]
        inequalities: list[Any] = [(("x", i), unit[i], fmpq(0)) for i in range(self.rows)]
        if (more := self.game.constraints) is not None:
            equalities += [
                (("eq", r), exact(A), exact([b])[0]) for r, (A, b) in enumerate(zip(more.A_eq, more.b_eq))
            ]
            inequalities += [
                (("ub", r), exact(-A), exact([-b])[0]) for r, (A, b) in enumerate(zip(more.A_ub, more.b_ub))
            ]
        return equalities, inequalities

    def solve_profile(self, replies: Sequence[int], guess: NDArray[np.float64]) -> Solution | None:
        """Best exact commitment at which the profile is a best reply; None where there is none."""
        equalities, inequalities = self.commitment_rows()
        for l, (C, j) in enumerate(zip(self.follower, replies, strict=True)):
            inequalities += [
                (("reply", l, k), [a - b for a, b in zip(C[j], C[k], strict=True)], fmpq(0))
                for k in range(len(C))
                if k != j
            ]
        objective = [fmpq(0)] * self.rows
        for p, R, j in zip(self.prior, self.leader, replies, strict=True):
            objective = [c + p * r for c, r in zip(objective, R[j], strict=True)]
        found = vertex_optimum(equalities, inequalities, objective, guess)
        if found is None:
            return None
        x, multipliers = found
        return Solution(list(replies), x, fraction(dot(objective, x)), multipliers)
