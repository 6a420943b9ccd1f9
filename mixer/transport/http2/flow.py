"""Flow control (RFC 9113, section 5.2): how many bytes the peer may still send."""

from __future__ import annotations

from typing import Final

MAX_WINDOW: Final = 2**31 - 1
INITIAL_WINDOW: Final = 65_535


class ReceiveWindow:
    """What we let the peer send; what was taken is granted again when half of it is used."""

    __slots__ = ("_size", "_taken", "_used")

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        """Bytes that came and were not granted again."""
        self._taken = 0
        """Those of them that nobody holds any longer."""

    def use(self, count: int) -> bool:
        """Count bytes that came; False where the peer sent more than it may."""
        self._used += count
        return self._used <= self._size

    def take(self, count: int) -> int:
        """Give *count* bytes back; the increment to grant now, 0 for none yet."""
        self._taken += count
        if self._taken * 2 < self._size:
            return 0
        grant, self._taken = self._taken, 0
        self._used -= grant
        return grant
