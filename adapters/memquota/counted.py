"""
One counter, by the way in which its units come back. Knows no clock.

All kinds take and give back, tell how they stand, and are made again of their `state`; one that is
drained is no different from a new one.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import Protocol

from adapters.memquota.window import RollingWindow
from mixer.adapter import Standing
from mixer.adapter.rates import Cell

TICKS_PER_SECOND = 10
_USED = Struct("@q")
_BACK = Struct("@d")


class Counted(Protocol):
    """A counter; times are seconds of one clock."""

    def take(self, units: int, part_will_do: bool, now: float) -> tuple[int, float]:
        """Take *units*, 1 or more: how many are granted, and for how many seconds."""
        ...

    def give_back(self, units: int, now: float) -> int:
        """Give back up to *units*; return how many of them had been taken."""
        ...

    def standing(self, now: float) -> Standing:
        """How it stands."""
        ...

    def is_drained(self, now: float) -> bool:
        """Tell whether nothing is taken."""
        ...

    @property
    def drained_at(self) -> float:
        """When it is drained, if nothing more is taken; infinite where somebody must give back."""
        ...

    def state(self) -> bytes:
        """All there is to know of it but its limit."""
        ...


class Held:
    """Units come back only when they are given back."""

    __slots__ = ("_amount", "_used")

    drained_at = math.inf

    def __init__(self, amount: int, state: bytes | None = None) -> None:
        self._amount = amount
        self._used: int = _USED.unpack(state)[0] if state else 0

    def take(self, units: int, part_will_do: bool, now: float) -> tuple[int, float]:
        left = self._amount - self._used
        granted = units if units <= left else left if part_will_do else 0
        self._used += granted
        return granted, 0.0

    def give_back(self, units: int, now: float) -> int:
        returned = min(self._used, units)
        self._used -= returned
        return returned

    def standing(self, now: float) -> Standing:
        return Standing(self._amount, 0.0, max(self._amount - self._used, 0))

    def is_drained(self, now: float) -> bool:
        return not self._used

    def state(self) -> bytes:
        return _USED.pack(self._used)


class Windowed:
    """Units come back a window after they were taken."""

    __slots__ = ("_amount", "_seconds", "_window")

    def __init__(self, amount: int, seconds: float, ticks: int, state: bytes | None = None) -> None:
        """*ticks* are the length of the window, *seconds* how long a grant holds."""
        self._amount, self._seconds = amount, seconds
        self._window = RollingWindow(amount, ticks, state)

    def take(self, units: int, part_will_do: bool, now: float) -> tuple[int, float]:
        window, tick = self._window, int(now * TICKS_PER_SECOND)
        if not window.take(units, tick):
            if not part_will_do:
                return 0, 0.0
            units = window.available(tick)
            if units:
                window.take(units, tick)
        return units, self._seconds

    def give_back(self, units: int, now: float) -> int:
        return self._window.give_back(units, int(now * TICKS_PER_SECOND))

    def standing(self, now: float) -> Standing:
        window = self._window
        remaining = window.available(int(now * TICKS_PER_SECOND))
        more_in, resets_in = (
            max(tick / TICKS_PER_SECOND - now, 0.0) for tick in (window.more_at, window.drained_at)
        )
        return Standing(self._amount, self._seconds, remaining, more_in, resets_in)

    def is_drained(self, now: float) -> bool:
        return self._window.is_drained(int(now * TICKS_PER_SECOND))

    @property
    def drained_at(self) -> float:
        return self._window.drained_at / TICKS_PER_SECOND

    def state(self) -> bytes:
        return self._window.state()


class Bucketed:
    """Units come back one by one, evenly; a grant holds until all of its own are back."""

    __slots__ = ("_amount", "_back", "_cell", "_seconds")

    def __init__(self, amount: int, seconds: float, cell: Cell, state: bytes | None = None) -> None:
        self._amount, self._seconds, self._cell = amount, seconds, cell
        self._back: float = _BACK.unpack(state)[0] if state else 0.0

    def take(self, units: int, part_will_do: bool, now: float) -> tuple[int, float]:
        granted, self._back = self._cell.take(self._back, units, part_will_do, now)
        return granted, granted * self._cell.unit

    def give_back(self, units: int, now: float) -> int:
        returned, self._back = self._cell.give_back(self._back, units, now)
        return returned

    def standing(self, now: float) -> Standing:
        cell, back = self._cell, self._back
        remaining = max(cell.remaining(back, now), 0)
        resets_in = max(back - now, 0.0)
        return Standing(self._amount, self._seconds, remaining, cell.more_in(back, now), resets_in)

    def is_drained(self, now: float) -> bool:
        return self._back <= now

    @property
    def drained_at(self) -> float:
        return self._back

    def state(self) -> bytes:
        return _BACK.pack(self._back)
