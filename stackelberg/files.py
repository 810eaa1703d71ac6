"""Games and equilibria as JSON files: a schema for games, rationals as strings.

The schema of a game file is ``stackelberg/schemas/game.json``, that of an equilibrium record
``stackelberg/schemas/equilibrium.json``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackelberg.equilibrium import Equilibrium
from stackelberg.game import BayesianStackelbergGame, GameError, LeaderConstraints

_REQUIRED = ("leader_payoffs", "follower_payoffs", "prior")
_OPTIONAL = ("types", "leader_actions", "follower_actions", "constraints", "name")
_CONSTRAINTS = ("A_ub", "b_ub", "A_eq", "b_eq")


def read_game(path: str | Path) -> BayesianStackelbergGame:
    """Read a game from a JSON file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    BayesianStackelbergGame

    Raises
    ------
    GameError
        In one sentence that names the file and what is wrong in it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise GameError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise GameError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise GameError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from None
    try:
        return game_from_record(record)
    except GameError as error:
        raise GameError(f"{path}: {error}") from None


def write_game(game: BayesianStackelbergGame, path: str | Path) -> None:
    """Write a game to a JSON file that :func:`read_game` reads back without loss."""
    Path(path).write_text(json.dumps(game_record(game), indent=1) + "\n", encoding="utf-8")


def game_record(game: BayesianStackelbergGame) -> dict[str, Any]:
    """A game as plain lists and strings, as its file has it."""
    tables = [game.payoffs(l) for l in range(game.shape[0])]
    record: dict[str, Any] = {
        "name": game.name,
        "types": list(game.types),
        "prior": game.prior.tolist(),
        "leader_actions": list(game.leader_actions),
        "follower_actions": [list(labels) for labels in game.follower_actions],
        "leader_payoffs": [R.tolist() for R, _ in tables],
        "follower_payoffs": [C.tolist() for _, C in tables],
    }
    if game.constraints is not None:
        record["constraints"] = {name: getattr(game.constraints, name).tolist() for name in _CONSTRAINTS}
    return record


def game_from_record(record: Mapping[str, Any]) -> BayesianStackelbergGame:
    """A game from the mapping that a game file holds.

    Raises
    ------
    GameError
        Naming a key that is missing or unknown, or what is wrong with the game.

    Examples
    --------
    >>> game_from_record({"leader_payoffs": [[[2, 4], [1, 3]]], "follower_payoffs": [[[1, 0], [0, 1]]], "prior": [1]})
    BayesianStackelbergGame(1 type, 2 leader actions, 2 follower actions)
    """
    if not isinstance(record, Mapping):
        raise GameError("a game is a JSON object with leader_payoffs, follower_payoffs and prior")
    for key in _REQUIRED:
        if key not in record:
            raise GameError(f"key {key!r} is missing: a game needs {', '.join(_REQUIRED)}")
    for key in record:
        if key not in _REQUIRED + _OPTIONAL:
            raise GameError(f"unknown key {key!r}: a game has {', '.join(_REQUIRED + _OPTIONAL)}")
    options = {key: record[key] for key in _OPTIONAL if record.get(key) is not None}
    if "constraints" in options:
        limits = options["constraints"]
        if not isinstance(limits, Mapping) or not set(limits) <= set(_CONSTRAINTS):
            raise GameError(f"constraints must be an object with keys among {', '.join(_CONSTRAINTS)}")
        options["constraints"] = LeaderConstraints(**{key: value or None for key, value in limits.items()})
    return BayesianStackelbergGame(*(record[key] for key in _REQUIRED), **options)


def equilibrium_record(equilibrium: Equilibrium) -> dict[str, Any]:
    """An equilibrium as plain values; the certificate's rationals are strings such as ``"1/2"``."""
    game, certificate = equilibrium.game, equilibrium.certificate
    record: dict[str, Any] = {
        "name": game.name,
        "status": str(equilibrium.status),
        "method": equilibrium.method,
        "message": equilibrium.message,
        "value": _number(equilibrium.value),
        "bound": _number(equilibrium.bound),
        "strategy": {
            label: _number(p) for label, p in zip(game.leader_actions, equilibrium.strategy, strict=True)
        },
        "replies": {
            label: None if j < 0 else game.follower_actions[l][j]
            for l, (label, j) in enumerate(zip(game.types, equilibrium.replies.tolist(), strict=True))
        },
        "follower_values": {
            label: _number(u) for label, u in zip(game.types, equilibrium.follower_values, strict=True)
        },
        "nodes": equilibrium.nodes,
        "seconds": equilibrium.seconds,
        "certificate": None,
    }
    if certificate is not None:
        upper = certificate.upper_bound
        record["certificate"] = {
            "claim": certificate.claim,
            "message": certificate.message,
            "value": str(certificate.value),
            "upper_bound": None if upper is None else str(upper),
            "strategy": [str(p) for p in certificate.strategy],
            "replies": list(certificate.replies),
            "reply_gaps": [[str(gap) for gap in gaps] for gaps in certificate.reply_gaps],
        }
    return record


def _number(value: float) -> float | None:
    """JSON has no NaN or infinity; null says that there is no number."""
    return float(value) if np.isfinite(value) else None
