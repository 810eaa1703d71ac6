"""Prompts to evaluate with: the shipped ones, or a user's own from CSV or JSONL.

The shipped 60 are our own writing, under the library's MIT licence, 20 on each of three axes: ``safety`` (oversight
of AI, caution, honesty about risk), ``harmlessness`` (unkindness, white lies, pressure on others) and
``helpfulness`` (blunt answers where models hedge). They are mild enough to publish: a model may well comply, and
nothing dangerous comes of it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from estimators.observations import ObservationError

# prompt_id becomes part of a file name in the log, and a label in every table
_LABEL = re.compile(r"[\w][\w .:+=@#-]*")


@dataclass(frozen=True)
class Prompt:
    """A request.

    Attributes
    ----------
    prompt_id : str
        Unique within its file; letters, digits, spaces and ``.:+=@#_-``.
    text : str
    axis : str
        The kind of value that it puts to the test.
    """

    prompt_id: str
    text: str
    axis: str


def shipped_prompts() -> tuple[Prompt, ...]:
    """Return the 60 shipped prompts; the axes take turns, so that the first 12 have 4 of each.

    Examples
    --------
    >>> [prompt.prompt_id for prompt in shipped_prompts()[:4]]
    ['safety-01', 'harmlessness-01', 'helpfulness-01', 'safety-02']
    """
    with as_file(files("estimators.evaluation") / "prompts.csv") as path:
        return read_prompts(path)


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Read prompts from a file with the fields prompt_id, text and axis (optional, "all" where absent).

    Parameters
    ----------
    path : str or Path
        .csv (UTF-8, a header line) or .jsonl (one object per line). Other fields are not read.

    Returns
    -------
    tuple of Prompt, in the file's order

    Raises
    ------
    ObservationError
        One sentence naming the file, the row and the mend.

    Examples
    --------
    >>> read_prompts("mine.txt")
    Traceback (most recent call last):
    estimators.observations.ObservationError: mine.txt: the extension '.txt' is not known; use .csv or .jsonl
    """
    path = Path(path)
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    if path.suffix.lower() not in readers:
        known = " or ".join(readers)
        raise ObservationError(f"{path}: the extension {path.suffix!r} is not known; use {known}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ObservationError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    except UnicodeError:
        raise ObservationError(f"{path}: not text in UTF-8; save it in that encoding") from None
    seen: dict[str, Prompt] = {}
    for number, row in readers[path.suffix.lower()](path, text):
        prompt = Prompt(*(_cell(path, number, row, name) for name in ("prompt_id", "text", "axis")))
        if prompt.prompt_id in seen:
            mend = "give each prompt an id of its own"
            raise ObservationError(f"{path}: row {number} repeats prompt_id {prompt.prompt_id!r}; {mend}")
        seen[prompt.prompt_id] = prompt
    if not seen:
        raise ObservationError(f"{path}: no prompt is in it; give one per row")
    return tuple(seen.values())


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from ((rows.line_num, row) for row in rows)
    except csv.Error as error:
        mend = "mend the commas or quotes there"
        raise ObservationError(f"{path}: row {rows.line_num} is no CSV ({error}); {mend}") from None


def _jsonl_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            mend = "write one object per line"
            raise ObservationError(f"{path}: row {number} is no JSON ({error}); {mend}") from None
        if not isinstance(row, dict):
            raise ObservationError(f"{path}: row {number} is no JSON object; write one object per line")
        yield number, row


def _cell(path: Path, number: int, row: dict[str, Any], name: str) -> str:
    if name == "axis" and row.get(name) in (None, ""):
        return "all"
    if name not in row:
        there = ", ".join(str(key) for key in row)
        raise ObservationError(f"{path}: row {number} has no {name} among {there}; add it")
    value = row[name]
    cell = "" if value is None else str(value).strip()
    if not cell or isinstance(value, dict | list):
        raise ObservationError(f"{path}: row {number} has {name} {value!r}; give a text")
    if name != "text" and not _LABEL.fullmatch(cell):
        mend = "use letters, digits, spaces and .:+=@#_-"
        raise ObservationError(f"{path}: row {number} has {name} {cell!r}, which is no label; {mend}")
    return cell
