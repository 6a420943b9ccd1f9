"""Numbers, instants and spans as Go and CEL reckon with them; wrong ones raise an error."""

from __future__ import annotations

import math

from attributes import Duration, Timestamp
from mixer.expr.values import INT64_MAX, Uint, int64

_FIRST, _AFTER = -62_135_596_800 * 10**9, 253_402_300_800 * 10**9


def wrap(value: int) -> int:
    """*value* in 64 bits, wrapped around as Go does."""
    return (value + INT64_MAX + 1) % 2**64 - INT64_MAX - 1


def divide(dividend: int, divisor: int) -> int:
    """Integer division truncated toward zero."""
    if divisor == 0:
        raise ValueError("division by zero")
    quotient = abs(dividend) // abs(divisor)
    return int64(quotient if (dividend < 0) == (divisor < 0) else -quotient)


def remainder(dividend: int, divisor: int) -> int:
    """What truncated division leaves; it has the sign of the dividend."""
    if divisor == 0:
        raise ValueError("modulus by zero")
    if divisor == -1:
        int64(-dividend)  # the quotient must fit, though the rest is always 0
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest


def divide_unsigned(dividend: int, divisor: int) -> Uint:
    """Integer division."""
    if divisor == 0:
        raise ValueError("division by zero")
    return Uint(dividend // divisor)


def remainder_unsigned(dividend: int, divisor: int) -> Uint:
    """What integer division leaves."""
    if divisor == 0:
        raise ValueError("modulus by zero")
    return Uint(dividend % divisor)


def quotient(dividend: float, divisor: float) -> float:
    """IEEE 754 division, infinities and NaN included."""
    if divisor:
        return dividend / divisor
    if not dividend or dividend != dividend:
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1, divisor)


def duration(nanos: int) -> Duration:
    """A duration of 64 bits of nanoseconds, as Go has them; raise OverflowError otherwise."""
    if -INT64_MAX - 1 <= nanos <= INT64_MAX:
        return Duration(nanos)
    raise OverflowError("duration out of range: at most 292 years")


def instant(nanos: int) -> Timestamp:
    """An instant of the years 1 to 9999; raise OverflowError otherwise."""
    if _FIRST <= nanos < _AFTER:
        return Timestamp(nanos)
    raise OverflowError("timestamp out of range: the years 1 to 9999")
