"""A log file that is rotated while several processes write to it."""

from __future__ import annotations

import logging
import os
from fcntl import LOCK_EX, LOCK_UN, flock
from logging.handlers import RotatingFileHandler


class SharedRotatingFile(RotatingFileHandler):
    """
    What its base is, one process at a time: a lock beside the file, held for each line.

    Without it two processes would rename the same backups, and one of them would lose a file.
    """

    def __init__(self, path: str, max_bytes: int, max_backups: int) -> None:
        """Open the file. Raises OSError."""
        super().__init__(path, maxBytes=max_bytes, backupCount=max_backups)
        try:
            self._alone = open(f"{path}.lock", "ab")  # noqa: SIM115  # as long as the handler
        except OSError:
            super().close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, to the file that is the newest by then."""
        flock(self._alone, LOCK_EX)
        try:
            stream = self.stream
            if stream is not None and not self._is_current(stream.fileno()):
                stream.close()
                self.stream = self._open()
            super().emit(record)
        finally:
            flock(self._alone, LOCK_UN)

    def close(self) -> None:
        """Close the file and its lock."""
        super().close()
        self._alone.close()

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.baseFilename), os.fstat(file))
        except FileNotFoundError:
            return False
