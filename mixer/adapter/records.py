"""Log entries as records that other systems keep: plain values, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attributes import Duration, Timestamp, Value, ip_text

MASK = "***"
MASKED = ("authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key")
"""Keys of maps, such as of request.headers, whose values are secrets."""


def lowered(mask: Iterable[str]) -> frozenset[str]:
    """The keys of a *mask* as `plain` wants them."""
    return frozenset(key.lower() for key in mask)


def plain(value: Value | None, masked: frozenset[str]) -> Any:
    """
    What JSON shows of *value*: numbers as such, times and durations and addresses as text.

    Of maps the values of *masked* keys, in lower case, are hidden.
    """
    match value:
        case str() | bool() | None:
            return value
        case Duration() | Timestamp():
            return str(value)
        case int() | float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case bytes():
            return ip_text(value)
        case _:
            return {key: MASK if key.lower() in masked else held for key, held in value.items()}


def plain_map(values: Mapping[str, Value], masked: frozenset[str]) -> dict[str, Any]:
    """All of *values*; a variable whose name is *masked* is hidden whole."""
    return {
        key: MASK if key.lower() in masked else plain(value, masked)
        for key, value in values.items()
    }
