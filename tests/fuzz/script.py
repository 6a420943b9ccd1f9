"""Reads arbitrary bytes as choices, so that whatever a fuzzer makes up is a plausible story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Some = TypeVar("_Some")


class Script:
    """Bytes that are read as choices; past their end everything is the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def number(self, count: int) -> int:
        """From 0 up to *count*, exclusive."""
        size = (max(count - 1, 1).bit_length() + 7) // 8
        return int.from_bytes(self.take(size), "little") % count

    def choice(self, options: Sequence[_Some]) -> _Some:
        return options[self.number(len(options))]

    def take(self, size: int) -> bytes:
        """Some bytes as they are, at most *size*."""
        self._at += size
        return self._data[self._at - size : self._at]

    def some(self, most: int = 255) -> bytes:
        """Bytes as they are, of any length up to *most*."""
        return self.take(self.number(most + 1))
