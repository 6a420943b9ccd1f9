"""
Values in the proto3 JSON form of cel.expr.Value, for tools that speak with other CEL programs.

An address, a network and a name become the text they have in an expression, an optional what it
holds or null; every other value comes back from its JSON as what it was.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

from attributes import Duration, Timestamp, ip_text
from attributes.values import NANOS
from mixer.expr.conversions import (
    int_of_text,
    text_of_duration,
    text_of_time,
    time_of_text,
    uint_of_text,
)
from mixer.expr.standard import as_key
from mixer.expr.values import (
    MAX_DEPTH,
    MAX_STEPS,
    Address,
    Optional,
    TypeValue,
    Uint,
    from_key,
    int64,
    uint64,
)

Json = dict[str, Any]
_TIMESTAMP = "type.googleapis.com/google.protobuf.Timestamp"
_DURATION = "type.googleapis.com/google.protobuf.Duration"
_SECONDS = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_URL_SAFE = str.maketrans("-_", "+/")
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(value: Any) -> Json:
    """The JSON of *value*. Raises ValueError where it is too large or too deep."""
    return _to_json(value, [MAX_STEPS], 0)


def _to_json(value: Any, steps: list[int], depth: int) -> Json:
    steps[0] -= 1
    if steps[0] < 0:
        raise ValueError(f"the value has more than {MAX_STEPS} parts")
    if depth > MAX_DEPTH:
        raise ValueError(f"the value is nested deeper than {MAX_DEPTH}")
    inner = depth + 1
    match value:
        case None:
            return {"nullValue": None}
        case bool():
            return {"boolValue": value}
        case Timestamp():
            return {"objectValue": {"@type": _TIMESTAMP, "value": text_of_time(value)}}
        case Duration():
            return {"objectValue": {"@type": _DURATION, "value": text_of_duration(value)}}
        case Uint():
            return {"uint64Value": str(int(value))}
        case int():
            return {"int64Value": str(value)}
        case float():
            return {"doubleValue": _double(value)}
        case str():
            return {"stringValue": str(value)}
        case Address():
            return {"stringValue": ip_text(value)}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case tuple():
            return {"listValue": {"values": [_to_json(item, steps, inner) for item in value]}}
        case dict():
            entries = [
                {
                    "key": _to_json(from_key(key), steps, inner),
                    "value": _to_json(item, steps, inner),
                }
                for key, item in value.items()
            ]
            return {"mapValue": {"entries": entries}}
        case TypeValue():
            return {"typeValue": value.name}
        case Optional():
            return _to_json(value.value, steps, inner)
        case _:
            return {"stringValue": str(value)}


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def from_json(given: Any) -> Any:
    """The value of a JSON. Raises ValueError that says where and why it is none."""
    return _from_json(given, "value", [MAX_STEPS], 0)


def _from_json(given: Any, where: str, steps: list[int], depth: int) -> Any:
    steps[0] -= 1
    if steps[0] < 0:
        raise ValueError(f"{where}: the value has more than {MAX_STEPS} parts")
    if depth > MAX_DEPTH:
        raise ValueError(f"{where}: the value is nested deeper than {MAX_DEPTH}")
    if not isinstance(given, dict) or len(given) != 1:
        raise ValueError(f'{where}: expected an object with one key such as "int64Value"')
    ((kind, said),) = given.items()
    inner = f"{where}.{kind}"
    try:
        match kind:
            case "listValue":
                items = _rows(said, "values")
                return tuple(
                    _from_json(item, f"{inner}.values[{at}]", steps, depth + 1)
                    for at, item in enumerate(items)
                )
            case "mapValue":
                return _entries(_rows(said, "entries"), inner, steps, depth)
            case _:
                return _scalar(kind, said)
    except _WrongError as error:
        raise ValueError(f"{inner}: {error}") from None


class _WrongError(Exception):
    """What is wrong with a scalar, before it is known where."""


def _rows(said: Any, name: str) -> list[Any]:
    found = said.get(name, []) if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise _WrongError(f'expected {{"{name}": [...]}}')
    return found


def _entries(rows: list[Any], where: str, steps: list[int], depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for at, row in enumerate(rows):
        inner = f"{where}.entries[{at}]"
        if not isinstance(row, dict) or not {"key"} <= set(row) <= {"key", "value"}:
            raise ValueError(f'{inner}: expected {{"key": VALUE, "value": VALUE}}')
        said = _from_json(row["key"], f"{inner}.key", steps, depth + 1)
        try:
            key = as_key(said)
        except ValueError as error:
            raise ValueError(f"{inner}.key: {error}") from None
        if key in found:
            raise ValueError(f"{inner}.key: the map has the key {said!r} twice")
        given = row.get("value", {"nullValue": None})
        found[key] = _from_json(given, f"{inner}.value", steps, depth + 1)
    return found


def _scalar(kind: str, said: Any) -> Any:
    try:
        match kind, said:
            case "nullValue", None | "NULL_VALUE":
                return None
            case "boolValue", bool():
                return said
            case (("int64Value" | "uint64Value" | "doubleValue"), bool()):
                pass
            case "int64Value", str():
                return int_of_text(said)
            case "int64Value", int():
                return int64(said)
            case "uint64Value", str():
                return uint_of_text(said)
            case "uint64Value", int():
                return uint64(said)
            case "doubleValue", float() | int():
                return float(said)
            case "doubleValue", str():
                return _double_of(said)
            case "stringValue", str():
                said.encode()  # refuses halves of surrogate pairs, which no text of ours has
                return said
            case "bytesValue", str():
                return _bytes_of(said)
            case "typeValue", str():
                return TypeValue(said)
            case "objectValue", {"@type": str() as name, "value": str() as text}:
                return _object(name, text)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise _WrongError(str(error)) from None
    raise _WrongError(f"{said!r} is no such value, or there is no such kind of value")


def _double_of(text: str) -> float:
    if text in _NUMBERS:
        return _NUMBERS[text]
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no double")
    return float(text)


def _bytes_of(text: str) -> bytes:
    """Base64 in either alphabet, with or without padding, as readers of proto3 JSON take it."""
    plain = text.rstrip("=").translate(_URL_SAFE)
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _object(name: str, text: str) -> Timestamp | Duration:
    if name == _TIMESTAMP:
        return time_of_text(text)
    if name != _DURATION:
        raise ValueError(f"messages of type {name!r} are no values here")
    found = _SECONDS.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no duration such as '1.5s'")
    sign, whole, fraction = found.groups()
    nanos = int(whole) * NANOS + int((fraction or "").ljust(9, "0"))
    return Duration(int64(-nanos if sign else nanos))
