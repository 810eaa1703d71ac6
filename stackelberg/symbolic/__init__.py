"""Games whose payoffs are formulas: reply regions, switching thresholds and comparative statics, with sympy.

>>> import sympy
>>> from stackelberg import symbolic
>>> v, K, q = sympy.symbols("v K q", positive=True)
>>> game = symbolic.SymbolicGame(
...     follower_payoffs=([[K - v, 0], [-v, 0]],),
...     strategy=(q, 1 - q),
...     leader_actions=("monitored", "unmonitored"),
...     follower_actions=("comply", "refuse"),
...     assumptions=(v < K,),
... )
>>> threshold = game.switching_threshold("comply", "refuse", q)
>>> print(threshold)
q at which comply = refuse: v/K
>>> threshold.statics()[["symbol", "sign"]].values.tolist()
[['K', '-'], ['v', '+']]
>>> float(threshold(v=0.3, K=1.2))
0.25
"""

from stackelberg.symbolic.faking import closed_forms, faking_game
from stackelberg.symbolic.formula import Formula
from stackelberg.symbolic.regions import Region, SymbolicGame
from stackelberg.symbolic.signs import Sign, sign_of

__all__ = ["Formula", "Region", "Sign", "SymbolicGame", "closed_forms", "faking_game", "sign_of"]
