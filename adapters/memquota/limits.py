"""Which limit holds for which dimensions: decided from the shape of a quota before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from adapters.memquota.counted import TICKS_PER_SECOND, Bucketed, Counted, Held, Windowed
from mixer.adapter import (
    Config,
    Duration,
    NonNegative,
    Shape,
    Value,
    ValueType,
    comparison,
    text,
)
from mixer.adapter.rates import Cell

MAX_AMOUNT = (1 << 63) - 1
"""More than can be asked for; larger limits are no larger."""


Dimensions: TypeAlias = Mapping[str, Value]


class Algorithm(IntEnum):
    """How units come back."""

    ROLLING_WINDOW = 1
    TOKEN_BUCKET = 2
    GCRA = 3


class Override(Config, frozen=True):
    """Another limit for some dimensions, by the quota's algorithm and burst; nothing else of the
    quota's own is inherited."""

    dimensions: dict[str, str] = {}
    """Values that must all be met; dimensions that are left out may have any value."""

    max_amount: NonNegative = 0
    """Units handed out within the duration, for each distinct tuple of dimensions."""

    valid_duration: Duration = Duration(0)
    """How long a grant holds; 0 means until it is given back."""


class QuotaLimit(Config, frozen=True):
    """The limits of one quota."""

    name: str = ""
    """The quota instance, by full name (``requestcount.instance.istio-system``) or short name."""

    max_amount: NonNegative = 0
    """Units handed out within the duration, for each distinct tuple of dimensions."""

    valid_duration: Duration = Duration(0)
    """How long a grant holds; 0 means until it is given back."""

    overrides: tuple[Override, ...] = ()
    """Limits for special dimensions; the first that fits holds."""

    rate_limit_algorithm: Algorithm = Algorithm.ROLLING_WINDOW
    """ROLLING_WINDOW: each unit comes back the duration after it was taken. TOKEN_BUCKET, GCRA:
    units come back one by one, evenly, all of max_amount within the duration."""

    burst: NonNegative = 0
    """For TOKEN_BUCKET and GCRA: units that may be taken at once. By default all of max_amount for
    TOKEN_BUCKET, and 1 for GCRA."""


class Limit(NamedTuple):
    """So many units in so long a time."""

    amount: int
    seconds: float
    cell: Cell | None
    """The rate of units that come back one by one, where they do."""

    @classmethod
    def of(cls, quota: QuotaLimit, own: QuotaLimit | Override) -> Limit:
        """The limit that *own* describes, an entry of the *quota*."""
        amount, seconds = min(own.max_amount, MAX_AMOUNT), own.valid_duration.seconds
        algorithm = quota.rate_limit_algorithm
        if algorithm is Algorithm.ROLLING_WINDOW or not (amount and seconds):
            return cls(amount, seconds, None)
        burst = quota.burst or (amount if algorithm is Algorithm.TOKEN_BUCKET else 1)
        return cls(amount, seconds, Cell(seconds / amount, burst))

    def counted(self, state: bytes | None = None) -> Counted:
        """A new counter, or one of that *state*."""
        if self.cell is not None:
            return Bucketed(self.amount, self.seconds, self.cell, state)
        if self.seconds:
            # Whole seconds, rounded up.
            ticks = int(-(-self.seconds // 1)) * TICKS_PER_SECOND
            return Windowed(self.amount, self.seconds, ticks, state)
        return Held(self.amount, state)


def chooser(quota: QuotaLimit, shape: Shape) -> Callable[[Dimensions], Limit]:
    """Make the function that picks the limit: the first override that fits, or the quota's own."""
    own = Limit.of(quota, quota)
    overrides = [
        (
            [
                (name, comparison(wanted, shape.types.get(f"dimensions.{name}")))
                for name, wanted in override.dimensions.items()
            ],
            Limit.of(quota, override),
        )
        for override in quota.overrides
    ]

    def choose(dimensions: Dimensions) -> Limit:
        for conditions, limit in overrides:
            if all(fits(dimensions.get(name)) for name, fits in conditions):
                return limit
        return own

    return choose


def keyer(shape: Shape) -> Callable[[Dimensions], Any]:
    """Make the function that turns dimensions into the key of their counter."""
    names = shape.keys("dimensions")
    types = [shape.types[f"dimensions.{name}"] for name in names]
    if not names:
        return lambda _: ()
    if not _TEXT_KEYS.intersection(types):
        return itemgetter(*names)
    convert = [text if type_ in _TEXT_KEYS else _unchanged for type_ in types]
    return lambda dimensions: tuple(
        [turn(dimensions[name]) for name, turn in zip(names, convert, strict=True)]
    )


_TEXT_KEYS = frozenset({ValueType.DOUBLE, ValueType.IP_ADDRESS, ValueType.STRING_MAP})
"""Types whose values are no keys as they are: NaN equals nothing, an IPv4 address has two forms,
a map can't be one."""


def _unchanged(value: Value) -> Value:
    return value
