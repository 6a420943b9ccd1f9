"""Runs a configuration and calls, and tells all that can be seen of it from outside."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.request import urlopen

import msgspec
import structlog

from adapters.prometheus import Prometheus
from mixer.adapter.catalogue import Catalogue, load
from mixer.dispatch.report import report
from mixer.errors import RpcError
from mixer.runtime import Options, Runtime
from mixer.server.front import Front
from mixer.server.loadshedding import Options as Shedding
from mixer.server.loadshedding import Shedder
from mixer.server.mixer_v1 import MixerService
from mixer.telemetry.cells import FewValues, Histogram
from mixer.telemetry.metrics import Metrics
from mixer.wire import decode
from tests.property.kit import ADAPTERS, KEPT

CATALOGUE = Catalogue.of([*load().adapters.values(), *ADAPTERS])
NOW = 1_700_000_000


class Outcome(msgspec.Struct):
    """What a caller, an operator and a back end see."""

    answers: list[Any] = []
    """Bytes, or the code and message of an error."""

    kept: list[str] = []
    """What the adapters of the kit were given."""

    logged: list[str] = []
    """Lines of stdio."""

    series: dict[str, float] = {}
    """Samples of prometheus."""

    counts: dict[Any, Any] = {}
    """The mixer's own metrics; of times only how many."""

    told: list[str] = []
    """The mixer's own log."""


class AnySources(MixerService):
    """Folds the bags of a Report as those of another service: by what a source gives."""

    async def _report(self, raw: bytes) -> bytes:
        call = decode.report_request(raw)
        if call.sent:
            with (snapshot := self._front.snapshot()) as routes:
                await report(routes, call.bags().sources, snapshot.folds)
        return b""


async def run(
    text: str,
    calls: Sequence[tuple[str, bytes]],
    fused: bool,
    service_type: type[MixerService] = MixerService,
) -> Outcome:
    """Start a mixer with the configuration *text*, make all *calls* one by one, and stop it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        config = Path(folder, "config.yaml")
        config.write_text(text.replace('"LOG"', f'"{log}"'))
        capturing = structlog.testing.CapturingLogger()
        metrics, outcome = Metrics(), Outcome()
        logger = structlog.wrap_logger(
            capturing, processors=[], wrapper_class=structlog.BoundLogger
        )
        runtime = Runtime(
            CATALOGUE, [str(config)], Options(fused=fused), metrics, logger,
            clock=lambda: float(NOW), now=lambda: NOW * 10**9,
        )  # fmt: skip
        await runtime.start()
        assert runtime.snapshot is not None
        problems = list(map(str, runtime.snapshot.plan.problems))
        assert problems == [], problems
        KEPT.clear()
        random.seed(1)
        try:
            for number, (method, raw) in enumerate(calls):
                if not (fused and number):  # the plain way remembers no answers
                    front = Front(runtime, Shedder(Shedding(), monotonic()), metrics, logger)
                    service = service_type(front)
                try:
                    outcome.answers.append(await getattr(service, method)(raw))
                except RpcError as error:
                    outcome.answers.append((error.code, error.message))
            outcome.series = _series(runtime)
        finally:
            await runtime.close()
        outcome.kept = KEPT.copy()
        outcome.logged = log.read_text().splitlines() if log.exists() else []
        outcome.counts = _counts(metrics)
        outcome.told = [
            f"{call.method_name} {call.args} {call.kwargs}".replace(folder, "")
            for call in capturing.calls
        ]
        return outcome


def _series(runtime: Runtime) -> dict[str, float]:
    snapshot = runtime.snapshot
    for handler in snapshot.handlers.values() if snapshot else ():
        if isinstance(handler.adapter, Prometheus):
            with urlopen(f"http://127.0.0.1:{handler.adapter.port}/metrics") as response:
                lines = response.read().decode().splitlines()
            samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
            return {name: float(value) for name, _, value in samples}
    return {}


def _counts(metrics: Metrics) -> dict[Any, Any]:
    timed = re.compile("duration|latency")
    found: dict[Any, Any] = {}
    for name, family in metrics.cells.families.items():
        for labels, cell in family.cells():
            state = cell.state() if isinstance(cell, Histogram | FewValues) else [cell.value]
            found[name, labels] = sum(state[:-1]) if timed.search(name) else state
    return found
