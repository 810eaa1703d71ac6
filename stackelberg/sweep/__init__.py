"""Sweeps: one game, named numbers of it varied, one row per point.

``points`` makes the table of points, ``templates`` puts them into games, ``outcomes`` makes rows of results,
``store`` keeps finished chunks as Parquet, and ``run`` shares the chunks out.
"""

from stackelberg.sweep.points import points
from stackelberg.sweep.run import sweep

__all__ = ["points", "sweep"]
