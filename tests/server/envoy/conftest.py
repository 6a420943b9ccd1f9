"""A configuration in force, and what Envoy would ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias
from urllib.request import urlopen

import pytest
import structlog

from adapters.prometheus import Prometheus
from attributes import Duration, Timestamp
from mixer._pb import envoy_auth_pb2 as pb
from mixer.adapter.catalogue import load
from mixer.runtime import Options, Runtime
from mixer.server.envoy.accesslogs import AccessLogs
from mixer.server.envoy.assignments import Assignments
from mixer.server.envoy.authorization import Authorization
from mixer.server.envoy.ratelimit import RateLimit
from mixer.server.envoy.records import LogRecords
from mixer.server.front import Front
from mixer.server.loadshedding import Options as Shedding
from mixer.server.loadshedding import Shedder
from mixer.telemetry.metrics import Metrics

CATALOGUE = load()
CLASSES = {str, int, float, bool, bytes, dict, Timestamp, Duration, type(None)}
"""Of values of attributes; expressions take no other for them."""

VOCABULARY = Path(__file__).parents[3] / "config" / "attributes.yaml"


class Mixer:
    """The service, by the vocabulary that the project ships and some rules."""

    def __init__(self, runtime: Runtime, log: structlog.testing.CapturingLogger) -> None:
        logger = structlog.wrap_logger(log, processors=[], wrapper_class=structlog.BoundLogger)
        self.runtime = runtime
        self.log = log
        self.metrics = Metrics()
        front = Front(runtime, Shedder(Shedding(), monotonic()), self.metrics, logger)
        self.service = Authorization(front, logger)
        self.logs = AccessLogs(front, logger)
        self.limits = RateLimit(front, logger)
        self.records = LogRecords(front, logger)
        self.assignments = Assignments(front, logger)

    async def ask(self, **context: Any) -> pb.CheckResponse:
        """Ask with an AttributeContext of these fields."""
        request = pb.CheckRequest(attributes=context)
        return pb.CheckResponse.FromString(await self.service.check(request.SerializeToString()))

    async def get(self, path: str = "/", method: str = "GET", **headers: str) -> pb.CheckResponse:
        """Ask for a request of HTTP; ``_`` in names of headers is ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        http = {"method": method, "path": path, "host": "shop.example.com:8080", "headers": named}
        return await self.ask(request={"http": http})

    def series(self, name: str) -> dict[str, float]:
        """The samples of a metric of the prometheus handler, by labels."""
        assert self.runtime.snapshot is not None
        found = {}
        for handler in self.runtime.snapshot.handlers.values():
            if isinstance(handler.adapter, Prometheus):
                with urlopen(f"http://127.0.0.1:{handler.adapter.port}/metrics") as page:
                    for line in page.read().decode().splitlines():
                        if line.startswith(f"istio_{name}{{"):
                            labels, _, value = line.partition("{")[2].rpartition("} ")
                            found[labels] = float(value)
        return found


Start: TypeAlias = Callable[[str], Awaitable[Mixer]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Bring rules into force."""
    async with AsyncExitStack() as stack:

        async def begin(rules: str) -> Mixer:
            return await stack.enter_async_context(_mixer(tmp_path, rules))

        yield begin


@asynccontextmanager
async def _mixer(folder: Path, rules: str) -> AsyncIterator[Mixer]:
    (folder / "rules.yaml").write_text(rules)
    log = structlog.testing.CapturingLogger()
    logger = structlog.wrap_logger(log, processors=[], wrapper_class=structlog.BoundLogger)
    sources = [str(VOCABULARY), str(folder)]
    runtime = Runtime(CATALOGUE, sources, Options(), Metrics(), logger)
    await runtime.start()
    assert runtime.snapshot is not None
    assert list(map(str, runtime.snapshot.plan.problems)) == []
    try:
        yield Mixer(runtime, log)
    finally:
        await runtime.close()
