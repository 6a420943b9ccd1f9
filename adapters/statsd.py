"""
Sends metrics to a statsd daemon over UDP, a packet for many.

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: statsd, namespace: istio-system}
    spec:
      compiledAdapter: statsd
      params:
        address: localhost:8125
        prefix: mesh
        metrics:
          requestcount.instance.istio-system:
            type: COUNTER
            nameTemplate: 'requests.{{.destination}}.{{.code}}'
          requestduration.instance.istio-system: {type: DISTRIBUTION}

UDP tells nobody whether anything arrived: a daemon that is away loses what was sent meanwhile.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Annotated, Any

from statsd import StatsClient

from mixer.adapter import (
    Adapter,
    Config,
    Duration,
    FieldProblem,
    Meta,
    Metric,
    Reports,
    Shape,
    Value,
    hookimpl,
    text,
)

FLUSH_BYTES = 512
_PIECE = re.compile(r"""\{\{-?\s*(?:\.(\w+)|index\s+\.\s+"([^"]+)")\s*-?\}\}""")


class Kind(IntEnum):
    """What statsd makes of a value."""

    UNKNOWN = 0
    COUNTER = 1
    GAUGE = 2
    DISTRIBUTION = 3


class MetricInfo(Config, frozen=True):
    """How one instance is sent."""

    type: Kind = Kind.UNKNOWN
    """What statsd makes of the value: COUNTER and GAUGE take INT64; DISTRIBUTION takes DURATION,
    sent as a timing in milliseconds, or INT64, which is counted."""

    name_template: str = ""
    """Name of the metric, with ``{{.dimension}}`` for values of dimensions; left out, the name
    is that of the instance."""


class StatsdConfig(Config, frozen=True):
    """Where to send, and what under which name."""

    address: str = "localhost:8125"
    """HOST:PORT of the daemon."""

    prefix: str = ""
    """Put before every name, with a dot between."""

    flush_duration: Annotated[Duration, Meta(ge=0)] = Duration.of(0.3)
    """Read for compatibility: what one report brings is sent at its end, sooner than any timer
    would."""

    flush_bytes: Annotated[int, Meta(ge=0, le=65507)] = FLUSH_BYTES
    """Largest packet; 0 means 512."""

    sampling_rate: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of values that is sent; the daemon is told, and scales counters up."""

    metrics: dict[str, MetricInfo] = {}
    """How to send each instance, by its full or short name."""


class Statsd(Adapter[StatsdConfig], Reports[Metric], name="statsd"):
    """Sends metrics to a statsd daemon."""

    _client: StatsClient | None = None

    @classmethod
    def problems(cls, config: StatsdConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find wrong addresses, names that can't be made, and values that can't be sent."""
        try:
            _host_port(config.address)
        except ValueError as error:
            yield FieldProblem("address", str(error))
        for name, info in config.metrics.items():
            if "{{" in _PIECE.sub("", info.name_template):
                yield FieldProblem(
                    f"metrics[{name}].name_template",
                    f"{info.name_template!r} has more than {{{{.dimension}}}} in it",
                    'write {{.name}}, or {{index . "name"}} for names with other characters',
                )
            elif info.type is Kind.UNKNOWN:
                yield FieldProblem(
                    f"metrics[{name}].type", "is missing", "one of COUNTER, GAUGE, DISTRIBUTION"
                )
        for shape in shapes:
            yield from _unsendable(config, shape)

    async def open(self) -> None:
        """Resolve the address. Raises OSError where it has none."""
        host, port = _host_port(self.config.address)
        self._client = await asyncio.to_thread(_client, self.config, host, port)
        self._senders = {
            shape.name: sender
            for shape in self.env.shapes
            if (sender := _sender(self.config, shape)) is not None
        }

    def report(self, batch: Sequence[Metric], /) -> None:
        """Send a batch. Raises ValueError that names instances no metric is configured for."""
        if self._client is None:
            raise RuntimeError("the handler is closed")
        unknown: dict[str, None] = {}
        with self._client.pipeline() as packets:
            for metric in batch:
                send = self._senders.get(metric.name)
                if send is None:
                    unknown[f"no info for metric named {metric.name}"] = None
                else:
                    send(packets, metric)
        if unknown:
            raise ValueError("; ".join(unknown))

    async def close(self) -> None:
        """Close the socket; every report has been sent by then."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _unsendable(config: StatsdConfig, shape: Shape) -> Iterable[FieldProblem]:
    name, info = _info(config, shape)
    if info is None:
        yield FieldProblem("metrics", f"no info for metric named {shape.name}")
        return
    value = shape.types.get("value")
    takes = ("INT64", "DURATION") if info.type is Kind.DISTRIBUTION else ("INT64",)
    if value is not None and value.name not in takes:
        yield FieldProblem(
            f"metrics[{name}].type",
            f"a {info.type.name} takes {' or '.join(takes)}, and {shape.name} has {value.name}",
        )
    dimensions = shape.keys("dimensions")
    for dotted, indexed in _PIECE.findall(info.name_template):
        if (dotted or indexed) not in dimensions:
            yield FieldProblem(
                f"metrics[{name}].name_template",
                f"{shape.name} has no dimension {dotted or indexed!r}",
                f"it has {', '.join(dimensions) or 'none'}",
            )


def _info(config: StatsdConfig, shape: Shape) -> tuple[str, MetricInfo | None]:
    for name, info in config.metrics.items():
        if shape.answers_to(name):
            return name, info
    return "", None


def _sender(config: StatsdConfig, shape: Shape) -> Callable[[Any, Metric], None] | None:
    """A function that puts one instance into a pipeline, made once for its shape."""
    _, info = _info(config, shape)
    if info is None:
        return None
    name, rate, kind = _name(info, shape), config.sampling_rate, info.type

    def send(packets: Any, metric: Metric) -> None:
        value: Any = metric.value
        if kind is Kind.GAUGE:
            packets.gauge(name(metric.dimensions), int(value), rate)
        elif isinstance(value, Duration):
            packets.timing(name(metric.dimensions), value / 1_000_000, rate)
        else:
            packets.incr(name(metric.dimensions), int(value), rate)

    return send


def _name(info: MetricInfo, shape: Shape) -> Callable[[Mapping[str, Value]], str]:
    """The name of a metric from its dimensions."""
    if not info.name_template:
        return lambda dimensions: shape.name
    pieces = _PIECE.split(info.name_template)
    literals = pieces[::3]
    keys = [dotted or indexed for dotted, indexed in zip(pieces[1::3], pieces[2::3], strict=True)]

    def name(dimensions: Mapping[str, Value]) -> str:
        values = (_clean(text(dimensions.get(key))) for key in keys)
        return literals[0] + "".join(
            value + literal for value, literal in zip(values, literals[1:], strict=True)
        )

    return name


def _clean(value: str) -> str:
    """*value* without what statsd's line format is made of."""
    return value.replace(":", "_").replace("|", "_").replace("@", "_").replace("\n", "_")


def _host_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not of the form HOST:PORT")
    return host.strip("[]") or "localhost", int(port)


def _client(config: StatsdConfig, host: str, port: int) -> StatsClient:
    """A client whose address is resolved; blocks while it is."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
    except OSError as error:
        raise OSError(f"the statsd address {config.address!r} has no host: {error}") from None
    return StatsClient(
        host,
        port,
        prefix=config.prefix or None,
        maxudpsize=config.flush_bytes or FLUSH_BYTES,
        ipv6=family is socket.AF_INET6,
    )


@hookimpl
def mixer_adapters() -> list[type[Statsd]]:
    return [Statsd]
