"""
Cells that calls add to, and one collector that shows them all to a scrape.

Law: only the event loop changes a cell; a scrape, in its own thread, reads each in one step that
the interpreter does not interrupt. prometheus_client's own cost ten times as much, for a lock that
nobody needs here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias

from prometheus_client.metrics_core import Metric as Exposed
from prometheus_client.utils import floatToGoString


class Kind(Enum):
    """How a metric behaves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table of metrics."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending, finite."""

    has_few_values: bool = False
    """Whether a histogram's values are whole numbers that come again and again."""


class Number:
    """A counter or a gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Count."""
        self.value += amount

    def set(self, value: float) -> None:
        """Show *value* from now on."""
        self.value = value


class Histogram:
    """Values by bucket, and their sum."""

    __slots__ = ("bounds", "counts")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts: list[float] = [0.0] * (len(bounds) + 2)
        """Values in each bucket, those above all bounds, and the sum: in one list, to be copied."""

    def observe(self, value: float) -> None:
        """Count *value*."""
        counts = self.counts
        counts[bisect_left(self.bounds, value)] += 1
        counts[-1] += value

    def state(self) -> list[float]:
        """All counts, and the sum, copied in one step."""
        return self.counts.copy()


class FewValues:
    """A histogram that counts each value by itself, and puts it into a bucket for a scrape."""

    __slots__ = ("_bounds", "times")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.times: defaultdict[int, int] = defaultdict(int)
        """How often there was each value."""

    def state(self) -> list[float]:
        """See `Histogram.state`."""
        found = Histogram(self._bounds)
        for value, times in self.times.copy().items():
            found.counts[bisect_left(self._bounds, value)] += times
            found.counts[-1] += value * times
        return found.counts


class Total:
    """A counter of what a histogram counts anyway."""

    __slots__ = ("_histogram",)

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    @property
    def value(self) -> float:
        """How many values the histogram has seen."""
        return sum(self._histogram.state()[:-1])


Cell: TypeAlias = Number | Histogram | FewValues
Labels: TypeAlias = tuple[str, ...]


class Family:
    """A metric and its cells."""

    __slots__ = ("_cells", "_make", "metric")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._cells: dict[Labels, Any] = {}
        self._make: Callable[[], Cell] = Number
        if metric.kind is Kind.HISTOGRAM:
            self._make = partial(FewValues if metric.has_few_values else Histogram, metric.buckets)
        if not metric.labels:
            self.labels()

    def labels(self, *values: str) -> Any:
        """The cell of these label *values*, of the kind that the metric has."""
        assert len(values) == len(self.metric.labels), self.metric.name
        found = self._cells.get(values)
        if found is None:
            found = self._cells[values] = self._make()
        return found

    def totals(self, histogram: Histogram, *values: str) -> None:
        """Show how many values *histogram* has seen under these label *values*."""
        self._cells[values] = Total(histogram)

    def cells(self) -> list[tuple[Labels, Any]]:
        """All cells with their label values."""
        return list(self._cells.items())

    def shown(self) -> Exposed:
        """What a scrape shows of it."""
        metric = self.metric
        name, kind = metric.name, metric.kind.value
        if metric.kind is Kind.COUNTER and not name.endswith("_total"):
            kind = "unknown"  # the format insists on the suffix for a counter
        base = name.removesuffix("_total") if kind == "counter" else name
        shown = Exposed(base, metric.help, kind)
        for values, cell in self.cells():
            labels = dict(zip(metric.labels, values, strict=True))
            if metric.kind is Kind.HISTOGRAM:
                _add_histogram(shown, metric, labels, cell.state())
            else:
                shown.add_sample(name, labels, cell.value)
        return shown


class Cells:
    """The cells of all metrics of one process; a collector for a registry of prometheus_client."""

    def __init__(self, table: Sequence[Metric]) -> None:
        self.families = {metric.name: Family(metric) for metric in table}

    def collect(self) -> Iterator[Exposed]:
        """What a scrape shows of this process."""
        return (family.shown() for family in self.families.values())


def _add_histogram(
    family: Exposed, metric: Metric, labels: dict[str, str], state: Sequence[float]
) -> None:
    *counts, total = state
    bounds = [*metric.buckets, float("inf")]
    for bound, seen in zip(bounds, accumulate(counts), strict=True):
        marked = {**labels, "le": floatToGoString(bound)}  # type: ignore[no-untyped-call]  # it has no types
        family.add_sample(f"{metric.name}_bucket", marked, seen)
    family.add_sample(f"{metric.name}_count", labels, sum(counts))
    family.add_sample(f"{metric.name}_sum", labels, total)
