"""The params of opentelemetry, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import IntEnum
from typing import Annotated

from mixer.adapter import Config, Duration, FieldProblem, Meta, Metric, Positive, Shape
from mixer.adapter.config import missing
from mixer.adapter.http import HttpPeer, peer_problems
from mixer.adapter.records import MASKED

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Protocol(IntEnum):
    """How OTLP is spoken."""

    GRPC = 0
    HTTP = 1


class Kind(IntEnum):
    """What becomes of the values of a metric."""

    UNSPECIFIED = 0
    GAUGE = 1
    COUNTER = 2
    DISTRIBUTION = 3


class Temporality(IntEnum):
    """What counters and histograms say."""

    CUMULATIVE = 0
    DELTA = 1


class MetricInfo(Config, frozen=True):
    """How a metric is shown."""

    name: str = ""
    """Its name; by default the short name of the instance."""

    instance_name: str = ""
    """The instance whose values it has, by full or short name."""

    description: str = ""
    """What it measures."""

    unit: str = ""
    """In what (UCUM), such as `By`. Durations are seconds, `s`."""

    kind: Kind = Kind.UNSPECIFIED
    """GAUGE: the last value. COUNTER: their sum. DISTRIBUTION: a histogram. UNSPECIFIED: of
    durations a histogram, else a sum."""

    bounds: tuple[float, ...] = SECONDS
    """Upper bounds of the buckets of a histogram, ascending."""


class OpentelemetryConfig(HttpPeer, frozen=True):
    """Params of opentelemetry."""

    url: str = "http://localhost:4317"
    """The collector; https for TLS. Over HTTP, `/v1/logs` and so on follow it."""

    protocol: Protocol = Protocol.GRPC
    """GRPC, whose usual port is 4317, or HTTP, with 4318; both with protobuf."""

    compress: bool = False
    """True: compress with gzip."""

    service_name: str = "mixer"
    """`service.name` of the resource."""

    resource: dict[str, str] = {}
    """More attributes of the resource, such as `deployment.environment`."""

    metrics: tuple[MetricInfo, ...] = ()
    """How metrics are shown; those that are not mentioned have the defaults."""

    metrics_interval: Annotated[Duration, Meta(gt=0)] = Duration.of(15)
    """How often metrics are sent."""

    temporality: Temporality = Temporality.CUMULATIVE
    """CUMULATIVE: all since the handler opened. DELTA: what came since metrics were last sent."""

    max_series: Positive = 10_000
    """Distinct tuples of dimensions over all metrics; beyond, values are dropped and counted in a
    series of their own, with the attribute `otel.metric.overflow`."""

    body: str = "message"
    """The variable that becomes the body of a log record; the others are attributes."""

    sample_probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """The share of traces that are sent; the trace id decides."""

    mask: tuple[str, ...] = MASKED
    """Variables, and keys of maps, whose values are shown as `***`."""


def problems(config: OpentelemetryConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
    """Find what is wrong beyond types."""
    if config.protocol is Protocol.HTTP:
        yield from missing("aiohttp", "http", "opentelemetry")
    yield from peer_problems(config)
    names = [shape.name for shape in shapes if shape.template is Metric]
    for index, metric in enumerate(config.metrics):
        path = f"metrics[{index}]"
        if any(low >= high for low, high in zip(metric.bounds, metric.bounds[1:], strict=False)):
            yield FieldProblem(f"{path}.bounds", "the bounds do not ascend")
        if not metric.instance_name:
            yield FieldProblem(f"{path}.instance_name", "the instance is not named")
        elif names and not any(shape.answers_to(metric.instance_name) for shape in shapes):
            near = get_close_matches(metric.instance_name, names, 1)
            reason = f"no rule sends an instance {metric.instance_name!r}"
            hint = f"did you mean {near[0]!r}?" if near else ""
            yield FieldProblem(f"{path}.instance_name", reason, hint)
