"""
What decides everything else of a bag, read off the wire as numbers, without decoding it.

A text is its index: within a Report, whose messages share their words, equal indices are equal
texts. A map is its bytes. Code for each configuration is generated, as it runs for every bag.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from attributes import Source, ValueType
from attributes.dictionary import GLOBAL_WORDS
from attributes.values import NANOS
from mixer._pb import inbound_pb2 as pb
from mixer.expr.source import compiled
from mixer.rules.folding import HUGE, Fold, Folding, Folds, Measure, Number, pattern_of
from mixer.wire.decode import Bags
from mixer.wire.message import ABSENT, MAPS, NOBODY, TYPE_MAPS, Message, duration, map_of, timestamp
from mixer.wire.patterns import SentPatterns
from mixer.wire.text import Texts, nothing, read
from mixer.wire.words import Words

MAX_KINDS = 16
"""Callers differ in which names they know; for so many kinds of them code is made."""


class Folder:
    """Folds bags as a `Folding` says; made once for a configuration."""

    def __init__(self, folding: Folding) -> None:
        self._only_count = not folding.rest
        measured = [(measure.attribute, measure.type) for measure in folding.measures]
        maps = [(name, ValueType.STRING_MAP) for name in folding.line_maps]
        wanted = [*folding.reads, *measured, *folding.rest_reads, *maps]
        self._wanted = tuple(dict.fromkeys(item for item in wanted if item[0]))
        self._maps = tuple(map_of(type_) for _, type_ in self._wanted)
        places = {name: at for at, (name, _) in enumerate(self._wanted)}
        keys = [places[name] for name, _ in folding.reads]
        self._texts_at = [at for at in keys if self._maps[at] == "strings"]
        self._maps_at = [at for at in keys if self._maps[at] == "string_maps"]
        self._others_at = [at for at in keys if at not in (*self._texts_at, *self._maps_at)]
        entries = [folding.entries.get(self._wanted[at][0]) for at in self._maps_at]
        self._measures = tuple((places.get(m.attribute), m) for m in folding.measures)
        self._rest = tuple(places[name] for name, _ in folding.rest_reads)
        self._texts = Texts(folding.lines, places)
        self._names = frozenset(places)
        self._made: dict[tuple[bool, ...], Callable[..., Any]] = {}
        self._patterns = SentPatterns(entries, partial(pattern_of, folding, self._texts.gaps))
        self._usual = self._functions(Words(()))

    def bound(self, bags: Bags) -> Folds | None:
        """The folding of *bags*; None where they can't be folded, or are not worth it."""
        words, row = bags.words, bags.row
        if self._texts.keys and not words.are_plain:
            return None  # an entry may stand under another index of its key
        found = self._usual if words.miss(self._names) else self._functions(words)
        if found is None:
            return None
        indices, absent, of_any, of_row, decode_rest, *lines = found
        if row is not None and all(map(row.has_only, indices, self._maps)):
            row.message.attributes.MergeFromString(absent)
            fold: Fold = of_row(row.message)
        else:

            def fold(source: Source) -> tuple[Hashable, Sequence[Number]] | None:
                made: tuple[Hashable, Sequence[Number]] | None = None
                if type(source) is Message and source.words is words:
                    made = of_any(source)
                return made

        begins = self._texts.begins(lines, words)
        find, learn = self._patterns.find, self._patterns.learn
        return Folds(fold, find, learn, decode_rest, begins, self._only_count)

    def _functions(self, words: Words) -> tuple[Any, ...] | None:
        """
        What to read, what stands for texts that are not there, and the functions for callers with
        *words*.

        None where there are too many kinds of them.
        """
        indices = [words.index(name) for name, _ in self._wanted]
        known = tuple(index is not None for index in indices)
        if known not in self._made:
            if len(self._made) >= MAX_KINDS:
                return None
            self._made[known] = self._maker(known)
        others = [
            frozenset(
                index
                for index, own in zip(indices, self._maps, strict=True)
                if own != name and index is not None
            ).isdisjoint
            for name in MAPS.values()
        ]
        texts = [NOBODY if (index := indices[at]) is None else index for at in self._texts_at]
        absent = pb.CompressedAttributes(strings=dict.fromkeys(texts, ABSENT))
        functions = self._made[known](*indices, *others, _reader(texts))
        return indices, absent.SerializeToString(), *functions

    def _maker(self, known: tuple[bool, ...]) -> Callable[..., Any]:
        """What makes the functions, where only some names are *known* to the caller."""
        indices = [f"k{at}" for at in range(len(known))]
        checks = [f"without_{name}" for name in MAPS.values()]
        reads = [
            read(name, at) if known[at] else nothing(name) for at, name in enumerate(self._maps)
        ]
        texts = f"({''.join(f'{reads[at]}, ' for at in self._texts_at)})"
        all_maps = ", ".join(TYPE_MAPS)
        maps = ", ".join(f"sent.{name}" for name in TYPE_MAPS)
        lines = [
            f"def make({', '.join([*indices, *checks, 'texts'])}):",
            "    def read(source):",
            "        sent = source.attributes",
            f"        {all_maps} = source.maps = {maps}",
            *(f"        {line}" for line in self._checking(known)),
            *(f"        {line}" for line in self._returning(texts, reads)),
            "    def of_row(source):",
            "        sent = source.attributes",
            f"        {all_maps} = source.maps = {maps}",
            "        def read(source):",
            *(f"            {line}" for line in self._returning("texts(strings)", reads)),
            "        return read",
            "    def decode_rest(source):",
            *(f"        {line}" for line in self._decoding(self._rest, known)),
        ]
        made = ["read", "of_row", "decode_rest"]
        for number, code in enumerate(self._texts.begins_of(known)):
            made.append(f"line{number}")
            lines += [f"    {line}" for line in code]
        lines += [f"    return {', '.join(made)}", ""]
        names = {"timestamp": timestamp, "duration": duration, "shared": GLOBAL_WORDS}
        names |= self._texts.names
        return compiled("\n".join(lines), "make", names, "fold")

    def _decoding(self, places: Sequence[int], known: tuple[bool, ...]) -> Iterator[str]:
        """Write the decoding of what was found to be where it should be."""
        yield f"{', '.join(TYPE_MAPS)} = source.maps"
        yield "decoded = source.decoded"
        yield "own = source.words.sent"
        yield "try:"
        for at in places:
            target, name = f"    decoded[{self._wanted[at][0]!r}]", self._maps[at]
            if not known[at]:
                yield f"{target} = None"
                continue
            yield f"    v = {read(name, at)}"
            shown = "v"
            if name == "strings":
                shown = f"None if v == {ABSENT} else shared[v] if v >= 0 else own[~v]"
            elif name in ("timestamps", "durations"):
                shown = f"None if v is None else {name[:-1]}(v)"
            yield f"{target} = {shown}"
        yield "    pass"
        yield "except IndexError: pass  # what that means, the source knows"

    def _checking(self, known: tuple[bool, ...]) -> Iterator[str]:
        """Write the end of the function where an attribute is in the map of another type."""
        strange = [
            f"k{at} in strings"
            for at, name in enumerate(self._maps)
            if known[at] and name != "strings"
        ]
        strange += [f"not without_{name}({name})" for name in MAPS.values()]
        yield f"if {' or '.join(strange)}:"
        yield "    return None  # what that means, the source knows"

    def _returning(self, texts: str, reads: Sequence[str]) -> Iterator[str]:
        """Write what is made of a bag, with code that *reads* attributes."""
        measured = []
        for number, (at, measure) in enumerate(self._measures):
            if at is None:
                measured.append(repr(measure.default))
            else:
                measured.append(f"v{number}")
                yield from self._measure(f"v{number}", self._maps[at], measure, reads[at])
        others, maps = (
            "".join(f"{_key(self._maps[at], reads[at])}, " for at in places)
            for places in (self._others_at, self._maps_at)
        )
        numbers = "".join(f"{number}, " for number in measured)
        yield f"return ({texts}, ({others}), ({maps})), ({numbers})"

    def _measure(self, held: str, name: str, measure: Measure, read: str) -> Iterator[str]:
        absent = "return None" if measure.default is None else f"{held} = {measure.default!r}"
        yield f"{held} = {read}"
        yield f"if {held} is None: {absent}"
        if name == "durations":
            yield f"else: {held} = {held}.seconds * {NANOS} + {held}.nanos"
        # What not every handler counts: less than nothing, infinite, no number.
        wrong = f"not 0 <= {held} < {HUGE}" if name == "doubles" else f"{held} < 0"
        yield f"if {wrong}: return None"


def _reader(indices: Sequence[int]) -> Callable[[Mapping[int, int]], tuple[int, ...]]:
    """What reads texts that are all there."""
    if len(indices) > 1:
        return itemgetter(*indices)
    return lambda strings: tuple([strings[index] for index in indices])


def _key(name: str, read: str) -> str:
    """Code for what decides of an attribute that is no text."""
    if name in ("timestamps", "durations"):
        return f"None if (v := {read}) is None else v.SerializeToString()"
    if name == "doubles":  # two zeros are equal, and not the same
        return f"repr({read})"
    return read
