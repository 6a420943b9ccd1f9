"""The eleven value types of an attribute, how Python holds them, and their text forms."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

NANOS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000,
    "ms": 1_000_000, "s": NANOS, "m": 60 * NANOS, "h": 3600 * NANOS,
}  # fmt: skip
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))"
)


class ValueType(IntEnum):
    """The type a vocabulary gives an attribute (spec: attributes, value types)."""

    UNSPECIFIED = 0
    STRING = 1
    INT64 = 2
    DOUBLE = 3
    BOOL = 4
    TIMESTAMP = 5
    IP_ADDRESS = 6
    EMAIL_ADDRESS = 7
    URI = 8
    DNS_NAME = 9
    DURATION = 10
    STRING_MAP = 11


class Duration(int):
    """A span of time in nanoseconds; ``str()`` gives Go's text form, such as ``1m30s``."""

    __slots__ = ()

    @classmethod
    def of(cls, seconds: float) -> Duration:
        """The duration of so many *seconds*, rounded to the nanosecond."""
        return cls(round(seconds * NANOS))

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read Go's text form (``1h30m``, ``-1.5s``, ``0``); raise ValueError on anything else."""
        if not _DURATION.fullmatch(text):
            raise ValueError(f"{text!r} is not a duration such as '1.5s', '300ms' or '1h30m'")
        nanos = sum(
            int(Decimal(number) * _UNITS[unit]) for number, unit in _DURATION_PART.findall(text)
        )
        if nanos >= 1 << 63:
            raise ValueError(f"{text!r} is longer than a duration can be (about 292 years)")
        return cls(-nanos if text.startswith("-") else nanos)

    @property
    def seconds(self) -> float:
        """The duration as seconds."""
        return int(self) / NANOS

    def __str__(self) -> str:
        nanos = abs(self)
        sign = "-" if self < 0 else ""
        if nanos == 0:
            return "0s"
        for unit, size, digits in (("ms", 1_000_000, 6), ("µs", 1_000, 3), ("ns", 1, 0)):
            if size <= nanos < NANOS:
                return sign + _trim(nanos, size, digits) + unit
        minutes, rest = divmod(nanos, 60 * NANOS)
        hours, minutes = divmod(minutes, 60)
        head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{head}{_trim(rest, NANOS, 9)}s"

    def __repr__(self) -> str:
        return f"Duration({int(self)})"


@lru_cache(maxsize=1024)
def _second(since_1970: int) -> str:
    """A second's text; what is logged comes in order, so that most are asked for often."""
    return f"{_EPOCH + timedelta(seconds=since_1970):%Y-%m-%dT%H:%M:%S}".rjust(19, "0")


class Timestamp(int):
    """An instant in nanoseconds since 1970 UTC; ``str()`` is UTC with six digits of a second."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Read RFC 3339 with up to nine digits of a second; raise ValueError on anything else."""
        found = _RFC3339.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a time such as '2019-11-24T00:00:00Z' (RFC 3339)")
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        try:
            base = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH
        except ValueError as error:
            raise ValueError(f"{text!r} is not a time: {error}") from None
        seconds = base.days * 86400 + base.seconds
        if found[8]:
            if int(found[9]) > 23 or int(found[10]) > 59:
                raise ValueError(f"{text!r} is not a time: its offset is out of range")
            offset = int(found[9]) * 3600 + int(found[10]) * 60
            seconds += -offset if found[8] == "+" else offset
        return cls(seconds * NANOS + int((found[7] or "0").ljust(9, "0")))

    @property
    def seconds(self) -> float:
        """Seconds since 1970 UTC."""
        return int(self) / NANOS

    def __str__(self) -> str:
        seconds, nanos = divmod(self, NANOS)
        try:
            return f"{_second(seconds)}.{nanos // 1000:06d}Z"
        except OverflowError:
            return f"{int(self)}ns since 1970"

    def __repr__(self) -> str:
        return f"Timestamp({int(self)})"


Value: TypeAlias = str | int | float | bool | bytes | Timestamp | Duration | Mapping[str, str]
"""
STRING, EMAIL_ADDRESS, URI and DNS_NAME are str; INT64 int; DOUBLE float; BOOL bool; TIMESTAMP
`Timestamp`; DURATION `Duration`; IP_ADDRESS bytes (4 or 16, network order); STRING_MAP a mapping.
"""


def text(value: Value | None) -> str:
    """Promise the text that labels, tags and quota dimensions show (spec: templates, text form)."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Duration() | Timestamp():
            return str(value)
        case int():
            return str(int(value))
        case float():
            return _decimal(value)
        case bytes():
            return ip_text(value)
        case _:
            return "&".join(f"{key}={value[key]}" for key in sorted(value))


@lru_cache(maxsize=4096)
def ip_text(address: bytes) -> str:
    """
    Print 4 or 16 raw bytes as an address, IPv4-mapped ones as IPv4.

    Other lengths print as ``?`` and hex digits, as Go does, since a label must never fail.
    """
    match len(address):
        case 4:
            return "{}.{}.{}.{}".format(*address)
        case 16:
            parsed = ipaddress.IPv6Address(address)
            return str(parsed.ipv4_mapped or parsed)
        case 0:
            return ""
        case _:
            return "?" + address.hex()


def parse_ip(text: str) -> bytes:
    """Read IPv4 or IPv6 text as 16 bytes, IPv4 in mapped form; raise ValueError otherwise."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        parsed = None
    if parsed is None or "%" in text:
        raise ValueError(f"could not convert {text} to IP_ADDRESS")
    return b"\0" * 10 + b"\xff\xff" + parsed.packed if parsed.version == 4 else parsed.packed


def same_ip(a: bytes, b: bytes) -> bool:
    """Tell whether two raw addresses are one; the mapped and the short form of IPv4 are equal."""
    return a == b or (len(a) != len(b) and ip_text(a) == ip_text(b))


def _trim(amount: int, unit: int, digits: int) -> str:
    """*amount* in *unit*s, a power of ten, as a decimal of at most so many *digits*."""
    whole, rest = divmod(amount, unit)
    return f"{whole}.{str(rest).zfill(digits).rstrip('0')}" if rest else str(whole)


def _decimal(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    plain = format(Decimal(repr(value)), "f")
    return plain.removesuffix(".0")
