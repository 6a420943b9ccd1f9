"""Which limit holds for which dimensions, and the key that counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from mixer.adapter import (
    Config,
    Duration,
    NonNegative,
    Shape,
    Value,
    WantedLimit,
    comparison,
    text,
)

Dimensions: TypeAlias = Mapping[str, Value]
MICROSECOND = 1_000
"""Nanoseconds."""


class Algorithm(IntEnum):
    """How units come back."""

    FIXED_WINDOW = 0
    ROLLING_WINDOW = 1
    TOKEN_BUCKET = 2
    GCRA = 3


class Override(Config, frozen=True):
    """Another limit for some dimensions."""

    dimensions: dict[str, str] = {}
    """Values that must all be there and be met."""

    max_amount: NonNegative = 0
    """Units handed out within the quota's duration."""


class QuotaLimit(Config, frozen=True):
    """The limits of one quota."""

    name: str = ""
    """The quota instance, by full name (``requestcount.instance.istio-system``) or short name."""

    max_amount: NonNegative = 0
    """Units handed out within the duration, for each distinct tuple of dimensions."""

    valid_duration: Duration = Duration(0)
    """The window, or the time in which an empty bucket fills."""

    bucket_duration: Duration = Duration(0)
    """For ROLLING_WINDOW: units come back in steps of this, which is shorter than the window."""

    rate_limit_algorithm: Algorithm = Algorithm.FIXED_WINDOW
    """FIXED_WINDOW: all units come back when the window that the first call opened ends.
    ROLLING_WINDOW: each comes back a window after it was taken, a bucket's duration early at most.
    TOKEN_BUCKET, GCRA: they come back one by one, evenly."""

    burst: NonNegative = 0
    """For TOKEN_BUCKET and GCRA: units that may be taken at once. By default all of max_amount for
    TOKEN_BUCKET, and 1 for GCRA."""

    overrides: tuple[Override, ...] = ()
    """Limits for special dimensions; the first that fits holds."""


class Limit(NamedTuple):
    """What the script is told of a limit; times are whole microseconds."""

    algorithm: str
    amount: int
    window: int
    bucket: int
    burst: int
    suffix: str = ""
    """Of the key, for what is counted apart."""

    @classmethod
    def of(cls, quota: QuotaLimit, amount: int, suffix: str = "") -> Limit:
        """The limit that *quota* describes, for so many units."""
        algorithm = quota.rate_limit_algorithm
        burst = quota.burst or (amount if algorithm is Algorithm.TOKEN_BUCKET else 1)
        window, bucket = quota.valid_duration, quota.bucket_duration
        return cls(
            algorithm.name, amount, window // MICROSECOND, bucket // MICROSECOND, burst, suffix
        )

    def wanted(self, wanted: WantedLimit) -> Limit:
        """What a caller wants in place of it, counted the same way, and apart."""
        seconds = 1_000_000 * wanted.seconds
        return self._replace(
            amount=wanted.amount,
            window=seconds,
            bucket=max(seconds // 10, 1),
            burst=wanted.amount,
            suffix=f"/{wanted.amount}/{wanted.seconds}s",
        )


def chooser(quota: QuotaLimit, shape: Shape) -> Callable[[Dimensions], Limit]:
    """Make the function that picks the limit: the first override that fits, or the quota's own."""
    own = Limit.of(quota, quota.max_amount)
    overrides = [
        (
            [
                (name, comparison(wanted, shape.types.get(f"dimensions.{name}")))
                for name, wanted in override.dimensions.items()
            ],
            Limit.of(quota, override.max_amount, f"#{number}"),
        )
        for number, override in enumerate(quota.overrides)
    ]

    def choose(dimensions: Dimensions) -> Limit:
        for conditions, limit in overrides:
            if all(name in dimensions and fits(dimensions[name]) for name, fits in conditions):
                return limit
        return own

    return choose


def keyer(shape: Shape) -> Callable[[Dimensions], str]:
    """Make the function that gives the key of the counter of some dimensions."""
    names = shape.keys("dimensions")

    def key(dimensions: Dimensions) -> str:
        # Lengths stand before the texts, so that no two tuples have one key.
        values = [text(dimensions[name]) for name in names]
        return shape.name + "".join(
            f";{name}={len(value)}:{value}" for name, value in zip(names, values, strict=True)
        )

    return key
