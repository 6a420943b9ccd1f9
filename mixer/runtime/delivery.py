"""
Brings reports to their back end: queued, in batches, tried again, bounded in number and time.

Law: what was taken is delivered or dropped, and either is counted; nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from structlog.typing import FilteringBoundLogger

from mixer.adapter.hosting import Hosting, Overflow, Queue
from mixer.adapter.milestones import Milestones
from mixer.adapter.outages import PASSING, PartlyRefused
from mixer.adapter.template import Instance
from mixer.runtime.guard import Pauses

FLUSH_SECONDS = 5.0
"""How long a handler that closes goes on delivering."""

Item: TypeAlias = Instance | str
Report: TypeAlias = Callable[[Sequence[Any]], Awaitable[None] | None]


class DeliveryMeter(Protocol):
    """Counts what becomes of the instances of one template and handler."""

    def taken(self, instances: int, /) -> None: ...
    def delivered(self, instances: int, /) -> None: ...
    def dropped(self, reason: str, instances: int, /) -> None: ...
    def retried(self) -> None: ...


class Delivery:
    """The queue of one template of a handler; used on its event loop only."""

    def __init__(
        self,
        report: Report,
        hosting: Hosting,
        queue: Queue,
        clock: Callable[[], float],
        meter: DeliveryMeter,
        log: FilteringBoundLogger,
    ) -> None:
        """*report* takes the batches; a queue of size 0 makes no sense here."""
        self._report = report
        self._hosting = hosting
        self._queue = queue
        self._batch_size = min(queue.batch_size, queue.size)
        self._clock = clock
        self._meter = meter
        self._log = log
        self._drops = Milestones()
        self._waiting: deque[Item] = deque()
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._in_hand = 0
        """Instances of batches under way."""

        self._workers = [self._loop.create_task(self._work()) for _ in range(queue.batches)]

    def put(self, instances: Sequence[Item], /) -> None:
        """Take *instances*; what finds no room is dropped."""
        self._meter.taken(len(instances))
        if self._closing.is_set():
            self._drop("closing", len(instances), "the handler is closed")
            return
        waiting, queue = self._waiting, self._queue
        excess = len(waiting) + len(instances) - queue.size
        if excess <= 0:
            waiting.extend(instances)
        elif queue.overflow is Overflow.DROP_NEWEST:
            waiting.extend(instances[: len(instances) - excess])
            self._drop("full", excess, f"{queue.size} wait already")
        else:
            waiting.extend(instances)
            for _ in range(excess):
                waiting.popleft()
            self._drop("full", excess, f"{queue.size} wait already")
        if len(waiting) >= self._batch_size:
            self._due.set()
        elif self._alarm is None:
            self._alarm = self._loop.call_later(queue.batch_age.seconds, self._ring)

    async def close(self) -> None:
        """Deliver what waits, as far as that is possible within `FLUSH_SECONDS`; drop the rest."""
        self._closing.set()
        self._due.set()
        if self._alarm is not None:
            self._alarm.cancel()
        _, late = await asyncio.wait(self._workers, timeout=FLUSH_SECONDS)
        for worker in late:
            worker.cancel()
        if late:
            await asyncio.wait(late)
        if left := len(self._waiting) + self._in_hand:
            self._waiting.clear()
            self._in_hand = 0
            self._drop("closing", left, f"not delivered within {FLUSH_SECONDS:g} s of closing")

    def _ring(self) -> None:
        self._alarm = None
        self._due.set()

    async def _work(self) -> None:
        waiting, size = self._waiting, self._batch_size
        while True:
            await self._due.wait()
            if waiting:
                batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
                self._in_hand += len(batch)
                await self._deliver(batch)
            elif self._closing.is_set():
                return
            if len(waiting) < size and not self._closing.is_set():
                self._due.clear()
                if waiting and self._alarm is None:
                    self._alarm = self._loop.call_later(self._queue.batch_age.seconds, self._ring)

    async def _deliver(self, batch: Sequence[Item]) -> None:
        """Try until *batch* is taken, refused, or there is no more time."""
        pauses = Pauses(self._hosting.retry)
        until = self._clock() + self._hosting.retry.give_up.seconds
        cause: Exception
        while batch:
            try:
                await self._try(batch)
            except PartlyRefused as error:
                self._settle(len(batch) - len(error.again) - error.lost)
                self._lose("refused", error.lost, error)
                batch, cause = error.again, error
            except PASSING as error:
                cause = error
            except Exception as error:  # whatever an adapter raises, the next batch may do better
                self._lose("refused", len(batch), error)
                return
            else:
                self._settle(len(batch))
                return
            if batch and self._clock() >= until:
                self._lose("expired", len(batch), cause)
                return
            if batch:
                self._meter.retried()
                await self._pause(pauses.next(cause))

    async def _try(self, batch: Sequence[Item]) -> None:
        timeout = self._hosting.timeout.seconds
        try:
            async with asyncio.timeout(timeout) as limit:
                answer = self._report(batch)
                if answer is not None:
                    await answer
        except TimeoutError:
            if limit.expired():
                raise TimeoutError(f"no answer within {timeout:g} s") from None
            raise

    async def _pause(self, seconds: float) -> None:
        """Wait so long; while the handler closes, no longer than its shortest pause."""
        if self._closing.is_set():
            await asyncio.sleep(min(seconds, self._hosting.retry.pause.seconds))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _settle(self, instances: int) -> None:
        self._in_hand -= instances
        self._meter.delivered(instances)

    def _lose(self, reason: str, instances: int, error: BaseException) -> None:
        if instances:
            self._in_hand -= instances
            self._drop(reason, instances, str(error) or type(error).__name__)

    def _drop(self, reason: str, instances: int, why: str) -> None:
        self._meter.dropped(reason, instances)
        if self._drops.reached():
            self._log.warning(
                "telemetry was dropped",
                reason=reason,
                instances=instances,
                times=self._drops.count,
                error=why,
            )
