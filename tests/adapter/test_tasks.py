"""A handler's background work ends with it, and what does not is told."""

from __future__ import annotations

import asyncio
import threading

import pytest
import structlog

from mixer.adapter import Adapter, CheckNothing, Checks, Config, Verdict
from mixer.adapter.tasks import Tasks
from mixer.adapter.testing import Leaked, running


class Nothing(Config, frozen=True):
    """No params."""


class Forgets(Adapter[Nothing], Checks[CheckNothing], name="forgets"):
    """Leaves a task behind."""

    async def open(self) -> None:
        self.task = self.env.spawn(asyncio.sleep(3600), "the forgotten")

    def check(self, instance: CheckNothing, /) -> Verdict:
        return Verdict()


async def test_a_task_that_outlives_its_handler_is_cancelled_and_told() -> None:
    with pytest.raises(Leaked, match="the forgotten"):
        async with running(Forgets) as forgetful:
            assert not forgetful.task.done()
    assert forgetful.task.cancelled()


async def test_a_task_that_fails_is_logged() -> None:
    async def fail() -> None:
        raise RuntimeError("boom")

    with structlog.testing.capture_logs() as log:
        tasks = Tasks("h.ns", structlog.get_logger())
        failing = tasks.spawn(fail())
        await asyncio.wait([failing])
        await asyncio.sleep(0)
        assert await tasks.end() == []
    assert [(line["event"], line["handler"], line["error"]) for line in log] == [
        ("a background task failed", "h.ns", "boom")
    ]


async def test_what_blocks_runs_in_a_thread_of_the_handler() -> None:
    told: list[tuple[int, int]] = []
    tasks = Tasks("h.ns", structlog.get_logger(), lambda *counts: told.append(counts))
    main = threading.get_ident()
    assert await tasks.work(threading.get_ident) != main
    with pytest.raises(ValueError, match="invalid literal"):
        await tasks.work(int, "x")
    assert told == [(0, 1), (0, 0)] * 2
    await tasks.end()
