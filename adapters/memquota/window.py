"""A rolling window: what was taken comes back when its tick leaves the window. Knows no clock."""

from __future__ import annotations

from collections import deque


class RollingWindow:
    """
    Hands out at most *limit* units within any *length* ticks.

    Ticks are whole numbers that the caller counts; one that is earlier than the last is taken for
    the last. Only ticks in which something was taken cost memory.
    """

    __slots__ = ("_available", "_last", "_length", "_taken")

    def __init__(self, limit: int, length: int) -> None:
        self._available = limit
        self._length = length
        self._taken: deque[list[int]] = deque()  # [tick, units], oldest first
        self._last = 0

    def take(self, units: int, tick: int) -> bool:
        """Take *units* (1 or more) if so many are available."""
        if units > self.available(tick):
            return False
        taken = self._taken
        if taken and taken[-1][0] == self._last:
            taken[-1][1] += units
        else:
            taken.append([self._last, units])
        self._available -= units
        return True

    def give_back(self, units: int, tick: int) -> int:
        """Give back up to *units*, those taken last first; return how many that were."""
        self.available(tick)
        left = units
        while left and self._taken:
            newest = self._taken[-1]
            if newest[1] > left:
                newest[1] -= left
                left = 0
            else:
                left -= newest[1]
                self._taken.pop()
        returned = units - left
        self._available += returned
        return returned

    def available(self, tick: int) -> int:
        """Units that can be taken now."""
        if tick > self._last or not self._taken:
            self._last = tick
        taken, gone = self._taken, self._last - self._length
        while taken and taken[0][0] <= gone:
            self._available += taken.popleft()[1]
        return self._available

    def is_drained(self, tick: int) -> bool:
        """Tell whether nothing is taken, so that a new window would be no different."""
        self.available(tick)
        return not self._taken
