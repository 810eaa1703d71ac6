"""Conclusions from a sweep: how far one number must move, the rest held, before what is concluded changes.

Any label, number or truth value per point is a conclusion.  Changes are bracketed on a grid, which is refined where
the conclusion changes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.sensitivity.local import Game, finished, own_values
from stackelberg.solve import solve
from stackelberg.sweep import sweep

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SECTIONS = 33
"""Points into which a bracket is cut at a time, so that a whole batch is solved at once."""


def conclusion_flips(
    template: Game,
    ranges: Mapping[str, Sequence[float]],
    conclude: "Callable[[pd.DataFrame], Any]",
    fn: Callable[..., Any] = solve,
    *,
    points: int = 201,
    **options: Any,
) -> "pd.DataFrame":
    """How far each number must move, within its range, before a conclusion from a sweep changes.

    Parameters
    ----------
    template : FakingGame or BayesianStackelbergGame
    ranges : mapping of str to (low, high)
        Where to look; they must hold the template's own value.
    conclude : callable
        From the frame of a sweep to one label, number or truth value per row, such as
        ``lambda frame: frame["faking_share"] == 0``.
    fn, **options
        As for :func:`stackelberg.sweep`.
    points : int
        Of the grid that brackets the flips; windows narrower than its spacing can be missed.

    Returns
    -------
    DataFrame
        name, base, conclusion, flip_below, conclusion_below, flip_above, conclusion_above; NaN and None where the
        conclusion holds up to the end of the range.  A flip is known to a millionth of the range.

    Raises
    ------
    GameError
        Where a point fails.

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...          sb.FollowerType(name="willing", prior=0.7, preference=-0.5)]
    >>> game = sb.FakingGame(types=types, cues=sb.CuePolicy.free())
    >>> monitors = lambda frame: frame["monitoring_chosen"] > 0
    >>> found = conclusion_flips(game, {"monitoring_cost": (0.05, 2.0)}, monitors, points=20)
    >>> found[["base", "flip_below", "flip_above", "conclusion_above"]].round(4).values.tolist()
    [[0.1, nan, 0.75, False]]
    """
    import pandas as pd

    def labels(name: str, values: Floats) -> list[Any]:
        return list(np.asarray(conclude(finished(sweep(template, {name: values}, fn, **options)))).tolist())

    rows = []
    for name, base in own_values(template, ranges).items():
        low, high = (float(end) for end in ranges[name])
        own = labels(name, np.array([base]))[0]
        row: dict[str, Any] = {"name": name, "base": base, "conclusion": own}
        for side, end in (("below", min(low, base)), ("above", max(high, base))):
            flip, other = _bracketed(partial(labels, name), own, base, end, points, 1e-6 * (high - low))
            row |= {f"flip_{side}": flip, f"conclusion_{side}": other}
        rows.append(row)
    return pd.DataFrame(rows)


def _bracketed(
    labels: Callable[[Floats], list[Any]], own: Any, base: float, end: float, points: int, width: float
) -> tuple[float, Any]:
    """First value from the base to the end at which the label is another, and that label."""
    if base == end:
        return np.nan, None
    near, far, count = base, end, points
    other = None
    while True:
        values = np.linspace(near, far, count)[1:]
        found = labels(values)
        changed = [k for k, label in enumerate(found) if label != own]
        if not changed:
            return (np.nan, None) if other is None else (far, other)
        k = changed[0]
        other, far = found[k], float(values[k])
        near = float(values[k - 1]) if k else near
        if abs(far - near) <= width:
            return far, other
        count = SECTIONS
