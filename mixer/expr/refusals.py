"""What the checker says of calls that do not fit: what was got, what is expected, what to write."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from mixer.errors import ExpressionError
from mixer.expr import standard, syntax
from mixer.expr.dialect import SPECIAL, Dialect
from mixer.expr.overload import Overload
from mixer.expr.resolve import bound_type, fit
from mixer.expr.types import (
    DNS,
    DOUBLE,
    DURATION,
    DYN,
    EMAIL,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    URI,
    A,
    B,
    Type,
)

_MAKERS = {
    IP: "ip",
    TIMESTAMP: "timestamp",
    DURATION: "duration",
    DNS: "dnsName",
    EMAIL: "email",
    URI: "uri",
}


def no_overload(
    dialect: Dialect,
    name: str,
    node: syntax.Node,
    sources: Sequence[syntax.Node],
    overloads: Sequence[Overload],
    types: tuple[Type, ...],
    method: bool,
) -> ExpressionError:
    """None of *overloads* takes arguments of *types*, which were written as *sources*."""
    shown = _operator(name)
    counts = {len(overload.params) for overload in overloads}
    if len(types) not in counts:
        return _arity(shown, len(types) - method, min(counts) - method, node)
    same_count = [overload for overload in overloads if len(overload.params) == len(types)]
    best = max(same_count, key=lambda overload: _agreeing(overload.params, types))
    at = _agreeing(best.params, types)
    if name in syntax.OPERATORS and at == 0:
        return ExpressionError(f"{shown} is not defined for {types[0]}", node.offset)
    expected = _expected(best, types, at)
    place = "target" if at < method else f"arg {at + 1 - method}"
    return ExpressionError(
        f"{shown} {place} typeError got {types[at]}, expected {_plain(expected)}",
        sources[at].offset if at < len(sources) and at >= method else node.offset,
        _how_to_convert(types[at], expected, dialect),
    )


def mismatch(
    dialect: Dialect, node: syntax.Call, at: int, got: Type, expected: Type
) -> ExpressionError:
    """The argument *at* this place has another type than *expected*."""
    return ExpressionError(
        f"{_operator(node.function)} arg {at + 1} typeError got {got}, expected {expected}",
        node.args[at].offset,
        _how_to_convert(got, expected, dialect),
    )


def unknown(dialect: Dialect, node: syntax.Node, name: str) -> ExpressionError:
    """There is no function *name*."""
    known = [name for name in dialect.functions if name not in syntax.OPERATORS]
    return ExpressionError(
        f"unknown function: {name}", node.offset, did_you_mean(name, [*known, *SPECIAL])
    )


def arity(node: syntax.Call, expected: int) -> ExpressionError:
    """*node* has not as many arguments as *expected*."""
    return _arity(_operator(node.function), len(node.args), expected, node)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion of the known name that is most like *name*, or ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else ""


def _arity(shown: str, got: int, expected: int, node: syntax.Node) -> ExpressionError:
    return ExpressionError(
        f"{shown} arity mismatch. Got {got} arg(s), expected {expected} arg(s)", node.offset
    )


def _operator(function: str) -> str:
    if function in (standard.INDEX, standard.OPTIONAL_INDEX):
        return "INDEX"
    return function.strip("_@") if function in syntax.OPERATORS else function


def _expected(overload: Overload, types: tuple[Type, ...], at: int) -> Type:
    """What the arguments before the one *at* leave for it."""
    bound: dict[Type, Type] = {}
    for param, given in zip(overload.params[:at], types, strict=False):
        fit(param, given, bound)
    return bound_type(overload.params[at], bound)


def _plain(type_: Type) -> str:
    return str(type_).replace("dyn", "any")


def _agreeing(expected: Sequence[Type], got: Sequence[Type]) -> int:
    """How many leading types agree."""
    agreeing = 0
    for a, b in zip(expected, got, strict=False):
        if a != b and (a.name != b.name or not a.params) and a not in (A, B, DYN):
            break
        agreeing += 1
    return min(agreeing, len(got) - 1)


def _how_to_convert(got: Type, expected: Type, dialect: Dialect) -> str:
    for text, other in ((got, expected), (expected, got)):
        if text == STRING and other in _MAKERS and (dialect.is_cel or other != DURATION):
            return f'a text becomes one by {_MAKERS[other]}("...")'
    if {got, expected} == {INT, DOUBLE}:
        return "write 1.0 for a DOUBLE" + (" or convert: double(x), int(x)" * dialect.is_cel)
    return ""
