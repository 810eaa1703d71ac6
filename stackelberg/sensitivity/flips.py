"""Robustness: how far one number must move, the rest held, before a predicted reply flips.

At the status quo what a plan is worth to a type is a straight line in almost every number (preference, stakes,
monitoring share, cue probabilities, plan cost), so a reply flips where two lines cross, and the next crossing is
exact.  Where it is not (a cue sharpness other than one), flips are bracketed on a grid and bisected.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stackelberg.faking import FakingGame
from stackelberg.faking.normal_form import plan_labels
from stackelberg.faking.numbers import NOT_NEGATIVE, TYPE_NUMBERS, number_places
from stackelberg.faking.stacked import StackedGames
from stackelberg.sensitivity.local import own_values
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
        number's units), flips ("both ways", "above", "below", or "never" with the range that was looked at).  Sorted
        by type and move; numbers that flip nothing come last.  A number of one type has a row for that type alone,
        since no other's reply depends on it.

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
    >>> found[["name", "base", "flip_below", "plan_below", "flip_above", "flips"]].round(6).values.tolist()
    ... # doctest: +NORMALIZE_WHITESPACE
    [['preference[guarding]', 0.4, 0.2, 'comply/comply', 0.8, 'both ways'],
     ['informativeness', 0.6, 0.2, 'comply/comply', nan, 'below']]
    """
    import pandas as pd

    places = number_places(game)
    if names is None:
        single = template_values(game)
        names = [
            name
            for name, (group, place) in places.items()
            if group in REPLY_NUMBERS and slice(None) not in place and name in single
        ]
    labels = plan_labels(len(game.cues.cues))
    rows = []
    for name, base in own_values(game, names).items():
        group, place = places[name]
        low, high = _domain(name, group)
        plans, flips = _reply_flips(game, name, base, low, high)
        for t, member in enumerate(game.types):
            if group in TYPE_NUMBERS and place not in ((t,), (slice(None),)):
                continue  # another type's
            (below, to_below), (above, to_above) = flips[t]
            move = float(np.fmin(base - below, above - base))
            changed = [labels[to] if to >= 0 else None for to in (to_below, to_above)]
            ways = _ways(below, above, low, high)
            row = (
                member.name,
                labels[plans[t]],
                name,
                base,
                below,
                changed[0],
                above,
                changed[1],
                move,
                ways,
            )
            rows.append(row)
    columns = ["type", "plan", "name", "base", "flip_below", "plan_below", "flip_above", "plan_above"]
    columns += ["move", "flips"]
    frame = pd.DataFrame(rows, columns=columns)
    order = {t.name: k for k, t in enumerate(game.types)}
    frame = frame.assign(order=frame["type"].map(order)).sort_values(["order", "move"], kind="stable")
    return frame.drop(columns="order").reset_index(drop=True)


def _ways(below: float, above: float, low: float, high: float) -> str:
    """On which sides a reply flips; where on none, the range that was looked at."""
    if not np.isnan([below, above]).all():
        return "above" if np.isnan(below) else "below" if np.isnan(above) else "both ways"
    if np.isfinite(high):
        return f"never from {low:g} to {high:g}"
    return f"never from {low:g} on" if np.isfinite(low) else "never"


def _domain(name: str, group: str) -> tuple[float, float]:
    if name == "informativeness" or group in PROBABILITIES:
        return 0.0, 1.0
    return (0.0 if group in NOT_NEGATIVE else -np.inf), np.inf


def _reply_flips(
    game: FakingGame, name: str, base: float, low: float, high: float
) -> tuple[NDArray[np.int64], list[list[tuple[float, int]]]]:
    """Plans at the base, and for each type the next flip below and above with the plan that it flips to, or -1."""
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
    return (near if exact else far) + 0.0, plan  # no minus zero
