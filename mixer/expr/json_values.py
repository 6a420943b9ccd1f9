"""
Values in the proto3 JSON form of cel.expr.Value, for tools that speak with other CEL programs.

An address, a network and a name become the text they have in an expression, an optional what it
holds or null; every other value comes back from its JSON as what it was.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

from attributes import Duration, Timestamp, ip_text
from attributes.values import NANOS
from mixer.expr.conversions import text_of_duration, text_of_time, time_of_text
from mixer.expr.standard import as_key
from mixer.expr.values import (
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
_MAX_DEPTH = 100
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(value: Any) -> Json:
    """The JSON of *value*. Raises ValueError where it has too many parts."""
    return _to_json(value, [MAX_STEPS])


def _to_json(value: Any, steps: list[int]) -> Json:
    steps[0] -= 1
    if steps[0] < 0:
        raise ValueError(f"the value has more than {MAX_STEPS} parts")
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
            return {"listValue": {"values": [_to_json(item, steps) for item in value]}}
        case dict():
            entries = [
                {"key": _to_json(from_key(key), steps), "value": _to_json(item, steps)}
                for key, item in value.items()
            ]
            return {"mapValue": {"entries": entries}}
        case TypeValue():
            return {"typeValue": value.name}
        case Optional():
            return _to_json(value.value, steps)
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
    if steps[0] < 0 or depth > _MAX_DEPTH:
        raise ValueError(f"{where}: the value is too large or too deep")
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
        try:
            key = as_key(_from_json(row["key"], f"{inner}.key", steps, depth + 1))
        except ValueError as error:
            raise ValueError(f"{inner}.key: {error}") from None
        given = row.get("value", {"nullValue": None})
        found[key] = _from_json(given, f"{inner}.value", steps, depth + 1)
    return found


def _scalar(kind: str, said: Any) -> Any:
    try:
        match kind, said:
            case "nullValue", None | 0 | "NULL_VALUE":
                return None
            case "boolValue", bool():
                return said
            case "int64Value", str() | int() if not isinstance(said, bool):
                return int64(int(said))
            case "uint64Value", str() | int() if not isinstance(said, bool):
                return uint64(int(said))
            case "doubleValue", float() | int() if not isinstance(said, bool):
                return float(said)
            case "doubleValue", str():
                return _NUMBERS[said] if said in _NUMBERS else float(said)
            case "stringValue", str():
                return said
            case "bytesValue", str():
                return base64.b64decode(said, validate=True)
            case "typeValue", str():
                return TypeValue(said)
            case "objectValue", {"@type": str() as name, "value": str() as text}:
                return _object(name, text)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise _WrongError(str(error)) from None
    raise _WrongError(f"{said!r} is no such value, or there is no such kind of value")


def _object(name: str, text: str) -> Timestamp | Duration:
    match name:
        case "type.googleapis.com/google.protobuf.Timestamp":
            return time_of_text(text)
        case "type.googleapis.com/google.protobuf.Duration":
            number = text.removesuffix("s")
            if number == text or not number.lstrip("-").replace(".", "", 1).isdigit():
                raise ValueError(f"{text!r} is no duration such as '1.5s'")
            whole, _, fraction = number.lstrip("-").partition(".")
            nanos = int(whole or "0") * NANOS + int(fraction[:9].ljust(9, "0"))
            return Duration(int64(-nanos if number.startswith("-") else nanos))
    raise ValueError(f"messages of type {name!r} are no values here")
