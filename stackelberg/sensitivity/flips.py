"""Robustness: how far one number must move, the rest held, before a predicted reply or another conclusion flips.

At the status quo what a plan is worth to a type is a straight line in almost every number (preference, stakes,
monitoring share, cue probabilities, plan cost), so a reply flips where two lines cross, and the next crossing is
exact.  Where it is not (a cue sharpness other than one), and for conclusions in general, flips are bracketed on a grid
and bisected.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.faking import FakingGame
from stackelberg.faking.normal_form import plan_labels
from stackelberg.faking.numbers import NOT_NEGATIVE, number_places
from stackelberg.faking.stacked import StackedGames
from stackelberg.sensitivity.local import Game, finished, own_values
from stackelberg.solve import solve
from stackelberg.sweep import sweep
from stackelberg.sweep.templates import template_values

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

PROBABILITIES = ("monitoring", "cue", "method_mix")
UTILS = ("preference", "goal_guarding", "sycophancy", "plan_cost")
REPLY_NUMBERS = (*UTILS, "modification", "cue_sharpness", *PROBABILITIES)
"""What the replies at the status quo depend on."""
DISTANCES = np.geomspace(1e-9, 1e4, 600)
"""Distances from the base at which a reply that is no line is looked at, in units of the base or 1."""
SECTIONS = 33
"""Points into which a bracket is cut at a time, so that a whole batch is solved at once."""


def robustness(game: FakingGame, names: Iterable[str] | None = None) -> "pd.DataFrame":
    """How far each assumption must move before the predicted reply of a type at the status quo flips.

    Parameters
    ----------
    game : FakingGame
        With fixed cues.
    names : iterable of str, optional
        By default every number that the replies depend on, by its single name: ``monitoring``,
        ``preference[TYPE]``, ``cue[STATE, CUE]``, ``informativeness`` where cues are symmetric, ...

    Returns
    -------
    DataFrame
        type, plan (predicted), name, base, flip_below and flip_above (the value at which the reply changes next; NaN
        where it never does), plan_below and plan_above (what it changes to), move (distance to the nearer flip, in the
        number's units).  Sorted by type and move; numbers that flip nothing come last.

    Raises
    ------
    GameError
        For free cues, or a name that the game does not have.

    Notes
    -----
    Flips are exact where plan payoffs are straight lines in the number.  Elsewhere, windows of values
    narrower than a twentieth of their distance from the base can be missed.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.FakingGame(types=[sb.FollowerType(name="guarding", prior=1.0, preference=0.4, goal_guarding=1.0)],
    ...                      cues=sb.CuePolicy.informative(0.6), monitoring=0.5)
    >>> found = robustness(game, ["preference[guarding]", "informativeness"])
    >>> found[["name", "base", "flip_below", "plan_below", "flip_above", "plan_above"]].round(6).values.tolist()
    ... # doctest: +NORMALIZE_WHITESPACE
    [['preference[guarding]', 0.4, 0.2, 'comply/comply', 0.8, 'refuse/refuse'],
     ['informativeness', 0.6, 0.2, 'comply/comply', nan, nan]]
    """
    import pandas as pd

    if names is None:
        places, single = number_places(game), template_values(game)
        names = [
            name
            for name, (group, place) in places.items()
            if group in REPLY_NUMBERS and slice(None) not in place and name in single
        ]
    labels = plan_labels(len(game.cues.cues))
    rows = []
    for name, base in own_values(game, names).items():
        plans, flips = _reply_flips(game, name, base)
        for t, member in enumerate(game.types):
            (below, to_below), (above, to_above) = flips[t]
            move = np.nanmin([base - below, above - base, np.inf])
            rows.append(
                (
                    member.name,
                    labels[plans[t]],
                    name,
                    base,
                    below,
                    labels[to_below] if to_below >= 0 else None,
                    above,
                    labels[to_above] if to_above >= 0 else None,
                    move if np.isfinite(move) else np.nan,
                )
            )
    columns = ["type", "plan", "name", "base", "flip_below", "plan_below", "flip_above", "plan_above", "move"]
    frame = pd.DataFrame(rows, columns=columns)
    order = {t.name: k for k, t in enumerate(game.types)}
    frame = frame.assign(order=frame["type"].map(order)).sort_values(["order", "move"], kind="stable")
    return frame.drop(columns="order").reset_index(drop=True)


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


def _domain(name: str, group: str) -> tuple[float, float]:
    if name == "informativeness" or group in PROBABILITIES:
        return 0.0, 1.0
    return (0.0 if group in NOT_NEGATIVE else -np.inf), np.inf


def _reply_flips(
    game: FakingGame, name: str, base: float
) -> tuple[NDArray[np.int64], list[list[tuple[float, int]]]]:
    """Plans at the base, and for each type the next flip below and above with the plan that it flips to, or -1."""
    low, high = _domain(name, number_places(game)[name][0])
    types = len(game.types)

    def at(values: Floats) -> StackedGames:
        return StackedGames.of(game, {name: values})

    def plans(values: Floats) -> NDArray[np.int64]:
        return np.broadcast_to(at(values).status_quo_plans(), (len(values), types))

    unit = abs(base) or 1.0
    own = plans(np.array([base]))[0]
    ends = max(low, base - unit), min(high, base + unit)
    probes = np.array([ends[0], ends[1], 0.7 * ends[0] + 0.3 * ends[1], 0.2 * ends[0] + 0.8 * ends[1]])
    payoff = np.broadcast_to(worth := at(probes).plan_payoffs(), (4, *worth.shape[1:]))
    slope = (payoff[1] - payoff[0]) / (ends[1] - ends[0])
    expected = payoff[0] + slope * (probes[2:, None, None] - ends[0])
    straight = np.abs(payoff[2:] - expected).max() <= 1e-9 * (1e-300 + np.abs(payoff).max())
    result = []
    for t in range(types):
        if straight:
            knots = _crossings(payoff[0, t] - slope[t] * ends[0], slope[t])
            knots = knots[(knots >= low) & (knots <= high)]
            sides = [
                _beyond(np.append(base, knots[knots < base][::-1]), low, unit),
                _beyond(np.append(base, knots[knots > base]), high, unit),
            ]
        else:
            sides = [_grid(base, low, unit), _grid(base, high, unit)]
        result.append([_first_flip(plans, own[t], t, *side, exact=bool(straight)) for side in sides])
    return own, result


def _crossings(level: Floats, slope: Floats) -> Floats:
    """Where any two of the lines level + slope x cross, ascending; those that only rounding tells apart are one."""
    a, b = np.triu_indices(len(level), 1)
    steeper = slope[a] - slope[b]
    crossing = np.divide(
        level[b] - level[a], steeper, out=np.full(len(a), np.nan), where=np.abs(steeper) > 1e-12
    )
    knots = np.unique(crossing[np.isfinite(crossing)])
    apart = np.diff(knots, prepend=-np.inf) > 1e-9 * (1 + np.abs(knots))
    return knots[apart]


def _beyond(knots: Floats, end: float, unit: float) -> tuple[Floats, Floats]:
    """Values between the knots and past the last one, outwards, and the knot before each."""
    last = end if np.isfinite(end) else knots[-1] + np.sign(end) * unit
    inner = np.append(knots, last)
    between = (inner[:-1] + inner[1:]) / 2
    return between[between != knots], knots[between != knots]


def _grid(base: float, end: float, unit: float) -> tuple[Floats, Floats]:
    reach = abs(end - base)
    steps = DISTANCES * unit
    steps = np.append(steps[steps < reach], reach) if np.isfinite(reach) else steps
    values = base + np.sign(end - base) * steps if reach else np.zeros(0)
    return values, np.append(base, values[:-1]) if len(values) else values


def _first_flip(
    plans: Callable[[Floats], NDArray[np.int64]],
    own: int,
    t: int,
    values: Floats,
    before: Floats,
    *,
    exact: bool,
) -> tuple[float, int]:
    if not len(values):
        return np.nan, -1
    found = plans(values)[:, t]
    changed = np.flatnonzero(found != own)
    if not len(changed):
        return np.nan, -1
    k = changed[0]
    near, far, plan = float(before[k]), float(values[k]), int(found[k])
    while not exact and abs(far - near) > 1e-12 * max(abs(near), abs(far)):
        middle = (near + far) / 2
        if middle in (near, far):
            break
        there = int(plans(np.array([middle]))[0, t])
        near, far, plan = (middle, far, plan) if there == own else (near, middle, there)
    return near if exact else far, plan
