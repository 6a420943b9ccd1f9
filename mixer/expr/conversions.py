"""Conversions between types (cel-spec, langdef.md, Conversions); wrong values raise an error."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from attributes import Duration, Timestamp, text
from attributes.values import NANOS
from mixer.expr import functions
from mixer.expr.arithmetic import duration as bounded_duration
from mixer.expr.arithmetic import instant
from mixer.expr.overload import Overload, calls, fast
from mixer.expr.types import (
    BOOL,
    BYTES,
    DNS,
    DOUBLE,
    DURATION,
    DYN,
    EMAIL,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    URI,
)
from mixer.expr.values import TypeValue, Uint, int64, type_name, uint64

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DOUBLE_WORD = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_TRUE = frozenset(["1", "t", "true", "TRUE", "True"])
_FALSE = frozenset(["0", "f", "false", "FALSE", "False"])


def int_of_text(value: str) -> int:
    """Decimal text as an int."""
    if not _INTEGER.fullmatch(value) or len(value) > 40:
        raise ValueError(f"{value[:40]!r} is no int")
    return int64(int(value))


def uint_of_text(value: str) -> Uint:
    """Decimal text as a uint."""
    if not value.isascii() or not value.isdigit() or len(value) > 40:
        raise ValueError(f"{value[:40]!r} is no uint")
    return uint64(int(value))


def int_of_double(value: float) -> int:
    """A double truncated toward zero; its bounds themselves do not fit."""
    if not -(2.0**63) < value < 2.0**63:
        raise OverflowError(f"integer overflow: {value}")
    return int(value)


def uint_of_double(value: float) -> Uint:
    """A double truncated toward zero."""
    if not 0 <= value < 2.0**64:
        raise OverflowError(f"unsigned integer overflow: {value}")
    return Uint(value)


def double_of_text(value: str) -> float:
    """The number that *value* spells."""
    if not (_DOUBLE.fullmatch(value) or _DOUBLE_WORD.fullmatch(value)):
        raise ValueError(f"{value[:40]!r} is no double")
    return float(value)


def bool_of_text(value: str) -> bool:
    """The truth that *value* spells, in one of the ways of the specification's tests."""
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise ValueError(f"{value[:40]!r} is no bool")


def text_of_bytes(value: bytes) -> str:
    """UTF-8 as text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError("the bytes are not UTF-8") from None


def text_of_double(value: float) -> str:
    """The shortest text that reads as *value*, as Go prints it (``%g``)."""
    if not math.isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    if value == 0 or -5 < power < 6:
        return f"{'-' if math.copysign(1, value) < 0 else ''}{text(abs(value))}"
    mantissa = "".join(map(str, digits))
    point = f"{mantissa[0]}.{mantissa[1:]}".rstrip(".")
    return f"{'-' if value < 0 else ''}{point}e{'-' if power < 0 else '+'}{abs(power):02d}"


def text_of_time(value: Timestamp) -> str:
    """RFC 3339 in UTC with as many digits of a second as are needed."""
    whole = str(value).partition(".")[0]
    nanos = f"{value % NANOS:09d}".rstrip("0")
    return f"{whole}.{nanos}Z" if nanos else f"{whole}Z"


def text_of_duration(value: Duration) -> str:
    """Decimal seconds, such as ``1.5s``."""
    seconds, nanos = divmod(abs(value), NANOS)
    fraction = f"{nanos:09d}".rstrip("0")
    return f"{'-' if value < 0 else ''}{seconds}{'.' + fraction if fraction else ''}s"


def seconds_of(value: Timestamp) -> int:
    """Whole seconds since 1970."""
    return value // NANOS


def time_of_seconds(value: int) -> Timestamp:
    """The instant so many seconds after 1970."""
    return instant(value * NANOS)


def time_of_text(value: str) -> Timestamp:
    """An RFC 3339 time of the years 1 to 9999."""
    return instant(functions.timestamp(value))


def duration_of_text(value: str) -> Duration:
    """A duration in Go's text form."""
    return bounded_duration(functions.parse_duration(value))


def type_of(value: Any) -> TypeValue:
    """The type of a value that tells it."""
    return TypeValue(type_name(value))


OVERLOADS: tuple[Overload, ...] = (
    *(fast(name, (type_,), type_, "{0}") for name, type_ in (
        ("int", INT), ("uint", UINT), ("double", DOUBLE), ("bool", BOOL), ("string", STRING),
        ("bytes", BYTES), ("timestamp", TIMESTAMP), ("duration", DURATION),
    )),
    calls("int", int_of_text, (STRING,), INT, heavy=False),
    calls("int", int_of_double, (DOUBLE,), INT, heavy=False),
    Overload("int", (UINT,), INT, "int64(int({0}))", {"int64": int64}, fails=True),
    calls("int", seconds_of, (TIMESTAMP,), INT, heavy=False, fails=False),
    calls("uint", uint_of_text, (STRING,), UINT, heavy=False),
    calls("uint", uint_of_double, (DOUBLE,), UINT, heavy=False),
    calls("uint", uint64, (INT,), UINT, heavy=False),
    fast("double", (INT,), DOUBLE, "float({0})"),
    fast("double", (UINT,), DOUBLE, "float({0})"),
    calls("double", double_of_text, (STRING,), DOUBLE),
    calls("bool", bool_of_text, (STRING,), BOOL),
    fast("string", (INT,), STRING, "str({0})"),
    Overload("string", (UINT,), STRING, "str(int({0}))"),
    calls("string", text_of_double, (DOUBLE,), STRING, fails=False, heavy=False),
    calls("string", text_of_bytes, (BYTES,), STRING),
    calls("string", text_of_time, (TIMESTAMP,), STRING, fails=False, heavy=False),
    calls("string", text_of_duration, (DURATION,), STRING, fails=False, heavy=False),
    *(calls("string", text, (type_,), STRING, fails=False) for type_ in (BOOL, IP)),
    *(fast("string", (type_,), STRING, "str({0})") for type_ in (EMAIL, URI, DNS)),
    Overload("bytes", (STRING,), BYTES, "{0}.encode()", heavy=True),
    calls("timestamp", time_of_text, (STRING,), TIMESTAMP, heavy=False),
    calls("timestamp", time_of_seconds, (INT,), TIMESTAMP, heavy=False),
    calls("duration", duration_of_text, (STRING,), DURATION, heavy=False),
    calls("type", type_of, (DYN,), TYPE, fails=False, heavy=False),
)  # fmt: skip
