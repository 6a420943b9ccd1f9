"""The params of the statsd adapter, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Annotated

from adapters.statsd.names import dimensions_of, is_template
from mixer.adapter import Config, Duration, FieldProblem, Meta, Shape
from mixer.adapter.addresses import host_port
from mixer.adapter.datagrams import LOCAL

FLUSH_BYTES = 512


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

    address: str = f"{LOCAL}:8125"
    """HOST:PORT of the daemon."""

    prefix: str = ""
    """Put before every name, with a dot between."""

    flush_duration: Annotated[Duration, Meta(ge=0)] = Duration.of(0.3)
    """How long values may wait for others to share a packet, and counters to be added up; 0 sends
    what a report brings at its end."""

    flush_bytes: Annotated[int, Meta(ge=0, le=65507)] = FLUSH_BYTES
    """Largest packet; 0 means 512. A single line that is longer has a packet of its own."""

    sampling_rate: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of values that is sent; the daemon is told, and scales counters up. Below 1
    each value that is chosen is sent for itself, and counters are not added up before."""

    metrics: dict[str, MetricInfo] = {}
    """How to send each instance, by its full or short name."""


def find_problems(config: StatsdConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
    """Find wrong addresses, names that can't be made, and values that can't be sent."""
    try:
        host_port(config.address, host=LOCAL)
    except ValueError as error:
        yield FieldProblem("address", str(error))
    for name, info in config.metrics.items():
        if not is_template(info.name_template):
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


def _unsendable(config: StatsdConfig, shape: Shape) -> Iterable[FieldProblem]:
    name, info = info_of(config, shape)
    if info is None:
        yield FieldProblem("metrics", f"no info for metric named {shape.name}")
        return
    value = shape.types.get("value")
    takes = ("INT64", "DURATION") if info.type is Kind.DISTRIBUTION else ("INT64",)
    if value is None or value.name not in takes:
        yield FieldProblem(
            f"metrics[{name}].type",
            f"a {info.type.name} takes {' or '.join(takes)}, and {shape.name} has "
            f"{'no value' if value is None else value.name}",
        )
    dimensions = shape.keys("dimensions")
    for dimension in dimensions_of(info.name_template):
        if dimension not in dimensions:
            yield FieldProblem(
                f"metrics[{name}].name_template",
                f"{shape.name} has no dimension {dimension!r}",
                f"it has {', '.join(dimensions) or 'none'}",
            )


def info_of(config: StatsdConfig, shape: Shape) -> tuple[str, MetricInfo | None]:
    """How *shape* is sent, and the name by which *config* says so; None where it does not."""
    for name, info in config.metrics.items():
        if shape.answers_to(name):
            return name, info
    return "", None
