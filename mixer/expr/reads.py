"""What reading an attribute gives beyond its value: a zero, a failure, another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attributes import Duration, Timestamp, Value
from mixer.expr.types import BOOL, DOUBLE, DURATION, INT, IP, STRING_MAP, TIMESTAMP, Type

PYTHON_TYPES: dict[Type, type] = {
    INT: int,
    DOUBLE: float,
    BOOL: bool,
    TIMESTAMP: Timestamp,
    DURATION: Duration,
    IP: bytes,
    STRING_MAP: dict,
}
"""The class of an attribute's values where it is not str."""

ZEROS: dict[type, Any] = {
    str: "",
    int: 0,
    float: 0.0,
    bool: False,
    Timestamp: Timestamp(0),
    Duration: Duration(0),
    bytes: b"",
    dict: {},
}
FAILURES = (ValueError, ArithmeticError)
"""What functions of expressions raise; it becomes the expression's failure."""

OUT_OF_STEPS = "the expression takes too many steps for this call"


class Failure:
    """Why an expression has no value for this call."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"Failure({self.message!r})"


def lookup_failed(name: str) -> Failure:
    """The failure of Istio's syntax for an absent attribute."""
    return Failure(f"lookup failed: '{name}'")


def no_such_key(key: str) -> Failure:
    """The failure of CEL for a key that a map does not have."""
    return Failure(f"no such key: '{key}'")


def python_type(type_: Type) -> type:
    """The class of the values of an attribute of *type_*."""
    return PYTHON_TYPES.get(type_, str)


def coerce(name: str, wanted: type, value: Value) -> Any:
    """
    Take *value* of attribute *name* as *wanted* where the wire could not tell them apart.

    INT64 and DURATION stand for each other (spec: expressions, run-time type mismatch).
    """
    if value.__class__ is wanted:
        return value
    if wanted in (int, Duration) and value.__class__ in (int, Duration):
        return wanted(value)
    if wanted is dict and isinstance(value, Mapping):
        return dict(value)
    kind = "integer or duration" if wanted in (int, Duration) else wanted.__name__
    return Failure(f"error converting value of {name} to {kind}: '{value!r}'")
