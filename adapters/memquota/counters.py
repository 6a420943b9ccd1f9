"""The counters of one quota, one for each distinct tuple of dimensions. Knows no clock."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from adapters.memquota.counted import Counted
from adapters.memquota.limits import Dimensions, QuotaLimit, chooser, keyer
from mixer.adapter import Shape, Standing

_EVICTED_PER_ADDED = 2
"""More than one, so that idle counters go faster than new ones come."""


class Counters:
    """
    Counts what is taken of one quota; it alone changes its counters.

    The limit of a counter is fixed when it is made. One that nothing was taken of for so long that
    all came back is dropped, since a new one would be no different.
    """

    def __init__(self, quota: QuotaLimit, shape: Shape) -> None:
        self._choose = chooser(quota, shape)
        self._key = keyer(shape)
        self._draining: OrderedDict[Any, Counted] = OrderedDict()
        """Those last taken from come last."""
        self._held: dict[Any, Counted] = {}
        """Those of limits without a duration."""

    def __len__(self) -> int:
        return len(self._draining) + len(self._held)

    def take(
        self, dimensions: Dimensions, units: int, best_effort: bool, now: float
    ) -> tuple[int, float]:
        """Take *units* (1 or more): how many were granted, and for how many seconds."""
        key = self._key(dimensions)
        counted = self._draining.get(key)
        if counted is not None:
            taken = counted.take(units, best_effort, now)
            self._draining.move_to_end(key)
            return taken
        counted = self._held.get(key)
        if counted is not None:
            return counted.take(units, best_effort, now)
        limit = self._choose(dimensions)
        counted = limit.counted()
        taken = counted.take(units, best_effort, now)
        if taken[0]:
            self._evict(now)
            (self._draining if limit.seconds else self._held)[key] = counted
        return taken

    def give_back(self, dimensions: Dimensions, units: int, now: float) -> int:
        """Give back up to *units*; return how many of them had been taken."""
        key = self._key(dimensions)
        for counters in (self._draining, self._held):
            if counted := counters.get(key):
                returned = counted.give_back(units, now)
                if counted.is_drained(now):
                    del counters[key]
                return returned
        return 0

    def standing(self, dimensions: Dimensions, now: float) -> Standing:
        """How the quota stands."""
        key = self._key(dimensions)
        counted = self._draining.get(key) or self._held.get(key)
        return (counted or self._choose(dimensions).counted()).standing(now)

    def _evict(self, now: float) -> None:
        for _ in range(_EVICTED_PER_ADDED):
            oldest = next(iter(self._draining.values()), None)
            if oldest is None or not oldest.is_drained(now):
                return
            self._draining.popitem(last=False)
