"""The sign of a formula under stated assumptions, decided or honestly left open.

Assumptions such as ``0 < v``, ``v < K`` are put into the formula: a symbol with a lower bound becomes the bound plus
a positive slack, one with two bounds a mixture of them with a positive weight.  What is left is a formula in
positive symbols without further conditions, whose sign sympy can often read off its factors.  Where it cannot, random
values either show both signs ("depends") or leave the question open ("undecided"); numbers never prove a sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from stackelberg.game import GameError

TRIALS = 400
"""Random values that look for both signs where algebra does not decide."""


@dataclass(frozen=True)
class Sign:
    """A sign and how it is known.

    Attributes
    ----------
    sign : str
        "+", "-" or "0": proved under the assumptions, in their interior.  "depends": both occur, see ``witnesses``.
        "undecided": neither proved nor refuted.
    witnesses : tuple of dict
        Values of the symbols at which the formula is positive, and at which it is negative; empty where proved.
    """

    sign: str
    witnesses: tuple[dict[str, float], ...] = ()

    def __str__(self) -> str:
        return self.sign


def bounds_of(
    assumptions: Sequence[Any],
) -> dict[sympy.Symbol, tuple[sympy.Expr | None, sympy.Expr | None]]:
    """Lower and upper bound of every symbol that the assumptions bound, each bound given by at most one relation.

    Raises
    ------
    GameError
        For an assumption that does not bound one symbol, and for a second bound of the same side.
    """
    found: dict[sympy.Symbol, list[sympy.Expr | None]] = {}
    for relation in (
        _relation(a) for a in assumptions if a is not sympy.true
    ):  # such as 0 < v for positive v
        low, high = relation.lts, relation.gts
        lower, upper = (high, 0, low), (low, 1, high)
        # "v < K" bounds v from above where K is known to be positive, otherwise K from below
        keeps_sign = not low.is_nonnegative or high.is_positive
        for symbol, side, bound in (upper, lower) if keeps_sign else (lower, upper):
            if (
                symbol.is_Symbol
                and found.get(symbol, [None, None])[side] is None
                and not _uses(found, bound, symbol)
            ):
                found.setdefault(symbol, [None, None])[side] = bound
                break
        else:
            raise GameError(
                f"assumption {relation} adds a second bound, or bounds no single symbol: write each assumption as "
                "symbol < bound, with one lower and one upper bound a symbol"
            )
    return {symbol: (low, high) for symbol, (low, high) in found.items()}


def _relation(assumption: Any) -> Any:
    if not isinstance(assumption, sympy.core.relational._Inequality):
        raise GameError(f"assumption {assumption} is not an inequality between formulas such as v < K")
    return assumption


def _uses(
    found: dict[sympy.Symbol, list[sympy.Expr | None]], expression: sympy.Expr, symbol: sympy.Symbol
) -> bool:
    """Whether the bounds behind an expression lead back to the symbol."""
    pending, seen = set(expression.free_symbols), set()
    while pending:
        current = pending.pop()
        if current == symbol:
            return True
        seen.add(current)
        for bound in found.get(current, ()):
            pending |= (bound.free_symbols if bound is not None else set()) - seen
    return False


def in_slacks(
    expression: sympy.Expr, assumptions: Sequence[Any]
) -> tuple[sympy.Expr, dict[sympy.Symbol, sympy.Expr]]:
    """The expression in positive slacks, and what each bounded symbol became.

    Raises
    ------
    GameError
        Where the bounds of a symbol may contradict each other.
    """
    bounds = bounds_of(assumptions)
    became: dict[sympy.Symbol, sympy.Expr] = {}

    def inside(symbol: sympy.Symbol) -> sympy.Expr:
        if symbol not in became:
            low, high = (
                None
                if bound is None
                else bound.xreplace({s: inside(s) for s in bound.free_symbols if s in bounds})
                for bound in bounds[symbol]
            )
            low = sympy.Integer(0) if low is None and symbol.is_nonnegative else low
            slack = sympy.Symbol(f"slack_{symbol.name}", positive=True)
            if low is not None and high is not None:
                if not _decided(sympy.factor(sympy.together(high - low))) == "+":
                    raise GameError(
                        f"cannot see that the bounds of {symbol} leave room: {low} < {symbol} < {high}"
                    )
                became[symbol] = (low + high * slack) / (1 + slack)
            else:
                became[symbol] = low + slack if high is None else high - slack
        return became[symbol]

    for symbol in sorted(bounds, key=str):
        inside(symbol)
    return expression.xreplace(became), became


def sign_of(expression: sympy.Expr, assumptions: Sequence[Any] = (), *, seed: int = 0) -> Sign:
    """The sign of an expression wherever the assumptions hold strictly.

    Parameters
    ----------
    expression : sympy expression
    assumptions : sequence of inequalities
        Such as ``v < K``, one lower and one upper bound a symbol; assumptions of the symbols themselves
        (``positive=True``) hold too.
    seed : int
        Of the random values that look for both signs where algebra does not decide.

    Returns
    -------
    Sign

    Raises
    ------
    GameError
        For assumptions of another form.

    Examples
    --------
    >>> K, v = sympy.symbols("K v", positive=True)
    >>> str(sign_of(v - K, (v < K,))), str(sign_of(K - 2 * v, (v < K,)))
    ('-', 'depends')
    """
    loose, became = in_slacks(sympy.sympify(expression), assumptions)
    reduced = sympy.factor(sympy.together(loose))
    if reduced.is_zero:
        return Sign("0")
    decided = _decided(reduced)
    if not decided and not reduced.is_rational_function():
        decided = _decided(sympy.factor(sympy.simplify(reduced)))
    return Sign(decided) if decided else _by_trial(loose, became, seed)


def _decided(expression: sympy.Expr) -> str:
    if expression.is_zero:
        return "0"
    positive = 1
    for factor in sympy.Mul.make_args(expression):
        if factor.is_positive or sympy.expand(factor).is_positive:
            continue
        if factor.is_negative or sympy.expand(factor).is_negative:
            positive = -positive
            continue
        return ""
    return "+" if positive > 0 else "-"


def _by_trial(loose: sympy.Expr, became: dict[sympy.Symbol, sympy.Expr], seed: int) -> Sign:
    symbols = sorted(loose.free_symbols, key=str)
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0.0, 2.0, (TRIALS, len(symbols)))
    signed = np.array([not s.is_nonnegative for s in symbols])
    values[:, signed] = rng.normal(0.0, 2.0, (TRIALS, int(signed.sum())))
    evaluate = sympy.lambdify(symbols, loose, "numpy")
    with np.errstate(all="ignore"):
        results = np.broadcast_to(np.asarray(evaluate(*values.T), dtype=float), TRIALS)
    scale = np.nanmax(np.abs(results), initial=0.0)
    above, below = np.flatnonzero(results > 1e-9 * scale), np.flatnonzero(results < -1e-9 * scale)
    if not above.size or not below.size:
        return Sign("undecided")
    return Sign("depends", tuple(_witness(symbols, values[i[0]], became) for i in (above, below)))


def _witness(
    symbols: list[sympy.Symbol], values: Any, became: dict[sympy.Symbol, sympy.Expr]
) -> dict[str, float]:
    point = dict(zip(symbols, map(float, values), strict=True))
    free = {s.name: value for s, value in point.items() if not s.name.startswith("slack_")}
    return free | {
        s.name: float(e.xreplace(point)) for s, e in became.items() if not e.xreplace(point).free_symbols
    }
