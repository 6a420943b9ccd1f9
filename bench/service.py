"""Cases without a transport: bytes in, bytes out, in this process; and what a scrape costs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time

from adapters.prometheus.config import Definition, Kind
from adapters.prometheus.exporter import Exporter
from adapters.statsd import Kind as StatsdKind
from adapters.statsd import MetricInfo, Statsd, StatsdConfig
from bench.load import PREFIX_BYTES
from mixer.adapter import Duration, Metric, Shape, ValueType, catalogue
from mixer.adapter.testing import running
from mixer.runtime import Options, Runtime
from mixer.runtime.options import adapter_defaults
from mixer.server.front import Front
from mixer.server.loadshedding import Options as NoShedding
from mixer.server.loadshedding import Shedder
from mixer.server.mixer_v1 import MixerService
from mixer.telemetry.logs import LogOptions, Logs
from mixer.telemetry.metrics import Metrics

_SERIES = 10_000
_LABELS = tuple(f"label_{number:02}" for number in range(20))
_MORE_RULES = 1000
_RULE = """
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: more{number}, namespace: istio-system}}
spec:
  match: destination.service.host == "s{number}.default.svc" && request.method == "GET"
  actions: [{{handler: denyall, instances: [denyrequest]}}]
---"""
_TO_STATSD = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: statsd, namespace: istio-system}}
spec:
  compiledAdapter: statsd
  params:
    address: 127.0.0.1:{port}
    prefix: mesh
    flushDuration: 0s
    metrics:
      requests:
        type: COUNTER
        nameTemplate: 'requests.{{{{.source}}}}.{{{{.destination}}}}.{{{{.code}}}}'
      bytes: {{type: COUNTER, nameTemplate: 'bytes.{{{{.destination}}}}'}}
      took: {{type: DISTRIBUTION, nameTemplate: 'took.{{{{.destination}}}}'}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: requests, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params:
    value: "1"
    dimensions:
      source: source.workload.name | "unknown"
      destination: destination.service.name | "unknown"
      code: response.code | 0
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: bytes, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params:
    value: response.size | 0
    dimensions: {{destination: destination.service.name | "unknown"}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: took, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params:
    value: response.duration | "0ms"
    dimensions: {{destination: destination.service.name | "unknown"}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: to-statsd, namespace: istio-system}}
spec:
  actions: [{{handler: statsd, instances: [requests, bytes, took]}}]
"""

Measure = Callable[[], float]
"""Gives the CPU microseconds of one operation."""


def cases(shared: Path) -> Iterator[tuple[str, Measure]]:
    """All cases by name."""
    config, bodies = shared / "istio-config", shared / "bodies"
    for name, rpc, folder, body, bags, plain in (
        ("check, bytes to bytes", "check", "check", "check", 1, False),
        ("the same, the plain way", "check", "check", "check", 1, True),
        ("report, bytes to bytes", "report", "telemetry", "report-100-independent", 100, False),
        ("report, the plain way", "report", "telemetry", "report-100-independent", 100, True),
    ):
        raw = (bodies / f"{body}.grpc").read_bytes()[PREFIX_BYTES:]
        calls = 2000 // bags
        yield name, partial(_called, [config / folder], rpc, raw, calls, bags, not plain)
    raw = (bodies / "check.grpc").read_bytes()[PREFIX_BYTES:]
    yield "1,000 rules more", partial(_more_rules, config / "check", raw)
    raw = (bodies / "report-100-independent.grpc").read_bytes()[PREFIX_BYTES:]
    for name, plain in (("report to statsd", False), ("report to statsd, plain way", True)):
        yield name, partial(_report_to_statsd, config / "norule", raw, not plain)
    yield "a counted value to statsd", partial(_values_to_statsd, StatsdKind.COUNTER)
    yield "a timing to statsd", partial(_values_to_statsd, StatsdKind.DISTRIBUTION)
    yield "scrape, 10,000 series", partial(_scrape, Kind.COUNTER)
    yield "scrape, as distributions", partial(_scrape, Kind.DISTRIBUTION)


def _called(
    sources: list[Path],
    rpc: str,
    raw: bytes,
    calls: int,
    bags: int,
    fused: bool = True,
    rests: bool = False,
) -> float:
    """What a bag costs; if the mixer *rests* between calls, with what it does after them."""

    async def run() -> float:
        async with service(sources, fused) as served:
            handler = getattr(served, rpc)
            await handler(raw)
            start = process_time()
            for _ in range(calls):
                await handler(raw)
                if rests:
                    await asyncio.sleep(0)
            return (process_time() - start) / (calls * bags) * 1e6

    return asyncio.run(run())


@asynccontextmanager
async def service(sources: list[Path], fused: bool = True) -> AsyncIterator[MixerService]:
    """The service over some configuration, without a server around it."""
    installed, metrics = catalogue.load(), Metrics()
    logs = Logs(LogOptions(targets=("/dev/null",)))
    options = Options(
        fused=fused,
        adapter_defaults=adapter_defaults(["prometheus.address=127.0.0.1:0"], installed),
    )
    scope = logs.scope("default")
    runtime = Runtime(installed, [str(source) for source in sources], options, metrics, scope)
    await runtime.start()
    try:
        yield MixerService(Front(runtime, Shedder(NoShedding(), monotonic()), metrics, scope))
    finally:
        await runtime.close()
        logs.close()


def more_rules(count: int) -> str:
    """So many rules that match no body, as a file to go with istio-config/check."""
    return "".join(_RULE.format(number=number) for number in range(count))


def _more_rules(config: Path, raw: bytes) -> float:
    """What so many rules add to a Check that none of them matches."""
    with TemporaryDirectory() as folder:
        more = Path(folder) / "more.yaml"
        more.write_text(more_rules(_MORE_RULES))
        with_more = _called([config, more], "check", raw, 2000, 1)
        return with_more - _called([config], "check", raw, 2000, 1)


def _report_to_statsd(vocabulary: Path, raw: bytes, fused: bool) -> float:
    """A bag with two counters and a timing, each Report sent for itself."""
    with TemporaryDirectory() as folder, _deaf() as port:
        rules = Path(folder) / "statsd.yaml"
        rules.write_text(_TO_STATSD.format(port=port))
        return _called([vocabulary, rules], "report", raw, 20, 100, fused, rests=True)


def _values_to_statsd(kind: StatsdKind) -> float:
    """A value of a batch of 100 under 20 names, each batch sent for itself."""
    timed = kind is StatsdKind.DISTRIBUTION
    types = {
        "value": ValueType.DURATION if timed else ValueType.INT64,
        "dimensions.destination": ValueType.STRING,
        "dimensions.code": ValueType.INT64,
    }
    shape = Shape("requests.instance.ns", Metric, types)
    batch = [
        Metric(
            name=shape.name,
            value=Duration.of(0.0123) if timed else 1,
            dimensions={"destination": f"service-{number % 20}", "code": 200},
        )
        for number in range(100)
    ]

    async def run(port: int) -> float:
        config = StatsdConfig(
            address=f"127.0.0.1:{port}",
            flush_duration=Duration(0),
            metrics={shape.name: MetricInfo(kind, "r.{{.destination}}.{{.code}}")},
        )
        async with running(Statsd, config, shapes=[shape]) as adapter:
            start = process_time()
            for _ in range(200):
                adapter.report(batch)
                await asyncio.sleep(0)
            return (process_time() - start) / (200 * len(batch)) * 1e6

    with _deaf() as port:
        return asyncio.run(run(port))


@contextmanager
def _deaf() -> Iterator[int]:
    """The port of a UDP socket that nobody reads, as reading would be counted too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def _scrape(kind: Kind) -> float:
    exporter = Exporter()
    bounds = (0.01, 0.1, 1.0, 10.0) if kind is Kind.DISTRIBUTION else ()
    (family,) = exporter.claim([Definition("requests", "help", kind, _LABELS, bounds)], "bench")
    for number in range(_SERIES):
        values = [f"value-{place}-{number if place < 2 else 0}" for place in range(len(_LABELS))]
        family.series(tuple(values)).add(1)
    start = process_time()
    assert exporter.text().count(b"\n") > _SERIES
    return (process_time() - start) * 1e6
