"""A formula as an object: it prints, renders to LaTeX, evaluates fast on arrays and knows its comparative statics."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from numpy.typing import NDArray

from stackelberg.game import GameError
from stackelberg.symbolic.signs import Sign, sign_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Formula:
    """An expression with its meaning and the assumptions under which it holds.

    Attributes
    ----------
    name : str
        What it is, in words.
    expression : sympy expression
    assumptions : tuple of inequalities
        See :func:`stackelberg.symbolic.sign_of`.

    Examples
    --------
    >>> v, K = sympy.symbols("v K", positive=True)
    >>> belief = Formula("belief at which a type is indifferent", v / K, (v < K,))
    >>> belief(v=[0.2, 0.4], K=1.0)
    array([0.2, 0.4])
    >>> belief.latex()
    '\\\\frac{v}{K}'
    """

    name: str
    expression: sympy.Expr
    assumptions: tuple[Any, ...] = ()

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """Its symbols in alphabetical order."""
        return tuple(sorted(self.expression.free_symbols, key=str))

    @cached_property
    def _evaluate(self) -> Any:
        return sympy.lambdify(self.symbols, self.expression, ["scipy", "numpy"])

    def __call__(self, **values: Any) -> NDArray[np.float64]:
        """Its value; numbers or arrays that broadcast, one for each symbol by name.

        Raises
        ------
        GameError
            Where a symbol has no value, or a value no symbol.
        """
        names = {s.name for s in self.symbols}
        if names != values.keys():
            missing, unknown = sorted(names - values.keys()), sorted(values.keys() - names)
            raise GameError(
                f"{self.name}: give a value to each of {sorted(names)}; missing {missing}, unknown {unknown}"
            )
        arrays = [np.asarray(values[s.name], dtype=float) for s in self.symbols]
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        result = np.asarray(self._evaluate(*arrays), dtype=float)
        return result if result.shape == shape else np.broadcast_to(result, shape).copy()

    def derivative(self, symbol: sympy.Symbol) -> "Formula":
        """Its derivative with respect to a symbol."""
        derived = sympy.factor(sympy.together(sympy.diff(self.expression, symbol)))
        return Formula(f"d({self.name})/d({symbol})", derived, self.assumptions)

    def sign(self) -> Sign:
        """Its own sign under its assumptions."""
        return sign_of(self.expression, self.assumptions)

    def statics(self, symbols: Sequence[sympy.Symbol] | None = None) -> "pd.DataFrame":
        """Comparative statics: how it moves with each symbol under its assumptions.

        Returns
        -------
        DataFrame
            symbol, derivative (sympy), sign ("+", "-", "0": proved; "depends": both signs occur; "undecided").
        """
        import pandas as pd

        derivatives = [(s, self.derivative(s)) for s in symbols or self.symbols]
        return pd.DataFrame(
            [(s.name, d.expression, str(d.sign())) for s, d in derivatives],
            columns=["symbol", "derivative", "sign"],
        )

    def latex(self) -> str:
        """The expression in LaTeX."""
        return str(sympy.latex(self.expression))

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __str__(self) -> str:
        return f"{self.name}: {self.expression}"
