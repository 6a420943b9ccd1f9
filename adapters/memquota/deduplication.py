"""Remembers the answers to calls for a while, so that a retry is not charged. Knows no clock."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a call was granted; many are kept, and the collector need not look at them."""

    amount: int
    expires: float
    """Time when the grant expires; that of the call itself where there is nothing to expire."""


class Deduplication:
    """
    Keeps each answer for at least *span* seconds and at most twice that.

    There are two generations, and with every whole *span* of the clock the older one is
    forgotten: nothing is searched.
    """

    __slots__ = ("_generation", "_newer", "_older", "_span")

    def __init__(self, span: float) -> None:
        self._span = span
        self._generation = 0.0
        self._newer: dict[str, Answer] = {}
        self._older: dict[str, Answer] = {}

    def recall(self, call: str, now: float) -> Answer | None:
        """Return what the *call* of this id was answered, None if it is new or forgotten."""
        generation = now // self._span
        if generation > self._generation:
            self._older = self._newer if generation == self._generation + 1 else {}
            self._newer = {}
            self._generation = generation
        return self._newer.get(call) or self._older.get(call)

    def remember(self, call: str, answer: Answer, now: float) -> None:
        """Keep the *answer* to a call that `recall` has just found to be new."""
        self._newer[call] = answer
