"""
The front of a server with workers: takes connections and hands them on, and answers for all.

Law: it decides nothing about calls; it is as light as can be, so that it outlives its workers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from structlog.typing import FilteringBoundLogger

from mixer.memory.memory import allocate
from mixer.memory.records import MEMORY_BYTES, Records
from mixer.server import probes
from mixer.server.monitoring import JSON, TEXT, Monitoring, Page, Pages, verdict
from mixer.server.probes import Probe
from mixer.server.signals import catch_signals
from mixer.server.workers.crew import Crew
from mixer.server.workers.showcase import Showcase
from mixer.telemetry.logs import LogOptions, Logs
from mixer.telemetry.metrics import Metrics
from mixer.transport.accepting import Acceptor
from mixer.transport.listener import UNIX, bound, listening

FLUSH_SECONDS = 25.0
"""How long workers may take to end once their calls have: handlers flush and close meanwhile."""


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """What the command line says about the front."""

    workers: int
    command: Sequence[str]
    """Runs one worker."""

    environment: Mapping[str, str]
    address: str = "tcp://127.0.0.1:9091"
    monitoring_host: str = "127.0.0.1"
    monitoring_port: int = 15014
    drain: float = 10.0
    """Seconds."""

    drain_delay: float = 0.0
    """Seconds that the workers go on before, while health says that they stop."""

    liveness: Probe = field(default_factory=Probe)
    readiness: Probe = field(default_factory=Probe)
    log: LogOptions = field(default_factory=LogOptions)
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def serve(settings: FrontSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises StartError where it can't start."""
    logs = Logs(settings.log)
    try:
        await _Front(settings, logs.scope("default")).run()
    finally:
        logs.close()


class _Front:
    """One run of the front."""

    def __init__(self, settings: FrontSettings, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._stop = asyncio.Event()
        self._version = version("meshmixer")
        self._metrics = Metrics(self._version)
        memory = allocate(MEMORY_BYTES)
        self._records = Records(memory, settings.workers)
        self._crew = Crew(
            settings.command, settings.environment, settings.workers, memory, self, log
        )
        self._showcase = Showcase(self._crew.ask, asyncio.get_running_loop())

    async def run(self) -> None:
        settings = self._settings
        for note in settings.notes:
            self._log.warning(note)
        catch_signals(self._stop, at_once=self._kill)
        monitoring = Monitoring(settings.monitoring_host, settings.monitoring_port, self._pages())
        probing: list[asyncio.Task[None]] = []
        acceptor: Acceptor | None = None
        try:
            listener = listening(settings.address)
            acceptor = Acceptor(listener, self._crew.hand_over, self._log)
            await self._crew.start()
            acceptor.open()
            probing += [
                asyncio.create_task(probes.keep(settings.liveness, self._alive, self._log)),
                asyncio.create_task(probes.keep(settings.readiness, self._ready, self._log)),
            ]
            self._log.info(
                "mixer is serving",
                address=bound(settings.address, listener),
                monitoring=monitoring.address,
                version=self._version,
                config=list(settings.sources),
                workers=settings.workers,
            )
            await self._stop.wait()
            if settings.drain_delay:
                await self._crew.ask("retire")
                await asyncio.sleep(settings.drain_delay)
            self._log.info("mixer drains", seconds=settings.drain)
            acceptor.close()
            await self._crew.stop(settings.drain + FLUSH_SECONDS)
        finally:
            if acceptor is not None:
                acceptor.close()
                if settings.address.startswith(UNIX):
                    Path(settings.address.removeprefix(UNIX)).unlink(missing_ok=True)
            for task in probing:
                task.cancel()
            await asyncio.gather(*probing, return_exceptions=True)
            self._showcase.close()
            monitoring.close()
        self._log.info("mixer stopped")

    def _alive(self) -> bool:
        return not self._stop.is_set()

    def _ready(self) -> bool:
        """One worker is enough: the others are being replaced, and get no connections."""
        return self._alive() and bool(self._crew.ready)

    def _kill(self) -> None:
        for worker in self._crew.working:
            worker.process.kill()

    def _pages(self) -> Pages:
        showcase = self._showcase
        return {
            "/metrics": lambda: showcase.page(CONTENT_TYPE_LATEST, "metrics", own=self._own()),
            "/version": lambda: Page(200, TEXT, f"{self._version}\n".encode()),
            "/healthz": lambda: verdict(self._alive()),
            "/readyz": lambda: verdict(self._ready()),
            "/configz": lambda: showcase.wait(self._configuration()),
        }

    def _own(self) -> str:
        """The metrics of the front itself."""
        self._metrics.workers(len(self._crew.ready), sum(self._crew.replaced))
        self._metrics.shared_memory(self._records.bytes_used, self._records.refused)
        return generate_latest(self._metrics.registry).decode()

    async def _configuration(self) -> Page:
        """What is in force in the first worker that is ready, and how the workers are."""
        crew = self._crew
        described = json.loads((await crew.ask("describe") or ["{}"])[0] or "{}")
        described["workers"] = [
            {
                "number": worker.number,
                "pid": worker.process.pid,
                "ready": worker.ready,
                "replaced": crew.replaced[worker.number],
            }
            for worker in crew.working
        ]
        return Page(200, JSON, json.dumps(described, indent=1).encode())

    async def expose(self, worker: int, host: str, port: int) -> int:
        return await self._showcase.expose(worker, host, port)

    async def conceal(self, worker: int, host: str, port: int) -> None:
        await self._showcase.conceal(worker, host, port)

    def ended(self, worker: int, answers: Mapping[tuple[Any, ...], str]) -> None:
        self._showcase.ended(answers)
