"""
Open handlers: made when a configuration needs them, kept while it stays the same, then closed.

Law: a handler is opened once and closed once; what replaces it is open before it closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from time import monotonic, time_ns
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

from mixer.adapter.base import Adapter, Env
from mixer.adapter.tasks import Tasks
from mixer.adapter.template import Shape
from mixer.config.model import Handler, Key
from mixer.runtime.commons import Commons
from mixer.runtime.hosted import Hosted
from mixer.telemetry.metrics import Metrics

T = TypeVar("T")
OPEN_SECONDS = 30.0
CLOSE_SECONDS = 10.0


@dataclass(slots=True)
class _Shared:
    """One thing that handlers share, and who does."""

    manager: AbstractContextManager[Any]
    made: Any
    users: set[int] = field(default_factory=set)


class Shares:
    """What handlers of one process share; released with the last handler that asked for it."""

    def __init__(self) -> None:
        self._shared: dict[str, _Shared] = {}

    def user(self, number: int) -> Callable[..., Any]:
        """The `Env.shared` of one handler."""

        def shared(key: str, make: Callable[[], AbstractContextManager[T]], /) -> T:
            if key not in self._shared:
                manager = make()
                self._shared[key] = _Shared(manager, manager.__enter__())
            found = self._shared[key]
            found.users.add(number)
            made: T = found.made
            return made

        return shared

    def release(self, number: int) -> None:
        """Take back all that handler *number* asked for."""
        for key, found in list(self._shared.items()):
            found.users.discard(number)
            if not found.users:
                del self._shared[key]
                found.manager.__exit__(None, None, None)


@dataclass(frozen=True, slots=True, eq=False)
class OpenHandler:
    """A handler in service, or one that could not be opened and why."""

    config: Handler
    shapes: tuple[Shape, ...]
    hosted: Hosted | None
    """Its adapter, while that is open."""

    number: int
    error: str = ""

    @property
    def adapter(self) -> Adapter[Any] | None:
        """The object that serves."""
        return self.hosted.adapter if self.hosted else None

    def serves(self, config: Handler, shapes: tuple[Shape, ...]) -> bool:
        """Whether this handler is what *config* asks for: same adapter, params and shapes."""
        return (
            self.adapter is not None
            and not self.error
            and self.config.adapter is config.adapter
            and self.config.params == config.params
            and self.config.hosting == config.hosting
            and self.shapes == shapes
        )


@dataclass(frozen=True, slots=True)
class Turnover:
    """What became of the handlers in one change of the configuration."""

    handlers: Mapping[Key, OpenHandler]
    new: int = 0
    reused: int = 0
    failed: int = 0

    def left_behind(self, before: Mapping[Key, OpenHandler]) -> list[OpenHandler]:
        """Those of *before* that nobody uses any more."""
        kept = {handler.number for handler in self.handlers.values()}
        return [old for old in before.values() if old.adapter and old.number not in kept]


class Handlers:
    """Opens and closes handlers; used by one task at a time."""

    def __init__(
        self,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], int] = time_ns,
        commons: Commons | None = None,
        *,
        metrics: Metrics,
    ) -> None:
        """*commons* are what the workers of a server have in common, where there are several."""
        self._log = log
        self._clock = clock
        self._now = now
        self._shares = Shares()
        self._commons = commons
        self._metrics = metrics
        self._count = 0

    async def turn_over(
        self,
        wanted: Sequence[Handler],
        shapes: Mapping[Key, tuple[Shape, ...]],
        before: Mapping[Key, OpenHandler],
    ) -> Turnover:
        """
        Have a handler for each one *wanted*, reusing those *before* that serve unchanged.

        One that fails to open leaves its predecessor in service (design: semantics 8).
        """
        found: dict[Key, OpenHandler] = {}
        new = reused = failed = 0
        for config in wanted:
            routed = shapes.get(config.key, ())
            old = before.get(config.key)
            if old is not None and old.serves(config, routed):
                found[config.key] = old
                reused += 1
                continue
            opened = await self._open(config, routed)
            if opened.adapter is not None:
                new += 1
            else:
                failed += 1
                if old is not None and old.adapter is not None:
                    opened = replace(old, error=opened.error)
            found[config.key] = opened
        return Turnover(found, new, reused, failed)

    async def _open(self, config: Handler, shapes: tuple[Shape, ...]) -> OpenHandler:
        self._count += 1
        number = self._count
        log = self._log.bind(handler=config.title, adapter=config.adapter.name)
        commons = self._commons
        common: dict[str, Any] = {}
        if commons is not None:
            common["table"] = commons.table(number, _identity(config, shapes))
            common["expose"] = commons.exposes(number)
        tasks = Tasks(config.title, log, self._metrics.tasks(config.title))
        env = Env(
            name=config.title,
            log=log,
            tasks=tasks,
            shared=self._shares.user(number),
            shapes=shapes,
            clock=self._clock,
            now=self._now,
            **common,
        )
        try:
            adapter = config.adapter(config.params, env)
            async with asyncio.timeout(OPEN_SECONDS):
                await adapter.open()
        except Exception as error:
            await tasks.end()
            self._release(number)
            why = str(error) or type(error).__name__
            if isinstance(error, TimeoutError):
                why = f"did not open within {OPEN_SECONDS:g} s"
            log.error("handler could not be opened", error=why, place=str(config.place))
            return OpenHandler(config, shapes, None, number, why)
        hosted = Hosted(adapter, config, tasks, self._clock, self._metrics, log)
        return OpenHandler(config, shapes, hosted, number)

    async def close(self, handlers: Sequence[OpenHandler]) -> int:
        """Close *handlers*, which no call uses any more; return how many failed to."""
        failures = 0
        for handler in handlers:
            if handler.hosted is None:
                continue
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await handler.hosted.close()
            except Exception as error:
                failures += 1
                self._log.error(
                    "handler could not be closed",
                    handler=handler.config.title,
                    error=str(error) or type(error).__name__,
                )
            finally:
                if leaked := await handler.hosted.tasks.end():
                    self._log.error(
                        "tasks outlived their handler and were cancelled",
                        handler=handler.config.title,
                        tasks=leaked,
                    )
                self._release(handler.number)
        return failures

    def _release(self, number: int) -> None:
        self._shares.release(number)
        if self._commons is not None:
            self._commons.release(number)


def _identity(config: Handler, shapes: tuple[Shape, ...]) -> str:
    """Equal, in all workers, for handlers of which one could stand for the other."""
    return f"{config.key} {config.adapter.name} {config.params!r} {shapes!r}"
