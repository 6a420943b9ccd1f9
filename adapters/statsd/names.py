"""Names of metrics, made from the dimensions of an instance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, TypeAlias

from mixer.adapter import Shape, Value, ValueType, text

Name: TypeAlias = Callable[[Mapping[str, Value]], str]
"""The name of a metric from its dimensions."""

MOST_KNOWN = 4096
"""Names of one instance that are kept made."""

_PIECE = re.compile(r"""\{\{-?\s*(?:\.(\w+)|index\s+\.\s+"([^"]+)")\s*-?\}\}""")
_FORMAT = str.maketrans(":|@\n", "____")
"""What statsd's line format is made of has no place in a value."""

_NO_KEY = frozenset({ValueType.DOUBLE, ValueType.STRING_MAP, ValueType.UNSPECIFIED})
"""Dimensions whose values can't be told apart by ``==``, or can't be hashed."""


def is_template(template: str) -> bool:
    """Whether nothing but dimensions stands in braces."""
    return "{{" not in _PIECE.sub("", template)


def dimensions_of(template: str) -> list[str]:
    """The dimensions that a template names, in order."""
    return [dotted or indexed for dotted, indexed in _PIECE.findall(template)]


def namer(template: str, prefix: str, shape: Shape) -> Name:
    """What names the instances of *shape*; without a *template*, all as the instance."""
    start = f"{prefix}." if prefix else ""
    literals = _PIECE.split(template or shape.name)[::3]
    literals[0] = start + literals[0]
    keys = dimensions_of(template)
    if not keys:
        (whole,) = literals
        return lambda dimensions: whole

    def made(dimensions: Mapping[str, Value]) -> str:
        values = [text(dimensions[key]).translate(_FORMAT) for key in keys]
        pieces = zip(values, literals[1:], strict=True)
        return literals[0] + "".join([value + literal for value, literal in pieces])

    if _NO_KEY.isdisjoint(
        shape.types.get(f"dimensions.{key}", ValueType.UNSPECIFIED) for key in keys
    ):
        return _remembered(made, itemgetter(*keys))
    return made


def _remembered(made: Name, pick: Callable[[Mapping[str, Value]], Any]) -> Name:
    """Fast path: equal raw values are equal names, which saves making them for every instance."""
    known: dict[Any, str] = {}

    def name(dimensions: Mapping[str, Value]) -> str:
        key = pick(dimensions)
        found = known.get(key)
        if found is None:
            if len(known) >= MOST_KNOWN:
                known.clear()
            found = known[key] = made(dimensions)
        return found

    return name
