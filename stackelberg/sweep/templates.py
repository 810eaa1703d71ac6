"""Putting points into games: by name into a faking game or into payoffs, or by a function of the point.

A payoff of any game is named ``leader_payoffs[TYPE, LEADER ACTION, FOLLOWER ACTION]``, likewise
``follower_payoffs[...]``, and ``prior[TYPE]``; for a faking game see :mod:`stackelberg.faking.numbers`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.faking import FakingGame, status_quo
from stackelberg.faking.numbers import number_places, require_name, rescale, template_numbers
from stackelberg.faking.stacked import StackedGames
from stackelberg.faking.status_quo import commitment_columns, status_quo_columns
from stackelberg.game import PRIOR_TOLERANCE, BayesianStackelbergGame, GameError
from stackelberg.solve import FEW_PROFILES, solve
from stackelberg.solve_batch import solve_batch

Template = FakingGame | BayesianStackelbergGame | Callable[[dict[str, Any]], Any]
Columns = Mapping[str, NDArray[Any]]
Batch = Callable[[Columns, int | None], tuple[NDArray[np.bool_], dict[str, Any]]]


def payoff_places(game: BayesianStackelbergGame) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Every name that a sweep may vary in a game, with the array and the place in it."""
    places: dict[str, tuple[str, tuple[int, ...]]] = {
        f"prior[{label}]": ("prior", (l,)) for l, label in enumerate(game.types)
    }
    for player in ("leader_payoffs", "follower_payoffs"):
        for l, label in enumerate(game.types):
            for i, row in enumerate(game.leader_actions):
                for j, reply in enumerate(game.follower_actions[l]):
                    places[f"{player}[{label}, {row}, {reply}]"] = (player, (l, i, j))
    return places


def template_values(template: FakingGame | BayesianStackelbergGame) -> dict[str, float]:
    """The template's own number for every name; left out where a name stands for numbers that differ."""
    if isinstance(template, BayesianStackelbergGame):
        return {name: float(getattr(template, a)[at]) for name, (a, at) in payoff_places(template).items()}
    numbers, values = template_numbers(template), {}
    for name, (group, place) in number_places(template).items():
        if name == "informativeness":
            train = numbers[group][0]
            if train[0, 0] >= 0.5 and np.allclose(train, train[::-1, ::-1], rtol=0, atol=1e-15):
                values[name] = float(2 * train[0, 0] - 1)
            continue
        own = np.unique(numbers[group][0][place])
        if own.size == 1:
            values[name] = float(own[0])
    return values


def require_names(template: Template, names: list[str]) -> None:
    """Raise :class:`GameError` for a name that the template does not know, with the nearest."""
    if isinstance(template, FakingGame | BayesianStackelbergGame):
        known = (
            payoff_places(template)
            if isinstance(template, BayesianStackelbergGame)
            else number_places(template)
        )
        for name in names:
            require_name(name, known)


def game_at(template: Template, columns: Columns, point: int) -> Any:
    """The game of one point."""
    if isinstance(template, FakingGame):
        row = {name: values[[point]] for name, values in columns.items()}
        return StackedGames.of(template, row).game(0)
    if isinstance(template, BayesianStackelbergGame):
        R, C, prior = _stacked_payoffs(template, {name: values[[point]] for name, values in columns.items()})
        counts = template.follower_action_counts.tolist()
        return BayesianStackelbergGame(
            [R[0, l, :, :n] for l, n in enumerate(counts)],
            [C[0, l, :, :n] for l, n in enumerate(counts)],
            prior[0],
            leader_actions=template.leader_actions,
            follower_actions=template.follower_actions,
            types=template.types,
            constraints=template.constraints,
            name=template.name,
        )
    return template({name: values[[point]].tolist()[0] for name, values in columns.items()})


def solved_form(template: Template, fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` for games as the template makes them: :func:`stackelberg.solve` takes a faking game reduced."""
    solves = (fn.func if isinstance(fn, partial) else fn) is solve
    if not (solves and isinstance(template, FakingGame)):
        return fn
    return partial(_solve_reduced, fn)


def _solve_reduced(fn: Callable[..., Any], game: FakingGame) -> tuple[Any, dict[str, Any]]:
    """The equilibrium, with the columns that a batch has."""
    equilibrium = fn(game.to_game(reduce=True))
    if not np.isfinite(equilibrium.strategy).all():
        return equilibrium, {}
    columns = commitment_columns(
        StackedGames.of(game, {}), equilibrium.strategy[None], equilibrium.replies[None]
    )
    return equilibrium, {name: values[0] for name, values in columns.items()}


def batch_of(template: Template, fn: Callable[..., Any], wanted: bool | None) -> Batch | None:
    """A function that takes very many points at once, where there is one for this template and ``fn``.

    Raises
    ------
    GameError
        Where a batch is wanted and there is none.
    """
    found: Batch | None = None
    if wanted is False:
        return None
    if isinstance(template, FakingGame):
        profiles = 2.0 ** (len(template.cues.cues) * len(template.types))
        if fn is status_quo:
            found = partial(_status_quo_batch, template)
        elif fn is solve and (wanted or profiles <= FEW_PROFILES):
            found = partial(_faking_batch, template)
    elif isinstance(template, BayesianStackelbergGame) and fn is solve and template.constraints is None:
        profiles = np.prod(template.follower_action_counts.astype(float))
        if wanted or profiles <= FEW_PROFILES or template.shape[1] == 2:
            found = partial(_payoff_batch, template)
    if wanted and found is None:
        raise GameError(
            "batch=True needs fn=solve or fn=status_quo and a faking game, or fn=solve and a game without constraints"
        )
    return found


def _status_quo_batch(
    template: FakingGame, columns: Columns, threads: int | None
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    games = StackedGames.of(template, columns)
    good = games.is_game(bayesian=False)
    return good, status_quo_columns(games.select(good)) if good.any() else {}


def _faking_batch(
    template: FakingGame, columns: Columns, threads: int | None
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Points by whether the budget is 0, 1 or between, which decides on the shape of the reduced game."""
    import pandas as pd

    games = StackedGames.of(template, columns)
    good = games.is_game()
    budget = np.broadcast_to(games.numbers["budget"], games.count)
    parts = []
    for which in (budget == 0, budget == 1, (budget > 0) & (budget < 1)):
        at = np.flatnonzero(which & good)
        if len(at):
            part = games.select(at)
            found = solve_batch(*part.reduced(), threads=threads)
            outcome = {"value": found.value} | commitment_columns(part, found.strategy, found.replies)
            parts.append(pd.DataFrame(outcome, index=at))
    if not parts:
        return good, {}
    whole = pd.concat(parts).sort_index()
    return good, {name: whole[name].array for name in whole.columns}


def _payoff_batch(
    template: BayesianStackelbergGame, columns: Columns, threads: int | None
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    import pandas as pd

    R, C, prior = _stacked_payoffs(template, columns)
    ours = template.is_action[:, None, :]
    good = np.isfinite(np.where(ours, R + C, 0.0)).all(axis=(1, 2, 3)) & (prior >= 0).all(axis=1)
    good &= np.abs(prior.sum(axis=1) - 1) <= PRIOR_TOLERANCE / 2
    if not good.any():
        return good, {}
    found = solve_batch(R[good], C[good], prior[good], threads=threads)
    outcome: dict[str, Any] = {"value": found.value}
    outcome |= {f"strategy[{a}]": found.strategy[:, i] for i, a in enumerate(template.leader_actions)}
    for l, (label, actions) in enumerate(zip(template.types, template.follower_actions, strict=True)):
        outcome[f"reply[{label}]"] = pd.Categorical.from_codes(found.replies[:, l], pd.Index(actions))
    return good, outcome


def _stacked_payoffs(
    template: BayesianStackelbergGame, columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Payoffs of shape (points, types, leader actions, follower actions) and priors (points, types)."""
    count = len(next(iter(columns.values()))) if columns else 1
    arrays = {
        name: np.repeat(getattr(template, name)[None], count, axis=0)
        for name in ("leader_payoffs", "follower_payoffs", "prior")
    }
    places = payoff_places(template)
    named = np.zeros(len(template.prior), dtype=bool)
    for name, values in columns.items():
        require_name(name, places)
        player, place = places[name]
        arrays[player][(slice(None), *place)] = values  # type: ignore[index]
        if player == "prior":
            named[place] = True
    if named.any():
        rescale(arrays["prior"], named)
    return arrays["leader_payoffs"], arrays["follower_payoffs"], arrays["prior"]
