"""
What answers calls in one process: configuration, handlers, metrics, and the transport's calls.

Law: nothing that was reported is lost on the way out: calls end, then handlers flush.
"""

from __future__ import annotations

import asyncio
import gc
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from mixer._pb.pool import POOL
from mixer.adapter.catalogue import Catalogue
from mixer.runtime import Runtime
from mixer.runtime.commons import Commons
from mixer.server.envoy.accesslogs import AccessLogs
from mixer.server.envoy.assignments import Assignments
from mixer.server.envoy.authorization import Authorization
from mixer.server.envoy.plain import PlainAuthorization
from mixer.server.envoy.ratelimit import RateLimit
from mixer.server.envoy.records import LogRecords
from mixer.server.front import Front
from mixer.server.loadshedding import Shedder
from mixer.server.mixer_v1 import MixerService
from mixer.server.settings import Settings
from mixer.telemetry.logs import Logs
from mixer.telemetry.metrics import Metrics
from mixer.transport.native import NativeServer

if TYPE_CHECKING:
    from mixer.transport.grpcio import GrpcioServer


class Engine:
    """Serves what its transport brings, from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        logs: Logs,
        commons: Commons | None = None,
        tells: bool = True,
    ) -> None:
        """*commons*, and whether it *tells* of what is in force, are for one of several workers."""
        self._drain_seconds = settings.drain
        self._log: FilteringBoundLogger = logs.scope("default")
        self.version = version("meshmixer")
        self.metrics = Metrics(self.version)
        self.runtime = Runtime(
            catalogue,
            settings.sources,
            settings.options,
            self.metrics,
            logs.scope("config"),
            commons=commons,
            tells=tells,
        )
        shedder = Shedder(settings.shedding, monotonic())
        front = Front(self.runtime, shedder, self.metrics, logs.scope("loadshedding"))
        log = logs.scope("api")
        authorization = Authorization(front, log, settings.reporter)
        limit = RateLimit(front, log, settings.reporter)
        records = LogRecords(front, log, settings.reporter)
        methods = {
            **MixerService(front).methods,
            **authorization.methods,
            **limit.methods,
            **records.methods,
        }
        shares = commons.own_table("shares of quotas") if commons else None
        streams = {
            **AccessLogs(front, log, settings.reporter).streams,
            **Assignments(front, log, settings.reporter, shares).streams,
        }
        plain = PlainAuthorization(authorization.check, log).answer
        self.transport: NativeServer | GrpcioServer
        if settings.transport == "native":
            self.transport = NativeServer(methods, POOL, log, settings.limits, streams, plain)
        else:
            from mixer.transport.grpcio import GrpcioServer  # takes a tenth of a second to import

            self.transport = GrpcioServer(methods, POOL, log, settings.limits, streams)
        self._serving = False

    @property
    def ready(self) -> bool:
        """Whether calls are answered by a configuration that could be read."""
        return self._serving and self.runtime.ready

    async def start(self) -> None:
        """Answer calls. Raises StartError where the configuration can't be read."""
        await self.runtime.start()
        await self.transport.start()
        self._serving = True
        gc.freeze()  # what is there now stays: no collection need look at it again

    async def follow(self, stop: asyncio.Event) -> None:
        """Follow changes of the configuration, whatever befalls the watching itself."""
        while not stop.is_set():
            try:
                await self.runtime.watch(stop)
            except Exception:
                self._log.exception("watching the configuration failed; beginning again")
                await asyncio.sleep(1)

    async def retire(self) -> None:
        """Say that calls are better sent elsewhere; those that come are answered."""
        await self.transport.set_serving(False)

    async def drain(self) -> None:
        """Take no more calls, and let those in flight end."""
        self._serving = False
        await self.transport.drain(self._drain_seconds)

    async def close(self) -> None:
        """Flush and close all handlers."""
        await self.runtime.close()
