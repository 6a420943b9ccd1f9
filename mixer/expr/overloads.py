"""
The functions and operators of expressions: which types they take, and the Python they become.

An overload's code is filled with the atoms of its arguments. Code that can fail raises ValueError
or OverflowError, which becomes the expression's failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from attributes import Duration, Timestamp, same_ip, text
from mixer.expr import functions
from mixer.expr.syntax import ADD, DIV, EQ, GE, GT, IN, LE, LT, MOD, MUL, NE, NEGATE, NOT, SUB
from mixer.expr.types import (
    BOOL,
    DNS,
    DOUBLE,
    DURATION,
    EMAIL,
    INT,
    IP,
    STRING,
    STRING_MAP,
    TIMESTAMP,
    URI,
    Type,
    list_of,
)

INT64_MAX = 2**63 - 1


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Overload:
    """One meaning of a function for one list of types."""

    function: str
    params: tuple[Type, ...]
    """For a method the target comes first."""

    result: Type
    code: str
    helpers: Mapping[str, Any] = field(default_factory=dict)
    """What the code calls, by name."""

    fails: bool = False
    method: bool = False
    prepared: int | None = None
    """The argument that, where constant, is prepared once, such as a regular expression."""

    prepare: Callable[[Any], Any] = _same
    constant_code: str = ""
    """The code where the prepared argument is constant, if it differs; it can't fail."""


Table = Mapping[str, tuple[Overload, ...]]
COMPARISONS = {EQ: "==", NE: "!=", LT: "<", LE: "<=", GT: ">", GE: ">="}


def int64(value: int) -> int:
    """*value* where it fits 64 bits; raise OverflowError otherwise, as CEL says."""
    if -INT64_MAX - 1 <= value <= INT64_MAX:
        return value
    raise OverflowError("integer overflow")


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
    return int(math.copysign(1, dividend)) * (abs(dividend) % abs(divisor))


def quotient(dividend: float, divisor: float) -> float:
    """IEEE 754 division, infinities and NaN included."""
    if divisor:
        return dividend / divisor
    if not dividend or dividend != dividend:
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1, divisor)


def duration(nanos: int) -> Duration:
    """A duration that fits 64 bits of nanoseconds; raise OverflowError otherwise."""
    return Duration(int64(nanos))


def instant(nanos: int) -> Timestamp:
    """An instant of the years 1 to 9999; raise OverflowError otherwise."""
    if -62_135_596_800 * 10**9 <= nanos < 253_402_300_800 * 10**9:
        return Timestamp(nanos)
    raise OverflowError("timestamp out of the years 1 to 9999")


def integer(value: str | float) -> int:
    """CEL's conversion to int: decimal text, or a double truncated toward zero."""
    if isinstance(value, str):
        if not value.lstrip("-").isascii() or not value.lstrip("-").isdigit():
            raise ValueError(f"{value!r} is not an integer")
        return int64(int(value))
    if not math.isfinite(value):
        raise ValueError(f"{value} is not an integer")
    return int64(int(value))


def _fast(function: str, params: Iterable[Type], result: Type, code: str) -> Overload:
    return Overload(function, tuple(params), result, code)


def _calls(
    name: str, function: Callable[..., Any], params: tuple[Type, ...], result: Type, **kw: Any
) -> Overload:
    holes = ", ".join(f"{{{at}}}" for at in range(len(params)))
    helper = function.__name__
    return Overload(
        name, params, result, f"{helper}({holes})", {helper: function}, **{"fails": True} | kw
    )


def _method(name: str, params: tuple[Type, ...], result: Type, code: str) -> Overload:
    return Overload(name, params, result, code, method=True)


def _compare(operator: str, type_: Type) -> Overload:
    return _fast(operator, (type_, type_), BOOL, f"{{0}} {COMPARISONS[operator]} {{1}}")


def _equality() -> list[Overload]:
    found = []
    for type_ in (BOOL, STRING, INT, DOUBLE, TIMESTAMP, DURATION):
        found += [
            _fast(op, (type_, type_), BOOL, f"{{0}} {COMPARISONS[op]} {{1}}") for op in (EQ, NE)
        ]
    for type_, same in (
        (IP, same_ip),
        (DNS, functions.same_dns_name),
        (EMAIL, functions.same_email),
        (URI, functions.same_uri),
    ):
        call, helpers = f"{same.__name__}({{0}}, {{1}})", {same.__name__: same}
        found.append(Overload(EQ, (type_, type_), BOOL, call, helpers, fails=True))
        found.append(Overload(NE, (type_, type_), BOOL, f"not {call}", helpers, fails=True))
    return found


def _order() -> list[Overload]:
    return [
        _compare(op, type_)
        for type_ in (STRING, INT, DOUBLE, TIMESTAMP, DURATION, DNS, EMAIL, URI)
        for op in (LT, LE, GT, GE)
    ]


def _regex(pattern: int, subject: int) -> Overload:
    """``matches`` with its *pattern* and *subject* at these places."""
    return Overload(
        "matches",
        (STRING, STRING),
        BOOL,
        f"compile_regex({{{pattern}}}).search({{{subject}}}) is not None",
        {"compile_regex": functions.compile_regex},
        fails=True,
        method=True,
        prepared=pattern,
        prepare=functions.compile_regex,
        constant_code=f"{{{pattern}}}.search({{{subject}}}) is not None",
    )


def _shared() -> list[Overload]:
    """What both languages mean alike."""
    return [
        *_equality(),
        *_order(),
        _fast(ADD, (STRING, STRING), STRING, "{0} + {1}"),
        _fast(ADD, (DOUBLE, DOUBLE), DOUBLE, "{0} + {1}"),
        _method("startsWith", (STRING, STRING), BOOL, "{0}.startswith({1})"),
        _method("endsWith", (STRING, STRING), BOOL, "{0}.endswith({1})"),
        _calls("match", functions.match, (STRING, STRING), BOOL, fails=False),
        _calls("toLower", functions.to_lower, (STRING,), STRING, fails=False),
        _calls("ip", functions.ip, (STRING,), IP),
        _calls("timestamp", functions.timestamp, (STRING,), TIMESTAMP),
        _calls("dnsName", functions.dns_name, (STRING,), DNS),
        _calls("email", functions.email_address, (STRING,), EMAIL),
        _calls("uri", functions.uri, (STRING,), URI),
    ]


def _cexl() -> list[Overload]:
    return [
        *_shared(),
        Overload(ADD, (INT, INT), INT, "wrap({0} + {1})", {"wrap": wrap}),
        *(_fast(ADD, (type_, type_), type_, "{0} + {1}") for type_ in (DNS, EMAIL, URI)),
        _regex(pattern=0, subject=1),
        _fast("size", (STRING,), INT, "len({0}.encode())"),
        _fast("conditionalString", (BOOL, STRING, STRING), STRING, "{1} if {0} else {2}"),
    ]


def _cel() -> list[Overload]:
    listed = (STRING, INT, DOUBLE, BOOL, TIMESTAMP, DURATION)
    arithmetic = [
        Overload(op, (INT, INT), INT, f"int64({{0}} {sign} {{1}})", {"int64": int64}, fails=True)
        for op, sign in ((ADD, "+"), (SUB, "-"), (MUL, "*"))
    ]
    spans = [
        Overload(
            op, types, result, f"{make.__name__}({{0}} {sign} {{1}})", {make.__name__: make}, True
        )
        for op, sign, types, result, make in (
            (ADD, "+", (TIMESTAMP, DURATION), TIMESTAMP, instant),
            (ADD, "+", (DURATION, TIMESTAMP), TIMESTAMP, instant),
            (ADD, "+", (DURATION, DURATION), DURATION, duration),
            (SUB, "-", (TIMESTAMP, DURATION), TIMESTAMP, instant),
            (SUB, "-", (TIMESTAMP, TIMESTAMP), DURATION, duration),
            (SUB, "-", (DURATION, DURATION), DURATION, duration),
        )
    ]
    return [
        *_shared(),
        *arithmetic,
        *spans,
        _calls(DIV, divide, (INT, INT), INT),
        _calls(MOD, remainder, (INT, INT), INT),
        _calls(DIV, quotient, (DOUBLE, DOUBLE), DOUBLE, fails=False),
        _fast(SUB, (DOUBLE, DOUBLE), DOUBLE, "{0} - {1}"),
        _fast(MUL, (DOUBLE, DOUBLE), DOUBLE, "{0} * {1}"),
        Overload(NEGATE, (INT,), INT, "int64(-{0})", {"int64": int64}, fails=True),
        _fast(NEGATE, (DOUBLE,), DOUBLE, "-{0}"),
        _fast(NOT, (BOOL,), BOOL, "not {0}"),
        *(
            Overload(IN, (type_, list_of(type_)), BOOL, "{0} in {1}", prepared=1, prepare=frozenset)
            for type_ in listed
        ),
        _regex(pattern=1, subject=0),
        _method("contains", (STRING, STRING), BOOL, "{1} in {0}"),
        _fast("size", (STRING,), INT, "len({0})"),
        _method("size", (STRING,), INT, "len({0})"),
        _fast("size", (STRING_MAP,), INT, "len({0})"),
        _method("size", (STRING_MAP,), INT, "len({0})"),
        _calls("duration", functions.parse_duration, (STRING,), DURATION),
        _calls("reverse", functions.reverse, (STRING,), STRING, fails=False),
        _method("reverse", (STRING,), STRING, "{0}[::-1]"),
        *(_calls("int", integer, (type_,), INT) for type_ in (STRING, DOUBLE)),
        _fast("double", (INT,), DOUBLE, "float({0})"),
        Overload("double", (STRING,), DOUBLE, "float({0})", fails=True),
        *(
            _calls("string", text, (type_,), STRING, fails=False)
            for type_ in (STRING, INT, DOUBLE, BOOL, IP, EMAIL, URI, DNS)
        ),
    ]


def _table(overloads: Iterable[Overload]) -> Table:
    table: dict[str, tuple[Overload, ...]] = {}
    for overload in overloads:
        table[overload.function] = (*table.get(overload.function, ()), overload)
    return table


CEXL_TABLE = _table(_cexl())
CEL_TABLE = _table(_cel())
