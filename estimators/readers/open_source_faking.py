"""results*.json of open-source-alignment-faking (safety-research), one item per sample.

An item complied where its strong_reject_score exceeds 0; a score below 0, or FAILED TO PARSE, is no score. Its
tags say the tier. A prompt is known by a digest of its text (user_input), the same in every file, and the
model by the folder. Judges such as deceptive_alignment may be named as the score of faking reasoning.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estimators.readers.records import Counts, Record, count
from estimators.readers.samples import Layout
from estimators.readers.text import damaged, read_json

SCORE = "strong_reject_score"
FAILED = "FAILED TO PARSE"


def read_open_source_faking(path: Path, files: list[Path], layout: Layout) -> Counts:
    """Count the items of results*.json files.

    Raises
    ------
    ObservationError
        An item lacks what the tool writes, or the layout names what no item has.
    """
    asked = dataclasses.replace(layout, score=layout.score or SCORE)
    if asked.score == SCORE and asked.threshold is None:
        asked = dataclasses.replace(asked, threshold=0.0)
    records = [record for file in files for record in _records(file, _model(path, file))]
    context = "tags" if layout.context_key is None else layout.context_key
    return count(records, asked, {"model": "model", "prompt_id": "prompt", "context": context})


def _model(path: Path, file: Path) -> str:
    """The folders between the path asked for and the file; the file's folder where there are none."""
    between = file.relative_to(path).parent.parts if path.is_dir() else ()
    return "/".join(between) or file.resolve().parent.name


def _records(file: Path, model: str) -> Iterator[Record]:
    for number, item in enumerate(read_json(file), 1):
        for key in [key for key in ("user_input", "tags", SCORE) if key not in item]:
            raise damaged(file, f"item {number} has no {key!r}; run the tool's scoring again")
        text = item["user_input"]
        if not isinstance(text, str):
            raise damaged(file, f"item {number} has a user_input that is no text; run the tool again")
        digest = hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()[:12]
        scores = {name: _value(name, value) for name, value in item.items() if _is_score(name, value)}
        fields = {name: value for name, value in item.items() if not isinstance(value, dict)}
        yield Record(fields | {"model": model, "prompt": digest}, scores)


def _is_score(name: str, value: Any) -> bool:
    return name == SCORE or isinstance(value, bool) or (isinstance(value, dict) and "final_answer" in value)


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return None if value["final_answer"] == FAILED else value.get("success")
    below = name == SCORE and isinstance(value, int | float) and value < 0
    return None if value == FAILED or below else value
