"""Servers of the native transport in threads of their own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from mixer._pb.pool import POOL
from mixer.transport.calls import Handler
from mixer.transport.native import NativeServer

LOG: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


@contextmanager
def serving(
    methods: Mapping[str, Handler] | None = None, server: NativeServer | None = None
) -> Iterator[str]:
    """The address of a server with some *methods*, or of a *server* that is not started yet."""
    server = server or NativeServer(methods or {}, POOL, LOG)
    address = server.bind("tcp://127.0.0.1:0")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield address
        asyncio.run_coroutine_threadsafe(server.drain(0), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def echo(raw: bytes) -> bytes:
    return raw


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where a server listens that answers each Check with its own message."""
    with serving({"istio.mixer.v1.Mixer/Check": echo}) as found:
        yield found
