"""
The tables behind `Env.table`: each belongs to one handler, the same in all workers.

Law: a table lives as long as one worker has it open; which do is in the directory, as bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic
from types import TracebackType

from mixer.memory.blocks import DIRECTORY, DIRECTORY_WORDS, TIGHT, Blocks
from mixer.memory.memory import WORD, Memory

MEMORY_BYTES = 1 << 28
"""Room for records; what is never used costs nothing."""

MAX_WORKERS = 63
"""As many as a word has bits, but for its sign."""

_ID, _USERS, _DIGEST, _ENTRY_WORDS = 0, 1, 2, 4
_ENTRIES = DIRECTORY_WORDS // _ENTRY_WORDS
_MAX_KEY_BYTES = 256
"""A longer key is known by a digest."""

_DIGEST_BYTES = 64

_MAX_KNOWN = 4096
"""Keys whose hash and place a process remembers."""

_FOREVER = (1 << 62) - 1
_SLACK = 1.0
"""Seconds that a record outlives its time, for clocks that were read before the lock was had."""


class Records:
    """All tables, as one worker sees them."""

    def __init__(self, file: int, worker: int = 0, clock: Callable[[], float] = monotonic) -> None:
        """Join the memory in *file*; a former worker of this number has nothing open any more."""
        self.memory = Memory(file)
        self._words = self.memory.words
        self._bit = 1 << worker
        self._clock = clock
        self._open: dict[int, int] = {}
        self._blocks = Blocks(self.memory, self._is_owner)
        with self.memory as memory:
            for entry in range(DIRECTORY, DIRECTORY + DIRECTORY_WORDS, _ENTRY_WORDS):
                if self._words[entry + _USERS] & self._bit:
                    memory.put(entry + _USERS, self._words[entry + _USERS] & ~self._bit)

    def __len__(self) -> int:
        """Records there are, expired ones that nobody met yet included."""
        return len(self._blocks)

    @property
    def bytes_used(self) -> int:
        """Memory that records have taken so far; what is free again counts too."""
        return self._blocks.bytes_used

    @property
    def refused(self) -> int:
        """Records there was no room for."""
        return self._blocks.refused

    def open(self, identity: str) -> RecordTable | None:
        """
        The table of the handler that has this *identity* in all workers, to be closed by it.

        None where there are as many tables as can be.
        """
        digest = blake2b(identity.encode(), digest_size=2 * WORD).digest()
        words = self._words
        with self.memory as memory:
            entry = self._entry(digest)
            if entry is None:
                return None
            if not words[entry + _USERS]:
                # An id that was never used: what an earlier owner of this entry left goes away.
                first = (entry - DIRECTORY) // _ENTRY_WORDS
                memory.put(entry + _ID, (words[entry + _ID] or first) + _ENTRIES)
                memory.put_bytes(entry + _DIGEST, digest)
            memory.put(entry + _USERS, words[entry + _USERS] | self._bit)
            owner = words[entry + _ID]
        self._open[owner] = self._open.get(owner, 0) + 1
        return RecordTable(self.memory, self._blocks, owner, self._clock)

    def release(self, table: RecordTable) -> None:
        """Give up a table; with its last user it is gone."""
        owner = table.owner
        self._open[owner] -= 1
        if not self._open[owner]:
            del self._open[owner]
            users = _entry_of(owner) + _USERS
            with self.memory as memory:
                memory.put(users, self._words[users] & ~self._bit)

    def close(self) -> None:
        """Let go of the memory; what is open stays so for this worker's number."""
        self.memory.close()

    def _entry(self, digest: bytes) -> int | None:
        """The directory's entry of a table that is open, or one that is free."""
        free = None
        for entry in range(DIRECTORY, DIRECTORY + DIRECTORY_WORDS, _ENTRY_WORDS):
            if not self._words[entry + _USERS]:
                free = entry if free is None else free
            elif self.memory.bytes[(entry + _DIGEST) * WORD : (entry + 4) * WORD] == digest:
                return entry
        return free

    def _is_owner(self, owner: int) -> bool:
        entry = _entry_of(owner)
        return self._words[entry + _ID] == owner and self._words[entry + _USERS] != 0


class RecordTable:
    """The `Table` of one handler."""

    __slots__ = ("_blocks", "_clock", "_known", "_memory", "_salt", "_words", "owner")

    def __init__(
        self, memory: Memory, blocks: Blocks, owner: int, clock: Callable[[], float]
    ) -> None:
        self._memory = memory
        self._blocks = blocks
        self._clock = clock
        self._salt = blocks.salt
        self._words = memory.words
        self._known: dict[bytes, tuple[bytes, int, int]] = {}
        """Name, hash, and block or 0, of keys that were looked for. The block saves a search, if
        the record is still there."""

        self.owner = owner

    def __enter__(self) -> RecordTable:
        self._memory.__enter__()
        if self._words[TIGHT]:
            self._blocks.make_room(_milliseconds(self._clock()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._memory.__exit__(kind, error, trace)

    def get(self, key: bytes, /) -> bytes | None:
        """The record of *key*, if there is one."""
        _, _, at = self._find(key)
        return self._blocks.record(at) if at else None

    def put(self, key: bytes, record: bytes, /, *, expires: float, now: float) -> None:
        """Keep *record* under *key*. Raises TableFull."""
        name, number, at = self._find(key)
        until = _FOREVER if expires == math.inf else _milliseconds(expires + _SLACK)
        if at:
            if self._blocks.put(at, record, until):
                return
            self._blocks.remove(at)
        at = self._blocks.add(self.owner, number, name, record, until, _milliseconds(now))
        self._known[key] = name, number, at

    def drop(self, key: bytes, /) -> None:
        """Forget the record of *key*."""
        name, number, at = self._find(key)
        if at:
            self._blocks.remove(at)
            self._known[key] = name, number, 0

    def _find(self, key: bytes) -> tuple[bytes, int, int]:
        blocks, owner = self._blocks, self.owner
        known = self._known.get(key)
        if known is not None:
            name, number, at = known
            if at and blocks.holds(at, owner, number, name):
                return known
        else:
            name = key if len(key) <= _MAX_KEY_BYTES else self._digest(key, _DIGEST_BYTES)
            number = int.from_bytes(self._digest(name, WORD), "little", signed=True)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
        found = self._known[key] = name, number, blocks.find(owner, number, name)
        return found

    def _digest(self, key: bytes, size: int) -> bytes:
        """A digest with a secret, so that nobody who chooses keys can make them collide."""
        return blake2b(key, digest_size=size, salt=self._salt).digest()


def _entry_of(owner: int) -> int:
    return DIRECTORY + owner % _ENTRIES * _ENTRY_WORDS


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
