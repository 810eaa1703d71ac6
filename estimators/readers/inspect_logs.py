"""Inspect logs (.eval, .json, folders of them, EvalLog objects), read through Inspect's own interface.

A label is looked up in a sample's metadata, then in the task's arguments, then in the run's metadata; the
names task, model, tags and id mean the task, the model, the run's tags and the sample's id. A run that did not
end in success, and samples that ended in an error, were invalidated, have no score or no clear one, are left
out and counted by reason. Epochs are repeats. A log is a file of numbers and text: no code in it is run.
"""

from __future__ import annotations

import inspect
import logging
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estimators.readers.archive import check_archive
from estimators.readers.records import Counts, Record, count
from estimators.readers.samples import Layout
from estimators.readers.text import damaged, read_json

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample

ERROR, INVALID, NOT_LOGGED = "sample ended in an error", "sample invalidated", "sample planned but not logged"
_UNREAD = {"messages", "events", "store", "attachments", "output", "timelines", "events_data"}
_OWN = {"model": "model", "prompt_id": "id"}


def read_inspect(logs: Sequence[Path | EvalLog], layout: Layout) -> Counts:
    """Count the samples of Inspect logs, files or objects.

    Raises
    ------
    ObservationError
        A file is damaged, one run is there twice, or the layout names what no log has.
    """
    runs: dict[str, tuple[str, EvalLog]] = {}
    for source in logs:
        name, log = (str(source), open_log(source)) if isinstance(source, Path) else ("log", source)
        if log.eval.eval_id in runs:
            first = runs[log.eval.eval_id][0]
            raise damaged(name, f"the same run as {first}; delete or leave out one of the two")
        if log.samples is None and log.status == "success":
            raise damaged(
                name, "no samples are in the log; run without --no-log-samples, read with its samples"
            )
        runs[log.eval.eval_id] = (name, log)
    read = [log for _, log in runs.values()]
    counts = count((record for log in read for record in _records(log)), layout, _OWN)
    return replace(counts, orientation=_said(read, "orientation"), safety=_said(read, "safety"))


def open_log(path: Path) -> EvalLog:
    """Return the log in a file, checked to its last byte.

    Raises
    ------
    ObservationError
        Inspect is not installed, or the file is cut, damaged or no log.
    """
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
    except ImportError as error:
        mend = 'install the extra, pip install "stackelberg[inspect]"'
        raise damaged(path, f"Inspect logs need inspect_ai, which is missing ({error}); {mend}") from None
    zipped = path.suffix.lower() == ".eval"
    if zipped:
        check_archive(path)
    else:
        read_json(path)
    quiet = logging.getLogger("inspect_ai")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)  # what it warns of is raised here, in one sentence
    try:
        # newer versions of Inspect can leave texts and events unread
        lean = zipped and "exclude_fields" in inspect.signature(read_eval_log).parameters
        log = read_eval_log(path, **{"exclude_fields": _UNREAD} if lean else {})
        finished = len(read_eval_log_sample_summaries(path)) if zipped else 0
    except Exception as error:  # pydantic, ijson, struct, key errors: whatever damage makes of a log
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise damaged(path, f"not an Inspect log that can be read ({reason}); write it again") from None
    finally:
        quiet.setLevel(level)
    there = len(log.samples or ())
    if there < finished:
        raise damaged(path, f"the log tells of {finished} samples and holds {there}; fetch it again")
    return log


def _records(log: EvalLog) -> Iterator[Record]:
    run = {"task": log.eval.task, "model": log.eval.model, "tags": _tags(log)}
    ended = "" if log.status == "success" else f"run ended with status {log.status}"
    samples = log.samples or []
    for sample in samples:
        fields = ChainMap(
            *(dict(part or {}) for part in (sample.metadata, log.eval.task_args, log.eval.metadata)),
            run | {"id": sample.id},
        )
        lost = ERROR if sample.error is not None else INVALID if sample.invalidation is not None else ""
        yield Record(fields, _scores(sample), ended or lost)
    if log.results and not ended:
        # Inspect may end a run early on request and still call it a success
        for _ in range(log.results.total_samples - len(samples)):
            yield Record(run, lost=NOT_LOGGED)


def _tags(log: EvalLog) -> list[str]:
    edited = getattr(log, "tags", None)  # of newer logs, where tags can be changed afterwards
    return list(dict.fromkeys([*(log.eval.tags or ()), *(edited or ())]))


def _scores(sample: EvalSample) -> dict[str, Any]:
    """Values by name; a score of several parts gives one value per part, named score/part."""
    values: dict[str, Any] = {}
    for name, score in (sample.scores or {}).items():
        if isinstance(score.value, Mapping):
            values |= {f"{name}/{part}": value for part, value in score.value.items()}
        else:
            values[name] = score.value
    return values


def _said(logs: Sequence[EvalLog], name: str) -> str | None:
    """What every run's metadata says of orientation or safety, None where they do not agree."""
    said = {str((log.eval.metadata or {}).get(name, "")) for log in logs}
    return (said.pop() or None) if len(said) == 1 else None
