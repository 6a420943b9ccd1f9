"""
Counters and answers in records that all workers share; no different from those of one process.

Law: called within the table, so that a call finds its id, counts and remembers in one step.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import Any

from adapters.memquota.deduplication import Answer
from adapters.memquota.limits import (
    TICKS_PER_SECOND,
    Dimensions,
    QuotaLimit,
    chooser,
    keyer,
    standing,
)
from adapters.memquota.window import RollingWindow
from mixer.adapter import Shape, Standing, Table

MAX_KEYS = 4096
_CELL = Struct("@q")
_ANSWER = Struct("@dqd")


class SharedCounters:
    """
    What `Counters` is, in a table: a window or a cell for each distinct tuple of dimensions.

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
        limit, key = self._choose(dimensions), self._key(dimensions)
        record = self._table.get(key)
        if not limit.ticks:
            used = _CELL.unpack(record)[0] if record else 0
            left = limit.amount - used
            granted = units if units <= left else left if best_effort else 0
            if granted:
                self._write_cell(key, used + granted, now)
            return granted, 0.0
        window, tick = RollingWindow(limit.amount, limit.ticks, record), _tick(now)
        if not window.take(units, tick):
            if not best_effort:
                return 0, 0.0
            units = window.available(tick)
            if not units:
                return 0, limit.seconds
            window.take(units, tick)
        self._write(key, window, now)
        return units, limit.seconds

    def give_back(self, dimensions: Dimensions, units: int, now: float) -> int:
        """Give back up to *units*; return how many of them had been taken."""
        limit, key = self._choose(dimensions), self._key(dimensions)
        record = self._table.get(key)
        if record is None:
            return 0
        if not limit.ticks:
            used: int = _CELL.unpack(record)[0]
            returned = min(used, units)
            self._write_cell(key, used - returned, now)
            return returned
        window, tick = RollingWindow(limit.amount, limit.ticks, record), _tick(now)
        returned = window.give_back(units, tick)
        if window.is_drained(tick):
            self._table.drop(key)
        else:
            self._write(key, window, now)
        return returned

    def standing(self, dimensions: Dimensions, now: float) -> Standing:
        """How the quota stands."""
        limit, record = self._choose(dimensions), self._table.get(self._key(dimensions))
        if record is None or not limit.ticks:
            return standing(limit, None, _CELL.unpack(record)[0] if record else 0, now)
        return standing(limit, RollingWindow(limit.amount, limit.ticks, record), 0, now)

    def _key(self, dimensions: Dimensions) -> bytes:
        values = self._dimensions(dimensions)
        key = self._keys.get(values)
        if key is None:
            key = f"{self._name} {values!r}".encode("utf-8", "surrogatepass")
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            self._keys[values] = key
        return key

    def _write(self, key: bytes, window: RollingWindow, now: float) -> None:
        expires = window.drained_at / TICKS_PER_SECOND
        self._table.put(key, window.state(), expires=expires, now=now)

    def _write_cell(self, key: bytes, used: int, now: float) -> None:
        if used:
            self._table.put(key, _CELL.pack(used), expires=math.inf, now=now)
        else:
            self._table.drop(key)


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


def _tick(now: float) -> int:
    return int(now * TICKS_PER_SECOND)
