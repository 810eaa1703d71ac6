"""One `read_observations` for every log: it recognises the format by the file's content, or says what it saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from estimators.observations import ObservationError, Observations, validated
from estimators.readers import inspect_logs, tables
from estimators.readers.recognise import logs_in
from estimators.readers.samples import Layout

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog


def read_observations(
    path: str | Path | EvalLog | Sequence[EvalLog],
    *,
    orientation: str,
    safety: str = "neutral",
    unpaired: str = "raise",
    format: str | None = None,
    context: str | None = None,
    contexts: Mapping[Any, str] | None = None,
    columns: Mapping[str, str] | None = None,
    score: str | None = None,
    reasoning: str | None = None,
    threshold: float | None = None,
) -> Observations:
    """Read a log or a table of counts, whatever its format.

    Formats: "inspect" (.eval, .json, or a folder of them, or EvalLog objects), "lm-eval" (samples_*.jsonl),
    "open-source-faking" (results*.json), "vlaf" ({model}_True.json beside {model}_False.json), and "csv",
    "json", "jsonl" and "parquet" for tables. docs/readers.md says what each reads.

    Parameters
    ----------
    path : path of a file or folder, or Inspect's EvalLog, or several
    orientation, safety, unpaired : see `Observations.from_frame`
    format : str, optional
        One of the names above; recognised by content where None.
    context, contexts, columns, score, reasoning, threshold : see `estimators.readers.samples.Layout`

    Returns
    -------
    Observations
        Its `dropped` counts what was left out, by reason.

    Raises
    ------
    ObservationError
        One sentence naming the file, what is wrong with it, and the mend; nothing is read by halves.

    Examples
    --------
    >>> read_observations("nowhere.csv", orientation="complied-is-agreement")
    Traceback (most recent call last):
    estimators.observations.ObservationError: nowhere.csv: cannot be read (No such file or directory); check the name
    """
    layout = Layout(context, contexts, dict(columns or {}), score, reasoning, threshold)
    if not isinstance(path, str | Path):
        logs = list(path) if isinstance(path, Sequence) else [path]
        counts, dropped = inspect_logs.read_inspect(logs, layout)
        return _validated("log", counts, dropped, "prompt", orientation, safety, unpaired)
    path = Path(path)
    found, files, passed = logs_in(path, format)
    try:
        counts, dropped, row = _READERS[found](path, files, layout)
    except ObservationError as error:
        raise _named(path, error) from None
    if passed:
        note = {
            "reason": f"files of no known format: {', '.join(passed)}",
            "rows": 0,
            "prompts": 0,
            "samples": 0,
        }
        dropped = pd.concat([dropped, pd.DataFrame([note])], ignore_index=True)
    return _validated(path, counts, dropped, row, orientation, safety, unpaired)


def _validated(
    source: Path | str,
    counts: pd.DataFrame,
    dropped: pd.DataFrame,
    row: str,
    orientation: str,
    safety: str,
    unpaired: str,
) -> Observations:
    try:
        observations = validated(counts, orientation, safety, unpaired, row)
    except ObservationError as error:
        raise _named(source, error) from None
    both = [table for table in (dropped, observations.dropped) if len(table)]
    return (
        dataclasses.replace(observations, dropped=pd.concat(both, ignore_index=True))
        if both
        else observations
    )


def _named(source: Path | str, error: ObservationError) -> ObservationError:
    """The error with the file in front, once."""
    return error if str(error).startswith(str(source)) else ObservationError(f"{source}: {error}")


_Read = Callable[[Path, list[Path], Layout], tuple[pd.DataFrame, pd.DataFrame, str]]


def _table(read: Callable[[Path], pd.DataFrame], row: str) -> _Read:
    def reader(_: Path, files: list[Path], layout: Layout) -> tuple[pd.DataFrame, pd.DataFrame, str]:
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise ObservationError(f"several tables are there ({names}); name one of them")
        return (*tables.read_table(files[0], read(files[0]), layout), "prompt" if layout.score else row)

    return reader


_READERS: dict[str, _Read] = {
    "inspect": lambda _, files, layout: (*inspect_logs.read_inspect(files, layout), "prompt"),
    "csv": _table(tables.read_csv, "row"),
    "json": _table(tables.read_json_table, "object"),
    "jsonl": _table(tables.read_json_table, "line"),
    "parquet": _table(tables.read_parquet, "row"),
}
