"""Run one adapter the way the mixer would, without the mixer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from time import monotonic, time_ns
from typing import Any, TypeVar

import structlog

from mixer.adapter.base import Adapter, Env
from mixer.adapter.config import Config
from mixer.adapter.table import Table
from mixer.adapter.tasks import Tasks
from mixer.adapter.template import Shape

A = TypeVar("A", bound=Adapter[Any])
T = TypeVar("T")


class Rejected(Exception):
    """The config is wrong; the message names each field and why."""


class Leaked(Exception):
    """Background tasks still ran when the handler had closed; the message names them."""


class Sharing:
    """Shares things between the handlers of one test, and releases them at its end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._made: dict[str, Any] = {}

    def __call__(self, key: str, make: Callable[[], AbstractContextManager[T]], /) -> T:
        if key not in self._made:
            self._made[key] = self._stack.enter_context(make())
        made: T = self._made[key]
        return made


@asynccontextmanager
async def running(
    adapter: type[A],
    config: Config | None = None,
    /,
    *,
    shapes: Sequence[Shape] = (),
    clock: Callable[[], float] = monotonic,
    now: Callable[[], int] = time_ns,
    name: str = "test.default",
    table: Table | None = None,
) -> AsyncIterator[A]:
    """
    Open *adapter* with *config* (None: all defaults), and close it after.

    Raises `Rejected` where the adapter finds problems in the config, and `Leaked` where some of
    its background tasks outlive `close`.
    """
    config = adapter.config_type() if config is None else config
    if problems := list(adapter.problems(config, shapes)):
        raise Rejected("; ".join(f"{found.field}: {found.reason}" for found in problems))
    with ExitStack() as stack:
        log = structlog.get_logger()
        env = Env(
            name=name,
            log=log,
            tasks=Tasks(name, log),
            shared=Sharing(stack),
            shapes=tuple(shapes),
            clock=clock,
            now=now,
            table=lambda: table,
        )
        opened = adapter(config, env)
        try:
            await opened.open()
            try:
                yield opened
            finally:
                await opened.close()
        finally:
            leaked = await env.tasks.end()
        if leaked:
            raise Leaked(", ".join(leaked))
