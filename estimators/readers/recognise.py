"""What format a file is of, by its content: a name may lie, and what is of no known format is said."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from estimators.observations import ObservationError
from estimators.readers.text import damaged, read_json, read_text

TABLES = ("csv", "json", "jsonl", "parquet")
FORMATS = ("inspect", "lm-eval", "open-source-faking", "vlaf", *TABLES)
_SUFFIXES = {".eval", ".json", ".jsonl", ".csv", ".parquet"}
# Files that the tools themselves put beside their logs and that hold no samples.
_BESIDE = ("logs.json", "eval-set.json", "listing.json")
_MAGIC = {
    b"PAR1": "parquet",
    b"\x1f\x8b": "a gzip archive; unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd archive; unpack it",
    b"\x80\x04": "a pickle, which is code and is not run; write counts to a CSV table",
    b"\x80\x05": "a pickle, which is code and is not run; write counts to a CSV table",
    b"SQLite": "a database; write counts to a CSV table",
}


def logs_in(path: Path, format: str | None) -> tuple[str, list[Path], list[str]]:
    """Return the format, the files of that format, and names of files of none (in a folder).

    Raises
    ------
    ObservationError
        Nothing of a known format is there, or logs of two formats are.
    """
    if format is not None and format not in FORMATS:
        raise ObservationError(f"format is {format!r}; choose one of {', '.join(FORMATS)}")
    if not path.is_dir():
        return format or format_of(path), [path], []
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix.lower() in _SUFFIXES]
    files = [file for file in files if file.name not in _BESIDE and not _summary(file)]
    if not files:
        kinds = ", ".join(sorted(_SUFFIXES))
        raise damaged(path, f"no log is in this folder (a directory); give one with files {kinds}")
    found: dict[str, list[Path]] = {}
    passed = []
    for file in files:
        try:
            found.setdefault(format_of(file), []).append(file)
        except _UnknownFormat:
            passed.append(str(file.relative_to(path)))
    logs = {kind: there for kind, there in found.items() if kind not in TABLES} or found
    if format is not None:
        logs = {format: found.get(format, [])}
    passed += [str(file.relative_to(path)) for kind in found.keys() - logs.keys() for file in found[kind]]
    if len(logs) > 1:
        raise damaged(path, f"logs of two formats are there, {' and '.join(logs)}; choose with format=")
    if not any(logs.values()):
        what = f"of the format {format}" if format else "of a known format"
        raise damaged(
            path, f"no file in this folder is {what}; it has {', '.join(file.name for file in files)}"
        )
    [(kind, there)] = logs.items()
    return kind, there, sorted(passed)


class _UnknownFormat(ObservationError):
    """A file that is whole, as far as it was read, but no log or table known here."""


def format_of(path: Path) -> str:
    """Return one of `FORMATS` for a file.

    Raises
    ------
    ObservationError
        The file cannot be read, is damaged, or is of no known format.
    """
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except OSError as error:
        raise damaged(path, f"cannot be read ({error.strerror}); check the name") from None
    if head.startswith(b"PK"):
        return _zipped(path)
    if path.suffix.lower() == ".eval":
        raise damaged(path, "not the zip archive that an Inspect log is; fetch or write it again")
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            if kind in FORMATS:
                return kind
            raise _UnknownFormat(f"{path}: {kind}")
    if path.suffix.lower() == ".parquet":
        raise damaged(path, "not a Parquet file; write it again")
    if path.suffix.lower() == ".csv":
        return "csv"
    return _texts(path)


def _zipped(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, f"a damaged or cut archive ({error}); fetch or write it again") from None
    if {"header.json", "_journal/start.json"} & set(names):
        return "inspect"
    saw = ", ".join(names[:3]) or "nothing"
    raise _UnknownFormat(f"{path}: an archive of {saw}, not an Inspect log; give a log or a table of counts")


def _texts(path: Path) -> str:
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _of_line(path)
    if path.suffix.lower() == ".json":
        return _of_json(path, read_json(path))
    kinds = ".csv, .jsonl, .json, .parquet or .eval"
    raise _UnknownFormat(f"{path}: the extension {path.suffix!r} is not known; use {kinds}")


def _of_line(path: Path) -> str:
    line = next(line for line in read_text(path).split("\n") if line.strip())
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        return "jsonl"  # its reader says what is wrong with the line
    logged = isinstance(first, dict) and {"doc_id", "doc", "target"} <= first.keys()
    return "lm-eval" if logged else "jsonl"


def _of_json(path: Path, content: Any) -> str:
    if isinstance(content, dict):
        if {"eval", "status"} <= content.keys() or {"eval", "version"} <= content.keys():
            return "inspect"
        saw = f"a JSON object with {', '.join(map(repr, [*content][:5])) or 'nothing'}"
    elif isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        keys = content[0].keys()
        if "strong_reject_score" in keys:
            return "open-source-faking"
        if {"input", "response"} <= keys and path.stem.endswith(("_True", "_False")):
            return "vlaf"
        return "json"
    else:
        saw = f"a JSON {type(content).__name__}" + (" with nothing in it" if content == [] else "")
    raise _UnknownFormat(f"{path}: {saw}, which is no known log; give a log or a table of counts")


def _summary(file: Path) -> bool:
    """Whether a file is a summary that VLAF or lm-eval write beside their samples."""
    results = (
        file.suffix == ".json"
        and file.name.startswith("results_")
        and any(file.parent.glob("samples_*.jsonl"))
    )
    return results or file.name.endswith("_option_based_compliance.json")
