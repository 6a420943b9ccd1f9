"""
Stands before a handler that waits for a back end: bounds time and number of calls that do.

Law: a back end that is dead, slow or hanging costs those who wait for it no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import random
from typing import Any, Protocol

from mixer.adapter.hosting import Hosting, Retry
from mixer.adapter.outages import PASSING, Unavailable


class GuardMeter(Protocol):
    """Counts the calls that were not let through."""

    def refused(self, reason: str, /) -> None: ...


class Guard:
    """Time-out, retries, breaker and bulkhead of one handler; used on its event loop only."""

    __slots__ = ("_clock", "_failures", "_hosting", "_meter", "_spared_until", "_under_way")

    def __init__(self, hosting: Hosting, clock: Callable[[], float], meter: GuardMeter) -> None:
        self._hosting = hosting
        self._clock = clock
        self._meter = meter
        self._failures = 0
        self._spared_until = 0.0
        self._under_way = 0

    def around(
        self, verb: Callable[..., Awaitable[Any]], *, again: bool
    ) -> Callable[..., Awaitable[Any]]:
        """
        *verb*, guarded; where it may be tried *again*, it is as often as the handler says.

        Besides what *verb* raises it raises `Unavailable`.
        """
        tries = 1 + self._hosting.retry.checks if again else 1
        timeout = self._hosting.timeout.seconds

        async def guarded(*arguments: Any) -> Any:
            self._enter()
            try:
                async with asyncio.timeout(timeout) as limit:
                    found = await self._tried(verb, arguments, tries)
            except PASSING as error:
                self._failed()
                if isinstance(error, TimeoutError) and limit.expired():
                    raise Unavailable(f"no answer within {timeout:g} s") from None
                raise
            except Exception:  # an answer all the same
                self._failures = 0
                raise
            finally:
                self._under_way -= 1
            self._failures = 0
            return found

        return guarded

    async def _tried(
        self, verb: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], tries: int
    ) -> Any:
        pauses = Pauses(self._hosting.retry)
        while True:
            try:
                return await verb(*arguments)
            except PASSING as error:
                tries -= 1
                if not tries:
                    raise
                await asyncio.sleep(pauses.next(error))

    def _enter(self) -> None:
        """Let a call through, or raise `Unavailable`."""
        breaker, most = self._hosting.breaker, self._hosting.concurrency
        if most and self._under_way >= most:
            self._meter.refused("busy")
            raise Unavailable(f"{most} calls wait for the back end already")
        if breaker.failures and self._failures >= breaker.failures:
            now = self._clock()
            if now < self._spared_until:
                self._meter.refused("spared")
                raise Unavailable(
                    f"no answer {self._failures} times in a row; the next try is in "
                    f"{self._spared_until - now:.1f} s"
                )
            # One is let through, and the others wait for what it finds.
            self._spared_until = now + self._hosting.timeout.seconds + breaker.pause.seconds
        self._under_way += 1

    def _failed(self) -> None:
        self._failures += 1
        self._spared_until = self._clock() + self._hosting.breaker.pause.seconds


class Pauses:
    """The pauses between tries: each twice as long as the one before, cut short by chance."""

    __slots__ = ("_chance", "_longest", "_next")

    def __init__(self, retry: Retry, chance: Callable[[], float] = random) -> None:
        self._next = retry.pause.seconds
        self._longest = retry.max_pause.seconds
        self._chance = chance

    def next(self, error: BaseException) -> float:
        """Seconds until the next try after *error*; at least as long as the back end asked for."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        # At least half of it: many who were cut off together come back spread over the other half.
        return max(pause * (1 + self._chance()) / 2, getattr(error, "after", 0.0))
