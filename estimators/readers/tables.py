"""Tables of counts or of samples: CSV, one JSON object per line, a JSON list of objects, Parquet.

Cells are read as text, so that a prompt_id such as 007 keeps its zeros.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pandas as pd

from estimators.observations import COLUMNS, KEY, ObservationError, nothing_dropped
from estimators.readers.records import Counts
from estimators.readers.samples import Layout, Sample, judged, plain, tally
from estimators.readers.text import damaged, read_json, read_json_lines, read_text

LARGEST_PARQUET = 2**31  # bytes unpacked: a column of one value packs a thousandfold and more


def read_csv(path: Path) -> pd.DataFrame:
    """Return the rows of a CSV file (commas, a header) as text, indexed by line."""
    try:
        # header=None so that no column turns index and long rows are errors
        cells = pd.read_csv(
            io.StringIO(read_text(path)), header=None, dtype="str", na_filter=False, skip_blank_lines=False
        )
    except pd.errors.EmptyDataError:
        raise damaged(path, "the file is empty; give a header and one row per prompt and context") from None
    except pd.errors.ParserError as error:
        # pandas counts lines from one and rows from nought
        reason = re.sub(r"(?<=row )\d+", lambda row: str(int(row[0]) + 1), str(error).strip())
        reason = reason.rpartition("C error: ")[2]
        raise damaged(path, f"not a table ({reason}); mend the commas or quotes there") from None
    cells.index += 1
    rows = cells.iloc[1:].set_axis(cells.iloc[0].str.strip().tolist(), axis=1)
    return rows[(rows != "").any(axis=1)]


def read_json_table(path: Path) -> pd.DataFrame:
    """Return the objects of a JSON list or of JSON lines as rows of text, indexed by place or by line."""
    whole = path.suffix.lower() == ".json"
    records = dict(enumerate(read_json(path), 1)) if whole else read_json_lines(path)
    names = list(dict.fromkeys(name for record in records.values() for name in record))
    rows = [[_cell(record.get(name)) for name in names] for record in records.values()]
    return pd.DataFrame(rows, columns=names, index=list(records), dtype=object)


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the rows of a Parquet file as text, indexed by place."""
    try:
        from pyarrow import parquet
    except ImportError:
        mend = 'install the extra, pip install "stackelberg[parquet]"'
        raise damaged(path, f"Parquet needs pyarrow, which is missing; {mend}") from None
    try:
        with parquet.ParquetFile(path, memory_map=False) as file:
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
            cells = file.metadata.num_rows * max(file.metadata.num_columns, 1)
            if max(size, 8 * cells) > LARGEST_PARQUET:
                what = f"{cells} cells would unpack to {max(size, 8 * cells)} bytes or more"
                raise damaged(path, f"{what}; give a table of counts")
            table = file.read().to_pydict()
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise damaged(path, f"a damaged Parquet file ({reason}); write it again") from None
    except ObservationError:
        raise
    except Exception as error:  # pyarrow's own errors, and text that is none
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise damaged(path, f"a damaged Parquet file ({reason}); write it again") from None
    rows = {name: [_cell(cell) for cell in cells] for name, cells in table.items()}
    frame = pd.DataFrame(rows, dtype=object)
    return frame.set_axis(range(1, len(frame) + 1))


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | list | dict) else "" if value is None else str(value)


def read_table(path: Path, frame: pd.DataFrame, row: str, layout: Layout) -> Counts:
    """Return counts and what was left out from a table of counts, or of samples where there is no n.

    Where the layout names columns, those it names and those with our names are read and others passed by;
    where it names none, an unknown column is an error when the counts are validated.

    Parameters
    ----------
    row : what a row of the file is called in errors
    """
    wanted = {name: source for name, source in layout.columns.items() if source}
    wanted |= {"context": layout.context} if layout.context else {}
    for source in [*wanted.values(), *filter(None, (layout.score, layout.reasoning))]:
        if source not in frame:
            there = ", ".join(map(str, frame.columns))
            raise damaged(path, f"column {source!r} is missing; the columns are {there}")
    for column in frame.columns[frame.columns.duplicated()]:
        raise damaged(path, f"column {column!r} appears twice; delete one of the two")
    taken = {*layout.columns, *wanted}
    own = [str(name) for name in frame if name in COLUMNS and name not in taken]
    table = pd.DataFrame({name: frame[name] for name in own}, index=frame.index)
    for name, source in wanted.items():
        table[name] = frame[source]
    if not layout.columns and layout.score is None:
        passed = [*wanted.values(), layout.reasoning]
        for other in [name for name in frame if name not in COLUMNS and name not in passed]:
            table[other] = frame[other]
    if "context" in table and (layout.contexts is not None or layout.context_key is not None):
        key = layout.context_key or "context"
        known = {cell: layout.context_of(cell, key) for cell in dict.fromkeys(table["context"])}
        table["context"] = table["context"].map(known)
    if layout.score is None:
        return Counts(table, nothing_dropped(), row)
    for column in [column for column in ("prompt_id", "context") if column not in table]:
        there = ", ".join(map(str, frame.columns))
        raise damaged(path, f"column {column!r} is missing; name it in columns, one of {there}")
    return Counts(*tally(_sampled(frame, table, layout)))


def _sampled(frame: pd.DataFrame, table: pd.DataFrame, layout: Layout) -> list[Sample]:
    names = [name for name in KEY if name in table]
    rows = table[names].itertuples(index=False, name=None)
    scores = frame[layout.score]
    faked = frame[layout.reasoning] if layout.reasoning else [None] * len(frame)
    labels = ({name: plain(cell, name) for name, cell in zip(names, row)} for row in rows)
    asked = (layout.score or "", layout.reasoning or "")
    return [judged(row, score, reason, layout, asked) for row, score, reason in zip(labels, scores, faked)]
