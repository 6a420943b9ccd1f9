"""
Scalars to values: text, numbers, booleans, durations, expressions.

Each reader notes what is wrong and returns `INVALID`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from attributes import Duration
from mixer.config.findings import Findings
from mixer.config.model import Text
from mixer.config.nodes import Node, Scalar
from mixer.config.scalars import trap


class _Invalid(Enum):
    INVALID = "invalid"


INVALID: Final = _Invalid.INVALID
Reader: TypeAlias = Callable[[Node, str, Findings], Any]
_WHOLE = re.compile(r"[+-]?[0-9]+")
_INT64 = range(-(1 << 63), 1 << 63)


class Raw(NamedTuple):
    """A node whose type is known later: params before the adapter is, or one of two forms."""

    node: Node
    field: str


def mismatch(node: Node, wanted: str, path: str, findings: Findings, suggestion: str = "") -> Any:
    if isinstance(node, Scalar) and node.doubtful and (found := trap(node.text)):
        findings.error(found[0], node.place, path, found[1])
    else:
        findings.error(f"must be {wanted}, not {node}", node.place, path, suggestion)
    return INVALID


def _text(node: Node, path: str, findings: Findings) -> Any:
    if isinstance(node, Scalar) and isinstance(node.value, str) and not node.doubtful:
        return node.value
    return mismatch(node, "a text", path, findings, _quoted(node))


def _quoted(node: Node) -> str:
    return f"put it in quotes: '{node.text}'" if isinstance(node, Scalar) else ""


def _bool(node: Node, path: str, findings: Findings) -> Any:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    return mismatch(node, "true or false", path, findings)


def _int(node: Node, path: str, findings: Findings) -> Any:
    value = node.value if isinstance(node, Scalar) and not node.doubtful else None
    if isinstance(value, str):
        value = int(value) if len(value) < 24 and _WHOLE.fullmatch(value) else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if value is None or isinstance(value, bool):
        return mismatch(node, "a whole number", path, findings)
    if value not in _INT64:
        return mismatch(node, "a number of at most 64 bits", path, findings)
    return value


def _float(node: Node, path: str, findings: Findings) -> Any:
    value = node.value if isinstance(node, Scalar) and not node.doubtful else None
    if isinstance(value, str):
        value = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value, value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    return mismatch(node, "a number", path, findings)


def _duration(node: Node, path: str, findings: Findings) -> Any:
    value = node.value if isinstance(node, Scalar) and not node.doubtful else None
    if isinstance(value, str):
        try:
            return Duration.parse(value)
        except ValueError as error:
            findings.error(str(error), node.place, path)
            return INVALID
    number = isinstance(value, int | float) and not isinstance(value, bool)
    hint = f"give a unit: {value}s" if number else ""
    return mismatch(node, "a duration such as '1.5s' or '2m'", path, findings, hint)


def expression(node: Node, path: str, findings: Findings) -> Any:
    """Read an expression as text; a bare number or boolean is refused, as proto's JSON does."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and not node.doubtful:
        return Text(node.text, node.place, path, node.inline)
    return mismatch(node, "an expression", path, findings, _quoted(node))


LEAVES: dict[Any, Reader] = {
    str: _text,
    bool: _bool,
    int: _int,
    float: _float,
    Duration: _duration,
    Text: expression,
    Raw: lambda node, path, findings: Raw(node, path),
}
