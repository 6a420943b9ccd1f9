"""
The handlers of an adapter that is served to mixers elsewhere: one for each set of params and
shapes that somebody asked for.

A mixer of ours tells both once, as it begins a session; sessions of equal ones share a handler, and
with it counters. Of one that knows no sessions, such as Istio's, shapes are learned from what it
sends, and the handler is opened anew when there is one more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from types import TracebackType
from typing import Any

from mixer.adapter.base import Adapter
from mixer.adapter.config import Config
from mixer.adapter.template import Shape
from mixer.config.convert import convert
from mixer.config.findings import Findings
from mixer.config.model import Handler, Key
from mixer.config.parse import documents
from mixer.errors import Code, Place, RpcError
from mixer.remote import configs
from mixer.runtime.handlers import Handlers, OpenHandler

MAX_HANDLERS = 256
"""So many are open at a time."""

IDLE_SECONDS = 24 * 3600.0
"""One that nobody asked for so long is closed, whoever forgot to end his session."""


class Opening(AbstractContextManager[OpenHandler]):
    """A handler, and who uses it: entered for each call."""

    def __init__(self, handler: OpenHandler, shapes: tuple[Shape, ...], now: float) -> None:
        self.handler = handler
        self.shapes = shapes
        self.sessions = 0
        self.used = now
        self._calls = 0
        self._left = asyncio.Event()
        self._left.set()

    def __enter__(self) -> OpenHandler:
        self._calls += 1
        self._left.clear()
        return self.handler

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._calls -= 1
        if not self._calls:
            self._left.set()

    async def left(self) -> None:
        """Wait until no call uses it."""
        await self._left.wait()


class Openings:
    """All open handlers of one adapter."""

    def __init__(
        self, adapter: type[Adapter[Any]], handlers: Handlers, clock: Callable[[], float]
    ) -> None:
        self._adapter, self._handlers, self._clock = adapter, handlers, clock
        self._open: dict[str, Opening] = {}
        self._changing = asyncio.Lock()

    def config(self, encoded: bytes, shapes: Sequence[Shape]) -> Config:
        """Read params; raise RpcError that tells all that is wrong with them."""
        adapter = self._adapter
        try:
            given = configs.given(adapter, encoded)
        except ValueError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from None
        findings = Findings("")
        (document,) = documents(json.dumps(given).encode(), adapter.name)
        config: Config | None = (
            convert(document.root, adapter.config_type, findings, "params")
            if document.root is not None
            else None
        )
        wrong = [f"{one.field}: {one.reason}" for one in findings.problems]
        if config is not None:
            found = adapter.problems(config, shapes)
            wrong += [f"params.{one.field}: {one.reason}" for one in found]
        if config is None or wrong:
            raise RpcError(Code.INVALID_ARGUMENT, "; ".join(wrong))
        return config

    async def begin(self, encoded: bytes, shapes: tuple[Shape, ...]) -> str:
        """Begin a session; return its id. Raises RpcError where the handler can't be opened."""
        told = [(one.name, one.template.template, sorted(one.types.items())) for one in shapes]
        key = sha256(encoded + repr(told).encode()).hexdigest()
        async with self._changing:
            opening = self._open.get(key) or await self._opened(key, encoded, shapes)
            opening.sessions += 1
        return key

    async def end(self, session: str) -> None:
        """End a session, and close its handler if that was the last of it."""
        async with self._changing:
            opening = self._open.get(session)
            if opening is not None:
                opening.sessions -= 1
                if opening.sessions <= 0:
                    await self._closed(session)

    def of_session(self, session: str) -> Opening:
        """The handler of a session. Raises RpcError where there is none."""
        opening = self._open.get(session)
        if opening is None:
            reason = f"there is no session {session!r}, or not any more; begin one"
            raise RpcError(Code.FAILED_PRECONDITION, reason)
        opening.used = self._clock()
        return opening

    async def of_params(self, encoded: bytes, shapes: Sequence[Shape]) -> Opening:
        """The handler of params without a session, which knows *shapes* among others."""
        key = f"params {encoded.hex()}"
        opening = self._open.get(key)
        if opening is None or not _knows(opening, shapes):
            async with self._changing:
                opening = self._open.get(key)
                if opening is None or not _knows(opening, shapes):
                    learned = {one.name: one for one in opening.shapes} if opening else {}
                    for shape in shapes:
                        old = learned.get(shape.name)
                        types = {**(old.types if old else {}), **shape.types}
                        learned[shape.name] = Shape(shape.name, shape.template, types)
                    if opening is not None:
                        await self._closed(key)
                    ordered = tuple(learned[name] for name in sorted(learned))
                    opening = await self._opened(key, encoded, ordered)
        opening.used = self._clock()
        return opening

    def describe(self) -> dict[str, Any]:
        """What is open, as JSON, for people. Params may hold secrets and are not told."""
        return {
            "adapter": self._adapter.name,
            "handlers": [
                {"sessions": one.sessions, "instances": [shape.name for shape in one.shapes]}
                for one in list(self._open.values())
            ],
        }

    async def tidy(self) -> None:
        """Close what nobody has used for long."""
        async with self._changing:
            oldest = self._clock() - IDLE_SECONDS
            for key in [key for key, one in self._open.items() if one.used < oldest]:
                await self._closed(key)

    async def close(self) -> None:
        """Close all."""
        async with self._changing:
            for key in list(self._open):
                await self._closed(key)

    async def _opened(self, key: str, encoded: bytes, shapes: tuple[Shape, ...]) -> Opening:
        if len(self._open) >= MAX_HANDLERS:
            reason = f"{MAX_HANDLERS} handlers of {self._adapter.name} are open already"
            raise RpcError(Code.RESOURCE_EXHAUSTED, reason)
        config = self.config(encoded, shapes)
        name = Key("handler", "outside", self._adapter.name)
        wanted = Handler(name, self._adapter.name, self._adapter, config, Place())
        # As a task, which the transport makes of a call only where it must.
        opened = asyncio.create_task(self._handlers.turn_over([wanted], {name: shapes}, {}))
        turnover = await opened
        handler = turnover.handlers[name]
        if handler.hosted is None:
            raise RpcError(Code.UNAVAILABLE, f"{self._adapter.name} did not open: {handler.error}")
        opening = self._open[key] = Opening(handler, shapes, self._clock())
        return opening

    async def _closed(self, key: str) -> None:
        opening = self._open.pop(key)
        await opening.left()
        await asyncio.create_task(self._handlers.close([opening.handler]))


def _knows(opening: Opening, shapes: Sequence[Shape]) -> bool:
    known = {one.name: one for one in opening.shapes}
    return all(
        shape.name in known and shape.types.items() <= known[shape.name].types.items()
        for shape in shapes
    )
