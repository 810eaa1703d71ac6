"""One `read_observations` for every log: it recognises the format by the file's content, or says what it saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from estimators.observations import ORIENTATIONS, ObservationError, Observations, nothing_dropped, validated
from estimators.readers import inspect_logs, lm_eval, open_source_faking, tables, vlaf
from estimators.readers.recognise import logs_in
from estimators.readers.records import Counts
from estimators.readers.samples import Layout

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog


type Source = str | Path | EvalLog | Sequence[EvalLog]


def read_observations(
    path: Source,
    *,
    orientation: str | None = None,
    safety: str | None = None,
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
    orientation, safety : see `Observations`
        Where None, what the log itself says (the logs of `stackelberg evaluate` do); safety is then neutral.
    unpaired : see `Observations.from_frame`
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
    counts = read_counts(path, layout, format)
    orientation = orientation or counts.orientation
    if orientation is None:
        mend = f"give orientation, one of {', '.join(ORIENTATIONS)}"
        raise _named(path, ObservationError(f"the log does not say what complying means; {mend}"))
    return observed(path, counts, orientation, safety or counts.safety or "neutral", unpaired)


def read_counts(path: Source, layout: Layout, format: str | None = None) -> Counts:
    """Return the counts of a log, not yet validated; see `read_observations`."""
    if not isinstance(path, str | Path):
        return inspect_logs.read_inspect(list(path) if isinstance(path, Sequence) else [path], layout)
    path = Path(path)
    found, files, passed = logs_in(path, format)
    try:
        counts = _READERS[found](path, files, layout)
    except ObservationError as error:
        raise _named(path, error) from None
    if not passed:
        return counts
    note = dict.fromkeys(counts.dropped.columns, 0) | {"reason": f"not read: {', '.join(passed)}"}
    return dataclasses.replace(counts, dropped=_joined(counts.dropped, pd.DataFrame([note])))


def observed(path: Source, counts: Counts, orientation: str, safety: str, unpaired: str) -> Observations:
    """Validate counts, and add what validation leaves out to what the reader left out."""
    try:
        found = validated(counts.frame, orientation, safety, unpaired, counts.row)
    except ObservationError as error:
        raise _named(path, error) from None
    return dataclasses.replace(found, dropped=_joined(counts.dropped, found.dropped))


def _joined(*tables: pd.DataFrame) -> pd.DataFrame:
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else nothing_dropped()


def _named(path: Source, error: ObservationError) -> ObservationError:
    """The error with the file in front, once."""
    source = str(path) if isinstance(path, str | Path) else "log"
    return error if str(error).startswith(source) else ObservationError(f"{source}: {error}")


def _table(read: Callable[[Path], pd.DataFrame], row: str) -> Callable[[Path, list[Path], Layout], Counts]:
    def reader(_: Path, files: list[Path], layout: Layout) -> Counts:
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise ObservationError(f"several tables are there ({names}); name one of them")
        return tables.read_table(files[0], read(files[0]), row, layout)

    return reader


_READERS: dict[str, Callable[[Path, list[Path], Layout], Counts]] = {
    "inspect": lambda _, files, layout: inspect_logs.read_inspect(files, layout),
    "lm-eval": lm_eval.read_lm_eval,
    "open-source-faking": open_source_faking.read_open_source_faking,
    "vlaf": vlaf.read_vlaf,
    "csv": _table(tables.read_csv, "row"),
    "json": _table(tables.read_json_table, "object"),
    "jsonl": _table(tables.read_json_table, "line"),
    "parquet": _table(tables.read_parquet, "row"),
}
