"""Dimensions of instances: compared with texts of a configuration, and made into names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from attributes import Duration, Timestamp, Value, ValueType, parse_ip, same_ip, text
from mixer.adapter.template import Shape

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
    Make the comparison of a configured text with a value of a known type (spec: templates).

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


MOST_KNOWN = 4096
"""Texts of one instance that are kept made."""

_NO_KEY = frozenset({ValueType.DOUBLE, ValueType.STRING_MAP, ValueType.UNSPECIFIED})
"""Dimensions whose values can't be told apart by ``==``, or can't be hashed."""


def remembered(
    made: Callable[[Mapping[str, Value]], str], shape: Shape, keys: Sequence[str]
) -> Callable[[Mapping[str, Value]], str]:
    """
    What gives the text that is *made* of the dimensions *keys*, and there is at least one.

    Fast path: equal raw values are equal texts, which saves making them for every instance.
    """
    types = (shape.types.get(f"dimensions.{key}", ValueType.UNSPECIFIED) for key in keys)
    if not _NO_KEY.isdisjoint(types):
        return made
    pick: Callable[[Mapping[str, Value]], Any] = itemgetter(*keys)
    known: dict[Any, str] = {}

    def found(dimensions: Mapping[str, Value]) -> str:
        key = pick(dimensions)
        text = known.get(key)
        if text is None:
            if len(known) >= MOST_KNOWN:
                known.clear()
            text = known[key] = made(dimensions)
        return text

    return found
