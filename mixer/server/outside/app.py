"""A process that serves an adapter to mixers elsewhere, from start to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from structlog.typing import FilteringBoundLogger

from mixer.adapter.base import Adapter
from mixer.errors import StartError
from mixer.remote import protos
from mixer.remote.descriptors import pool
from mixer.runtime.handlers import Handlers
from mixer.server.monitoring import Monitoring, Views
from mixer.server.outside.openings import Openings
from mixer.server.outside.service import Service
from mixer.server.signals import catch_signals
from mixer.telemetry.logs import LogOptions, Logs
from mixer.telemetry.metrics import Metrics
from mixer.transport.calls import Limits
from mixer.transport.listener import Tls
from mixer.transport.native import NativeServer

TIDY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class OutsideSettings:
    """What the command line says about it."""

    address: str
    monitoring_host: str
    monitoring_port: int
    drain: float
    """Seconds that calls in flight have to end."""

    limits: Limits
    tls: Tls | None
    log: LogOptions


async def serve(adapter: type[Adapter[Any]], settings: OutsideSettings) -> None:
    """Serve *adapter* until SIGTERM or SIGINT. Raises StartError where that can't be."""
    logs = Logs(settings.log)
    try:
        await _run(adapter, settings, logs.scope("default"))
    finally:
        logs.close()


async def _run(
    adapter: type[Adapter[Any]], settings: OutsideSettings, log: FilteringBoundLogger
) -> None:
    stop = asyncio.Event()
    catch_signals(stop)
    metrics = Metrics(version("meshmixer"))
    openings = Openings(adapter, Handlers(log, metrics=metrics), monotonic)
    try:
        service = Service(adapter, openings)
    except ValueError as error:
        raise StartError(f"{adapter.name} can't be served to other processes: {error}") from None
    transport = NativeServer(service.methods, descriptors(adapter), log, settings.limits)
    monitoring = Monitoring(
        settings.monitoring_host,
        settings.monitoring_port,
        _views(metrics, stop, openings.describe).pages(),
    )
    tidying = asyncio.create_task(_tidy(openings))
    try:
        address = transport.bind(settings.address, settings.tls)
        await transport.start()
        log.info(
            "adapter is served",
            adapter=adapter.name,
            address=address,
            monitoring=monitoring.address,
        )
        await stop.wait()
        log.info("adapter drains", seconds=settings.drain)
    finally:
        await transport.drain(settings.drain)
        tidying.cancel()
        await asyncio.gather(tidying, return_exceptions=True)
        await openings.close()
        monitoring.close()
    log.info("adapter is served no more")


async def _tidy(openings: Openings) -> None:
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        await openings.tidy()


def _views(metrics: Metrics, stop: asyncio.Event, describe: Callable[[], dict[str, Any]]) -> Views:
    def alive() -> bool:
        return not stop.is_set()

    return Views(metrics.registry, version("meshmixer"), alive, alive, describe)


def descriptors(adapter: type[Adapter[Any]]) -> DescriptorPool:
    """The descriptors of all that is served, for who asks by reflection."""
    return pool(merged(protos.files_of(template) for template in adapter.verbs))


def merged(sets: Iterable[FileDescriptorSet]) -> FileDescriptorSet:
    """All files of *sets*, each once."""
    files = {file.name: file for one in sets for file in one.file}
    return FileDescriptorSet(file=files.values())
