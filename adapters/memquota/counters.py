"""The counters of one quota, one for each distinct tuple of dimensions. Knows no clock."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from adapters.memquota.limits import (
    TICKS_PER_SECOND,
    Dimensions,
    Limit,
    QuotaLimit,
    chooser,
    keyer,
    standing,
)
from adapters.memquota.window import RollingWindow
from mixer.adapter import Shape, Standing

_EVICTED_PER_ADDED = 2
"""More than one, so that idle windows go faster than new ones come."""


class Counters:
    """
    Counts what is taken of one quota; it alone changes its counters.

    The limit of a counter is fixed when it is made. A window that nothing was taken of for so
    long that all came back is dropped, since a new one would be no different.
    """

    def __init__(self, quota: QuotaLimit, shape: Shape) -> None:
        self._choose = chooser(quota, shape)
        self._key = keyer(shape)
        self._windows: OrderedDict[Any, tuple[Limit, RollingWindow]] = OrderedDict()
        """Those last taken from come last."""
        self._cells: dict[Any, int] = {}
        """Units in use, for limits without a duration."""

    def __len__(self) -> int:
        return len(self._windows) + len(self._cells)

    def take(
        self, dimensions: Dimensions, units: int, best_effort: bool, now: float
    ) -> tuple[int, float]:
        """Take *units* (1 or more): how many were granted, and for how many seconds."""
        key = self._key(dimensions)
        tick = int(now * TICKS_PER_SECOND)
        counted = self._windows.get(key)
        if counted is None:
            limit = self._choose(dimensions)
            if not limit.ticks:
                return self._take_from_cell(key, limit, units, best_effort), 0.0
            self._evict(tick)
            counted = self._windows[key] = (limit, RollingWindow(limit.amount, limit.ticks))
        limit, window = counted
        if not window.take(units, tick):
            if not best_effort:
                return 0, 0.0
            units = window.available(tick)
            if not units:
                return 0, limit.seconds
            window.take(units, tick)
        self._windows.move_to_end(key)
        return units, limit.seconds

    def give_back(self, dimensions: Dimensions, units: int, now: float) -> int:
        """Give back up to *units*; return how many of them had been taken."""
        key = self._key(dimensions)
        if counted := self._windows.get(key):
            tick = int(now * TICKS_PER_SECOND)
            _, window = counted
            returned = window.give_back(units, tick)
            if window.is_drained(tick):
                del self._windows[key]
            return returned
        used = self._cells.pop(key, 0)
        if used > units:
            self._cells[key] = used - units
        return min(used, units)

    def standing(self, dimensions: Dimensions, now: float) -> Standing:
        """How the quota stands."""
        key = self._key(dimensions)
        limit, window = self._windows.get(key) or (self._choose(dimensions), None)
        return standing(limit, window, self._cells.get(key, 0), now)

    def _take_from_cell(self, key: Any, limit: Limit, units: int, best_effort: bool) -> int:
        used = self._cells.get(key, 0)
        left = limit.amount - used
        granted = units if units <= left else left if best_effort else 0
        if granted:
            self._cells[key] = used + granted
        return granted

    def _evict(self, tick: int) -> None:
        for _ in range(_EVICTED_PER_ADDED):
            oldest = next(iter(self._windows.values()), None)
            if oldest is None or not oldest[1].is_drained(tick):
                return
            self._windows.popitem(last=False)
