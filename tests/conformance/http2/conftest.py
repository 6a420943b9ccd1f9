"""Servers of the native transport in threads of their own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from mixer._pb.pool import POOL
from mixer.transport.calls import Handler
from mixer.transport.listener import Tls
from mixer.transport.native import NativeServer

LOG: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


class Served:
    """A server whose event loop has a thread."""

    def __init__(self, server: NativeServer, tls: Tls | None = None) -> None:
        self._server = server
        self.address = server.bind("tcp://127.0.0.1:0", tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        self._wait(self._server.start())

    def look(self, times: int = 1) -> None:
        """Let time pass: so many looks at all connections."""

        async def look() -> None:
            for _ in range(times):
                self._server.look()

        self._wait(look())

    @property
    def has_stopped_reading(self) -> bool:
        """Whether a client that reads no answers is not read from either."""
        return any(not peer._transport.is_reading() for peer in list(self._server._peers))

    def drain(self, seconds: float) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self._server.drain(seconds), self._loop)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self.drain(0).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def served(server: NativeServer, tls: Tls | None = None) -> Iterator[Served]:
    """Run a *server* that is not started yet."""
    found = Served(server, tls)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@contextmanager
def serving(
    methods: Mapping[str, Handler] | None = None, server: NativeServer | None = None
) -> Iterator[str]:
    """The address of a server with some *methods*, or of a *server* that is not started yet."""
    with served(server or NativeServer(methods or {}, POOL, LOG)) as found:
        yield found.address


async def echo(raw: bytes) -> bytes:
    return raw


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where a server listens that answers each Check with its own message."""
    with serving({"istio.mixer.v1.Mixer/Check": echo}) as found:
        yield found
