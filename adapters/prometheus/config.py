"""The params of the prometheus adapter, and what can be wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Annotated

from mixer.adapter import Config, Duration, FieldProblem, Meta, NonNegative, Shape
from mixer.adapter.addresses import host_port

DEFAULT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_SANITIZED = str.maketrans({"/": "_", ".": "_", " ": "_", "-": None})

BucketCount = Annotated[int, Meta(ge=0, le=1000)]


class Kind(IntEnum):
    """What happens to the values of a metric."""

    UNSPECIFIED = 0
    GAUGE = 1
    """The last value stands."""

    COUNTER = 2
    """Values are added up; a negative value is an error."""

    DISTRIBUTION = 3
    """Values are counted in buckets: a histogram."""


class Linear(Config, frozen=True):
    """Buckets of one width."""

    num_finite_buckets: BucketCount = 0
    """How many buckets lie between *offset* and the last upper bound."""

    width: float = 0.0
    """Width of each bucket."""

    offset: float = 0.0
    """Upper bound of the first bucket."""


class Exponential(Config, frozen=True):
    """Buckets that grow by a factor."""

    num_finite_buckets: BucketCount = 0
    """How many buckets lie between *scale* and the last upper bound."""

    growth_factor: float = 0.0
    """Each upper bound is the one before times this; greater than 1."""

    scale: float = 0.0
    """Upper bound of the first bucket; greater than 0."""


class Explicit(Config, frozen=True):
    """Buckets by their bounds."""

    bounds: tuple[float, ...] = ()
    """Upper bounds, strictly ascending; ``+Inf`` is always added."""


class Buckets(Config, frozen=True):
    """The buckets of a distribution, given in one of three ways."""

    linear_buckets: Linear | None = None
    """Buckets of one width."""

    exponential_buckets: Exponential | None = None
    """Buckets that grow by a factor."""

    explicit_buckets: Explicit | None = None
    """Buckets by their bounds."""


class MetricInfo(Config, frozen=True):
    """How the instances of one name become a metric."""

    name: str = ""
    """Name of the metric without its namespace; empty means the instance name."""

    instance_name: str = ""
    """The instance that feeds the metric: ``requestcount.instance.istio-system``, or short."""

    description: str = ""
    """Help text of the metric; empty means its name."""

    kind: Kind = Kind.UNSPECIFIED
    """GAUGE, COUNTER or DISTRIBUTION."""

    buckets: Buckets | None = None
    """Buckets of a DISTRIBUTION; by default from 5 ms to 10 s, good for durations."""

    label_names: tuple[str, ...] = ()
    """Labels of the metric: exactly the names of the instance's dimensions, in any order."""

    namespace: str = ""
    """First part of the metric's full name; empty means ``istio``."""

    max_series: NonNegative = 100_000
    """Distinct label values to keep apart; what goes beyond is counted in one series whose labels
    all are ``__overflow__``, and in mixer_prometheus_overflows_total. 0 sets no limit."""


class Expiration(Config, frozen=True):
    """When series that are no longer updated disappear."""

    metrics_expiry_duration: Duration = Duration(0)
    """How long a series lives after its last update."""

    expiry_check_interval_duration: Duration = Duration(0)
    """How often to look for expired series; 0 means half of the expiry duration."""


class PrometheusConfig(Config, frozen=True):
    """Params of the prometheus adapter."""

    metrics: tuple[MetricInfo, ...] = ()
    """The metrics, each fed by one instance."""

    metrics_expiration_policy: Expiration | None = None
    """When series that are no longer updated disappear; by default never."""

    address: str = "127.0.0.1:42422"
    """HOST:PORT where ``/metrics`` is served; handlers that name the same address share it."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What makes two metrics one: all that a scrape can see of them but their series."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...]
    """Sorted."""

    bounds: tuple[float, ...]
    """Finite upper bounds; empty but for a distribution."""

    @property
    def exposed(self) -> set[str]:
        """The names of all samples."""
        suffixes = ("", "_bucket", "_count", "_sum") if self.kind is Kind.DISTRIBUTION else ("",)
        return {self.name + suffix for suffix in suffixes}


def sanitized(name: str) -> str:
    """Turn *name* into what Prometheus allows: ``/``, ``.`` and space to ``_``, no ``-``."""
    return name.removeprefix("/").translate(_SANITIZED)


def define(info: MetricInfo) -> Definition:
    """Work out what *info* promises to a scrape; raise ValueError on impossible buckets."""
    name = f"{sanitized(info.namespace or 'istio')}_{sanitized(info.name or info.instance_name)}"
    return Definition(
        name=name,
        help=info.description or name,
        kind=info.kind,
        labels=tuple(sorted({sanitized(label) for label in info.label_names})),
        bounds=_bounds(info.buckets) if info.kind is Kind.DISTRIBUTION else (),
    )


def find_problems(config: PrometheusConfig, shapes: Sequence[Shape]) -> Iterator[FieldProblem]:
    """Find what would make metrics fail later, or Prometheus refuse the scrape."""
    try:
        host_port(config.address, any_port=True)
    except ValueError as error:
        yield FieldProblem("address", str(error), "such as '0.0.0.0:42422'")
    policy = config.metrics_expiration_policy
    if policy and policy.metrics_expiry_duration <= 0:
        yield FieldProblem(
            "metrics_expiration_policy.metrics_expiry_duration",
            f"must be more than 0s, is {policy.metrics_expiry_duration}",
        )
    if policy and policy.expiry_check_interval_duration < 0:
        yield FieldProblem(
            "metrics_expiration_policy.expiry_check_interval_duration",
            f"must not be negative, is {policy.expiry_check_interval_duration}",
        )
    taken: dict[str, Definition] = {}
    for index, info in enumerate(config.metrics):
        for field, reason in _metric_problems(info, shapes, taken):
            yield FieldProblem(f"metrics[{index}].{field}", reason)


def _metric_problems(
    info: MetricInfo, shapes: Sequence[Shape], taken: dict[str, Definition]
) -> Iterable[tuple[str, str]]:
    if not info.instance_name:
        yield "instance_name", "must name the instance that feeds the metric"
    if info.kind is Kind.UNSPECIFIED:
        yield "kind", "must be GAUGE, COUNTER or DISTRIBUTION"
    try:
        definition = define(info)
    except ValueError as error:
        yield "buckets", str(error)
        return
    if not _METRIC_NAME.fullmatch(definition.name):
        yield "name", f"{definition.name!r} is not a name Prometheus allows"
    for name in sorted(definition.exposed):
        if taken.setdefault(name, definition) != definition:
            yield "name", f"{name!r} is already exposed by another metric of this handler"
            break
    for label in definition.labels:
        if not _LABEL_NAME.fullmatch(label) or (
            label == "le" and definition.kind is Kind.DISTRIBUTION
        ):
            yield "label_names", f"{label!r} is not a label name Prometheus allows"
    for shape in shapes:
        if shape.answers_to(info.instance_name):
            yield from _label_problems(definition, shape)


def _label_problems(definition: Definition, shape: Shape) -> Iterable[tuple[str, str]]:
    dimensions = [sanitized(key) for key in shape.keys("dimensions")]
    if sorted(dimensions) == list(definition.labels):
        return
    missing = sorted(set(dimensions) - set(definition.labels))
    surplus = sorted(set(definition.labels) - set(dimensions))
    details = [
        f"{what} {', '.join(map(repr, names))}"
        for what, names in (("it lacks", missing), ("it has in excess", surplus))
        if names
    ]
    yield (
        "label_names",
        f"must equal the dimensions of {shape.name!r}: "
        + ("; ".join(details) or "two of its dimensions become one label"),
    )


def _bounds(buckets: Buckets | None) -> tuple[float, ...]:
    given = [] if buckets is None else [
        way
        for way in (buckets.linear_buckets, buckets.exponential_buckets, buckets.explicit_buckets)
        if way is not None
    ]  # fmt: skip
    if len(given) > 1:
        raise ValueError("give one of linear_buckets, exponential_buckets, explicit_buckets")
    match given:
        case [Linear(num_finite_buckets=count, width=width, offset=offset)]:
            bounds = tuple(offset + index * width for index in range(count + 1))
        case [Exponential(num_finite_buckets=count, growth_factor=factor, scale=scale)]:
            bounds = tuple(_power(scale, factor, index) for index in range(count + 1))
            if scale <= 0 or factor <= 1:
                raise ValueError("scale must be more than 0 and growth_factor more than 1")
        case [Explicit(bounds=explicit)] if explicit:
            bounds = explicit[:-1] if explicit[-1] == math.inf else explicit
        case _:
            bounds = DEFAULT_BOUNDS
    if not all(map(math.isfinite, bounds)):
        raise ValueError("bounds must be finite numbers")
    if not all(low < high for low, high in pairwise(bounds)):
        raise ValueError(f"bounds must ascend strictly, are {', '.join(map(str, bounds))}")
    return bounds


def _power(scale: float, factor: float, exponent: int) -> float:
    try:
        return scale * factor**exponent
    except OverflowError:
        return math.inf
