"""What formats have in common: records with fields and scores, of which a layout says which is which.

A format's reader turns a log into `Record`s; `count` finds the context, the labels and the score among their
fields, by the layout or by the usual names, and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from estimators.observations import ObservationError
from estimators.readers.samples import (
    CONTEXT_KEYS,
    LABELS,
    UNSCORED,
    Layout,
    Sample,
    judged,
    left_out,
    plain,
    tally,
)

SCORES = ("compliance", "complied")  # taken where a log has several scores and the caller names none


@dataclass(frozen=True)
class Record:
    """One sample as a log tells it.

    Attributes
    ----------
    fields : mapping
        What may be a label or the context, by the log's names; "task" where logs are of tasks.
    scores : mapping
        Values by the names of scores; a name without a value is unscored.
    lost : str
        Why the sample is left out before it is looked at; empty where it is not.
    """

    fields: Mapping[str, Any]
    scores: Mapping[str, Any] = field(default_factory=dict)
    lost: str = ""


@dataclass(frozen=True, eq=False)
class Counts:
    """What a reader returns.

    Attributes
    ----------
    frame, dropped : DataFrames
        See `estimators.readers.samples.tally`.
    row : str
        What a row is called in errors, before its index label.
    orientation, safety : str, optional
        What the log itself says that complying means.
    """

    frame: pd.DataFrame
    dropped: pd.DataFrame
    row: str = "prompt"
    orientation: str | None = None
    safety: str | None = None


def count(records: Iterable[Record], layout: Layout, own: Mapping[str, str]) -> Counts:
    """Count records.

    Parameters
    ----------
    records : in any order
    layout : what the caller says
    own : our labels to the format's fields where the caller says nothing

    Raises
    ------
    ObservationError
        The layout names what no record has, or what is needed has no usual name here.
    """
    return Counts(*tally(_samples(list(records), layout, dict(own))))


def _samples(records: Sequence[Record], layout: Layout, own: dict[str, str]) -> Iterator[Sample]:
    kept = [record for record in records if not record.lost]
    prompt = layout.columns.get("prompt_id") or "prompt_id"
    for record in records:
        if record.lost:
            labels = {"model": record.fields.get("model", ""), "prompt_id": record.fields.get(prompt)}
            labels["prompt_id"] = labels["prompt_id"] or record.fields.get(own["prompt_id"], "")
            yield left_out(labels, record.lost)
    if not kept:
        return
    fields = list(dict.fromkeys(name for record in kept for name in record.fields))
    scores = list(dict.fromkeys(name for record in kept for name in record.scores))
    _ask_about_tasks(kept, layout)
    score = layout.score or _usual_score(scores)
    for name in filter(None, (score, layout.reasoning)):
        if name not in scores:
            raise ObservationError(f"no sample has the score {name!r}; choose from {', '.join(scores)}")
    context = layout.context_key or own.get("context") or _usual_context(kept, fields)
    if context not in fields:
        raise ObservationError(f"context is to be {context!r}, which no sample has; {_choose(fields)}")
    columns = _columns(fields, layout, own)
    for record in kept:
        labels = {name: plain(record.fields.get(key), key) for name, key in columns.items()}
        labels["context"] = _context(record, context, layout, fields)
        if score not in record.scores:
            yield left_out(labels, UNSCORED)
        else:
            reasoning = record.scores.get(layout.reasoning or "")
            yield judged(labels, record.scores[score], reasoning, layout, (score, layout.reasoning or ""))


def _choose(fields: Iterable[str]) -> str:
    return f"choose from {', '.join(fields)}"


def _ask_about_tasks(records: Sequence[Record], layout: Layout) -> None:
    """Two tasks may both have a sample 1: whether it is one prompt is not ours to guess."""
    tasks = list(dict.fromkeys(str(record.fields.get("task")) for record in records))
    if len(tasks) > 1 and "task" not in {layout.context_key, *layout.columns.values()}:
        mend = 'keep them apart, columns={"setting": "task"}, or say which is which context, context="task"'
        raise ObservationError(f"the logs are of the tasks {', '.join(tasks)}; {mend}")


def _usual_score(names: Sequence[str]) -> str:
    if not names:
        raise ObservationError("no sample is scored; score the log first")
    usual = [name for name in SCORES if name in names] or names
    if len(names) > 1 and usual is names:
        raise ObservationError(
            f"several scores are there; name that of compliance with score=, one of {', '.join(names)}"
        )
    return usual[0]


def _usual_context(records: Sequence[Record], fields: Sequence[str]) -> str:
    for key in CONTEXT_KEYS:
        if all(key in record.fields for record in records):
            return key
    what = "no field that every sample has is known to say the context; name it with context="
    raise ObservationError(f"{what}, {_choose(fields)}")


def _columns(fields: Sequence[str], layout: Layout, own: Mapping[str, str]) -> dict[str, str]:
    """Our labels to the log's names for them: the caller's, and where a log uses ours, ours."""
    columns = dict(own) | {
        name: name for name in LABELS if name in fields and name not in ("model", "context")
    }
    for name, key in layout.columns.items():
        if key and key not in fields:
            raise ObservationError(
                f"columns takes {name} from {key!r}, which is not there; {_choose(fields)}"
            )
    columns |= layout.columns
    return {name: key for name, key in columns.items() if key and name in LABELS}


def _context(record: Record, key: str, layout: Layout, fields: Sequence[str]) -> str:
    if key not in record.fields:
        names = [name for name in ("task", "id", "doc_id") if name in record.fields]
        labels = ", ".join(f"{name} {record.fields[name]}" for name in names)
        raise ObservationError(
            f"the sample of {labels} has no field {key!r} for its context; {_choose(fields)}"
        )
    value = record.fields[key]
    if isinstance(value, list | tuple):  # such as tags: the one that is mapped counts
        known = layout.known_contexts(key)
        found = dict.fromkeys(str(one) for one in value if str(one).strip().lower() in known)
        if len(found) != 1:
            mend = 'map one of them, contexts={"name": "train" or "deploy", …}'
            raise ObservationError(f"{key} are {', '.join(map(str, value)) or 'none'}; {mend}")
        value = next(iter(found))
    return layout.context_of(value, key)
