"""A server of the native transport in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from mixer._pb.pool import POOL
from mixer.transport.native import NativeServer

LOG: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


async def echo(raw: bytes) -> bytes:
    return raw


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where a server listens that answers each Check with its own message."""
    loop = asyncio.new_event_loop()
    server = NativeServer({"istio.mixer.v1.Mixer/Check": echo}, POOL, LOG)
    bound = server.bind("tcp://127.0.0.1:0")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    yield bound
    asyncio.run_coroutine_threadsafe(server.drain(0), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
