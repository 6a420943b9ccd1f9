"""
Bags of one Report that differ only in what they measure, and are therefore evaluated once.

A mesh sends the same labels again and again; what is new in most bags is how long and how much.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from attributes import Duration, Source, ValueType
from mixer.config.model import Mode
from mixer.expr.tree import Attribute, Constant, Fallback, Tree, walk
from mixer.expr.types import VALUE_TYPES
from mixer.instances.compile import Entries, Leaf, Part, Struct
from mixer.rules.fuse import builder
from mixer.rules.lines import Begin, Piece, Sent, pieces
from mixer.rules.routes import IDENTITY, Call, Gather, Route

Number: TypeAlias = int | float
Fold: TypeAlias = Callable[[Source], tuple[Hashable, Sequence[Number]] | None]
"""
What decides everything else of a bag, and what it measures; None where it must be looked at whole.

Two bags of one Report whose first parts are equal match the same rules with the same instances, but
for their measures.
"""

Decode: TypeAlias = Callable[[Source], None]
"""Has a source decode at once what would be asked of it bit by bit."""

Places: TypeAlias = Mapping[Call, int]
"""Of the calls whose numbers a `Fold` gives, the place of each. Others are made for each bag."""

HUGE = 1e300
"""Numbers from here on are no measures: a handler may not be able to add them up."""

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
    rest: Mapping[Route, Gather] = field(repr=False)
    """Adds the calls of a route that have no place, for one bag."""

    lines: Mapping[Call, tuple[Piece, ...]] = field(repr=False)
    """Of calls whose handlers write text."""

    line_maps: tuple[str, ...]
    """The maps whose entries they show."""

    rest_reads: tuple[tuple[str, ValueType], ...]
    """Names and types of the attributes that those read, but for maps."""


def folding(routes: Iterable[Route]) -> Folding | None:
    """How to fold bags for *routes*, which all report; None where they can't be."""
    reads: dict[str, ValueType] = dict.fromkeys(IDENTITY, ValueType.STRING)
    measures: dict[Measure, int] = {}
    places: dict[Call, int] = {}
    rest: dict[Route, Gather] = {}
    rest_reads: dict[str, ValueType] = {}
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
        if others := [call for call in route.calls if call not in places]:
            rest[route] = builder(route, others)
            for call in others:
                for tree in _trees(call.builder.parts):
                    rest_reads |= _reads(tree)
    if not places and not rest:
        return None
    single = {name: type_ for name, type_ in rest_reads.items() if type_ != ValueType.STRING_MAP}
    others = [call for route in rest for call in route.calls if call not in places]
    lines = {call: made for call in others if (made := pieces(call, reads)) is not None}
    maps = {
        read[0]
        for line in lines.values()
        for piece in line
        if isinstance(piece, Sent)
        for read in piece.reads
        if isinstance(read, tuple)
    }
    return Folding(
        tuple(sorted(reads.items())),
        tuple(measures),
        places,
        rest,
        lines,
        tuple(sorted(maps)),
        tuple(sorted(single.items())),
    )


def _measure(call: Call) -> Measure | None:
    """What a call's handler takes by the number, where the number is easily had."""
    parts = call.builder.parts
    given = dict(parts.fields).get(parts.type.measured)
    if call.tally is None or not isinstance(given, Leaf):
        return None
    name = ""
    default: Any = None
    match given.program.tree:
        case Constant(value=default):
            pass
        case Attribute(name=name, zero=False):
            pass
        case Fallback(first=Attribute(name=name), second=Constant(value=default)):
            pass
        case _:
            return None
    type_ = given.program.value_type
    if type_ not in MEASURED or (default is not None and not 0 <= default < HUGE):
        return None
    # As a number of no other class, so that code may say it.
    return Measure(name, type_, int(default) if isinstance(default, Duration) else default)


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


@dataclass(frozen=True, slots=True)
class Folds:
    """The folding of one Report."""

    fold: Fold
    all: Decode
    """Decodes all that is read, but for maps."""

    others: Decode
    """Decodes what the rest of calls read; for a source of which `fold` gave something."""

    places: Places
    rest: Mapping[Route, Gather]
    lines: Mapping[Call, Begin]
