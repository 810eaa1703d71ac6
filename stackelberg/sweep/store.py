"""Finished chunks of a sweep as Parquet files in a folder, so that an interrupted one goes on where it stopped.

``manifest.json`` says which sweep the folder holds.  A file takes its name only when it is whole.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stackelberg.game import GameError

if TYPE_CHECKING:
    import pandas as pd

CHUNK = "chunk-{:06d}.parquet"


def open_store(folder: str | Path, manifest: Mapping[str, str | int]) -> set[int]:
    """Make the folder, or check that it holds this very sweep; returns the chunks that are finished.

    Raises
    ------
    GameError
        Where pyarrow is missing, the folder cannot be written or holds something else, naming what differs.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise GameError(
            "resume= writes Parquet files, which needs pyarrow: pip install 'stackelberg[parquet]'"
        ) from None
    folder = Path(folder)
    record = folder / "manifest.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not record.exists():
            if any(folder.iterdir()) and not all(p.name.startswith(".part-") for p in folder.iterdir()):
                raise GameError(f"{folder} holds other files and no sweep: name a new folder to resume from")
            _write(record, (json.dumps(manifest, indent=1) + "\n").encode())
        held = json.loads(record.read_text(encoding="utf-8"))
    except OSError as error:
        raise GameError(
            f"{folder}: cannot be used ({error.strerror or error}); name another folder"
        ) from None
    except json.JSONDecodeError:
        raise GameError(f"{record} is not JSON: remove the folder or name another") from None
    different = [name for name in {**manifest, **held} if held.get(name) != manifest.get(name)]
    if different:
        raise GameError(f"{folder} holds another sweep ({', '.join(different)} differ): name another folder")
    for part in folder.glob(".part-*"):  # of a process that was killed while it wrote
        part.unlink(missing_ok=True)
    names = (re.fullmatch(r"chunk-(\d{6,})\.parquet", path.name) for path in folder.iterdir())
    return {int(match[1]) for match in names if match}


def write_chunk(folder: str | Path, chunk: int, frame: "pd.DataFrame") -> None:
    """Keep a finished chunk: whole or not at all.

    Raises
    ------
    GameError
        Where a column holds what Parquet cannot.
    """
    import pyarrow as pa

    try:
        content = frame.to_parquet(None, index=False, engine="pyarrow")
    except pa.ArrowException as error:
        raise GameError(f"chunk {chunk} cannot be written as Parquet: {error}") from None
    _write(Path(folder) / CHUNK.format(chunk), content)


def read_chunk(folder: str | Path, chunk: int) -> "pd.DataFrame":
    """A finished chunk.

    Raises
    ------
    GameError
        Where the file is damaged, naming it.
    """
    import pandas as pd
    import pyarrow as pa

    path = Path(folder) / CHUNK.format(chunk)
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except (pa.ArrowException, OSError) as error:
        raise GameError(
            f"{path} cannot be read ({error}): remove it, and the sweep solves its points again"
        ) from None


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
