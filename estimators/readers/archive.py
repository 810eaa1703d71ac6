"""A zip archive is checked to its last byte before anything in it is believed.

Readers of archives trust the directory at the end of the file. Here every member is decompressed once, in
pieces that are thrown away, so that a damaged, swollen or misnamed member is refused before any is parsed.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from estimators.observations import ObservationError
from estimators.readers.text import damaged

# Logs are text: models repeat themselves, but not ten thousandfold.
SMALL, LARGEST, RATIO = 2**26, 2**35, 500
_STORED, _DEFLATED, _ZSTANDARD = 0, 8, 93
_PIECE = 2**16


def check_archive(path: Path) -> list[str]:
    """Return the members' names once each is known to be whole.

    Raises
    ------
    ObservationError
        The archive is cut short, a member is damaged or not what the directory says, a name points outside
        the archive or appears twice, or the archive unpacks to implausibly much.
    """
    mend = "fetch or write the file again"
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = archive.infolist()
            _check_names(path, [member.filename for member in members])
            size, packed = sum(member.file_size for member in members), path.stat().st_size
            if size > LARGEST or (size > SMALL and size > RATIO * packed):
                sizes = f"{packed} bytes would unpack to {size}"
                raise damaged(path, f"{sizes}, which no log does; do not open it")
            for member in members:
                if not _whole(file, member):
                    raise damaged(path, f"member {member.filename!r} is damaged; {mend}")
    except ObservationError:
        raise
    except OSError as error:
        raise damaged(path, f"cannot be read ({error.strerror or error}); check the name") from None
    except Exception as error:  # zipfile, zlib and zstandard each have their own for damaged bytes
        raise damaged(path, f"a damaged or cut archive ({error}); {mend}") from None
    return [member.filename for member in members]


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
        if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
            raise damaged(path, f"member {name!r} lies outside the archive; do not open it")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise damaged(path, f"member {twice!r} appears twice; write the file again")


def _whole(file: IO[bytes], member: zipfile.ZipInfo) -> bool:
    """Whether a member unpacks to the size and checksum that the directory gives, and to no byte more."""
    file.seek(member.header_offset)
    header = file.read(30)  # the local header: its last four bytes give the lengths of two fields to skip
    if len(header) < 30 or header[:4] != b"PK\x03\x04" or member.flag_bits & 1:
        return False
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    size, checksum = 0, 0
    for piece in _unpacked(file, member):
        size += len(piece)
        checksum = zlib.crc32(piece, checksum)
        if size > member.file_size:
            return False
    return size == member.file_size and checksum == member.CRC


def _unpacked(file: IO[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.compress_type == _STORED:
        unpack: Any = None
    elif member.compress_type == _DEFLATED:
        unpack = zlib.decompressobj(-15)
    elif member.compress_type == _ZSTANDARD:
        import zstandard

        # write() of a streaming decompressor returns pieces of bounded size, whatever the frame claims
        source: Any = _Part(file, member.compress_size)  # it only reads from it
        yield from zstandard.ZstdDecompressor(max_window_size=2**27).read_to_iter(source, write_size=_PIECE)
        return
    else:
        raise ValueError(f"member {member.filename!r} is packed by method {member.compress_type}")
    part = _Part(file, member.compress_size)
    while piece := part.read(_PIECE):
        if unpack is None:
            yield piece
            continue
        while piece:
            yield unpack.decompress(piece, _PIECE)
            piece = unpack.unconsumed_tail
    if unpack is not None:
        yield unpack.flush()


class _Part:
    """The next `left` bytes of a file, as a file."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self.file, self.left = file, left

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(piece)
        return piece
