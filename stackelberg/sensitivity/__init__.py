"""How much a conclusion owes to each assumption: one at a time, all at once, at the margin, and until it flips.

* :func:`tornado`: each number at its low and its high value, the rest as assumed.
* :func:`sobol`, :func:`morris`: all numbers at once, through SALib (extra ``sensitivity``).
* :func:`elasticities`: per cent of the leader's value, or of a threshold, per per cent of a number.
* :func:`shadow_prices`: what the budget and the other constraints are worth to the leader, from duals.
* :func:`robustness`, :func:`conclusion_flips`: how far a number must move before a reply, or any conclusion, flips.
"""

from stackelberg.sensitivity.conclusions import conclusion_flips
from stackelberg.sensitivity.flips import robustness
from stackelberg.sensitivity.local import elasticities, tornado
from stackelberg.sensitivity.shadow import shadow_prices
from stackelberg.sensitivity.variance import morris, sobol

__all__ = [
    "conclusion_flips",
    "elasticities",
    "morris",
    "robustness",
    "shadow_prices",
    "sobol",
    "tornado",
]
