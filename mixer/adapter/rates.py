"""Rate limit algorithms that know no clock: the time comes in as an argument."""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

_ROUNDING = 1e-9


class Cell(NamedTuple):
    """
    The rule of the generic cell rate algorithm (ITU-T I.371): units come back one by one, evenly.

    All that is kept of a counter is the time at which everything taken will be back; 0 for new
    ones. It grants what a token bucket of the same size and rate does.
    """

    unit: float
    """Seconds in which one unit comes back."""

    burst: int
    """Units there are when all are back."""

    def take(self, back: float, units: int, part_will_do: bool, now: float) -> tuple[int, float]:
        """Take *units*, 1 or more: how many are granted, and the new time."""
        left = self.remaining(back, now)
        granted = units if units <= left else left if part_will_do and left > 0 else 0
        return granted, max(back, now) + granted * self.unit

    def give_back(self, back: float, units: int, now: float) -> tuple[int, float]:
        """Give back up to *units*: how many had been taken, and the new time."""
        used = ceil(max(back - now, 0.0) / self.unit - _ROUNDING)
        returned = min(units, used)
        return returned, max(back - returned * self.unit, now)

    def remaining(self, back: float, now: float) -> int:
        """How many units could be taken."""
        return floor(self.burst - max(back - now, 0.0) / self.unit + _ROUNDING)

    def more_in(self, back: float, now: float) -> float:
        """Seconds until another unit is back; 0 where all are."""
        if back <= now:
            return 0.0
        free = self.burst - (back - now) / self.unit
        return (self.remaining(back, now) + 1 - free) * self.unit
