"""A rolling window: what was taken comes back when its tick leaves the window. Knows no clock."""

from __future__ import annotations

from array import array

MAX_STEPS = 1000
"""What was taken is remembered by so many times at most."""

_AVAILABLE, _LAST, _OLDEST = 0, 1, 2


class RollingWindow:
    """
    Hands out at most *limit* units, less than 2**63, within any *length* ticks.

    Ticks are whole numbers that the caller counts; one that is earlier than the last is taken for
    the last. Only ticks in which something was taken cost memory. A window of more than
    `MAX_STEPS` ticks and units joins neighbouring ticks, and what was taken in them counts for the
    latest: units come back up to a thousandth of the length late, and never early.
    """

    __slots__ = ("_cells", "_length", "_step")

    def __init__(self, limit: int, length: int, state: bytes | None = None) -> None:
        """Begin with nothing taken, or with the `state` of a window of that limit and length."""
        self._length = length
        self._step = 1 if min(limit, length) <= MAX_STEPS else -(-length // MAX_STEPS)
        self._cells = array("q", state or (limit, 0))
        """Units available, last tick, then pairs of tick and units taken, oldest first."""

    def state(self) -> bytes:
        """All there is to know of the window but its limit and length; a few KB at most."""
        return self._cells.tobytes()

    def take(self, units: int, tick: int) -> bool:
        """Take *units* (1 or more) if so many are available."""
        available = self.available(tick)
        if units > available:
            return False
        cells, step = self._cells, self._step
        tick = cells[_LAST]
        if len(cells) > _OLDEST and (cells[-2] == tick or cells[-2] // step == tick // step):
            cells[-2] = tick
            cells[-1] += units
        else:
            cells.extend((tick, units))
        cells[_AVAILABLE] = available - units
        return True

    def give_back(self, units: int, tick: int) -> int:
        """Give back up to *units*, those taken last first; return how many that were."""
        self.available(tick)
        cells, left = self._cells, units
        while left and len(cells) > _OLDEST:
            newest = cells[-1]
            if newest > left:
                cells[-1] -= left
                left = 0
            else:
                left -= newest
                del cells[-2:]
        returned = units - left
        cells[_AVAILABLE] += returned
        return returned

    def available(self, tick: int) -> int:
        """Units that can be taken now."""
        cells = self._cells
        if tick > cells[_LAST] or len(cells) == _OLDEST:
            cells[_LAST] = tick
        else:  # since it was looked at in that tick, nothing can have come back
            return cells[_AVAILABLE]
        gone, first = cells[_LAST] - self._length, _OLDEST
        while first < len(cells) and cells[first] <= gone:
            cells[_AVAILABLE] += cells[first + 1]
            first += 2
        if first > _OLDEST:
            del cells[_OLDEST:first]
        return cells[_AVAILABLE]

    def is_drained(self, tick: int) -> bool:
        """Tell whether nothing is taken, so that a new window would be no different."""
        self.available(tick)
        return len(self._cells) == _OLDEST

    @property
    def more_at(self) -> int:
        """The tick at which units come back next; 0 where nothing is taken."""
        return self._cells[_OLDEST] + self._length if len(self._cells) > _OLDEST else 0

    @property
    def drained_at(self) -> int:
        """The tick at which the window is drained if nothing more is taken."""
        return self._cells[-2] + self._length if len(self._cells) > _OLDEST else 0
