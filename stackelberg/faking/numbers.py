"""The numbers of a faking game by name, and many games' worth of them: ``preference[guarding]``, ``monitoring``, ...

``preference[guarding]`` is one type's, ``preference`` every type's; likewise for methods.  Of priors, of a method
mix and of the cues of one state, those that are not named share the rest in proportion.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackelberg.faking import belief
from stackelberg.faking.game import FakingGame
from stackelberg.game import GameError

Floats = NDArray[np.float64]

TYPE_NUMBERS = (
    "prior",
    "preference",
    "goal_guarding",
    "sycophancy",
    "plan_cost",
    "rationality",
    "cue_sharpness",
)
METHOD_NUMBERS = ("modification", "complied_change", "cost")
COST_NUMBERS = ("deploy_harm", "train_disagreement", "refusal_value", "monitoring_cost", "training_value")
SHARES = ("prior", "method_mix", "cue")
"""Numbers that sum to one: those that a point does not name are rescaled."""
NOT_NEGATIVE = (
    *SHARES,
    "plan_cost",
    "rationality",
    "cue_sharpness",
    "monitoring",
    "budget",
    "monitoring_cost",
)
STATES = ("monitored", "unmonitored")


def number_places(game: FakingGame) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Every name that a sweep may vary, with the array and the place in it that it stands for.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.FakingGame(types=[sb.FollowerType(name="guarding", prior=1.0, preference=0.4, goal_guarding=1.0)])
    >>> number_places(game)["preference[guarding]"]
    ('preference', (0,))
    """
    everywhere = (slice(None),)
    places: dict[str, tuple[str, tuple[Any, ...]]] = {
        name: (name, ()) for name in ("monitoring", "budget", *COST_NUMBERS)
    }
    owners = [m.name for m in game.types], [m.name for m in game.methods]
    for names, members in zip((TYPE_NUMBERS, METHOD_NUMBERS), owners, strict=True):
        for name in names:
            if name not in SHARES and name != "cost":  # every type or method alike
                places[name] = (name, everywhere)
            places |= {f"{name}[{member}]": (name, (i,)) for i, member in enumerate(members)}
    if len(game.methods) > 1:
        places |= {f"method_mix[{m.name}]": ("method_mix", (i,)) for i, m in enumerate(game.methods)}
    for s, cue in enumerate(game.cues.cues):
        places[f"cue_cost[{cue}]"] = ("cue_cost", (s,))
        if game.cues.probabilities is not None:
            places |= {f"cue[{state}, {cue}]": ("cue", (w, s)) for w, state in enumerate(STATES)}
    if game.cues.probabilities is not None and len(game.cues.cues) == 2:
        places["informativeness"] = ("cue", ())
    return places


def template_numbers(game: FakingGame) -> dict[str, Floats]:
    """The numbers of one game by name, each with a leading axis of length 1."""
    numbers = {name: game.parameters(name) for name in TYPE_NUMBERS}
    numbers |= {
        name: np.array([getattr(m, name) for m in game.methods], dtype=float) for name in METHOD_NUMBERS
    }
    numbers |= {name: np.array(getattr(game.costs, name), dtype=float) for name in COST_NUMBERS}
    numbers |= {name: np.array(getattr(game, name), dtype=float) for name in ("monitoring", "budget")}
    numbers |= {"method_mix": game.status_quo_mix(), "cue_cost": game.cues.costs}
    if game.cues.probabilities is not None:
        numbers["cue"] = game.cues.probabilities
    return {name: values[None] for name, values in numbers.items()}


def varied_numbers(template: FakingGame, columns: Mapping[str, ArrayLike], count: int) -> dict[str, Floats]:
    """The template's numbers with the named ones varied, each of shape (count or 1, ...).

    Parameters
    ----------
    template : FakingGame
    columns : mapping of str to array_like, shape (count,)
        Later columns win where two speak of one number.  ``informativeness`` sets all cue probabilities of two
        fixed cues.
    count : int

    Raises
    ------
    GameError
        For a name that the template has no number of, with the nearest that it has.

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name=name, prior=prior, preference=0.4) for name, prior in zip("abc", (0.5, 0.3, 0.2))]
    >>> varied_numbers(sb.FakingGame(types=types), {"prior[a]": [0.0, 0.9]}, 2)["prior"].round(9)
    array([[0.  , 0.6 , 0.4 ],
           [0.9 , 0.06, 0.04]])
    """
    places, numbers = number_places(template), template_numbers(template)
    named = {group: np.zeros(numbers[group].shape[1:], dtype=bool) for group in SHARES if group in numbers}
    varied: set[str] = set()
    for name, column in columns.items():
        require_name(name, places)
        group, place = places[name]
        values = np.asarray(column, dtype=float)
        if group not in varied:
            varied.add(group)
            numbers[group] = np.array(np.broadcast_to(numbers[group], (count, *numbers[group].shape[1:])))
        if name == "informativeness":
            numbers[group][:] = belief.symmetric_cues(values)
            continue
        numbers[group][(slice(None), *place)] = values[:, None] if place == (slice(None),) else values
        if group in named:
            named[group][place] = True
    for group, mask in named.items():
        if mask.any():
            rescale(numbers[group], mask)
    return numbers


def require_name(name: str, known: Mapping[str, Any]) -> None:
    """Raise :class:`GameError` with the nearest known name where ``name`` is not known."""
    if name not in known:
        near = difflib.get_close_matches(name, list(known), 3, 0.4) or list(known)[:3]
        raise GameError(f"the game has no number {name!r}: nearest are {', '.join(map(repr, near))}")


def rescale(values: Floats, named: NDArray[np.bool_]) -> None:
    """Let the shares that are not named divide what is left, in place, along the last axis."""
    if named.ndim == 2:  # one row of cues per state
        for state in range(len(named)):
            if named[state].any():
                rescale(values[:, state], named[state])
        return
    if named.all():
        return
    left = 1 - values[:, named].sum(axis=1, keepdims=True)
    left[np.abs(left) < 1e-12] = 0.0
    others = values[:, ~named]
    total = others.sum(axis=1, keepdims=True)
    even = np.full(others.shape, 1 / others.shape[1])
    values[:, ~named] = left * np.divide(others, total, out=even, where=total > 0)
