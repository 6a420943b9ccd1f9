"""One worker of a server: serves the connections that the front hands over, and tells it how."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client.exposition import generate_latest

from mixer.adapter.catalogue import Catalogue
from mixer.errors import StartError
from mixer.memory.records import Records
from mixer.runtime.commons import Commons
from mixer.server.engine import Engine
from mixer.server.settings import Settings
from mixer.server.signals import catch_signals
from mixer.server.workers.door import Door
from mixer.server.workers.line import Hung, Line
from mixer.server.workers.seat import Seat
from mixer.telemetry.logs import Logs
from mixer.transport.native import NativeServer

READINESS_SECONDS = 0.2
"""How often a worker looks whether it is ready."""


async def work(seat: Seat, prepare: Callable[[], tuple[Settings, Catalogue]]) -> int:
    """
    Serve until the front says so, or is gone; return the exit code.

    What *prepare* says to serve is the same in all workers. A StartError goes to the front.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the front tells us
    worker = _Worker(seat)
    await worker.line.open()
    listening = asyncio.create_task(worker.listen())
    try:
        settings, catalogue = prepare()
        logs = Logs(settings.log, {"worker": seat.number})
        try:
            await worker.run(settings, catalogue, logs)
        finally:
            logs.close()
    except StartError as error:
        with suppress(Hung):
            await worker.line.ask("failed", str(error))
        return 1
    finally:
        listening.cancel()
    return 0


@dataclass(frozen=True, slots=True)
class _Exposition:
    """The front, as the process that serves pages."""

    line: Line
    tasks: set[asyncio.Task[Any]]

    async def expose(self, host: str, port: int) -> int:
        """Have pages served at an address. Raises OSError."""
        bound: int = await self.line.ask("expose", host, port)
        return bound

    def conceal(self, host: str, port: int) -> None:
        """Have no more pages served."""
        task = asyncio.create_task(self._conceal(host, port))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _conceal(self, host: str, port: int) -> None:
        with suppress(Hung):
            await self.line.ask("conceal", host, port)


class _Worker:
    """One run of a worker."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._engine: Engine | None = None
        self.line = Line(
            socket.socket(fileno=seat.line),
            {
                "metrics": self._metrics,
                "describe": self._describe,
                "shown": self._shown,
                "drain": self._drain,
                "retire": self._retire,
            },
        )
        self._commons = Commons(
            Records(seat.memory, seat.number), _Exposition(self.line, self._tasks)
        )

    async def listen(self) -> None:
        """Hear the front until it is gone; then there is nobody to serve for."""
        await self.line.listen()
        self._stop.set()

    async def run(self, settings: Settings, catalogue: Catalogue, logs: Logs) -> None:
        """Serve until told to stop. Raises StartError."""
        seat, log = self._seat, logs.scope("default")
        settings = replace(settings, shedding=settings.shedding.share(seat.of))
        engine = Engine(settings, catalogue, logs, self._commons, tells=seat.number == 0)
        transport = engine.transport
        if not isinstance(transport, NativeServer):
            raise StartError(f"--transport {settings.transport} can't be served by workers")
        transport.secure(settings.tls)
        catch_signals(self._stop, [signal.SIGTERM])
        door = Door(socket.socket(fileno=seat.door), transport.adopt)
        try:
            await engine.start()
            self._engine = engine
            door.open()
            self._keep(self._tell_readiness(engine))
            self._keep(engine.follow(self._stop))
            await self._stop.wait()
            log.debug("worker drains")
            with suppress(Hung):
                await self.line.ask("leaving")
        finally:
            door.close()
            await engine.drain()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await engine.close()

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_readiness(self, engine: Engine) -> None:
        told = None
        with suppress(Hung):
            while True:
                if engine.ready is not told:
                    told = engine.ready
                    await self.line.ask("ready", told)
                await asyncio.sleep(READINESS_SECONDS)

    async def _metrics(self) -> str:
        if self._engine is None:
            return ""
        page = await asyncio.to_thread(generate_latest, self._engine.metrics.registry)
        return page.decode()

    async def _describe(self) -> str:
        return json.dumps(self._engine.runtime.describe()) if self._engine else "{}"

    async def _shown(self, host: str, port: int) -> str:
        return await asyncio.to_thread(self._commons.page, host, port)

    async def _retire(self) -> None:
        if self._engine is not None:
            await self._engine.retire()

    async def _drain(self) -> None:
        self._stop.set()
