"""Which limit holds for which dimensions: decided from the shape of a quota before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from adapters.memquota.window import RollingWindow
from mixer.adapter import (
    Config,
    Duration,
    NonNegative,
    Shape,
    Standing,
    Value,
    ValueType,
    comparison,
    text,
)

TICKS_PER_SECOND = 10
MAX_AMOUNT = (1 << 63) - 1
"""More than can be asked for; larger limits are no larger."""


Dimensions: TypeAlias = Mapping[str, Value]


class Override(Config, frozen=True):
    """Another limit for some dimensions; nothing of the quota's own is inherited."""

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


class Limit(NamedTuple):
    """So many units in so long a time."""

    amount: int
    seconds: float
    ticks: int
    """Length of the window, whole seconds rounded up; 0 if units come back only when released."""

    @classmethod
    def of(cls, config: QuotaLimit | Override) -> Limit:
        """The limit that *config* describes."""
        seconds = config.valid_duration.seconds
        return cls(
            min(config.max_amount, MAX_AMOUNT), seconds, int(-(-seconds // 1)) * TICKS_PER_SECOND
        )


def standing(limit: Limit, window: RollingWindow | None, used: int, now: float) -> Standing:
    """How a quota of that *limit* stands, by its window, or by what is *used* where it has none."""
    if window is None:
        return Standing(limit.amount, limit.seconds, max(limit.amount - used, 0))
    remaining = window.available(int(now * TICKS_PER_SECOND))
    more_in, resets_in = (
        max(tick / TICKS_PER_SECOND - now, 0.0) for tick in (window.more_at, window.drained_at)
    )
    return Standing(limit.amount, limit.seconds, remaining, more_in, resets_in)


def chooser(quota: QuotaLimit, shape: Shape) -> Callable[[Dimensions], Limit]:
    """Make the function that picks the limit: the first override that fits, or the quota's own."""
    own = Limit.of(quota)
    overrides = [
        (
            [
                (name, comparison(wanted, shape.types.get(f"dimensions.{name}")))
                for name, wanted in override.dimensions.items()
            ],
            Limit.of(override),
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
