"""
Sends metrics with tags to an agent that speaks DogStatsD, over UDP or a Unix socket.

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: dogstatsd, namespace: istio-system}
    spec:
      compiledAdapter: dogstatsd
      params:
        address: localhost:8125
        prefix: mesh.
        globalTags: {cluster: eu-1}
        metrics:
          requestcount.instance.istio-system: {name: requests, type: COUNTER}
          requestduration.instance.istio-system:
            name: request.duration
            type: DISTRIBUTION
            tags: {team: web}

The tags of a metric are those of all metrics, its own, and the dimensions of its instance, which
win where a name is the same. Counters are added up, and of gauges the last value is kept, until
``flushDuration`` is over or much waits. What waits is sent when the handler closes. Datagrams
promise nothing: an agent that is away loses what was sent meanwhile; where the system tells of
that, so does the log. Nobody waits for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, TypeAlias

from mixer.adapter import (
    Adapter,
    Config,
    Duration,
    Env,
    FieldProblem,
    Meta,
    Metric,
    NonNegative,
    Reports,
    Shape,
    Value,
    ValueType,
    hookimpl,
    text,
)
from mixer.adapter.addresses import host_port
from mixer.adapter.datagrams import LOCAL, UNIX, Daemon, reached
from mixer.adapter.dimensions import remembered
from mixer.adapter.outbox import HOLE, MOST_WAITING, Outbox, Sum

Put: TypeAlias = Callable[[Mapping[str, Value], int], None]
"""Takes the dimensions of an instance and its value; of a duration, the nanoseconds."""

UDP_BYTES, UNIX_BYTES = 1432, 8192
"""Packets that pass everywhere: within a frame of Ethernet, and what agents read at once."""

_FORMAT = str.maketrans(dict.fromkeys(",|\n\r#\0", "_"))
"""What lines and lists of tags are made of has no place in a tag,"""

_NAME = _FORMAT | str.maketrans(dict.fromkeys(":@", "_"))
"""and what names end with has none in a name."""


class Kind(IntEnum):
    """What the agent makes of a value."""

    UNKNOWN_TYPE = 0
    COUNTER = 1
    GAUGE = 2
    DISTRIBUTION = 3


class MetricInfo(Config, frozen=True):
    """How one instance is sent."""

    name: str = ""
    """Name of the metric, after the prefix; left out, that of the instance."""

    type: Kind = Kind.UNKNOWN_TYPE
    """What the agent makes of the value: COUNTER and GAUGE take INT64; DISTRIBUTION takes
    DURATION, sent as a timing in milliseconds, or INT64, sent for a histogram."""

    tags: dict[str, str] = {}
    """Tags of this metric."""


class DogstatsdConfig(Config, frozen=True):
    """Where to send, and what under which name and tags."""

    address: str = f"{LOCAL}:8125"
    """HOST:PORT of the agent, or ``unix:///PATH`` of its socket."""

    prefix: str = "istio."
    """Put before every name; a dot is added where it lacks one."""

    buffer_length: NonNegative = 0
    """How many lines may wait; 0 means 500."""

    global_tags: dict[str, str] = {}
    """Tags of all metrics."""

    sample_rate: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of values that is sent; the agent is told, and scales counters up. Below 1 each value
    that is chosen is sent for itself. (In Istio it was 0 where nothing was said, and nothing was
    sent.)"""

    metrics: dict[str, MetricInfo] = {}
    """How to send each instance, by its full or short name."""

    flush_duration: Annotated[Duration, Meta(ge=0)] = Duration.of(0.3)
    """How long values may wait for others to share a packet; 0 sends what a report brings at its
    end."""

    packet_bytes: Annotated[int, Meta(ge=0, le=65507)] = 0
    """Largest packet; 0 means 1432 over UDP and 8192 over a Unix socket."""

    def info(self, shape: Shape) -> tuple[str, MetricInfo | None]:
        """How *shape* is sent, and by which name that is said; None where it is not."""
        for name, info in self.metrics.items():
            if shape.answers_to(name):
                return name, info
        return "", None


@dataclass(frozen=True, slots=True)
class Feed:
    """How the instances of one shape are sent."""

    line: Callable[[Mapping[str, Value]], str]
    put: Put
    sums: bool
    """True where numbers of one line may be added up."""


class Dogstatsd(Adapter[DogstatsdConfig], Reports[Metric], name="dogstatsd"):
    """Sends metrics with tags to an agent that speaks DogStatsD."""

    def __init__(self, config: DogstatsdConfig, env: Env) -> None:
        super().__init__(config, env)
        self._daemon: Daemon | None = None
        self._feeds: Mapping[str, Feed] = {}

    @classmethod
    def problems(cls, config: DogstatsdConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find wrong addresses, and instances that can't be sent."""
        try:
            if not config.address.startswith(UNIX):
                host_port(config.address, host=LOCAL)
        except ValueError as error:
            yield FieldProblem("address", str(error), f"or {UNIX}/PATH for a Unix socket")
        for name, info in config.metrics.items():
            if info.type is Kind.UNKNOWN_TYPE:
                at = f"metrics[{name}].type"
                yield FieldProblem(at, "is missing", "one of COUNTER, GAUGE, DISTRIBUTION")
        for shape in shapes:
            yield from _unsendable(config, shape)

    async def open(self) -> None:
        """Resolve the address. Raises OSError where it has none."""
        config = self.config
        usual = UNIX_BYTES if config.address.startswith(UNIX) else UDP_BYTES
        self._daemon = await reached(
            config.address,
            self.env,
            config.flush_duration,
            config.packet_bytes or usual,
            config.buffer_length or MOST_WAITING,
        )
        self._feeds = {
            shape.name: _feed(config, shape, info, self._daemon.outbox)
            for shape in self.env.shapes
            if (info := config.info(shape)[1]) is not None
        }

    def report(self, batch: Sequence[Metric], /) -> None:
        """Take a batch. Raises ValueError that names instances no metric is configured for."""
        if self._daemon is None:
            raise RuntimeError("the handler is closed")
        unknown: dict[str, None] = {}
        for metric in batch:
            feed = self._feeds.get(metric.name)
            if feed is None:
                unknown[f"no info for metric named {metric.name}"] = None
            else:
                feed.put(metric.dimensions, metric.value)  # type: ignore[arg-type]  # its shape says so
        self._daemon.outbox.done()
        if unknown:
            raise ValueError("; ".join(unknown))

    def tally(self, instance: Metric, /) -> Sum | None:
        """What adds up counters."""
        feed = self._feeds.get(instance.name)
        if feed is None or self._daemon is None or not feed.sums:
            return None
        return Sum(self._daemon.outbox, feed.line(instance.dimensions))

    async def close(self) -> None:
        """Send what waits, and close the socket."""
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None
            self._feeds = {}


def _unsendable(config: DogstatsdConfig, shape: Shape) -> Iterable[FieldProblem]:
    name, info = config.info(shape)
    if info is None:
        yield FieldProblem("metrics", f"no info for metric named {shape.name}")
        return
    value = shape.types.get("value")
    takes = ("INT64", "DURATION") if info.type is Kind.DISTRIBUTION else ("INT64",)
    if value is None or value.name not in takes:
        found = "no value" if value is None else value.name
        reason = f"a {info.type.name} takes {' or '.join(takes)}, and {shape.name} has {found}"
        yield FieldProblem(f"metrics[{name}].type", reason)


def _feed(
    config: DogstatsdConfig,
    shape: Shape,
    info: MetricInfo,
    outbox: Outbox,
    chance: Callable[[], float] = random.random,
) -> Feed:
    timed = shape.types.get("value") is ValueType.DURATION
    letter = {Kind.COUNTER: "c", Kind.GAUGE: "g"}.get(info.type, "ms" if timed else "h")
    rate, sums = config.sample_rate, False
    sampled = rate < 1 and info.type is not Kind.GAUGE
    # Never as 1e-05, which agents read as 1.
    line = _liner(config, shape, info, f"|@{Decimal(str(rate)):f}" if sampled else "", letter)
    put: Put
    if sampled or info.type is Kind.DISTRIBUTION:
        show = _milliseconds if timed else str

        def put(dimensions: Mapping[str, Value], value: int) -> None:
            if not sampled or chance() < rate:
                outbox.add((line(dimensions).replace(HOLE, show(value)),))

    elif info.type is Kind.COUNTER:
        sums = True

        def put(dimensions: Mapping[str, Value], value: int) -> None:
            outbox.count(line(dimensions), value)

    else:

        def put(dimensions: Mapping[str, Value], value: int) -> None:
            outbox.gauge(line(dimensions), value)

    return Feed(line, put, sums)


def _liner(
    config: DogstatsdConfig, shape: Shape, info: MetricInfo, sampling: str, letter: str
) -> Callable[[Mapping[str, Value]], str]:
    """What makes the line of an instance, with a hole for its value."""
    prefix = f"{config.prefix.rstrip('.')}." if config.prefix else ""
    name = (prefix + (info.name or shape.name)).translate(_NAME)
    keys = shape.keys("dimensions")
    fixed = {
        _tag(key): value.translate(_FORMAT)
        for key, value in (config.global_tags | info.tags).items()
        if key not in keys
    }
    start = f"{name}:{HOLE}|{letter}{sampling}"
    shown = [f"{key}:{value}" if value else key for key, value in sorted(fixed.items())]
    if not keys:
        whole = f"{start}|#{','.join(shown)}" if shown else start
        return lambda dimensions: whole

    names = [_tag(key) for key in keys]

    def made(dimensions: Mapping[str, Value]) -> str:
        values = [text(dimensions[key]).translate(_FORMAT) for key in keys]
        own = [f"{key}:{value}" for key, value in zip(names, values, strict=True)]
        return f"{start}|#{','.join([*shown, *own])}"

    return remembered(made, shape, keys)


def _tag(key: str) -> str:
    return key.translate(_NAME)


def _milliseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1_000_000:.6f}"


@hookimpl
def mixer_adapters() -> list[type[Dogstatsd]]:
    """Offer the adapter at the plugin door."""
    return [Dogstatsd]
