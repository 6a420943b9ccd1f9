"""
Memory that several processes share, changed by one at a time, in steps that are whole or nothing.

Law: whatever process dies, and wherever, the next one finds the memory as it was before the step.
That takes a lock that the kernel releases with its owner (a record lock), and a journal: before
words are overwritten, what they held is noted behind what was noted before; one store of one word
makes a note count, and one store makes all of them void. Who gets the lock and finds notes puts
back what they hold.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from types import TracebackType

WORD = 8
"""Bytes; the processor stores so many at once, never a part of them."""

_NOTED = 0
"""The word that tells how many words of the journal count."""

_RECOVERIES = 1
_JOURNAL = 8
JOURNAL_WORDS = 16_384
FIRST_WORD = _JOURNAL + JOURNAL_WORDS
"""Where the user's own words begin; all are 0 at first."""


class Memory:
    """Words of 64 bits, by number; used by one thread of each process."""

    def __init__(self, file: int, *, writer: bool = True) -> None:
        """Map all of *file*, made by `allocate`; who is no *writer* may only look."""
        size = os.fstat(file).st_size
        access = mmap.ACCESS_WRITE if writer else mmap.ACCESS_READ
        self._file = file
        self._mapped = mmap.mmap(file, size, access=access)
        self.bytes = memoryview(self._mapped)
        self.words = self.bytes.cast("q")
        """To be read by anybody; to be written as long as nobody else can find the words yet."""

    @property
    def recoveries(self) -> int:
        """How often a step was taken back for a process that died in it."""
        return self.words[_RECOVERIES]

    def close(self) -> None:
        """Let go of the memory, not of the file."""
        self.words.release()
        self.bytes.release()
        self._mapped.close()

    def __enter__(self) -> Memory:
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        if self.words[_NOTED]:
            self._take_back()
            self.words[_RECOVERIES] += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._take_back()
        self.words[_NOTED] = 0
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    def put(self, at: int, word: int) -> None:
        """Store one word, unless this step fails."""
        words = self.words
        noted = words[_NOTED]
        if noted + 3 > JOURNAL_WORDS:
            raise MemoryError("a step changes more than the journal holds")
        end = _JOURNAL + noted
        words[end] = words[at]
        words[end + 1] = at
        words[end + 2] = 1
        words[_NOTED] = noted + 3
        words[at] = word

    def put_bytes(self, at: int, data: bytes) -> None:
        """Store *data* from word *at* on, unless this step fails; the last word's rest is free."""
        words = self.words
        count = -(-len(data) // WORD)
        noted = words[_NOTED]
        if noted + count + 2 > JOURNAL_WORDS:
            raise MemoryError("a step changes more than the journal holds")
        end = _JOURNAL + noted
        words[end : end + count] = words[at : at + count]
        words[end + count] = at
        words[end + count + 1] = count
        words[_NOTED] = noted + count + 2
        self.bytes[at * WORD : at * WORD + len(data)] = data

    def keep(self) -> None:
        """Let what this step has changed so far stay, whatever becomes of the rest."""
        self.words[_NOTED] = 0

    def _take_back(self) -> None:
        """Put back what the notes hold, the last first; dying in here, too, leaves them whole."""
        words = self.words
        end = _JOURNAL + words[_NOTED]
        while end > _JOURNAL:
            at, count = words[end - 2], words[end - 1]
            words[at : at + count] = words[end - 2 - count : end - 2]
            end -= count + 2
        words[_NOTED] = 0


def allocate(size: int) -> int:
    """A file without name for so many bytes; they cost memory only when they are used."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("mixer")
    else:
        with tempfile.TemporaryFile() as opened:
            file = os.dup(opened.fileno())
    os.ftruncate(file, size)
    return file
