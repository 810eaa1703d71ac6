"""A faking game as a JSON file, with the names of the Python classes.

.. code-block:: json

    {"types": [{"name": "guarding", "prior": 0.3, "preference": 0.4, "goal_guarding": 1.0},
               {"name": "willing", "prior": 0.7, "preference": -0.5}],
     "cues": {"informativeness": 0.6}, "monitoring": 0.2, "budget": 0.5, "costs": {"monitoring_cost": 0.1}}

``cues`` is {"informativeness": x}, {"probabilities": [[...], [...]]} or {"free": true, "caps": [[...], [...]]}, the
latter two with "cues" (their names) and "costs" where they differ from the defaults.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stackelberg.faking.game import CuePolicy, FakingGame, FollowerType, LeaderCosts
from stackelberg.faking.methods import Method
from stackelberg.game import GameError


def read_faking_game(path: str | Path) -> FakingGame:
    """Read a faking game from a JSON file.

    Raises
    ------
    GameError
        In one sentence that names the file and what is wrong in it.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise GameError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise GameError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise GameError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from None
    try:
        return faking_game_from_record(record)
    except GameError as error:
        raise GameError(f"{path}: {error}") from None


def faking_game_from_record(record: Any) -> FakingGame:
    """A faking game from the mapping that its file holds.

    Raises
    ------
    GameError
        Naming a key that is missing or unknown, or what is wrong with the game.

    Examples
    --------
    >>> faking_game_from_record({"types": [{"name": "a", "prior": 1, "preference": 0.4}], "cues": {"free": True}})
    FakingGame(1 types, 1 methods, 2 free cues, monitoring 0.5, budget 1)
    """
    fields = dict(_mapping(record, "a faking game"))
    fields["types"] = [_built(FollowerType, x, f"type {i}") for i, x in enumerate(fields.get("types") or [])]
    if "methods" in fields:
        fields["methods"] = [_built(Method, x, f"method {i}") for i, x in enumerate(fields["methods"] or [])]
    if "costs" in fields:
        fields["costs"] = _built(LeaderCosts, fields["costs"], "costs")
    if "cues" in fields:
        fields["cues"] = _cues(dict(_mapping(fields["cues"], "cues")))
    return _built(FakingGame, fields, "a faking game")


def _cues(record: dict[str, Any]) -> CuePolicy:
    if "informativeness" in record:
        return _built(CuePolicy.informative, record, "cues")
    if record.pop("free", False):
        return _built(CuePolicy.free, record, "cues")
    return _built(CuePolicy.fixed, record, "cues")


def _mapping(record: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise GameError(f"{what} must be a JSON object, not {type(record).__name__}")
    return record


def _built[T](make: Callable[..., T], record: Any, what: str) -> T:
    """Call with the record's keys as arguments; what does not fit is named."""
    known = inspect.signature(make).parameters
    for key in _mapping(record, what):
        if key not in known:
            raise GameError(f"{what}: unknown key {key!r}; it may have {', '.join(known)}")
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in record:
            raise GameError(f"{what}: key {key!r} is missing")
    try:
        return make(**record)
    except (TypeError, ValueError) as error:
        if isinstance(error, GameError):
            raise
        raise GameError(f"{what}: a value is of the wrong kind ({error})") from None
