"""
Counters and answers in records that all workers share; no different from those of one process.

Law: called within the table, so that a call finds its id, counts and remembers in one step.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from adapters.memquota.counted import Counted
from adapters.memquota.deduplication import Answer
from adapters.memquota.limits import Dimensions, QuotaLimit, chooser, keyer
from mixer.adapter import Shape, Standing, Table

MAX_KEYS = 4096
_ANSWER = Struct("@dqd")


class SharedCounters:
    """
    What `Counters` is, in a table: a counter for each distinct tuple of dimensions.

    They are kept under the quota's name.
    """

    def __init__(self, table: Table, quota: QuotaLimit, shape: Shape) -> None:
        self._choose = chooser(quota, shape)
        self._dimensions = keyer(shape)
        self._name = quota.name
        self._table = table
        self._keys: dict[Any, bytes] = {}
        """Keys that were made, as making one takes as long as using it."""

    def take(
        self, dimensions: Dimensions, units: int, best_effort: bool, now: float
    ) -> tuple[int, float]:
        """Take *units* (1 or more). Raises TableFull where they can't be written down."""
        key, counted = self._found(dimensions)
        taken = counted.take(units, best_effort, now)
        if taken[0]:
            self._write(key, counted, now)
        return taken

    def give_back(self, dimensions: Dimensions, units: int, now: float) -> int:
        """Give back up to *units*; return how many of them had been taken."""
        key, counted = self._found(dimensions)
        returned = counted.give_back(units, now)
        if counted.is_drained(now):
            self._table.drop(key)
        else:
            self._write(key, counted, now)
        return returned

    def standing(self, dimensions: Dimensions, now: float) -> Standing:
        """How the quota stands."""
        return self._found(dimensions)[1].standing(now)

    def _found(self, dimensions: Dimensions) -> tuple[bytes, Counted]:
        key = self._key(dimensions)
        return key, self._choose(dimensions).counted(self._table.get(key))

    def _key(self, dimensions: Dimensions) -> bytes:
        values = self._dimensions(dimensions)
        key = self._keys.get(values)
        if key is None:
            key = f"{self._name} {values!r}".encode("utf-8", "surrogatepass")
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            self._keys[values] = key
        return key

    def _write(self, key: bytes, counted: Counted, now: float) -> None:
        self._table.put(key, counted.state(), expires=counted.drained_at, now=now)


class SharedDeduplication:
    """What `Deduplication` is, in a table."""

    def __init__(self, span: float, table: Table) -> None:
        self._span = span
        self._table = table

    def recall(self, call: str, now: float) -> Answer | None:
        """Return what the *call* of this id was answered, None if it is new or forgotten."""
        record = self._table.get(_call_key(call))
        if record is None:
            return None
        generation, amount, expires = _ANSWER.unpack(record)
        return Answer(amount, expires) if now // self._span <= generation + 1 else None

    def remember(self, call: str, answer: Answer, now: float) -> None:
        """Keep the *answer* to a call that `recall` has just found to be new."""
        generation = now // self._span
        record = _ANSWER.pack(generation, answer.amount, answer.expires)
        self._table.put(_call_key(call), record, expires=(generation + 2) * self._span, now=now)


def _call_key(call: str) -> bytes:
    return b"\0" + call.encode("utf-8", "surrogatepass")
