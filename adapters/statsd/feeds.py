"""The way of values from instances to the daemon, decided once for each instance's shape."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from adapters.statsd.config import Kind, StatsdConfig, info_of
from adapters.statsd.names import Name, namer
from mixer.adapter import Metric, Shape, ValueType
from mixer.adapter.outbox import HOLE, Outbox, Sum

Put: TypeAlias = Callable[[str, int], None]
"""Takes the name of a metric and a value; of a duration, the nanoseconds."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Sends durations under one name, each for itself."""

    outbox: Outbox
    name: str

    def __call__(self, numbers: Sequence[int | float]) -> None:
        self.outbox.add([timing_line(self.name, number) for number in numbers])
        self.outbox.done()


@dataclass(frozen=True, slots=True)
class Feed:
    """How the instances of one shape are sent."""

    name: Name
    put: Put
    tally: type[Sum] | type[Timings] | None
    """What takes many numbers of one name, where their order makes no difference."""

    outbox: Outbox

    def together(self, instance: Metric) -> Sum | Timings | None:
        """What takes the numbers of instances like this one; None where each is wanted whole."""
        if self.tally is None:
            return None
        name = self.name(instance.dimensions)
        return self.tally(self.outbox, _counter(name) if self.tally is Sum else name)


def feeds(
    config: StatsdConfig,
    shapes: Sequence[Shape],
    outbox: Outbox,
    chance: Callable[[], float] = random.random,
) -> Mapping[str, Feed]:
    """The feeds of all *shapes* that are configured, by name; *chance* gives 0 to below 1."""
    found = {}
    for shape in shapes:
        _, info = info_of(config, shape)
        if info is None:
            continue
        kind, name = info.type, namer(info.name_template, config.prefix, shape)
        timed = shape.types.get("value") is ValueType.DURATION
        put: Put
        tally: type[Sum] | type[Timings] | None
        if config.sampling_rate < 1:
            # Chance is asked for each value, so that none may stand for others.
            put, tally = _sampled(kind, timed, outbox, config.sampling_rate, chance), None
        elif kind is Kind.GAUGE:
            # Taken whole: tallied ones and others would come in another order than they happened.
            put, tally = _gauged(outbox), None
        elif timed:
            put, tally = _timed(outbox), Timings
        else:
            put, tally = _counted(outbox), Sum
        found[shape.name] = Feed(name, put, tally, outbox)
    return found


def timing_line(name: str, nanoseconds: float) -> str:
    """A duration as statsd has it, in milliseconds."""
    return f"{name}:{nanoseconds / 1_000_000:.6f}|ms"


def _counter(name: str) -> str:
    return f"{name}:{HOLE}|c"


def _counted(outbox: Outbox) -> Put:
    return lambda name, number: outbox.count(_counter(name), number)


def _gauged(outbox: Outbox) -> Put:
    return lambda name, value: outbox.gauge(f"{name}:{HOLE}|g", value)


def _timed(outbox: Outbox) -> Put:
    return lambda name, nanoseconds: outbox.add((timing_line(name, nanoseconds),))


def _sampled(
    kind: Kind, timed: bool, outbox: Outbox, rate: float, chance: Callable[[], float]
) -> Put:
    # Never as 1e-05, which daemons read as 1.
    suffix = f"|@{Decimal(str(rate)):f}"
    gauged = _gauged(outbox)

    def put(name: str, value: int) -> None:
        if chance() >= rate:
            return
        if kind is Kind.GAUGE:
            gauged(name, value)  # without the rate: there is nothing to scale
        elif timed:
            outbox.add([timing_line(name, value) + suffix])
        else:
            outbox.add([f"{name}:{value}|c{suffix}"])

    return put
