"""samples_*.jsonl of the lm-evaluation-harness, written with --log_samples.

A line is one document under one filter, with one value per metric; repeats of a document are folded into that
value before it is written. Labels are looked up in the document (doc), then in the line; task and model are
taken from the names of file and folder. A score is named metric, or metric,filter where there are several.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estimators.readers.records import Counts, Record, count
from estimators.readers.samples import Layout
from estimators.readers.text import damaged, read_json_lines

_NAME = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT.*\.jsonl")


def read_lm_eval(path: Path, files: list[Path], layout: Layout) -> Counts:
    """Count the documents of samples_*.jsonl files.

    Raises
    ------
    ObservationError
        A line is cut or lacks what the harness writes, or the layout names what no line has.
    """
    logs = [(file, read_json_lines(file)) for file in files]
    filters = {line.get("filter") for _, lines in logs for line in lines.values()}
    records = (record for file, lines in logs for record in _records(file, lines, len(filters) > 1))
    return count(records, layout, {"model": "model", "prompt_id": "doc_id"})


def _records(file: Path, lines: dict[int, dict[str, Any]], filtered: bool) -> Iterator[Record]:
    named = _NAME.fullmatch(file.name)
    own = {"task": named["task"] if named else file.stem, "model": file.resolve().parent.name}
    documents: dict[Any, Record] = {}
    first: dict[tuple[str, str], int] = {}
    for number, line in lines.items():
        for lacking in [name for name in ("doc_id", "doc", "metrics") if name not in line]:
            raise damaged(
                file,
                f"line {number} has no {lacking!r}; write it with --log_samples of a harness from 0.4.8 on",
            )
        label, metrics = str(line["doc_id"]), line["metrics"]
        if not isinstance(metrics, list) or not all(
            isinstance(name, str) and name in line for name in metrics
        ):
            raise damaged(file, f"line {number} lacks a value of one of its metrics; write the file again")
        key = (label, str(line.get("filter")))
        if key in first:
            twin = f"lines {first[key]} and {number} are both doc_id {label}"
            raise damaged(file, f"{twin}; the file holds two runs, part them")
        first[key] = number
        document = line["doc"] if isinstance(line["doc"], dict) else {}
        suffix = f",{line['filter']}" if filtered else ""
        scores = {f"{name}{suffix}": line[name] for name in metrics}
        if label in documents:  # the same document under another filter
            scores = {**documents[label].scores, **scores}
        plain = {name: line[name] for name in line.keys() - {"doc", "metrics", "filter"}}
        documents[label] = Record(ChainMap(document, plain, own), scores)
    yield from documents.values()
