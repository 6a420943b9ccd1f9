"""The metrics of a handler: values added up by dimensions until they are sent. Knows no clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from adapters.opentelemetry.config import Kind, MetricInfo, OpentelemetryConfig, Temporality
from adapters.opentelemetry.encoding import (
    Attributes,
    fixed,
    message,
    packed,
    packed_fixed,
    real,
    text,
    whole,
)
from mixer.adapter import Duration, Metric, Shape, Value, ValueType

OVERFLOW: dict[str, Value] = {"otel.metric.overflow": True}
_NANOS = 1_000_000_000


class Series:
    """The values of one tuple of dimensions."""

    __slots__ = ("buckets", "count", "encoded", "total", "value")

    def __init__(self, encoded: bytes, buckets: int) -> None:
        self.encoded = encoded
        """The attributes."""
        self.count = 0
        self.total: int | float = 0
        self.value: int | float = 0
        self.buckets = [0] * buckets


class Instrument:
    """One metric."""

    def __init__(self, info: MetricInfo, name: str, is_duration: bool) -> None:
        self.name = info.name or name
        self.info = info
        self.is_duration = is_duration
        kind = info.kind
        if kind is Kind.UNSPECIFIED:
            kind = Kind.DISTRIBUTION if is_duration else Kind.COUNTER
        self.kind = kind
        self.series: dict[Any, Series] = {}

    def add(self, series: Series, value: int | float) -> None:
        """Add a value to a series."""
        series.count += 1
        series.total += value
        series.value = value
        if self.kind is Kind.DISTRIBUTION:
            series.buckets[bisect_left(self.info.bounds, value)] += 1


class Meter:
    """All metrics; it alone changes them."""

    def __init__(
        self, config: OpentelemetryConfig, shapes: Iterable[Shape], masked: frozenset[str], now: int
    ) -> None:
        """It counts what *shapes* send, from *now* on, a time in nanoseconds."""
        self._config = config
        self._of_numbers, self._of_histograms = Attributes(7, masked), Attributes(9, masked)
        self._instruments = {
            shape.name: _instrument(config, shape) for shape in shapes if shape.template is Metric
        }
        self._since = now
        self._size = 0

    def add(self, batch: Iterable[Metric]) -> int:
        """Add all values but those that are no numbers, and what is less than 0 of a counter.

        Returns how many those were.
        """
        lost = 0
        for instance in batch:
            value, instrument = instance.value, self._instruments[instance.name]
            if value.__class__ is Duration:
                number: int | float = value / _NANOS
            elif isinstance(value, int | float) and value == value:
                number = value
            else:
                lost += 1
                continue
            if instrument.kind is Kind.COUNTER and number < 0:
                lost += 1
                continue
            instrument.add(self._series(instrument, instance), number)
        return lost

    def request(self, now: int) -> bytes:
        """All metrics as they are *now*, in nanoseconds, as ScopeMetrics; empty without any."""
        found = [
            message(2, self._metric(instrument, now))
            for instrument in self._instruments.values()
            if instrument.series
        ]
        return b"".join(found)

    def sent(self, now: int) -> None:
        """Note that what `request` gave was taken."""
        if self._config.temporality is Temporality.DELTA:
            for instrument in self._instruments.values():
                instrument.series.clear()
            self._size, self._since = 0, now

    def _series(self, instrument: Instrument, instance: Metric) -> Series:
        values = instance.dimensions
        try:
            key: Any = tuple(values.values())
            found = instrument.series.get(key)
        except TypeError:  # a map among them
            key = repr(values)
            found = instrument.series.get(key)
        if found is None:
            if self._size >= self._config.max_series:
                key, values = None, OVERFLOW
                found = instrument.series.get(key)
            if found is None:
                histogram = instrument.kind is Kind.DISTRIBUTION
                attributes = self._of_histograms if histogram else self._of_numbers
                found = Series(attributes.of(values), len(instrument.info.bounds) + 1)
                instrument.series[key] = found
                self._size += key is not None
        return found

    def _metric(self, instrument: Instrument, now: int) -> bytes:
        info = instrument.info
        unit = info.unit or ("s" if instrument.is_duration else "")
        points = b"".join(
            message(1, self._point(instrument, series, now))
            for series in instrument.series.values()
        )
        temporality = whole(2, 1 if self._config.temporality is Temporality.DELTA else 2)
        match instrument.kind:
            case Kind.GAUGE:
                data = message(5, points)
            case Kind.DISTRIBUTION:
                data = message(9, points + temporality)
            case _:
                data = message(7, points + temporality + whole(3, 1))
        return text(1, instrument.name) + text(2, info.description) + text(3, unit) + data

    def _point(self, instrument: Instrument, series: Series, now: int) -> bytes:
        times = fixed(2, self._since) + fixed(3, now)
        if instrument.kind is Kind.DISTRIBUTION:
            return b"".join(
                (
                    times,
                    fixed(4, series.count),
                    real(5, series.total),
                    packed_fixed(6, series.buckets),
                    packed(7, instrument.info.bounds),
                    series.encoded,
                )
            )
        value = series.value if instrument.kind is Kind.GAUGE else series.total
        if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            shown = b"\x31" + value.to_bytes(8, "little", signed=True)
        else:
            shown = real(4, float(value))
        return times + shown + series.encoded


def _instrument(config: OpentelemetryConfig, shape: Shape) -> Instrument:
    """The instrument for what *shape* sends."""
    named = (one for one in reversed(config.metrics) if shape.answers_to(one.instance_name))
    is_duration = shape.types.get("value") is ValueType.DURATION
    return Instrument(next(named, MetricInfo()), shape.name.partition(".")[0], is_duration)
