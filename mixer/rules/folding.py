"""
Bags of one Report that differ only in what they measure, and are therefore evaluated once.

A mesh sends the same labels again and again; what is new in most bags is how long and how much.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from attributes import Source, ValueType
from mixer.config.model import Mode
from mixer.expr.tree import Attribute, Constant, Fallback, Tree, walk
from mixer.expr.types import VALUE_TYPES
from mixer.instances.compile import Entries, Leaf, Part, Struct
from mixer.rules.routes import IDENTITY, Call, Route

Number: TypeAlias = int | float
Fold: TypeAlias = Callable[[Source], tuple[Hashable, Sequence[Number]] | None]
"""
What decides everything else of a bag, and what it measures; None where it must be looked at whole.

Two bags of one Report whose first parts are equal match the same rules with the same instances, but
for their measures.
"""

Places: TypeAlias = Mapping[Call, int]
"""Of the calls whose numbers a `Fold` gives, the place of each. Others are made for each bag."""

MEASURED = frozenset({ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION})


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that bags have each for itself."""

    attribute: str
    """Empty for a constant."""

    type: ValueType
    default: Number | None
    """Where the attribute is absent; None makes such a bag one to be looked at whole."""


@dataclass(frozen=True, slots=True)
class Folding:
    """What of a bag decides everything else, and what is measured."""

    reads: tuple[tuple[str, ValueType], ...]
    """Names and types of attributes, in order of name."""

    measures: tuple[Measure, ...]
    places: Places = field(repr=False)


def folding(routes: Iterable[Route]) -> Folding | None:
    """How to fold bags for *routes*, which all report; None where they can't be."""
    reads: dict[str, ValueType] = dict.fromkeys(IDENTITY, ValueType.STRING)
    measures: dict[Measure, int] = {}
    places: dict[Call, int] = {}
    for route in routes:
        if route.samplers or route.mode is Mode.SHADOW:
            return None
        if route.match is not None:
            reads |= _reads(route.match.tree)
        for call in route.calls:
            found = _measure(call)
            if found is not None:
                places[call] = measures.setdefault(found, len(measures))
                for tree in _trees(call.builder.parts, call.builder.parts.type.measured):
                    reads |= _reads(tree)
    return Folding(tuple(sorted(reads.items())), tuple(measures), places) if places else None


def _measure(call: Call) -> Measure | None:
    """What a call's handler takes by the number, where the number is easily had."""
    parts = call.builder.parts
    given = dict(parts.fields).get(parts.type.measured)
    if call.tally is None or not isinstance(given, Leaf):
        return None
    match given.program.tree:
        case Constant(value=value):
            type_ = given.program.value_type
            return Measure("", type_, value) if type_ in MEASURED and value >= 0 else None
        case Attribute(name=name, zero=False):
            type_, default = given.program.value_type, None
        case Fallback(first=Attribute(name=name), second=Constant(value=default)) if default >= 0:
            type_ = given.program.value_type
        case _:
            return None
    return Measure(name, type_, default) if type_ in MEASURED else None


def _trees(part: Part, leave_out: str = "") -> Iterator[Tree]:
    match part:
        case Leaf(program):
            yield program.tree
        case Struct(fields=items) | Entries(items):
            for name, inner in items:
                if name != leave_out:
                    yield from _trees(inner)


def _reads(tree: Tree) -> dict[str, ValueType]:
    return {part.name: VALUE_TYPES[part.type] for part in walk(tree) if isinstance(part, Attribute)}
