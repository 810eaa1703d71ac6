"""Many faking games that differ in numbers only: the normal form of all of them at once.

The vectorised twin of :mod:`stackelberg.faking.normal_form`, with a leading axis of points.  A number that no
point varies keeps an axis of length 1, so that one row serves all.  ``game(point)`` is the same game as an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackelberg.faking import belief
from stackelberg.faking.game import CuePolicy, FakingGame
from stackelberg.faking.normal_form import all_plans, cue_vertices
from stackelberg.faking.numbers import (
    COST_NUMBERS,
    METHOD_NUMBERS,
    NOT_NEGATIVE,
    SHARES,
    TYPE_NUMBERS,
    varied_numbers,
)
from stackelberg.game import PRIOR_TOLERANCE, GameError
from stackelberg.response import TIE_TOLERANCE, break_ties

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StackedGames:
    """Faking games that differ from a template in named numbers.

    Attributes
    ----------
    template : FakingGame
    numbers : mapping of str to ndarray, shape (points or 1, ...)
        By the names of the fields of :class:`FollowerType`, :class:`Method` and :class:`LeaderCosts` (one entry
        per type or method), and ``monitoring``, ``budget``, ``method_mix``, ``cue`` (state, cue), ``cue_cost``.
    count : int
        Number of points.
    """

    template: FakingGame
    numbers: Mapping[str, Floats]
    count: int

    @classmethod
    def of(cls, template: FakingGame, columns: Mapping[str, ArrayLike]) -> "StackedGames":
        """Vary the named numbers of a template; see :func:`stackelberg.faking.numbers.varied_numbers`."""
        count = len(np.asarray(next(iter(columns.values())))) if columns else 1
        return cls(template, varied_numbers(template, columns, count), count)

    def rows(self, start: int, stop: int) -> "StackedGames":
        """The points from ``start`` to before ``stop``."""
        part = {name: a if len(a) == 1 else a[start:stop] for name, a in self.numbers.items()}
        return StackedGames(self.template, part, stop - start)

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "StackedGames":
        """The points of a mask or of indices."""
        part = {name: a if len(a) == 1 else a[which] for name, a in self.numbers.items()}
        return StackedGames(self.template, part, int(np.arange(self.count)[which].size))

    def game(self, point: int) -> FakingGame:
        """One point as a :class:`FakingGame`.

        Raises
        ------
        GameError
            Naming the number that no game may have.
        """
        at = {name: a[point if len(a) > 1 else 0] for name, a in self.numbers.items()}
        old = self.template

        def own(names: tuple[str, ...], i: int) -> dict[str, Any]:
            return {name: float(at[name][i]) for name in names}

        types = [replace(t, **own(TYPE_NUMBERS, i)) for i, t in enumerate(old.types)]
        methods = [replace(m, **own(METHOD_NUMBERS, i)) for i, m in enumerate(old.methods)]
        return FakingGame(
            types=types,
            methods=methods,
            cues=(
                CuePolicy.free(old.cues.caps, old.cues.cues, at["cue_cost"])
                if old.cues.probabilities is None
                else CuePolicy.fixed(at["cue"], old.cues.cues, at["cue_cost"])
            ),
            monitoring=float(at["monitoring"]),
            budget=float(at["budget"]),
            costs=replace(old.costs, **{name: float(at[name]) for name in COST_NUMBERS}),
            method_mix=at["method_mix"],
        )

    def is_game(self, *, bayesian: bool = True) -> NDArray[np.bool_]:
        """Whether a point is a game, with a normal form where ``bayesian``, shape (points,).

        Never true where ``game`` would raise.
        """
        good = np.ones(self.count, dtype=bool)
        with np.errstate(invalid="ignore"):
            for name, values in self.numbers.items():
                flat = values.reshape(len(values), -1)
                fine = np.isfinite(flat).all(axis=1)
                if name in NOT_NEGATIVE:
                    fine &= (flat >= 0).all(axis=1)
                if name in ("cue", "monitoring", "budget"):
                    fine &= (flat <= 1).all(axis=1)
                if name in SHARES:  # half the tolerance, since sums may round otherwise
                    apart = np.abs(values.sum(axis=-1) - 1).reshape(len(values), -1)
                    fine &= (apart <= PRIOR_TOLERANCE / 2).all(axis=1)
                if name == "cue_sharpness" and bayesian:
                    fine &= (flat == 1).all(axis=1)
                good &= fine
        return good

    def incentives(self) -> Floats:
        """Incentive to comply where monitored, in utils, shape (points or 1, types, methods)."""
        at = self.numbers
        return at["goal_guarding"][:, :, None] * at["modification"][:, None] + at["sycophancy"][:, :, None]

    def tensors(self) -> tuple[Floats, Floats]:
        """Leader and follower payoffs, each (points or 1, types, actions, plans).

        Actions are (method, state, cue), in this order.  The leader's have one entry for all types where the types
        make no difference to them.
        """
        at, old = self.numbers, self.template
        cues, methods = len(old.cues.cues), len(old.methods)
        plans = all_plans(cues)
        contingent = plans.any(axis=1) & ~plans.all(axis=1)
        cue = np.tile(np.arange(cues), 2 * methods)
        complies = plans[:, cue].T  # (actions, plans)
        monitored = np.tile(np.repeat([1.0, 0.0], cues), methods)
        method = np.repeat(np.arange(methods), 2 * cues)
        gain = monitored * self.incentives()[:, :, method] - at["preference"][:, :, None]
        follower = gain[..., None] * complies - at["plan_cost"][:, :, None, None] * contingent
        refused = np.where(
            monitored, (at["train_disagreement"] - at["refusal_value"])[:, None], at["deploy_harm"][:, None]
        )
        paid = -at["monitoring_cost"][:, None] * monitored - at["cue_cost"][:, cue]
        leader = (paid[:, :, None] - np.where(complies, 0.0, refused[:, :, None]))[:, None]
        if at["cost"].any() or at["training_value"].any():
            refusing, complying = at["modification"] + at["complied_change"], at["complied_change"]
            changed = np.where(complies, complying[:, method, None], refusing[:, method, None])
            unwilling = (at["preference"] > 0)[..., None, None]
            worth = at["training_value"][:, None, None, None] * unwilling * changed[:, None]
            leader = leader + monitored[:, None] * (worth - at["cost"][:, None, method, None])
        return leader, follower

    def vertices(self) -> Floats:
        """Vertices of the leader's polytope, shape (points or 1, vertices, actions), distinct ones.

        Raises
        ------
        ValueError
            Where budgets of 0, of 1 and between come together: the number of vertices would differ.
        """
        return self._mixed(*(self._on_generators(np.eye(self._actions())[None], state) for state in (0, 1)))

    def reduced(self) -> tuple[Floats, Floats, Floats]:
        """Payoffs and priors of the reduced games, as :func:`stackelberg.solve_batch` takes them.

        Returns
        -------
        leader, follower : ndarray, shape (points, types, vertices, plans)
        prior : ndarray, shape (points, types)
        """
        leader, follower = self.tensors()
        leader = self._mixed(*(self._on_generators(leader, state) for state in (0, 1)))
        follower = self._mixed(*(self._on_generators(follower, state) for state in (0, 1)))
        shape = (self.count, len(self.template.types), *leader.shape[2:])
        return (
            np.broadcast_to(leader, shape),
            np.broadcast_to(follower, shape),
            np.broadcast_to(self.numbers["prior"], shape[:2]),
        )

    def _actions(self) -> int:
        return len(self.template.methods) * 2 * len(self.template.cues.cues)

    def _on_generators(self, values: Floats, state: int) -> Floats:
        """Mean of values, shape (points or 1, ..., actions, columns), over the cues of each generator of a state.

        A generator is a method with a vertex of its cue distributions; unmonitored, where methods change nothing, the
        first method stands for all.  Returns (..., generators, columns).
        """
        old, cues = self.template, len(self.template.cues.cues)
        *lead, _, columns = values.shape
        own = values.reshape(*lead, len(old.methods), 2, cues, columns)[..., state, :, :]
        own = own if state == 0 else own[..., :1, :, :]
        if old.cues.probabilities is not None:
            own = own.swapaxes(0, -1)  # points last, to meet the points of the cues
            mean = sum(own[:, ..., s, :] * self.numbers["cue"][:, state, s] for s in range(cues))
            return np.asarray(mean).swapaxes(0, -1)
        mean = cue_vertices(old, state) @ own  # (..., methods, distributions, columns)
        return mean.reshape(*lead, -1, columns)

    def _mixed(self, monitored: Floats, unmonitored: Floats) -> Floats:
        """Unmonitored generators, then those monitored within the budget beside each unmonitored one."""
        budget = self.numbers["budget"]
        if (budget == 0).all():
            return unmonitored
        if (budget == 1).all():
            return np.concatenate(aligned(unmonitored, monitored), axis=-2)
        if ((budget == 0) | (budget == 1)).any():
            raise ValueError(
                "budgets of 0, of 1 and between have different numbers of vertices: split the points"
            )
        share = budget.reshape(-1, *(1,) * monitored.ndim)
        both = share * monitored[..., :, None, :] + (1 - share) * unmonitored[..., None, :, :]
        both = both.reshape(*both.shape[:-3], -1, both.shape[-1])
        return np.concatenate(aligned(unmonitored, both), axis=-2)

    def beliefs(self) -> Floats:
        """Status-quo belief of being monitored, (points or 1, types, cues); NaN for a cue that is never sent."""
        at = self.numbers
        return belief.posterior(at["monitoring"][:, None], self._cues()[:, None], at["cue_sharpness"])

    def plan_payoffs(self) -> Floats:
        """What each plan is worth to each type at the status quo, in utils, shape (points or 1, types, plans)."""
        at, plans = self.numbers, all_plans(len(self.template.cues.cues))
        contingent = plans.any(axis=1) & ~plans.all(axis=1)
        incentive = np.einsum("btm,bm->bt", *aligned(self.incentives(), at["method_mix"]))
        gain = np.nan_to_num(self.beliefs()) * incentive[..., None] - at["preference"][..., None]
        shares = belief.cue_shares(at["monitoring"], self._cues())
        return (shares[:, None] * gain) @ plans.T - at["plan_cost"][..., None] * contingent

    def status_quo_strategy(self) -> Floats:
        """Status-quo shares of (method, state, cue), shape (points or 1, actions)."""
        at = self.numbers
        states = np.stack([at["monitoring"], 1 - at["monitoring"]], axis=1)
        cues = np.multiply(*aligned(states[:, :, None], self._cues()))
        shares = np.multiply(*aligned(at["method_mix"][:, :, None, None], cues[:, None]))
        return shares.reshape(len(shares), -1)

    def status_quo_plans(self) -> NDArray[np.int64]:
        """Status-quo best reply of every type by the one tie rule, index of its plan, shape (points or 1, types)."""
        at = self.numbers
        worth = np.einsum("bj,btja->bta", *aligned(self.status_quo_strategy(), self.tensors()[0]))
        incentive = np.einsum("btm,bm->bt", *aligned(self.incentives(), at["method_mix"]))
        scale = np.add(*aligned(np.abs(incentive), np.abs(at["preference"])))
        return break_ties(*aligned(self.plan_payoffs(), worth), TIE_TOLERANCE * scale)

    def _cues(self) -> Floats:
        if "cue" not in self.numbers:
            raise GameError("the status quo needs fixed cues and these are free: give CuePolicy.fixed(...)")
        return self.numbers["cue"]


def aligned(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Both with as many points as the longer one."""
    points = max(len(first), len(second))
    return (
        np.broadcast_to(first, (points, *first.shape[1:])),
        np.broadcast_to(second, (points, *second.shape[1:])),
    )
