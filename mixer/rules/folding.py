"""
Bags of one Report that differ only in what they measure, and are therefore evaluated once.

A mesh sends the same labels again and again; what is new in most bags is how long and how much.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from attributes import Duration, Source, Value, ValueType
from mixer.adapter.template import Instance
from mixer.expr.tree import Attribute, Constant, Fallback, Tree, walk
from mixer.expr.types import VALUE_TYPES
from mixer.instances.compile import Entries, Leaf, Part, Struct
from mixer.rules.fuse import builder
from mixer.rules.lines import Begin, Gaps, Piece, Sent, keys_read, pieces
from mixer.rules.routes import IDENTITY, Add, Call, Found, Gather, Pending, Route

Number: TypeAlias = int | float
Fold: TypeAlias = Callable[[Source], tuple[Hashable, Sequence[Number]] | None]
"""
What decides everything else of a bag, and what it measures; None where it must be looked at whole.

Two bags of one Report whose first parts are equal match the same rules with the same instances, but
for their measures.
"""

Decode: TypeAlias = Callable[[Source], object]
"""Has a source decode at once what would be asked of it bit by bit."""

Find: TypeAlias = Callable[[Any, Any], "Pattern | None"]
"""The pattern of a source of which a `Fold` says that first, if it is known from former Reports."""

Learn: TypeAlias = Callable[[Any, Any, Found], "Pattern"]
"""The same where that was found, and nothing wrong; it may be known from now on."""

Shown: TypeAlias = Callable[[Instance], Gaps]
"""Shows of an instance's text what is the same for all bags of a group."""

Places: TypeAlias = Mapping[Call, int]
"""Of the calls whose numbers a `Fold` gives, the place of each. Others are made for each bag."""

HUGE = 1e300
"""Numbers from here on are no measures: a handler may not be able to add them up."""

MAX_PATTERNS = 1024
"""So many are known from one Report to the next."""

LONGEST_KEY = 8192
"""Characters that may decide a bag whose pattern is kept; a caller can send any number of them."""

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

    entries: Mapping[str, tuple[str, ...]]
    """Of maps of which nothing but some entries is read, the keys of those."""

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
    deciding: list[Tree] = []
    measures: dict[Measure, int] = {}
    places: dict[Call, int] = {}
    rest: dict[Route, Gather] = {}
    rest_reads: dict[str, ValueType] = {}
    for route in routes:
        if route.samplers or route.is_shadow:
            return None
        if route.match is not None:
            deciding.append(route.match.tree)
        for call in route.calls:
            found = _measure(call)
            if found is not None:
                places[call] = measures.setdefault(found, len(measures))
                deciding += _trees(call.builder.parts, call.builder.parts.type.measured)
        if others := [call for call in route.calls if call not in places]:
            rest[route] = builder(route, others)
            for call in others:
                rest_reads |= _reads(_trees(call.builder.parts))
    if not places and not rest:
        return None
    reads = dict.fromkeys(IDENTITY, ValueType.STRING) | _reads(deciding)
    single = {name: type_ for name, type_ in rest_reads.items() if type_ != ValueType.STRING_MAP}
    others = [call for route in rest for call in route.calls if call not in places]
    entries = keys_read(deciding)
    lines = {call: made for call in others if (made := pieces(call, reads, entries)) is not None}
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
        entries,
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


def _reads(trees: Iterable[Tree]) -> dict[str, ValueType]:
    return {
        part.name: VALUE_TYPES[part.type]
        for tree in trees
        for part in walk(tree)
        if isinstance(part, Attribute)
    }


class Folds(msgspec.Struct, frozen=True):
    """The folding of one Report; made for each, so it has nothing that is the same for all."""

    fold: Fold
    find: Find
    learn: Learn
    others: Decode
    """Decodes what the rest of calls read; for a source of which `fold` gave something."""

    lines: Mapping[Call, Begin]
    """Of the calls whose handlers write text."""

    only_count: bool
    """Whether no handler is ever sent more than numbers."""


class Share(msgspec.Struct, frozen=True):
    """What of a pattern goes to one handler as instances of one template."""

    key: tuple[str, str]
    """Handler and template."""

    call: Call
    """The first of those."""

    owners: tuple[Route, ...]
    """The rules that send them, each once, in order."""

    adds: tuple[tuple[Add, int], ...]
    """What takes numbers, and the place of those."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What there is to do for bags that differ only in what they measure."""

    rules: int
    """How many match."""

    calls: int
    """How many instances there are, with those that are never made."""

    shares: tuple[Share, ...]
    """By handler and template, in order."""

    made: tuple[tuple[Route, Call], ...]
    """The calls whose instances are made for each bag."""

    rest: tuple[Gather, ...]
    """What makes them; empty where that is to be done one by one."""

    lines: tuple[tuple[Call, Gaps], ...]
    """Instead, where their handlers do nothing but write text: what is the same in all of it."""


def pattern_of(folding: Folding, gaps: Mapping[Call, Shown], found: Found) -> Pattern:
    """
    The pattern of a bag for which that was *found*, and nothing wrong.

    *gaps* has the calls whose handlers write text.
    """
    adds: dict[Call, tuple[Add, int]] = {}
    made: list[Pending] = []
    for route, call, arguments in found.pending:
        place = folding.places.get(call)
        if place is not None and (add := _add(call, *arguments)) is not None:
            adds[call] = add, place
        else:
            made.append((route, call, arguments))
    others = [(route, call) for route, call, _ in made]
    rest = dict.fromkeys(folding.rest[route] for route, call in others if route in folding.rest)
    if any(call in folding.places for _, call in others):
        rest.clear()  # their order would be another
    return Pattern(
        found.rules,
        len(found.pending),
        tuple(_shares(found.pending, adds)),
        tuple(others),
        tuple(rest),
        tuple(_lines(made, gaps)),
    )


def _shares(pending: Sequence[Pending], adds: Mapping[Call, tuple[Add, int]]) -> Iterator[Share]:
    together: dict[tuple[str, str], list[tuple[Route, Call]]] = {}
    for route, call, _ in pending:
        together.setdefault(call.destination, []).append((route, call))
    for key, sent in together.items():
        owners = tuple(dict.fromkeys(route for route, _ in sent))
        taking = tuple(adds[call] for _, call in sent if call in adds)
        yield Share(key, sent[0][1], owners, taking)


def _add(call: Call, instance: Instance) -> Add | None:
    """What takes the numbers of such instances; None where the handler wants them whole."""
    assert call.tally is not None
    try:
        return call.tally(instance)
    except Exception:
        return None  # what is wrong, its report will say


def _lines(made: Sequence[Pending], gaps: Mapping[Call, Shown]) -> list[tuple[Call, Gaps]]:
    """What is the same in the text of such instances; nothing unless all are written as text."""
    if not all(call in gaps for _, call, _ in made):
        return []
    try:
        return [(call, gaps[call](instance)) for _, call, (instance,) in made]
    except Exception:
        return []  # what is wrong, its report will say


class Patterns:
    """By what decides a bag, for all Reports alike, None where that is not known; some go again."""

    __slots__ = ("_found", "get")

    def __init__(self) -> None:
        self._found: dict[Hashable, Pattern] = {}
        self.get = self._found.get

    def keep(self, key: Hashable, pattern: Pattern) -> None:
        """Know *pattern* from now on, if there is nothing endless about its *key*."""
        if key is None or len(str(key)) > LONGEST_KEY:
            return
        if len(self._found) >= MAX_PATTERNS:
            del self._found[next(iter(self._found))]
        self._found[key] = pattern


def plain_folds(folding: Folding) -> Folds:
    """The folding of sources of any kind, of all Reports."""
    maps = [name for name, type_ in folding.reads if type_ == ValueType.STRING_MAP]
    doubles = [name for name, type_ in folding.reads if type_ == ValueType.DOUBLE]
    single = [name for name, _ in folding.reads if name not in (*maps, *doubles)]
    entries = [(name, folding.entries.get(name)) for name in maps]
    measures = folding.measures

    def fold(source: Source) -> tuple[Hashable, Sequence[Number]] | None:
        get, numbers = source.get, list[Number]()
        for measure in measures:
            value = get(measure.attribute) if measure.attribute else None
            number = _number(measure.default if value is None else value)
            if number is None:
                return None
            numbers.append(number)
        key = (
            tuple(map(get, single)),
            tuple([repr(get(name)) for name in doubles]),  # two zeros are equal, and not the same
            tuple([entries_of(get(name), keys) for name, keys in entries]),
        )
        try:
            hash(key)
        except TypeError:
            return None  # of a type that its attribute has not
        return key, numbers

    patterns = Patterns()

    def find(_: Source, key: Hashable) -> Pattern | None:
        return patterns.get(key)

    def learn(_: Source, key: Hashable, found: Found) -> Pattern:
        pattern = pattern_of(folding, {}, found)
        patterns.keep(key, pattern)
        return pattern

    return Folds(fold, find, learn, lambda source: None, {}, not folding.rest)


def _number(value: Any) -> Number | None:
    """What of a *value* can be measured; None where it can't be."""
    number: Any = int(value) if value.__class__ is Duration else value
    return number if number.__class__ in (int, float) and 0 <= number < HUGE else None


def entries_of(found: Value | None, keys: Sequence[str] | None) -> Hashable:
    """What is read of a map: the entries of *keys*, or all."""
    if not isinstance(found, Mapping):
        return found
    return tuple(found.items()) if keys is None else tuple(map(found.get, keys))
