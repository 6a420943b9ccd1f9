"""
The server from start to end: ports, configuration, calls, drain.

Law: nothing that was reported is lost on the way out: calls end, then handlers flush.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeAlias

from structlog.typing import FilteringBoundLogger

from mixer._pb.pool import POOL
from mixer.adapter.catalogue import Catalogue
from mixer.runtime import Options, Runtime
from mixer.server import probes
from mixer.server.loadshedding import Options as SheddingOptions
from mixer.server.loadshedding import Shedder
from mixer.server.mixer_v1 import MixerService
from mixer.server.monitoring import Monitoring, Views
from mixer.server.probes import Probe
from mixer.telemetry.logs import LogOptions, Logs
from mixer.telemetry.metrics import Metrics
from mixer.transport.calls import Limits
from mixer.transport.listener import Tls
from mixer.transport.native import NativeServer

if TYPE_CHECKING:
    from mixer.transport.grpcio import GrpcioServer

EXIT_AT_ONCE = 130

Transport: TypeAlias = Literal["native", "grpcio"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the command line says about a server."""

    sources: tuple[str, ...]
    address: str = "tcp://127.0.0.1:9091"
    monitoring_host: str = "127.0.0.1"
    monitoring_port: int = 15014
    drain: float = 10.0
    """Seconds that calls in flight have to end when the server stops."""

    tls: Tls | None = None
    transport: Transport = "native"
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    shedding: SheddingOptions = field(default_factory=SheddingOptions)
    liveness: Probe = field(default_factory=Probe)
    readiness: Probe = field(default_factory=Probe)
    log: LogOptions = field(default_factory=LogOptions)
    notes: tuple[str, ...] = ()
    """What the operator should know about the flags given."""


async def serve(settings: Settings, catalogue: Catalogue) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises StartError where it can't start."""
    logs = Logs(settings.log)
    try:
        await _Server(settings, catalogue, logs).run()
    finally:
        logs.close()


class _Server:
    """One run of the server."""

    def __init__(self, settings: Settings, catalogue: Catalogue, logs: Logs) -> None:
        self._settings = settings
        self._log: FilteringBoundLogger = logs.scope("default")
        self._stop = asyncio.Event()
        self._serving = False
        self._version = version("meshmixer")
        self._metrics = Metrics(self._version)
        self._runtime = Runtime(
            catalogue, settings.sources, settings.options, self._metrics, logs.scope("config")
        )
        shedder = Shedder(settings.shedding, monotonic())
        service = MixerService(self._runtime, shedder, self._metrics, logs.scope("loadshedding"))
        make = _transport(settings.transport)
        self._grpc = make(service.methods, POOL, logs.scope("api"), settings.limits)

    async def run(self) -> None:
        for note in self._settings.notes:
            self._log.warning(note)
        self._catch_signals()
        monitoring = Monitoring(
            self._settings.monitoring_host, self._settings.monitoring_port, self._views().pages()
        )
        tasks: list[asyncio.Task[None]] = []
        try:
            address = self._grpc.bind(self._settings.address, self._settings.tls)
            await self._runtime.start()
            await self._grpc.start()
            self._serving = True
            gc.freeze()  # what is there now stays: no collection need look at it again
            tasks += self._background()
            self._log.info(
                "mixer is serving",
                address=address,
                monitoring=monitoring.address,
                version=self._version,
                config=list(self._settings.sources),
            )
            await self._stop.wait()
            self._log.info("mixer drains", seconds=self._settings.drain)
        finally:
            self._serving = False
            await self._grpc.drain(self._settings.drain)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._runtime.close()
            monitoring.close()
        self._log.info("mixer stopped")

    def _background(self) -> list[asyncio.Task[None]]:
        settings = self._settings
        return [
            asyncio.create_task(self._follow()),
            asyncio.create_task(probes.keep(settings.liveness, self._alive, self._log)),
            asyncio.create_task(probes.keep(settings.readiness, self._ready, self._log)),
        ]

    async def _follow(self) -> None:
        """Follow changes of the configuration, whatever befalls the watching itself."""
        while not self._stop.is_set():
            try:
                await self._runtime.watch(self._stop)
            except Exception:
                self._log.exception("watching the configuration failed; beginning again")
                await asyncio.sleep(1)

    def _views(self) -> Views:
        return Views(
            self._metrics.registry,
            self._version,
            self._alive,
            self._ready,
            self._runtime.describe,
        )

    def _alive(self) -> bool:
        return not self._stop.is_set()

    def _ready(self) -> bool:
        return self._serving and not self._stop.is_set() and self._runtime.ready

    def _catch_signals(self) -> None:
        """The first signal drains, the second ends the process at once."""
        loop = asyncio.get_running_loop()

        def caught() -> None:
            if self._stop.is_set():
                os._exit(EXIT_AT_ONCE)
            self._stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, caught)


def _transport(name: Transport) -> type[NativeServer | GrpcioServer]:
    if name == "native":
        return NativeServer
    from mixer.transport.grpcio import GrpcioServer  # takes a tenth of a second to import

    return GrpcioServer
