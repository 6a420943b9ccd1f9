"""Names of metrics, made from the dimensions of an instance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from mixer.adapter import Shape, Value, text
from mixer.adapter.dimensions import remembered

Name: TypeAlias = Callable[[Mapping[str, Value]], str]
"""The name of a metric from its dimensions."""

_PIECE = re.compile(r"""\{\{-?\s*(?:\.(\w+)|index\s+\.\s+"([^"]+)")\s*-?\}\}""")
_FORMAT = str.maketrans(":|@\n", "____")
"""What statsd's line format is made of has no place in a value."""


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

    return remembered(made, shape, keys)
