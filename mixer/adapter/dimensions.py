"""Texts of a configuration compared with typed values (spec: templates, comparison)."""

from __future__ import annotations

from collections.abc import Callable

from attributes import Duration, Timestamp, Value, ValueType, parse_ip, same_ip, text

_TRUTH = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "false", "FALSE", "False"), False
)

_PARSERS: dict[ValueType, Callable[[str], Value]] = {
    ValueType.INT64: int,
    ValueType.DOUBLE: float,
    ValueType.BOOL: _TRUTH.__getitem__,
    ValueType.TIMESTAMP: Timestamp.parse,
    ValueType.DURATION: Duration.parse,
}


def comparison(wanted: str, type_: ValueType | None) -> Callable[[Value | None], bool]:
    """
    Make the comparison of a configured text with a value of a known type.

    Text that is no value of that type equals none; an absent dimension equals empty text.
    """
    if type_ is ValueType.IP_ADDRESS:
        try:
            address = parse_ip(wanted)
        except ValueError:
            return _never
        return lambda value: type(value) is bytes and same_ip(value, address)
    if type_ is None or type_ not in _PARSERS:
        return lambda value: text(value) == wanted
    try:
        parsed = _PARSERS[type_](wanted)
    except (KeyError, ValueError):
        return _never
    return lambda value: value == parsed


def _never(value: Value | None) -> bool:
    return False
