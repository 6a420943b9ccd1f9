"""
The series of one metric: cells that reports change and scrapes read.

Law: only the event loop changes a cell; a scrape, in its own thread, copies it in one step that
the interpreter does not interrupt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate

from adapters.prometheus.config import Definition, Kind
from mixer.adapter import Milestones

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
OVERFLOW = "__overflow__"
"""The value of all labels of the series that stands for those beyond the limit."""

_INFINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


class Series(ABC):
    """What is known of one tuple of label values."""

    __slots__ = ("expired", "labels", "touched")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        """Label pairs as a scrape prints them, without braces; made once for all scrapes."""

        self.touched = 0.0
        """When the series was last updated, in seconds of the handler's clock."""

        self.expired = False
        """Whether no scrape shows it any longer."""

    @abstractmethod
    def add(self, value: float) -> None:
        """Take in one *value*; raise ValueError if this kind of metric can't."""

    def add_all(self, values: Sequence[float]) -> None:
        """Take in many values, in order; each is 0 or more, and finite."""
        for value in values:
            self.add(value)

    @abstractmethod
    def text(self, name: str) -> str:
        """The samples as lines of text."""


class Gauge(Series):
    """A series that shows the last value."""

    __slots__ = ("value",)

    def __init__(self, labels: str) -> None:
        super().__init__(labels)
        self.value: float = 0

    def add(self, value: float) -> None:
        self.value = value

    def text(self, name: str) -> str:
        return f"{name}{{{self.labels}}} {number(self.value)}\n"


class Counter(Gauge):
    """A series that only goes up."""

    __slots__ = ()

    def add(self, value: float) -> None:
        if not value >= 0:
            raise ValueError(f"a counter can't be increased by {value}")
        self.value += value

    def add_all(self, values: Sequence[float]) -> None:
        self.value += sum(values)


class Histogram(Series):
    """A series that counts values in buckets."""

    __slots__ = ("_bounds", "_cells", "_marks")

    def __init__(self, labels: str, bounds: Sequence[float], marks: Sequence[str]) -> None:
        super().__init__(labels)
        self._bounds = bounds
        self._marks = marks
        self._cells: list[float] = [0] * (len(bounds) + 2)
        """Values per bucket, those above all bounds, and the sum: in one list, to be copied."""

    def add(self, value: float) -> None:
        if value != value:
            raise ValueError("a distribution can't count NaN")
        self._cells[bisect_left(self._bounds, value)] += 1
        self._cells[-1] += value

    def add_all(self, values: Sequence[float]) -> None:
        # Fast path: most of what a Report brings comes here.
        cells, bounds = self._cells, self._bounds
        for value in values:
            cells[bisect_left(bounds, value)] += 1
        cells[-1] += sum(values)

    def text(self, name: str) -> str:
        *buckets, total = self._cells.copy()
        start = f"{name}_bucket{{{self.labels}{',' if self.labels else ''}le="
        lines = [
            f'{start}"{mark}"}} {seen}\n'
            for mark, seen in zip(self._marks, accumulate(buckets), strict=True)
        ]
        lines.append(f"{name}_sum{{{self.labels}}} {number(total)}\n")
        lines.append(f"{name}_count{{{self.labels}}} {sum(buckets)}\n")
        return "".join(lines)


class Family:
    """A metric: its definition, its series, and the handlers that feed it."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.owners: list[str] = []
        """Names of the handlers that feed it, once for each claim."""

        self.limit = 0
        """Series to keep apart; 0 sets no limit."""

        self.overflows = Milestones()
        """Counts observations of series beyond the limit."""

        self._series: dict[tuple[str, ...], Series] = {}
        self._lookups: list[dict[tuple[object, ...], Series]] = []
        self._make = _maker(definition)

    def lookup(self) -> dict[tuple[object, ...], Series]:
        """Make a short cut to the series, which is emptied when series expire."""
        made: dict[tuple[object, ...], Series] = {}
        self._lookups.append(made)
        return made

    def forget(self, lookup: dict[tuple[object, ...], Series]) -> None:
        """Take back what `lookup` made."""
        self._lookups = [kept for kept in self._lookups if kept is not lookup]

    def series(self, values: tuple[str, ...]) -> Series:
        """The series of these label *values*, given in the order of the labels."""
        found = self._series.get(values)
        if found is None:
            pairs = zip(self.definition.labels, values, strict=True)
            labels = ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in pairs)
            found = self._series[values] = self._make(labels)
        return found

    def has_room(self, values: tuple[str, ...]) -> bool:
        """Whether these label values may have a series of their own."""
        return not self.limit or values in self._series or len(self._series) < self.limit

    @property
    def overflow(self) -> Series:
        """The series for all that is beyond the limit."""
        return self.series((OVERFLOW,) * len(self.definition.labels))

    def expire(self, before: float) -> None:
        """Remove the series last updated *before* that time."""
        expired = [key for key, series in self._series.items() if series.touched < before]
        for key in expired:
            self._series.pop(key).expired = True
        if expired:
            for lookup in self._lookups:
                lookup.clear()

    def text(self, *, timed: bool = False) -> str:
        """
        The metric as lines of text; empty while it has no series.

        If *timed*, the value of a gauge has the time behind it when it was set, in milliseconds,
        so that of the gauges of several workers the newest can be told.
        """
        present = list(self._series.values())
        if not present:
            return ""
        name, about = self.definition.name, self.definition.help
        about = about.replace("\\", r"\\").replace("\n", r"\n")
        head = f"# HELP {name} {about}\n# TYPE {name} {_TYPES[self.definition.kind]}\n"
        lines = [series.text(name) for series in present]
        if timed and self.definition.kind is Kind.GAUGE:
            lines = [
                f"{line[:-1]} {int(series.touched * 1000)}\n"
                for line, series in zip(lines, present, strict=True)
            ]
        return head + "".join(lines)


_TYPES = {Kind.GAUGE: "gauge", Kind.COUNTER: "counter", Kind.DISTRIBUTION: "histogram"}


def number(value: float) -> str:
    """*value* as the text format has it."""
    shown = str(value)
    return _INFINITE.get(shown, shown)


def mark(bound: float) -> str:
    """*bound* as the value of an ``le`` label: as Go prints it, so that queries go on working."""
    return next(
        shown for digits in range(6, 18) if float(shown := format(bound, f".{digits}g")) == bound
    )


def _maker(definition: Definition) -> Callable[[str], Series]:
    match definition.kind:
        case Kind.COUNTER:
            return Counter
        case Kind.DISTRIBUTION:
            marks = (*map(mark, definition.bounds), "+Inf")
            return lambda labels: Histogram(labels, definition.bounds, marks)
        case _:
            return Gauge
