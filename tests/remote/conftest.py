"""Adapters served to other processes, and mixers that ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any, TypeAlias

import pytest
import structlog
import yaml

from mixer.adapter import Adapter
from mixer.cli.mixs_adapter_serve import exported
from mixer.runtime.handlers import Handlers
from mixer.server.outside.app import descriptors
from mixer.server.outside.openings import Openings
from mixer.server.outside.service import Service
from mixer.telemetry.metrics import Metrics
from mixer.transport.listener import Tls
from mixer.transport.native import NativeServer
from tests.dispatch.conftest import start

__all__ = ["start"]


class Elsewhere:
    """An adapter that is served, and what a mixer must know of it."""

    def __init__(self, adapter: type[Adapter[Any]]) -> None:
        self.adapter = adapter
        self.address = ""
        self.openings: Openings
        self.service: Service
        self._log = structlog.wrap_logger(
            structlog.testing.CapturingLogger(), wrapper_class=structlog.BoundLogger
        )
        self._server: NativeServer | None = None

    async def start(self, address: str = "tcp://127.0.0.1:0", tls: Tls | None = None) -> None:
        """Serve, with nothing of what was before."""
        self.openings = Openings(self.adapter, Handlers(self._log, metrics=Metrics()), monotonic)
        self.service = Service(self.adapter, self.openings)
        server = NativeServer(self.service.methods, descriptors(self.adapter), self._log)
        self.address = server.bind(address, tls)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Be gone."""
        server, self._server = self._server, None
        if server is not None:
            await server.drain(0.1)
            await self.openings.close()

    def resources(self, *, istio: bool = False) -> str:
        """Its resources as YAML, each behind a separator."""
        resources: Sequence[Any] = exported(
            self.adapter, f"remote-{self.adapter.name}", "istio-system", istio=istio
        )
        return "".join(f"---\n{yaml.safe_dump(one)}" for one in resources)

    @property
    def open(self) -> int:
        """How many handlers it has open."""
        return len(self.openings.describe()["handlers"])


Serve: TypeAlias = Callable[..., Awaitable[Elsewhere]]


@pytest.fixture
async def elsewhere() -> AsyncIterator[Serve]:
    """Serve adapters."""
    async with AsyncExitStack() as stack:

        async def served(adapter: type[Adapter[Any]], tls: Tls | None = None) -> Elsewhere:
            found = Elsewhere(adapter)
            await found.start(tls=tls)
            stack.push_async_callback(found.stop)
            return found

        yield served
