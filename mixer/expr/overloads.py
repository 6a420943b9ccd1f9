"""All functions and operators of each language, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from mixer.expr import conversions, functions, library, standard
from mixer.expr.arithmetic import wrap
from mixer.expr.overload import Overload, calls, fast
from mixer.expr.syntax import ADD
from mixer.expr.types import (
    BOOL,
    DNS,
    DOUBLE,
    EMAIL,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    URI,
)

Table: TypeAlias = Mapping[str, tuple[Overload, ...]]


def _istio() -> list[Overload]:
    """Functions of Istio that both languages know (spec: expressions, functions)."""
    return [
        calls("match", functions.match, (STRING, STRING), BOOL, fails=False),
        calls("toLower", functions.to_lower, (STRING,), STRING, fails=False),
        calls("ip", functions.ip, (STRING,), IP, heavy=False),
        calls("dnsName", functions.dns_name, (STRING,), DNS),
        calls("email", functions.email_address, (STRING,), EMAIL),
        calls("uri", functions.uri, (STRING,), URI),
    ]


def _cexl() -> list[Overload]:
    return [
        *standard.same_types(),
        *standard.same_order(),
        *standard.text_methods(),
        *_istio(),
        Overload(ADD, (INT, INT), INT, "wrap({0} + {1})", {"wrap": wrap}),
        *(fast(ADD, (type_, type_), type_, "{0} + {1}") for type_ in (STRING, DNS, EMAIL, URI)),
        fast(ADD, (DOUBLE, DOUBLE), DOUBLE, "{0} + {1}"),
        standard.regex(pattern=0, subject=1),
        calls("timestamp", functions.timestamp, (STRING,), TIMESTAMP),
        fast("size", (STRING,), INT, "len({0}.encode())"),
        fast("conditionalString", (BOOL, STRING, STRING), STRING, "{1} if {0} else {2}"),
    ]


def _cel() -> list[Overload]:
    return [
        *standard.OVERLOADS,
        *standard.text_methods(),
        *conversions.OVERLOADS,
        *_istio(),
        calls("reverse", functions.reverse, (STRING,), STRING, fails=False),
        *library.ALL,
    ]


def _table(overloads: Iterable[Overload]) -> Table:
    table: dict[str, tuple[Overload, ...]] = {}
    for overload in overloads:
        table[overload.function] = (*table.get(overload.function, ()), overload)
    return table


CEXL_TABLE = _table(_cexl())
CEL_TABLE = _table(_cel())
