"""One number at a time: over a range (tornado) and at the margin (elasticities)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stackelberg.faking import FakingGame
from stackelberg.faking.numbers import require_name
from stackelberg.faking.thresholds import belief_threshold
from stackelberg.game import BayesianStackelbergGame, GameError
from stackelberg.solve import solve
from stackelberg.sweep import sweep
from stackelberg.sweep.templates import require_names, template_values

if TYPE_CHECKING:
    import pandas as pd

Game = FakingGame | BayesianStackelbergGame

STEP = 1e-4
"""Relative step of the slopes: large against the 1e-9 of a solver, small against a curve's bends."""
KINK = 1e-2
"""Slopes to the left and right that differ by more than this share of the larger one are a kink."""


def tornado(
    template: Game,
    ranges: Mapping[str, Sequence[float]],
    fn: Callable[..., Any] = solve,
    *,
    outcomes: Sequence[str] = ("value",),
    **options: Any,
) -> "pd.DataFrame":
    """Each number at its low and its high value, the rest as in the template; for :func:`stackelberg.plots.tornado`.

    Parameters
    ----------
    template : FakingGame or BayesianStackelbergGame
    ranges : mapping of str to (low, high)
        By the names of :func:`stackelberg.sweep`.
    fn, **options
        As for :func:`stackelberg.sweep`.
    outcomes : sequence of str
        Columns of the sweep.

    Returns
    -------
    DataFrame
        name, low, high, base (the template's own), and every outcome with suffixes _low, _high, _base; the largest
        swing of the first outcome comes first.

    Raises
    ------
    GameError
        For an unknown name, and where a point fails, with the reason.

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...          sb.FollowerType(name="willing", prior=0.7, preference=-0.5)]
    >>> game = sb.FakingGame(types=types, cues=sb.CuePolicy.free())
    >>> tornado(game, {"deploy_harm": (0.5, 2), "preference[guarding]": (0.2, 0.6)}).round(3)
                       name  low  high  base  value_low  value_high  value_base
    0  preference[guarding]  0.2   0.6   0.4      -0.02       -0.06       -0.04
    1           deploy_harm  0.5   2.0   1.0      -0.04       -0.04       -0.04
    """
    import pandas as pd

    rows = []
    for name, own in own_values(template, ranges).items():
        low, high = (float(end) for end in ranges[name])
        found = finished(sweep(template, {name: [low, high, own]}, fn, **options))
        row: dict[str, Any] = {"name": name, "low": low, "high": high, "base": own}
        for outcome in outcomes:
            values = column(found, outcome).tolist()
            row |= dict(zip((f"{outcome}_low", f"{outcome}_high", f"{outcome}_base"), values, strict=True))
        rows.append(row)
    frame = pd.DataFrame(rows)
    first = outcomes[0]
    swing = (frame[[f"{first}_low", f"{first}_high"]].sub(frame[f"{first}_base"], axis=0)).abs().max(axis=1)
    return frame.iloc[np.argsort(-swing.to_numpy(), kind="stable")].reset_index(drop=True)


def elasticities(
    template: Game,
    names: Iterable[str] | None = None,
    *,
    of: Literal["value", "monitoring_threshold", "belief_threshold"] = "value",
) -> "pd.DataFrame":
    """Per cent by which an outcome moves per per cent of a number, at the template.

    Parameters
    ----------
    template : FakingGame or BayesianStackelbergGame
    names : iterable of str, optional
        By default every single number that is not zero.
    of : {"value", "monitoring_threshold", "belief_threshold"}
        The leader's value at the best commitment, the least monitoring at which a type complies after a cue, or
        the belief v/K at which it is indifferent; the thresholds of a faking game are those of its status quo.

    Returns
    -------
    DataFrame
        outcome, name, base (of the number), outcome_base, slope_below and slope_above (one-sided, in units of the
        outcome per unit of the number; NaN where the game ends), elasticity (of the mean slope; NaN at a kink, where
        the two slopes differ, and where the outcome is 0 or missing).

    Notes
    -----
    The value is piecewise smooth, since the replies at the best commitment change; at a kink there is no one
    elasticity, and both slopes say what happens to either side.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.FakingGame(types=[sb.FollowerType(name="guarding", prior=1.0, preference=0.4, goal_guarding=1.0)])
    >>> found = elasticities(game, ["preference[guarding]", "goal_guarding[guarding]"], of="belief_threshold")
    >>> found[["name", "elasticity"]].round(6).values.tolist()
    [['preference[guarding]', 1.0], ['goal_guarding[guarding]', -1.0]]
    """
    import pandas as pd

    own = template_values(template)
    if names is None:
        names = [name for name, x in own.items() if x != 0 and not any(f"{name}[" in other for other in own)]
    measure = _MEASURES[of]
    if of != "value" and not isinstance(template, FakingGame):
        raise GameError(f"of={of!r} needs a faking game")
    rows = []
    for name, x in own_values(template, names).items():
        step = STEP * (abs(x) or 1.0)
        found = sweep(template, {name: [x - step, x, x + step]}, measure)
        skipped = {name, "status", "message"}
        for outcome in [c for c in found.columns if c not in skipped and (of != "value" or c == "value")]:
            below, at, above = found[outcome].to_numpy(dtype=float)
            slopes = (at - below) / step, (above - at) / step
            rows.append((outcome, name, x, at, *slopes, _elasticity(x, at, *slopes)))
    columns = ["outcome", "name", "base", "outcome_base", "slope_below", "slope_above", "elasticity"]
    return pd.DataFrame(rows, columns=columns)


def _elasticity(x: float, at: float, below: float, above: float) -> float:
    known = [s for s in (below, above) if not np.isnan(s)]
    noise = 1e-8 / STEP / (abs(x) or 1.0)
    if not known or at == 0 or max(known) - min(known) > KINK * max(map(abs, known)) + noise:
        return float("nan")
    return float(np.mean(known) * x / at)


def _monitoring_thresholds(game: FakingGame) -> dict[str, float]:
    frame = game.monitoring_threshold()
    return {
        f"monitoring_threshold[{t}, {c}]": float(q)
        for t, c, q in zip(frame["type"], frame["cue"], frame["monitoring_threshold"], strict=True)
    }


def _belief_thresholds(game: FakingGame) -> dict[str, float]:
    beliefs = belief_threshold(game.parameters("preference"), game.status_quo_incentive())
    return {f"belief_threshold[{t.name}]": float(b) for t, b in zip(game.types, beliefs, strict=True)}


_MEASURES: dict[str, Callable[..., Any]] = {
    "value": solve,
    "monitoring_threshold": _monitoring_thresholds,
    "belief_threshold": _belief_thresholds,
}


def own_values(template: Game, names: Iterable[str]) -> dict[str, float]:
    """The template's own values of names.

    Raises
    ------
    GameError
        For an unknown name, or one that stands for numbers that differ.
    """
    names = list(names)
    if not names:
        raise GameError("no number is named: give at least one")
    require_names(template, names)
    own = template_values(template)
    for name in names:
        if name not in own:
            raise GameError(
                f"{name!r} stands for several numbers that differ: name one, such as "
                f"{next((n for n in own if n.startswith(name + '[')), name + '[...]')!r}"
            )
    return {name: own[name] for name in names}


def finished(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame of a sweep, if no point failed.

    Raises
    ------
    GameError
        Saying how many failed, and why the first.
    """
    failed = ~frame["status"].isin(["ok", "optimal"])
    if failed.any():
        first = frame[failed].iloc[0]
        raise GameError(
            f"{failed.sum():,} of {len(frame):,} points failed, the first since {first['message']}: narrow the ranges"
        )
    return frame


def column(frame: "pd.DataFrame", outcome: str) -> "pd.Series[float]":
    """A numeric outcome of a sweep.

    Raises
    ------
    GameError
        Where there is no such column, with the nearest.
    """
    numeric = {str(name): None for name in frame.columns if frame[name].dtype.kind in "fiub"}
    if outcome not in numeric:
        try:
            require_name(outcome, numeric)
        except GameError as error:
            raise GameError(
                str(error).replace("the game has no number", "the sweep has no numeric column")
            ) from None
    return frame[outcome].astype(float)
