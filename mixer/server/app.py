"""The server in one process, from start to end: ports, signals, drain."""

from __future__ import annotations

import asyncio

from structlog.typing import FilteringBoundLogger

from mixer.adapter.catalogue import Catalogue
from mixer.server import probes
from mixer.server.engine import Engine
from mixer.server.monitoring import Monitoring, Views
from mixer.server.settings import Settings
from mixer.server.signals import catch_signals
from mixer.telemetry.logs import Logs


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
        self._engine = Engine(settings, catalogue, logs)
        self._engine.metrics.workers(1)

    async def run(self) -> None:
        for note in self._settings.notes:
            self._log.warning(note)
        catch_signals(self._stop)
        engine = self._engine
        monitoring = Monitoring(
            self._settings.monitoring_host, self._settings.monitoring_port, self._views().pages()
        )
        tasks: list[asyncio.Task[None]] = []
        try:
            address = engine.transport.bind(self._settings.address, self._settings.tls)
            await engine.start()
            tasks += self._background()
            self._log.info(
                "mixer is serving",
                address=address,
                monitoring=monitoring.address,
                version=engine.version,
                config=list(self._settings.sources),
            )
            await self._stop.wait()
            await engine.retire()
            await asyncio.sleep(self._settings.drain_delay)
            self._log.info("mixer drains", seconds=self._settings.drain)
        finally:
            await engine.drain()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await engine.close()
            monitoring.close()
        self._log.info("mixer stopped")

    def _background(self) -> list[asyncio.Task[None]]:
        settings = self._settings
        return [
            asyncio.create_task(self._engine.follow(self._stop)),
            asyncio.create_task(probes.keep(settings.liveness, self._alive, self._log)),
            asyncio.create_task(probes.keep(settings.readiness, self._ready, self._log)),
        ]

    def _views(self) -> Views:
        engine = self._engine
        return Views(
            engine.metrics.registry,
            engine.version,
            self._alive,
            self._ready,
            engine.runtime.describe,
        )

    def _alive(self) -> bool:
        return not self._stop.is_set()

    def _ready(self) -> bool:
        return self._engine.ready and not self._stop.is_set()
