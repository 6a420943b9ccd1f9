"""Background work of a handler: tasks that end with it, and threads for what blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from structlog.typing import FilteringBoundLogger

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS = 4
"""Threads of one handler: what hangs in them keeps no other handler waiting."""


class Tasks:
    """The tasks and threads of one handler; used on its event loop only."""

    def __init__(
        self,
        name: str,
        log: FilteringBoundLogger,
        changed: Callable[[int, int], None] = lambda daemons, workers: None,
    ) -> None:
        """*changed* is told how many tasks run, and how many functions run or wait to."""
        self._name = name
        self._changed = changed
        self._log = log
        self._running: set[asyncio.Task[Any]] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._working = 0

    def spawn(self, work: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run *work* in the background; an exception that ends it is logged."""
        name = name or getattr(work, "__qualname__", "")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        self._tell()
        task.add_done_callback(self._ended)
        return task

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function that blocks in a thread, and return or raise what it does."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAX_THREADS, f"mixer-{self._name}")
        loop = asyncio.get_running_loop()
        self._working += 1
        self._tell()
        try:
            return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))
        finally:
            self._working -= 1
            self._tell()

    async def end(self) -> list[str]:
        """Cancel what still runs after the handler has closed, and tell the names of that."""
        leaked = sorted(task.get_name() for task in self._running)
        left = list(self._running)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        if self._threads is not None:  # one that hangs in a thread can't be stopped
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        return leaked

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._tell()
        if not task.cancelled() and (error := task.exception()) is not None:
            why = str(error) or type(error).__name__
            self._log.error(
                "a background task failed", handler=self._name, task=task.get_name(), error=why
            )

    def _tell(self) -> None:
        self._changed(len(self._running), self._working)
