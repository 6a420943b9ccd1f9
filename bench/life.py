"""Cases of a server's life: how soon it answers, and what memory a million bags leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from bench import pipeline
from bench.bodies import body
from bench.load import PREFIX_BYTES
from bench.server import resident, serving
from mixer._pb import mixer_pb2 as pb

_MIXER = "/istio.mixer.v1.Mixer"
_BAGS = 1_000_000
_IN_A_REPORT = 100
_SERIES = 1000
_SERIES_OF_A_BODY = 20
"""Those of the callers that get other names."""

_CALLERS = "productpage-v1", "productpage-v2", "ratings-client-v3"
_CONNECTIONS, _STREAMS = 2, 8


def cases(shared: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """All cases by name."""
    config, bodies = shared / "istio-config", shared / "bodies"
    check, report = (
        body(bodies, name).read_bytes()[PREFIX_BYTES:]
        for name in ("check", "report-100-independent")
    )
    yield "start to first Check, ms", partial(_start, config / "telemetry-log", check)
    yield "memory after 1M bags, MB", partial(_memory, config / "telemetry", report)


def _start(config: Path, check: bytes) -> float:
    """Milliseconds from the start of the process to its first answer."""
    began = perf_counter()
    with serving(config) as server:
        asyncio.run(
            pipeline.send(
                server.port, pipeline.requests(server.port, f"{_MIXER}/Check", [check]), 1
            )
        )
        return (perf_counter() - began) * 1e3


def _memory(config: Path, report: bytes) -> float:
    """Resident megabytes of the server after so many bags, which make so many series."""
    bodies = cycle(_others(report, -(-_SERIES // _SERIES_OF_A_BODY)))

    async def send(port: int) -> None:
        async with asyncio.TaskGroup() as connections:
            for _ in range(_CONNECTIONS):
                share = islice(bodies, _BAGS // _IN_A_REPORT // _CONNECTIONS)
                made = pipeline.requests(port, f"{_MIXER}/Report", share)
                connections.create_task(pipeline.send(port, made, _STREAMS))

    with serving(config) as server:
        asyncio.run(send(server.port))
        return resident(server.pid)


def _others(report: bytes, count: int) -> list[bytes]:
    """So many Reports like *report*, of callers with other names."""
    made = []
    for number in range(count):
        message = pb.ReportRequest.FromString(report)
        for caller in _CALLERS:
            at = list(message.default_words).index(caller)
            message.default_words[at] = f"{caller}-{number}"
        made.append(message.SerializeToString())
    return made
