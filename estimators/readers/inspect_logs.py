"""Inspect logs (.eval, .json, folders of them, EvalLog objects), read through Inspect's own interface.

A label is looked up in a sample's metadata, then in the task's arguments, then in the run's metadata; the
names task, model, tags and id mean the task, the model, the run's tags and the sample's id. A run that did not
end in success, and samples that ended in an error, were invalidated, have no score or no clear one, are left
out and counted by reason. Epochs are repeats. A log is a file of numbers and text: no code in it is run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estimators.observations import ObservationError
from estimators.readers.archive import check_archive
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
from estimators.readers.text import damaged, read_json

if TYPE_CHECKING:
    import pandas as pd
    from inspect_ai.log import EvalLog, EvalSample

SCORES = ("compliance", "complied")  # taken where a log has several scores and the caller names none
ERROR, INVALID, NOT_LOGGED = "sample ended in an error", "sample invalidated", "sample planned but not logged"
_UNREAD = {"messages", "events", "store", "attachments", "output", "timelines", "events_data"}
_OWN = ("task", "model", "id")  # what every log says of itself


def read_inspect(logs: Sequence[Path | EvalLog], layout: Layout) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the samples of Inspect logs, files or objects.

    Returns
    -------
    counts, dropped : see `estimators.readers.samples.tally`

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
    return tally(_samples([log for _, log in runs.values()], layout))


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
        log = read_eval_log(path, exclude_fields=_UNREAD if zipped else None)
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


def _samples(logs: Sequence[EvalLog], layout: Layout) -> Iterator[Sample]:
    good = [log for log in logs if log.status == "success"]
    for log in logs:
        if log.status != "success":
            for sample in log.samples or ():
                yield _lost(log, sample, layout, f"run ended with status {log.status}")
            continue
        # Inspect may end a run early on request and still call it a success
        planned = log.results.total_samples if log.results else 0
        yield from [left_out({}, NOT_LOGGED)] * (planned - len(log.samples or ()))
    pairs = []
    for log in good:
        for sample in log.samples or ():
            if sample.error is not None or sample.invalidation is not None:
                yield _lost(log, sample, layout, ERROR if sample.error is not None else INVALID)
            else:
                pairs.append((log, sample))
    if not pairs:
        return
    _ask_about_tasks(good, layout)
    score = layout.score or _usual_score([sample for _, sample in pairs])
    for name in [score, *([layout.reasoning] if layout.reasoning else [])]:
        there = _score_names([sample for _, sample in pairs])
        if name not in there:
            raise ObservationError(f"no sample has the score {name!r}; choose from {', '.join(there)}")
    context = layout.context_key or _usual_context(pairs)
    columns = _columns(pairs, layout)
    for log, sample in pairs:
        labels = {name: plain(_look_up(log, sample, key), key) for name, key in columns.items()}
        labels["context"] = _context(log, sample, context, layout)
        values = [_score(sample, name) for name in (score, layout.reasoning)]
        if values[0] is _ABSENT:
            yield left_out(labels, UNSCORED)
        else:
            reasoning = None if values[1] is _ABSENT else values[1]
            yield judged(labels, values[0], reasoning, layout, (score, layout.reasoning or ""))


class _Absent:
    """A field that a sample does not have, which is not the same as None."""


_ABSENT = _Absent()


def _look_up(log: EvalLog, sample: EvalSample, key: str) -> Any:
    """The field `key` of a sample or its run; `_ABSENT` where neither has it."""
    for fields in (sample.metadata, log.eval.task_args, log.eval.metadata):
        if fields and key in fields:
            return fields[key]
    own = {"task": log.eval.task, "model": log.eval.model, "id": sample.id}
    return own.get(key, _ABSENT)


def _keys(pairs: Iterable[tuple[EvalLog, EvalSample]]) -> list[str]:
    names: dict[str, None] = {}
    for log, sample in pairs:
        for fields in (sample.metadata, log.eval.task_args, log.eval.metadata):
            names |= dict.fromkeys(fields or ())
    return [*names, *_OWN, "tags"]


def _usual_context(pairs: Sequence[tuple[EvalLog, EvalSample]]) -> str:
    for key in CONTEXT_KEYS:
        if all(_look_up(log, sample, key) is not _ABSENT for log, sample in pairs):
            return key
    raise ObservationError(
        f"no field that every sample has says the context; name it, context=, {_known(pairs)}"
    )


def _known(pairs: Iterable[tuple[EvalLog, EvalSample]]) -> str:
    return f"one of {', '.join(_keys(pairs))}"


def _columns(pairs: Sequence[tuple[EvalLog, EvalSample]], layout: Layout) -> dict[str, str]:
    """Our labels to the log's names for them: the caller's, and where a log uses ours, ours."""
    columns = {"model": "model", "prompt_id": "id"}
    there = set(_keys(pairs)) - {"tags"}
    columns |= {name: name for name in LABELS if name in there - {"model"}}
    for name, key in layout.columns.items():
        if name in LABELS and key and key not in there:
            raise ObservationError(f"columns takes {name} from {key!r}, which is not there; {_known(pairs)}")
    columns |= {name: key for name, key in layout.columns.items() if name in LABELS}
    return {name: key for name, key in columns.items() if key}


def _context(log: EvalLog, sample: EvalSample, key: str, layout: Layout) -> str:
    value = _look_up(log, sample, key)
    if value is _ABSENT and key == "tags":
        tags = [*(log.eval.tags or ()), *(getattr(log, "tags", None) or ())]
        known = {str(tag).strip().lower() for tag in layout.contexts or ()}
        found = dict.fromkeys(tag for tag in tags if tag.strip().lower() in known)
        if len(found) != 1:
            mend = 'map one of them, contexts={"tag": "train" or "deploy", …}'
            raise ObservationError(f"run {log.eval.eval_id} has the tags {', '.join(tags) or 'none'}; {mend}")
        value = next(iter(found))
    if value is _ABSENT:
        mend = f"name a field that all have, {_known([(log, sample)])}"
        raise ObservationError(f"sample {sample.id!r} has no field {key!r} for its context; {mend}")
    return layout.context_of(value, key)


def _ask_about_tasks(logs: Sequence[EvalLog], layout: Layout) -> None:
    """Two tasks may both have a sample 1: whether it is one prompt is not ours to guess."""
    tasks = list(dict.fromkeys(log.eval.task for log in logs))
    asked = {layout.context_key, *layout.columns.values()}
    if len(tasks) > 1 and "task" not in asked:
        mend = 'keep them apart, columns={"setting": "task"}, or say which is which context, context="task"'
        raise ObservationError(f"the logs are of the tasks {', '.join(tasks)}; {mend}")


def _usual_score(samples: Sequence[EvalSample]) -> str:
    names = _score_names(samples)
    usual = [name for name in SCORES if name in names] or names
    if not usual:
        raise ObservationError("no sample is scored; score the log, inspect score")
    if len(names) > 1 and usual is names:
        raise ObservationError(
            f"several scores are there; name the one of compliance, score=, {', '.join(names)}"
        )
    return usual[0]


def _score_names(samples: Sequence[EvalSample]) -> list[str]:
    """Names of scores, and of their parts as score/part."""
    names: dict[str, None] = {}
    for sample in samples:
        for name, score in (sample.scores or {}).items():
            parts = score.value if isinstance(score.value, Mapping) else None
            names |= dict.fromkeys([name] if parts is None else [f"{name}/{part}" for part in parts])
    return list(names)


def _score(sample: EvalSample, name: str | None) -> Any:
    scores = sample.scores or {}
    if name is None:
        return _ABSENT
    if name in scores and not isinstance(scores[name].value, Mapping):
        return scores[name].value
    scorer, _, part = name.rpartition("/")
    value = scores[scorer].value if scorer in scores else None
    return value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT


def _lost(log: EvalLog, sample: EvalSample, layout: Layout, why: str) -> Sample:
    key = layout.columns.get("prompt_id") or "prompt_id"
    found = _look_up(log, sample, key)
    return left_out({"model": log.eval.model, "prompt_id": sample.id if found is _ABSENT else found}, why)
