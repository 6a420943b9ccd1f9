"""Queued reports: in batches, tried again, bounded, and none of them lost without being counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from attributes import Duration
from mixer.adapter import PartlyRefused, Refused, Unavailable
from mixer.adapter.hosting import Hosting, Overflow, Queue, Retry
from mixer.runtime import delivery
from mixer.runtime.delivery import Delivery

QUICK = Retry(pause=Duration.of(0.001), max_pause=Duration.of(0.004), give_up=Duration.of(60))
AT_ONCE = Duration.of(0.001)


class Counts:
    """What a queue says of its instances."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.retries = 0

    def taken(self, instances: int, /) -> None:
        self.found["taken"] += instances

    def delivered(self, instances: int, /) -> None:
        self.found["delivered"] += instances

    def dropped(self, reason: str, instances: int, /) -> None:
        self.found[reason] += instances

    def retried(self) -> None:
        self.retries += 1


@asynccontextmanager
async def queue(
    report: Callable[[Sequence[Any]], Awaitable[None] | None],
    said: Queue | None = None,
    retry: Retry = QUICK,
    timeout: float = 5.0,
    clock: Callable[[], float] = monotonic,
) -> AsyncIterator[tuple[Delivery, Counts]]:
    """A queue before *report*, which goes on delivering until it is closed."""
    counts = Counts()
    said = said or Queue(batch_age=AT_ONCE)
    hosting = Hosting(queue=said, retry=retry, timeout=Duration.of(timeout))
    made = Delivery(report, hosting, said, clock, counts, structlog.get_logger())
    try:
        yield made, counts
    finally:
        await made.close()


class Peer:
    """A back end that takes batches, and answers as it is told before."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.batches: list[list[Any]] = []
        self.tries = 0

    async def report(self, batch: Sequence[Any]) -> None:
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.batches.append(list(batch))


async def test_instances_of_several_reports_go_in_one_batch_of_the_size_that_was_said() -> None:
    peer = Peer()
    async with queue(peer.report, Queue(batch_size=3, batch_age=Duration.of(60))) as (found, _):
        for word in "abcde":
            found.put([word])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert peer.batches == [["a", "b", "c"]]
    assert peer.batches == [["a", "b", "c"], ["d", "e"]]


async def test_a_batch_that_is_not_full_goes_when_its_first_is_old_enough() -> None:
    peer = Peer()
    async with queue(peer.report, Queue(batch_age=Duration.of(0.01))) as (found, _):
        found.put(["a"])
        async with asyncio.timeout(10):
            while not peer.batches:
                await asyncio.sleep(0.001)
        found.put(["b"])
        async with asyncio.timeout(10):
            while len(peer.batches) < 2:
                await asyncio.sleep(0.001)
    assert peer.batches == [["a"], ["b"]]


async def test_a_report_that_does_not_wait_may_be_queued_too() -> None:
    taken: list[str] = []
    async with queue(taken.extend) as (found, counts):
        found.put(["a", "b"])
    assert taken == ["a", "b"]
    assert counts.found == {"taken": 2, "delivered": 2}


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [(Overflow.DROP_NEWEST, ["a", "b", "c"]), (Overflow.DROP_OLDEST, ["c", "d", "e"])],
)
async def test_a_full_queue_drops_as_it_was_told_and_counts_it(
    overflow: Overflow, kept: list[str]
) -> None:
    peer = Peer()
    said = Queue(size=3, batch_size=3, overflow=overflow)
    with structlog.testing.capture_logs() as log:
        async with queue(peer.report, said) as (found, counts):
            found.put(["a", "b"])
            found.put(["c", "d", "e"])
    assert peer.batches == [kept]
    assert counts.found == {"taken": 5, "full": 2, "delivered": 3}
    assert [(line["event"], line["reason"], line["instances"]) for line in log] == [
        ("telemetry was dropped", "full", 2)
    ]


async def test_what_may_pass_is_tried_again_until_it_is_taken() -> None:
    peer = Peer(Unavailable("down"), ConnectionResetError("gone"), TimeoutError("slow"))
    async with queue(peer.report) as (found, counts):
        found.put(["a"])
    assert peer.batches == [["a"]]
    assert (peer.tries, counts.retries) == (4, 3)
    assert counts.found == {"taken": 1, "delivered": 1}


@pytest.mark.parametrize("error", [Refused("no such index"), ValueError("a bug of the adapter")])
async def test_what_is_final_is_not_tried_again_and_keeps_no_other_batch(error: Exception) -> None:
    peer = Peer(error)
    async with queue(peer.report, Queue(batch_size=1)) as (found, counts):
        found.put(["a", "b"])
    assert peer.batches == [["b"]]
    assert counts.found == {"taken": 2, "refused": 1, "delivered": 1}


async def test_of_a_batch_taken_in_part_only_the_rest_is_tried_again() -> None:
    peer = Peer(PartlyRefused("two of four", again=["c"], lost=1))
    async with queue(peer.report) as (found, counts):
        found.put(["a", "b", "c", "d"])
    assert peer.batches == [["c"]]
    assert counts.found == {"taken": 4, "refused": 1, "delivered": 3}


async def test_a_back_end_that_hangs_is_left_after_the_timeout_and_tried_again() -> None:
    tries = []

    async def report(batch: Sequence[Any]) -> None:
        tries.append(batch)
        if len(tries) == 1:
            await asyncio.Event().wait()

    async with queue(report, timeout=0.01) as (found, counts):
        found.put(["a"])
    assert (len(tries), counts.found["delivered"]) == (2, 1)


async def test_a_batch_is_given_up_after_the_time_that_was_said() -> None:
    now = 0.0
    tries = 0

    async def report(batch: Sequence[Any]) -> None:
        nonlocal now, tries
        now, tries = now + 30.0, tries + 1
        raise Unavailable("down")

    async with queue(report, clock=lambda: now) as (found, counts):
        found.put(["a"])
        async with asyncio.timeout(10):
            while not counts.found["expired"]:
                await asyncio.sleep(0.001)
    assert (tries, counts.found) == (2, {"taken": 1, "expired": 1})


async def test_closing_drops_what_nobody_takes_and_counts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "FLUSH_SECONDS", 0.05)

    async def report(batch: Sequence[Any]) -> None:
        raise Unavailable("down")

    async with queue(report, Queue(batch_size=2)) as (found, counts):
        found.put(["a", "b", "c"])
    found.put(["d"])
    assert counts.found == {"taken": 4, "closing": 4}


async def test_a_back_end_that_asks_to_be_left_alone_is() -> None:
    peer = Peer(Unavailable("too many", after=0.2))
    started = monotonic()
    async with queue(peer.report) as (found, counts):
        found.put(["a"])
        async with asyncio.timeout(10):
            while not counts.found["delivered"]:
                await asyncio.sleep(0.001)
    assert monotonic() - started >= 0.2


ANSWERS = st.sampled_from(
    [None, Unavailable("down"), Refused("never"), PartlyRefused("part", again=["x"], lost=0)]
)


@given(
    reports=st.lists(st.integers(0, 6), max_size=12),
    answers=st.lists(ANSWERS, max_size=12),
    size=st.integers(1, 10),
    batch=st.integers(1, 10),
    workers=st.integers(1, 3),
    overflow=st.sampled_from(list(Overflow)),
)
def test_whatever_happens_all_that_was_taken_is_delivered_or_counted_as_dropped(
    reports: list[int],
    answers: list[Exception | None],
    size: int,
    batch: int,
    workers: int,
    overflow: Overflow,
) -> None:
    async def play() -> Counts:
        said = Queue(
            size=size, batch_size=batch, batches=workers, overflow=overflow,
            batch_age=AT_ONCE,
        )  # fmt: skip
        left = list(answers)

        async def report(items: Sequence[Any]) -> None:
            await asyncio.sleep(0)
            answer = left.pop(0) if left else None
            if isinstance(answer, PartlyRefused):
                raise PartlyRefused("part", again=list(items)[:1], lost=len(items) // 3)
            if answer is not None:
                raise answer

        async with queue(report, said) as (found, counts):
            for number in reports:
                found.put(["x"] * number)
                await asyncio.sleep(0)
        return counts

    counts = asyncio.run(play())
    assert counts.found["taken"] == sum(reports)
    assert counts.found.total() - counts.found["taken"] == sum(reports)
    assert counts.found["closing"] == counts.found["expired"] == 0
