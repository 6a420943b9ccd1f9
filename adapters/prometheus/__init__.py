"""
Turn metrics into Prometheus series, and serve them for scraping at ``/metrics``.

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: prometheus, namespace: istio-system}
    spec:
      compiledAdapter: prometheus
      params:
        address: 127.0.0.1:42422
        metrics:
        - name: requests_total
          instance_name: requestcount.instance.istio-system
          kind: COUNTER
          label_names: [source_app, destination_app, response_code]
        - name: request_duration_seconds
          instance_name: requestduration.instance.istio-system
          kind: DISTRIBUTION
          label_names: [destination_app]
          buckets: {explicit_buckets: {bounds: [0.01, 0.1, 1, 10]}}
        metrics_expiration_policy: {metrics_expiry_duration: 10m}

The handler fails to validate where labels and dimensions of a metric differ. A value that a
metric can't take costs that one observation. A series survives a reload as long as its metric
is defined alike; a metric that no handler defines any more disappears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from adapters.prometheus.config import (
    Kind,
    MetricInfo,
    PrometheusConfig,
    define,
    find_problems,
    sanitized,
)
from adapters.prometheus.exporter import Exporter, collecting, exposed, serving
from adapters.prometheus.series import Family, Series
from mixer.adapter import (
    Adapter,
    Duration,
    Env,
    FieldProblem,
    Metric,
    Reports,
    Shape,
    Value,
    ValueType,
    hookimpl,
    text,
)

_NANOS = 1_000_000_000
_NUMBERS: dict[type, Callable[[Any], float]] = {
    int: int,
    float: float,
    str: float,
    Duration: lambda value: value / _NANOS,
}
_NO_KEY = frozenset({ValueType.DOUBLE, ValueType.STRING_MAP, ValueType.UNSPECIFIED})
"""Dimensions whose values can't be told apart by ``==``, or can't be hashed."""


_TALLIED = frozenset({Kind.COUNTER, Kind.DISTRIBUTION})
"""Where the order in which series get their values makes no difference."""


class Feed:
    """The way of one instance's values into a metric."""

    __slots__ = ("_overflowed", "_pick", "family", "known")

    def __init__(
        self,
        family: Family,
        dimensions: Sequence[str],
        overflowed: Callable[[Family], None],
        *,
        direct: bool,
    ) -> None:
        """*overflowed* is told of each observation beyond the family's limit."""
        self.family = family
        self._overflowed = overflowed
        self.known = family.lookup()
        """Series by raw values if *direct*, else by their text."""

        self._pick = _picker(sorted(dimensions, key=sanitized), direct)

    def record(self, metric: Metric, now: float) -> None:
        """Count one observation; raise ValueError if the metric can't take it."""
        value = metric.value
        try:
            number = _NUMBERS[type(value)](value)
        except (KeyError, ValueError):
            raise ValueError(f"{text(value)!r} is no number") from None
        series = self.find(metric) or self.overflow(1)
        series.add(number)
        series.touched = now

    def overflow(self, times: int) -> Series:
        """The series for all there is no room for, to which observations go so many *times*."""
        for _ in range(times):
            self._overflowed(self.family)
        return self.family.overflow

    def find(self, metric: Metric) -> Series | None:
        """
        The series of a metric's dimensions, None where the family has no room for it.

        Raises ValueError if the dimensions are not the labels.
        """
        try:
            values = self._pick(metric.dimensions)
        except KeyError as missing:
            raise ValueError(f"dimension {missing} is missing") from None
        # Fast path: equal raw values are equal labels, which saves turning 20 values into text.
        series = self.known.get(values)
        if series is None:
            series = self._find(values, metric.dimensions)
        return series

    def _find(self, values: tuple[Value, ...], dimensions: Mapping[str, Value]) -> Series | None:
        if len(values) != len(dimensions):
            raise ValueError(
                f"dimensions {sorted(dimensions)} are not "
                f"the labels {list(self.family.definition.labels)}"
            )
        labels = tuple(map(text, values))
        if not self.family.has_room(labels):
            return None  # and not known: such values could be endless
        found = self.known[values] = self.family.series(labels)
        return found


class Tally:
    """Counts the numbers of metrics with the dimensions of one instance, in one series."""

    __slots__ = ("_clock", "_feed", "_instance", "_is_time", "_series")

    def __init__(
        self, instance: Metric, feed: Feed, series: Series, clock: Callable[[], float]
    ) -> None:
        self._instance = instance
        self._feed = feed
        self._series = series
        self._clock = clock
        self._is_time = isinstance(instance.value, Duration)

    def __call__(self, numbers: Sequence[float]) -> None:
        series = self._series
        if series.expired:
            series = self._again(len(numbers))
        if len(numbers) == 1:  # as in most Reports; it takes half the time
            (number,) = numbers
            series.add(number / _NANOS if self._is_time else number)
        else:
            series.add_all([number / _NANOS for number in numbers] if self._is_time else numbers)
        series.touched = self._clock()

    def _again(self, times: int) -> Series:
        """Find a series in place of one that expired, to count so many *times*."""
        found = self._feed.find(self._instance)
        if found is None:
            return self._feed.overflow(times)
        self._series = found
        return found


class Tallies:
    """Counts numbers in series of several metrics."""

    __slots__ = ("_each",)

    def __init__(self, each: Sequence[Tally]) -> None:
        self._each = each

    def __call__(self, numbers: Sequence[float]) -> None:
        for tally in self._each:
            tally(numbers)


class Prometheus(Adapter[PrometheusConfig], Reports[Metric], name="prometheus"):
    """Keeps a series for each distinct tuple of dimensions, and serves all of them."""

    def __init__(self, config: PrometheusConfig, env: Env) -> None:
        super().__init__(config, env)
        self._exporter: Exporter | None = None
        self._families: list[Family] = []
        self._feeds: dict[str, list[Feed]] = {}
        self._expiring: asyncio.Task[None] | None = None

    @classmethod
    def problems(cls, config: PrometheusConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        return find_problems(config, shapes)

    @property
    def port(self) -> int:
        """The port of ``/metrics``; 0 while the handler is closed."""
        return self._exporter.port if self._exporter else 0

    async def open(self) -> None:
        """
        Join the process's listener at the address, or start it, and claim the metrics.

        Raises OSError if the address can't be had, ValueError if another handler has a metric of
        the same name and another definition.
        """
        address, expose = self.config.address, self.env.expose
        make = serving(address) if expose is None else collecting
        exporter: Exporter = self.env.shared(f"prometheus at {address}", make)
        if expose is not None:
            exporter.port = await exposed(address, expose, exporter)
        self._families = exporter.claim(list(map(define, self.config.metrics)), self.env.name)
        self._exporter = exporter
        for info, family in zip(self.config.metrics, self._families, strict=True):
            family.limit = info.max_series
            for name, feed in _feeds(info, family, self.env.shapes, self._overflowed):
                self._feeds.setdefault(name, []).append(feed)
        if policy := self.config.metrics_expiration_policy:
            lifetime = policy.metrics_expiry_duration.seconds
            interval = policy.expiry_check_interval_duration.seconds or lifetime / 2
            self._expiring = self.env.spawn(self._expire_every(interval))

    def report(self, batch: Sequence[Metric], /) -> None:
        """Count all of *batch* that can be counted; then raise ValueError about the rest."""
        now = self.env.clock()
        feeds = self._feeds
        failures: dict[str, None] = {}
        for metric in batch:
            found = feeds.get(metric.name)
            if found is None:
                reason = f"could not find metric info from adapter config for {metric.name}"
                failures[reason] = None
                continue
            for feed in found:
                try:
                    feed.record(metric, now)
                except ValueError as error:
                    failures[f"{metric.name}: {error}"] = None
        if failures:
            raise ValueError("; ".join(failures))

    def tally(self, instance: Metric, /) -> Tally | Tallies | None:
        """What counts the numbers of all metrics with these dimensions; gauges are taken whole."""
        feeds = self._feeds.get(instance.name, ())
        if any(feed.family.definition.kind not in _TALLIED for feed in feeds):
            return None
        clock = self.env.clock
        found = [
            Tally(instance, feed, series, clock)
            for feed in feeds
            if (series := feed.find(instance)) is not None
        ]
        if not found or len(found) < len(feeds):
            return None
        return found[0] if len(found) == 1 else Tallies(found)

    def _overflowed(self, family: Family) -> None:
        """Say so the 1st, 10th, 100th ... time."""
        if family.overflows.reached():
            self.env.log.warning(
                "a metric has more series than it may; further ones are counted as one",
                metric=family.definition.name,
                max_series=family.limit,
                times=family.overflows.count,
                advice="drop the dimension with too many values, let series expire, or raise "
                "max_series of the metric",
            )

    def expire(self) -> None:
        """Remove the series that were not updated for the time the policy gives them."""
        if policy := self.config.metrics_expiration_policy:
            before = self.env.clock() - policy.metrics_expiry_duration.seconds
            for family in self._families:
                family.expire(before)

    async def close(self) -> None:
        if self._expiring:
            self._expiring.cancel()
            with suppress(asyncio.CancelledError):
                await self._expiring
            self._expiring = None
        for feed in (feed for feeds in self._feeds.values() for feed in feeds):
            feed.family.forget(feed.known)
        self._feeds = {}
        if self._exporter:
            self._exporter.release(self._families, self.env.name)
            self._exporter = None

    async def _expire_every(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self.expire()


def _feeds(
    info: MetricInfo,
    family: Family,
    shapes: Sequence[Shape],
    overflowed: Callable[[Family], None],
) -> Iterable[tuple[str, Feed]]:
    routed = [shape for shape in shapes if shape.answers_to(info.instance_name)]
    for shape in routed:
        names = shape.keys("dimensions")
        types = {shape.types[f"dimensions.{name}"] for name in names}
        direct = types.isdisjoint(_NO_KEY)
        yield shape.name, Feed(family, names, overflowed, direct=direct)
    if not routed:
        yield info.instance_name, Feed(family, info.label_names, overflowed, direct=False)


def _picker(
    names: Sequence[str], direct: bool
) -> Callable[[Mapping[str, Value]], tuple[Value, ...]]:
    """A function that reads dimensions in this order, as text unless *direct*."""
    if not direct:
        return lambda dimensions: tuple([text(dimensions[name]) for name in names])
    if len(names) < 2:
        return lambda dimensions: tuple([dimensions[name] for name in names])
    return itemgetter(*names)


@hookimpl
def mixer_adapters() -> list[type[Prometheus]]:
    return [Prometheus]
