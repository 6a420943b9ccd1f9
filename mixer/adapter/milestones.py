"""When to say again what happens again and again: the 1st, 10th, 100th ... time."""

from __future__ import annotations


class Milestones:
    """Counts, and says when a count is worth a word."""

    __slots__ = ("_next", "count")

    def __init__(self) -> None:
        self.count = 0
        self._next = 1

    def reached(self) -> bool:
        """Count one more; tell whether that makes 1, 10, 100 and so on."""
        self.count += 1
        if self.count < self._next:
            return False
        self._next *= 10
        return True
