"""Where lines are written: standard streams, files, files that are rotated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, TextIO

from adapters.stdio.config import StdioConfig, Stream

MEGABYTE = 1 << 20
_STAMP = "%Y-%m-%dT%H-%M-%S"


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, lines: str, /) -> None:
        """Write *lines* and flush. Raises OSError."""

    def close(self) -> None:
        """Give back what was opened."""


class Standard:
    """A stream that is not ours to close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, lines: str, /) -> None:
        self._stream.write(lines)
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


class File:
    """A file that lines are appended to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, lines: str, /) -> None:
        self._file.write(lines)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class RotatedFile:
    """A file that is renamed with a time stamp when it is full, and whose past is bounded."""

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
        self._file = path.open("ab")
        self._size = self._file.tell()

    def write(self, lines: str, /) -> None:
        data = lines.encode()
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        self._file.write(data)
        self._file.flush()
        self._size += len(data)

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        now = self._now()
        stamp = f"{now:{_STAMP}}.{now.microsecond // 1000:03d}"
        path = self._path
        path.rename(path.with_name(f"{path.stem}-{stamp}{path.suffix}"))
        self._file = path.open("ab")
        self._size = 0
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
