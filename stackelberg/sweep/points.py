"""The points of a sweep: axes that cross each other, some of them draws from distributions or from a posterior."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from stackelberg.game import GameError

if TYPE_CHECKING:
    import pandas as pd


def points(
    grid: "Mapping[Any, Any] | pd.DataFrame", *, draws: int | None = None, seed: int = 0
) -> "pd.DataFrame":
    """One row per point, one column per varied name.

    Parameters
    ----------
    grid : mapping or DataFrame
        A frame is taken as it is.  The entries of a mapping are axes, and every combination is a point, the last
        axis fastest:

        * name: values, shape (n,);
        * tuple of names: joint values, shape (n, names), such as draws from a fitted posterior;
        * name: a frozen distribution of :mod:`scipy.stats`.  All distributions together are one axis of ``draws``
          independent draws, in the place of the first of them.
    draws : int, optional
        Number of draws from the distributions.
    seed : int
        Every name draws from a stream of its own, so that another name does not change its draws.

    Raises
    ------
    GameError
        Naming the axis that is wrong.

    Examples
    --------
    >>> points({"monitoring": [0.1, 0.2], ("preference[a]", "preference[b]"): [[1, 2], [3, 4]]})
       monitoring  preference[a]  preference[b]
    0         0.1              1              2
    1         0.1              3              4
    2         0.2              1              2
    3         0.2              3              4
    """
    import pandas as pd

    if isinstance(grid, pd.DataFrame):
        if not grid.columns.is_unique:
            raise GameError(
                f"the points name {list(grid.columns[grid.columns.duplicated()])} twice: drop one"
            )
        return grid.reset_index(drop=True)
    if not grid:
        raise GameError("the grid has no points: name at least one number and its values")
    random = {name: axis for name, axis in grid.items() if hasattr(axis, "rvs")}
    if bool(random) != (draws is not None):
        raise GameError(
            f"{next(iter(random))!r} is a distribution: say how many draws"
            if random
            else "draws are asked for, but no axis is a distribution: drop draws"
        )
    axes: list[pd.DataFrame] = []
    for names, axis in grid.items():
        if names in random:
            if names == next(iter(random)):
                axes.append(_drawn(random, draws or 0, seed))
        elif isinstance(names, tuple):
            axes.append(_joint(names, axis))
        else:
            values = np.asarray(axis)
            if values.ndim != 1:
                raise GameError(f"{names!r} has values of shape {values.shape}: give a list of them")
            axes.append(pd.DataFrame({names: values}))
    seen = [name for axis in axes for name in axis.columns]
    for name in seen:
        if seen.count(name) > 1:
            raise GameError(f"two axes vary {name!r}: drop one")
    for axis in axes:
        if not len(axis):
            raise GameError(f"{axis.columns[0]!r} has no values: give at least one")
    where = np.indices([len(axis) for axis in axes]).reshape(len(axes), -1)
    return pd.DataFrame(
        {
            name: axis[name].to_numpy()[at]
            for axis, at in zip(axes, where, strict=True)
            for name in axis.columns
        }
    )


def _drawn(random: Mapping[str, Any], draws: int, seed: int) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {
            name: np.asarray(law.rvs(size=draws, random_state=np.random.default_rng([seed, *name.encode()])))
            for name, law in random.items()
        }
    )


def _joint(names: tuple[str, ...], axis: Any) -> "pd.DataFrame":
    import pandas as pd

    values = np.asarray(axis)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise GameError(f"the joint axis {names} has shape {values.shape}: it must be (draws, {len(names)})")
    return pd.DataFrame(values, columns=list(names))
