"""Values of attributes as flags and the configurations of proxies write them: as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from attributes.values import Duration, Timestamp, Value, ValueType, parse_ip

_INT = re.compile(r"[+-]?[0-9]+")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def integer(text: str) -> int:
    """Raises ValueError that says what an integer is."""
    if not _INT.fullmatch(text) or len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError("an integer of 64 bits, such as 200")
    return int(text)


def number(text: str) -> float:
    """Raises ValueError that says what a number is."""
    try:
        if "_" in text or text != text.strip():
            raise ValueError
        return float(text)
    except ValueError:
        raise ValueError("a number, such as 0.5") from None


def boolean(text: str) -> bool:
    """Raises ValueError that says what a truth is."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError("true or false")


def timestamp(text: str) -> Timestamp:
    """Raises ValueError that says what a time is."""
    try:
        return Timestamp.parse(text)
    except ValueError:
        raise ValueError("a time, such as 2019-11-24T00:00:00Z") from None


def duration(text: str) -> Duration:
    """Raises ValueError that says what a duration is."""
    try:
        return Duration.parse(text)
    except ValueError:
        raise ValueError("a duration, such as 1.5s or 300ms") from None


def address(text: str) -> bytes:
    """Raises ValueError that says what an address is."""
    try:
        return parse_ip(text)
    except ValueError:
        raise ValueError("an address, such as 10.0.0.1") from None


READERS: Mapping[ValueType, Callable[[str], Any]] = {
    ValueType.INT64: integer,
    ValueType.DOUBLE: number,
    ValueType.BOOL: boolean,
    ValueType.TIMESTAMP: timestamp,
    ValueType.DURATION: duration,
    ValueType.IP_ADDRESS: address,
}
"""Of the types whose values are not the text itself; maps have no text."""


def value_of(type_: ValueType, text: str) -> Value:
    """The value of *type_* that a *text* writes. Raises ValueError that says what is wanted."""
    value: Value = READERS.get(type_, str)(text)
    return value
