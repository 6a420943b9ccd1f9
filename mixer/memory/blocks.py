"""
Records by number in shared memory: blocks, the buckets that find them, the hand that clears up.

Words: counts, lists of free blocks by size, the directory of tables, buckets, blocks. A block's
size is a power of two that it keeps; it is in the chain of its bucket, or free. A hand goes round
all blocks, some steps for each new record, and frees those that are of no use any more.

Law: called within a step of `Memory`, which makes every change whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from struct import Struct

from mixer.adapter.table import TableFull
from mixer.memory.memory import FIRST_WORD, WORD, Memory

DIRECTORY = FIRST_WORD + 64
"""Words for the directory of the tables; what is in them is not known here."""

DIRECTORY_WORDS = 1024
SALT_BYTES = 16

TIGHT = FIRST_WORD
"""The word that is not 0 when there was no room last time."""

_END, _HAND, _REFUSED, _SALT, _FREE = (FIRST_WORD + offset for offset in (1, 2, 3, 8, 16))
_BUCKETS = DIRECTORY + DIRECTORY_WORDS
_BUCKET_COUNT = 1 << 16
_FIRST_BLOCK = _BUCKETS + _BUCKET_COUNT

_SIZE, _NEXT, _OWNER, _NUMBER, _KEY_BYTES, _KEY = range(6)
"""Words of a block; after the key, in whole words, come expiry, length and bytes of the record.
The owner of a free block is 0."""

_HEAD = Struct("@qqqqq")
_TAIL = Struct("@qq")
_FREED = Struct("@qq")
"""Next free block, and owner."""

_SMALLEST, _LARGEST = 8, 8192
_STEPS_PER_ADDED = 2  # more than one, so that old records go faster than new ones come
_STEPS_WHEN_TIGHT = 64


class Blocks:
    """The records of all tables, as one process sees them."""

    def __init__(self, memory: Memory, is_owner: Callable[[int], bool]) -> None:
        """Use *memory*; records whose owner is none go away."""
        self._memory = memory
        self._words = memory.words
        self._is_owner = is_owner
        with memory:
            if not self._words[_END]:
                memory.put_bytes(_SALT, os.urandom(SALT_BYTES))
                memory.put(_HAND, _FIRST_BLOCK)
                memory.put(_END, _FIRST_BLOCK)

    @property
    def salt(self) -> bytes:
        """A secret of this memory."""
        return bytes(self._memory.bytes[_SALT * WORD : _SALT * WORD + SALT_BYTES])

    def __len__(self) -> int:
        """Records there are, those of no more use that the hand did not meet yet included."""
        words, at, count = self._words, _FIRST_BLOCK, 0
        while at < words[_END]:
            count += words[at + _OWNER] != 0
            at += words[at + _SIZE]
        return count

    @property
    def bytes_used(self) -> int:
        """Memory that records have taken so far; what is free again counts too."""
        return (self._words[_END] - _FIRST_BLOCK) * WORD

    @property
    def refused(self) -> int:
        """Records there was no room for."""
        return self._words[_REFUSED]

    def find(self, owner: int, number: int, key: bytes) -> int:
        """The block of the owner's record *key*, whose hash is *number*; 0 if there is none."""
        words = self._words
        at = words[_BUCKETS + number % _BUCKET_COUNT]
        while at and not self.holds(at, owner, number, key):
            at = words[at + _NEXT]
        return at

    def holds(self, at: int, owner: int, number: int, key: bytes) -> bool:
        """Whether a block, or one that was there once, holds that record."""
        words, start = self._words, (at + _KEY) * WORD
        return (
            words[at + _NUMBER] == number
            and words[at + _OWNER] == owner
            and words[at + _KEY_BYTES] == len(key)
            and self._memory.bytes[start : start + len(key)] == key
        )

    def record(self, at: int) -> bytes:
        """The record in a block that was found."""
        tail = at + _KEY + -(-self._words[at + _KEY_BYTES] // WORD)
        start = (tail + 2) * WORD
        return bytes(self._memory.bytes[start : start + self._words[tail + 1]])

    def put(self, at: int, record: bytes, expires: int) -> bool:
        """Replace the record in a block that was found, if it has room for the new one."""
        tail = at + _KEY + -(-self._words[at + _KEY_BYTES] // WORD)
        if tail + 2 + -(-len(record) // WORD) > at + self._words[at + _SIZE]:
            return False
        self._memory.put_bytes(tail, _TAIL.pack(expires, len(record)) + record)
        return True

    def add(
        self, owner: int, number: int, key: bytes, record: bytes, expires: int, now: int
    ) -> int:
        """
        Add a record that is not there, after some steps of the hand; return its block.

        Raises TableFull where there is no block for it.
        """
        memory, words = self._memory, self._words
        self._clear_up(_STEPS_PER_ADDED, now)
        tail = _KEY + -(-len(key) // WORD)
        at = self._block(tail + 2 + -(-len(record) // WORD))
        bucket = _BUCKETS + number % _BUCKET_COUNT
        # The head is in the lists as long as the step is not done; the rest nobody looks at.
        size = words[at + _SIZE]
        memory.put_bytes(at, _HEAD.pack(size, words[bucket], owner, number, len(key)))
        written = key.ljust((tail - _KEY) * WORD, b"\0") + _TAIL.pack(expires, len(record)) + record
        start = (at + _KEY) * WORD
        memory.bytes[start : start + len(written)] = written
        memory.put(bucket, at)
        return at

    def remove(self, at: int) -> None:
        """Free a block that holds a record."""
        memory, words = self._memory, self._words
        link = _BUCKETS + words[at + _NUMBER] % _BUCKET_COUNT
        while words[link] != at:
            link = words[link] + _NEXT
        memory.put(link, words[at + _NEXT])
        free = _FREE + words[at + _SIZE].bit_length()
        memory.put_bytes(at + _NEXT, _FREED.pack(words[free], 0))
        memory.put(free, at)

    def make_room(self, now: int) -> None:
        """Clear up for good, whatever becomes of this step, which has changed nothing yet."""
        self._clear_up(_STEPS_WHEN_TIGHT, now)
        self._memory.keep()

    def _block(self, needed: int) -> int:
        """A free block of at least so many words, its size in it."""
        words = self._words
        size = max(_SMALLEST, 1 << (needed - 1).bit_length())
        free = _FREE + size.bit_length()
        if found := words[free]:
            self._memory.put(free, words[found + _NEXT])
        elif size <= _LARGEST and (found := words[_END]) + size <= len(words):
            self._memory.put(_END, found + size)
            words[found + _SIZE] = size
        else:
            # Not by way of the journal: the caller's step will be taken back.
            words[_REFUSED] += 1
            words[TIGHT] = 1
            raise TableFull(f"all {len(words) * WORD >> 20} MB shared by the workers are in use")
        words[TIGHT] = 0
        return found

    def _clear_up(self, steps: int, now: int) -> None:
        """Let the hand look at so many blocks."""
        words = self._words
        hand, end = words[_HAND], words[_END]
        for _ in range(steps):
            if hand >= end:
                hand = _FIRST_BLOCK
                if hand >= end:
                    break
            at, hand = hand, hand + words[hand + _SIZE]
            owner = words[at + _OWNER]
            if owner:
                tail = at + _KEY + -(-words[at + _KEY_BYTES] // WORD)
                if words[tail] < now or not self._is_owner(owner):
                    self.remove(at)
        self._memory.put(_HAND, hand)
