"""A file's text and JSON, whole or not at all: what cannot be read to its end raises one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from estimators.observations import ObservationError


def damaged(path: Path | str, what: str) -> ObservationError:
    """Return the error that names a file and what is wrong with it, on one line."""
    return ObservationError(f"{path}: {' '.join(what.split())}")


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without its byte-order mark.

    Raises
    ------
    ObservationError
        The file cannot be opened, is empty, or is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise damaged(path, f"cannot be read ({error.strerror}); check the name") from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start}"
        raise damaged(path, f"not text in UTF-8 at {where}; save it in that encoding") from None
    if not text.strip():
        raise damaged(path, "the file is empty; give a log or a table of counts")
    return text


def read_json(path: Path) -> Any:
    """Return the one JSON value of a file."""
    return _parsed(read_text(path), path, "")


def read_json_lines(path: Path) -> dict[int, dict[str, Any]]:
    """Return the JSON object of each line by its line number, blank lines left out."""
    # split on line feeds alone: JSON text may hold the other line breaks that splitlines knows
    lines = enumerate(read_text(path).split("\n"), 1)
    records = {number: _parsed(line, path, f"line {number}: ") for number, line in lines if line.strip()}
    for number, record in records.items():
        if not isinstance(record, dict):
            what = f"line {number}: a JSON {type(record).__name__}, not an object"
            raise damaged(path, f"{what}; give one object per line")
    return records


def _parsed(text: str, path: Path, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_one_of_each)
    except json.JSONDecodeError as error:
        at = "" if where else f"line {error.lineno} "
        problem = f"not whole JSON ({error.msg} at {at}column {error.colno})"
    except RecursionError:
        problem = "JSON nested too deeply to be a log"
    except ValueError as error:
        problem = f"not usable JSON ({error})"
    raise damaged(path, f"{where}{problem}; write the file again")


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key given twice: which of the two counts is not ours to choose."""
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} appears twice in one object")
    return record
