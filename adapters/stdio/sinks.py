"""
Where lines are written: standard streams, files, files that are rotated.

Law: lines stay whole, though other processes write to the same place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fcntl import LOCK_EX, flock
from io import RawIOBase
from pathlib import Path
from select import PIPE_BUF
from typing import Protocol, TextIO

from adapters.stdio.config import StdioConfig, Stream

MEGABYTE = 1 << 20
_MOST_BYTES = 4
"""Of a character."""

_STAMP = "%Y-%m-%dT%H-%M-%S"


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, lines: str, /) -> None:
        """Write *lines* and flush. Raises OSError."""

    def close(self) -> None:
        """Give back what was opened."""


class Standard:
    """A stream that is not ours to close, nor ours alone: other workers write to it too."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, lines: str, /) -> None:
        stream = self._stream
        for piece in _pieces(lines):
            stream.write(piece)
            stream.flush()

    def close(self) -> None:
        self._stream.flush()


class File:
    """A file that lines are appended to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, lines: str, /) -> None:
        _append(self._file, lines.encode())

    def close(self) -> None:
        self._file.close()


class RotatedFile:
    """
    A file that is renamed with a time stamp when it is full, and whose past is bounded.

    Other workers may append to it and rotate it: who finds the file renamed goes on in the new
    one, and what was written meanwhile stands in the renamed one.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        max_days: int,
        max_files: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._max_days, self._max_files = max_days, max_files
        self._now = now
        self._file = path.open("ab", buffering=0)

    def write(self, lines: str, /) -> None:
        data = lines.encode()
        if not self._is_current():
            self._reopen()
        if self._is_full(len(data)):
            # One at a time; whoever waited here finds that it was done.
            flock(self._file, LOCK_EX)
            if self._is_current() and self._is_full(len(data)):
                self._rename()
            self._reopen()
        _append(self._file, data)

    def close(self) -> None:
        self._file.close()

    def _is_current(self) -> bool:
        """Whether the path still leads to the file that is open."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False

    def _is_full(self, more: int) -> bool:
        size = os.fstat(self._file.fileno()).st_size
        return bool(size) and size + more > self._max_bytes

    def _reopen(self) -> None:
        file = self._path.open("ab", buffering=0)
        self._file.close()
        self._file = file

    def _rename(self) -> None:
        now, path = self._now(), self._path
        stamped = now
        while (past := path.with_name(_stamped(path, stamped))).exists():
            stamped += timedelta(milliseconds=1)
        path.rename(past)
        self._forget(now)

    def _forget(self, now: datetime) -> None:
        """Delete rotated files that are too old or too many."""
        past = sorted(self._past(), reverse=True)
        oldest = now - timedelta(days=self._max_days)
        for number, (written, path) in enumerate(past):
            too_many = self._max_files and number >= self._max_files
            too_old = self._max_days and written < oldest
            if too_many or too_old:
                path.unlink(missing_ok=True)

    def _past(self) -> list[tuple[datetime, Path]]:
        """Rotated files with the time in their names; others are not ours to delete."""
        prefix, found = f"{self._path.stem}-", []
        for path in self._path.parent.glob(f"{prefix}*{self._path.suffix}"):
            stamp = path.name.removeprefix(prefix).removesuffix(self._path.suffix)
            try:
                written = datetime.strptime(stamp, f"{_STAMP}.%f").replace(tzinfo=UTC)
            except ValueError:
                continue
            found.append((written, path))
        return found


def _stamped(path: Path, time: datetime) -> str:
    return f"{path.stem}-{time:{_STAMP}}.{time.microsecond // 1000:03d}{path.suffix}"


def _append(file: RawIOBase, data: bytes) -> None:
    """Write all of *data* at once, as appended files take it; again, where a disk was full."""
    while (written := file.write(data) or 0) < len(data):
        data = data[written:]


def _pieces(lines: str) -> Iterator[str]:
    """*lines* in pieces that a pipe takes whole, unless a single line is too long for that."""
    if len(lines) * _MOST_BYTES <= PIPE_BUF:
        yield lines
        return
    piece: list[str] = []
    size = 0
    for line in lines.splitlines(keepends=True):
        length = len(line.encode())
        if piece and size + length > PIPE_BUF:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += length
    yield "".join(piece)


def open_sink(config: StdioConfig) -> Sink:
    """Open what *config* asks for. Raises OSError."""
    path = Path(config.output_path)
    match config.log_stream:
        case Stream.STDOUT:
            return Standard(sys.stdout)
        case Stream.STDERR:
            return Standard(sys.stderr)
        case Stream.FILE:
            return File(path)
        case Stream.ROTATED_FILE:
            return RotatedFile(
                path,
                config.max_megabytes_before_rotation * MEGABYTE,
                config.max_days_before_rotation,
                config.max_rotated_files,
            )
