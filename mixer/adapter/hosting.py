"""What a handler may say of how it is called, beside its params: the host does what these ask."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from attributes import Duration
from mixer.adapter.config import Config, FieldProblem, Meta, NonNegative, Positive

Lasting = Annotated[Duration, Meta(gt=0)]
"""A duration of more than nothing."""


class Overflow(IntEnum):
    """What gives way where a queue is full."""

    DROP_NEWEST = 0
    DROP_OLDEST = 1


class Queue(Config, frozen=True):
    """How instances of reports wait for their back end; each template of a handler has a queue."""

    size: NonNegative = 10_000
    """Instances that may wait. 0: none does, and a Report is answered after the back end did."""

    overflow: Overflow = Overflow.DROP_NEWEST
    """What is dropped, and counted, where the queue is full."""

    batch_size: Positive = 500
    """Instances that go to the back end together, at most, and no more than the size."""

    batch_age: Lasting = Duration.of(1)
    """How long an instance waits for others of its batch."""

    batches: Positive = 1
    """Batches under way at a time. With more than one their order is not kept."""


class Retry(Config, frozen=True):
    """How often what a back end did not take is tried again."""

    pause: Lasting = Duration.of(0.2)
    """Before the second try; each further pause is twice as long, and cut short by chance."""

    max_pause: Lasting = Duration.of(10)
    """The longest pause."""

    give_up: Lasting = Duration.of(300)
    """How long a batch of the queue is tried, before it is dropped and counted."""

    checks: NonNegative = 0
    """How many more times a check, or a look-up of attributes, is tried within the timeout."""


class Breaker(Config, frozen=True):
    """When to spare a back end that does not answer, and those who would wait for it."""

    failures: NonNegative = 10
    """So many calls in a row without an answer, and calls fail at once. 0: never."""

    pause: Lasting = Duration.of(1)
    """How long they do, before one call is let through to find out."""


class Hosting(Config, frozen=True):
    """All that a handler may say of how it is called."""

    timeout: Lasting = Duration.of(5)
    """How long a call of the adapter may take, where it waits for a back end."""

    queue: Queue | None = None
    """How reports wait. By default they do where the adapter waits for a back end."""

    retry: Retry = Retry()
    """How often what a back end did not take is tried again."""

    breaker: Breaker = Breaker()
    """When to spare a back end that does not answer."""

    concurrency: NonNegative = 1_000
    """Calls that may wait for the back end at a time; more fail at once. 0: any number. Reports
    of a queue do not count."""


def hosting_problems(said: Hosting) -> list[FieldProblem]:
    """Find what does not go together; the fields are those of the handler."""
    retry = said.retry
    if retry.max_pause < retry.pause:
        reason = f"'{retry.max_pause}' is less than the first pause '{retry.pause}'"
        return [FieldProblem("retry.max_pause", reason)]
    return []
