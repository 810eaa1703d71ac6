"""Reply regions and switching thresholds of a game whose payoffs and commitment are formulas.

A type's reply a is best where :math:`x^\\top (U_{\\cdot a} - U_{\\cdot b}) \\ge 0` for every other reply b; a switching
threshold is the value of one symbol at which two replies are worth the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy

from stackelberg.game import BayesianStackelbergGame, GameError
from stackelberg.symbolic.formula import Formula
from stackelberg.symbolic.signs import sign_of


@dataclass(frozen=True)
class Region:
    """Where a reply is best: every formula of ``conditions`` is non-negative.

    Attributes
    ----------
    reply : str
    conditions : tuple of Formula
        One for each other reply, in its order: by how much this reply is worth more, in utils.
    """

    reply: str
    conditions: tuple[Formula, ...]

    def contains(self, **values: Any) -> Any:
        """Whether values lie in the region, ties included; numbers or arrays that broadcast."""
        inside: Any = True
        for condition in self.conditions:
            used = {s.name: values[s.name] for s in condition.symbols if s.name in values}
            inside = inside & (condition(**used) >= 0)
        return inside

    def limits(
        self, symbol: sympy.Symbol, against: Sequence[str] | None = None
    ) -> tuple[tuple[Formula, ...], tuple[Formula, ...]]:
        """What bounds a symbol from below and from above in the region, each formula free of the symbol.

        Parameters
        ----------
        symbol : sympy symbol
        against : sequence of str, optional
            The other replies to look at, where the rest are known not to matter; all of them if not given.

        Raises
        ------
        GameError
            Where a condition is not linear in the symbol, or its slope has no certain sign under the assumptions.
        """
        lower: list[Formula] = []
        upper: list[Formula] = []
        for condition in self.conditions:
            if against is not None and condition.name.removeprefix(f"{self.reply} - ") not in against:
                continue
            slope = sympy.simplify(sympy.diff(condition.expression, symbol))
            if slope.is_zero:
                continue
            if slope.has(symbol):
                raise GameError(f"{condition.name} is not linear in {symbol}: solve its condition by hand")
            root = sympy.simplify(sympy.solve(condition.expression, symbol)[0])
            sign = str(sign_of(slope, condition.assumptions))
            if sign not in "+-":
                raise GameError(
                    f"{condition.name} may rise or fall with {symbol} (slope {slope}): state an assumption on it"
                )
            side = lower if sign == "+" else upper
            side.append(Formula(f"{symbol}, {condition.name} = 0", root, condition.assumptions))
        return tuple(lower), tuple(upper)

    def latex(self) -> str:
        """Its conditions in LaTeX."""
        return " \\;\\wedge\\; ".join(f"{c.latex()} \\ge 0" for c in self.conditions)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __str__(self) -> str:
        return f"{self.reply} is best where " + " and ".join(f"{c.expression} >= 0" for c in self.conditions)


@dataclass(frozen=True, kw_only=True)
class SymbolicGame:
    """A Bayesian Stackelberg game at a commitment, both in symbols.

    Attributes
    ----------
    follower_payoffs : tuple of sympy matrices, one a type, each (leader actions, follower actions)
    strategy : tuple of expressions, shape (leader actions,)
        The commitment; its entries sum to one.
    leader_payoffs : tuple of sympy matrices or None
        As the follower's; where None the leader's payoffs are left out.
    prior : tuple of expressions, shape (types,)
    leader_actions, follower_actions, types : tuple of str
    assumptions : tuple of inequalities
        See :func:`stackelberg.symbolic.sign_of`.
    """

    follower_payoffs: Sequence[Any]
    strategy: Sequence[Any]
    leader_payoffs: Sequence[Any] | None = None
    prior: Sequence[Any] = (sympy.Integer(1),)
    leader_actions: Sequence[str] = ()
    follower_actions: Sequence[str] = ()
    types: Sequence[str] = field(default=("follower",))
    assumptions: Sequence[Any] = ()

    def __post_init__(self) -> None:
        own = tuple(map(sympy.ImmutableMatrix, self.follower_payoffs))
        strategy = sympy.ImmutableMatrix([list(self.strategy)])
        leader = (
            None if self.leader_payoffs is None else tuple(map(sympy.ImmutableMatrix, self.leader_payoffs))
        )
        rows, columns = own[0].shape
        for name, tables in (("follower", own), ("leader", leader or ())):
            for label, table in zip(self.types, tables, strict=bool(tables)):
                if table.shape != (rows, columns):
                    raise GameError(
                        f"{name} payoffs of type {label!r} have shape {table.shape}, others {(rows, columns)}"
                    )
        if strategy.shape != (1, rows):
            raise GameError(f"the strategy has {strategy.shape[1]} entries for {rows} leader actions")
        if sympy.simplify(sum(strategy) - 1) != 0:
            raise GameError(f"the strategy sums to {sympy.simplify(sum(strategy))}, not to one")
        if len(own) != len(self.types) or len(own) != len(self.prior):
            raise GameError(
                f"{len(own)} payoff tables, {len(self.prior)} priors and {len(self.types)} types: give one of each"
            )
        settled = {
            "follower_payoffs": own,
            "leader_payoffs": leader,
            "strategy": tuple(strategy),
            "prior": tuple(map(sympy.sympify, self.prior)),
            "leader_actions": tuple(self.leader_actions) or tuple(f"leader action {i}" for i in range(rows)),
            "follower_actions": tuple(self.follower_actions) or tuple(f"reply {j}" for j in range(columns)),
            "types": tuple(self.types),
            "assumptions": tuple(self.assumptions),
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    def _type(self, label: str | None) -> int:
        if label is None and len(self.types) == 1:
            return 0
        if label is None or label not in self.types:
            raise GameError(f"no type {label!r}: choose one of {list(self.types)}")
        return list(self.types).index(label)

    def _reply(self, label: str) -> int:
        if label not in self.follower_actions:
            raise GameError(f"no reply {label!r}: choose one of {list(self.follower_actions)}")
        return list(self.follower_actions).index(label)

    def _expected(self, table: Any, reply: int) -> sympy.Expr:
        return sympy.Add(*(x * table[i, reply] for i, x in enumerate(self.strategy)))

    def follower_value(self, reply: str, type: str | None = None) -> Formula:
        """Expected utils of a reply at the commitment."""
        value = self._expected(self.follower_payoffs[self._type(type)], self._reply(reply))
        return Formula(f"value of {reply}", sympy.simplify(value), tuple(self.assumptions))

    def leader_value(self, replies: dict[str, str] | str) -> Formula:
        """Leader's expected utils if each type replies as told, ``{type: reply}`` or one reply for all.

        Raises
        ------
        GameError
            If the game has no leader payoffs.
        """
        if self.leader_payoffs is None:
            raise GameError("the game has no leader payoffs: give leader_payoffs")
        told = dict.fromkeys(self.types, replies) if isinstance(replies, str) else replies
        value = sympy.Add(
            *(
                share * self._expected(table, self._reply(told[label]))
                for label, share, table in zip(self.types, self.prior, self.leader_payoffs, strict=True)
            )
        )
        return Formula("leader's value", sympy.simplify(value), tuple(self.assumptions))

    def reply_region(self, reply: str, type: str | None = None) -> Region:
        """Where a reply is a best reply."""
        table, own = self.follower_payoffs[self._type(type)], self._reply(reply)
        conditions = [
            Formula(
                f"{reply} - {other}",
                sympy.simplify(self._expected(table, own) - self._expected(table, j)),
                tuple(self.assumptions),
            )
            for j, other in enumerate(self.follower_actions)
            if j != own
        ]
        return Region(reply, tuple(conditions))

    def switching_threshold(
        self, reply: str, other: str, symbol: sympy.Symbol, type: str | None = None
    ) -> Formula:
        """The value of a symbol at which two replies are worth the same.

        Raises
        ------
        GameError
            Where there is none or more than one.
        """
        table = self.follower_payoffs[self._type(type)]
        lead = self._expected(table, self._reply(reply)) - self._expected(table, self._reply(other))
        roots = sympy.solve(sympy.together(lead), symbol)
        if len(roots) != 1:
            raise GameError(
                f"{reply} and {other} are worth the same at {len(roots)} values of {symbol}: {roots}"
            )
        return Formula(
            f"{symbol} at which {reply} = {other}", sympy.simplify(roots[0]), tuple(self.assumptions)
        )

    def evaluate(self, **values: float) -> tuple[BayesianStackelbergGame, np.ndarray]:
        """The game in numbers and the commitment, shape (leader actions,), at values of all its symbols.

        Raises
        ------
        GameError
            Naming the symbols that have no value.
        """
        point = {name: sympy.Float(value) for name, value in values.items()}

        def number(expression: Any) -> float:
            filled = expression.xreplace(
                {s: point[s.name] for s in expression.free_symbols if s.name in point}
            )
            if filled.free_symbols:
                raise GameError(f"give a value to {sorted(s.name for s in filled.free_symbols)}")
            return float(filled)

        def tables(matrices: Any) -> np.ndarray:
            return np.array(
                [[[number(e) for e in table.row(i)] for i in range(table.rows)] for table in matrices]
            )

        own = tables(self.follower_payoffs)
        leader = np.zeros_like(own) if self.leader_payoffs is None else tables(self.leader_payoffs)
        game = BayesianStackelbergGame(
            leader,
            own,
            [number(p) for p in self.prior],
            leader_actions=list(self.leader_actions),
            follower_actions=list(self.follower_actions),
            types=list(self.types),
        )
        return game, np.array([number(x) for x in self.strategy])
