"""Text of instances straight off the wire: code for the fields that are as they were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from attributes import Bag, Duration, Timestamp
from attributes.dictionary import GLOBAL_WORDS
from attributes.values import NANOS
from mixer.adapter.line import Field, Show
from mixer.adapter.template import Instance
from mixer.expr.reads import Failure
from mixer.rules.lines import Begin, Gaps, Piece, Sent, Worked
from mixer.rules.routes import Call
from mixer.wire.maps import finder, matcher
from mixer.wire.message import ABSENT, TYPE_MAPS, map_of
from mixer.wire.words import Words

_NAMES = {"Bag": Bag, "Duration": Duration, "Failure": Failure, "Timestamp": Timestamp}


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a line is made."""

    gaps: tuple[tuple[str | Field, ...], ...]
    """What stands before, between and behind the fields that differ from bag to bag."""

    fields: tuple[Sent | Worked, ...]
    """Those."""

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> _Plan:
        gaps: list[list[str | Field]] = [[]]
        fields: list[Sent | Worked] = []
        for piece in pieces:
            if isinstance(piece, Sent | Worked):
                fields.append(piece)
                gaps.append([])
            elif isinstance(piece, str) and gaps[-1] and isinstance(before := gaps[-1][-1], str):
                gaps[-1][-1] = before + piece
            else:
                gaps[-1].append(piece)
        return cls(tuple(map(tuple, gaps)), tuple(fields))

    def shown(self, instance: Instance) -> Gaps:
        """The gaps of lines like that of *instance*."""
        return [
            "".join([part if isinstance(part, str) else part.shown(instance) for part in parts])
            for parts in self.gaps
        ]


class Texts:
    """Makes the lines of some calls; made once for a configuration."""

    def __init__(self, lines: Mapping[Call, Sequence[Piece]], places: Mapping[str, int]) -> None:
        """*places* tells which index of a caller, ``k0``, ``k1`` ..., is that of a name."""
        self._plans = {call: _Plan.of(pieces) for call, pieces in lines.items()}
        self._places = places
        sent = [
            field
            for plan in self._plans.values()
            for field in plan.fields
            if isinstance(field, Sent)
        ]
        self._shows = list(dict.fromkeys(_shown(field) for field in sent if _recurs(field)))
        """Ways to show what is kept for other bags, and the text where there is nothing."""

        keys = [one[1] for field in sent for one in field.reads if isinstance(one, tuple)]
        self.keys = list(dict.fromkeys(keys))
        """The keys of maps that are looked for by their indices."""

        fields = [field for plan in self._plans.values() for field in plan.fields]
        self.names: dict[str, object] = dict(_NAMES)
        """What the code finds by name."""

        for at, field in enumerate(fields):
            self.names[f"show{at}"] = field.show
            if isinstance(field, Worked):
                self.names[f"run{at}"] = field.run

        self.gaps = {call: plan.shown for call, plan in self._plans.items()}
        """What is the same in the lines of bags like that of an instance, by call."""

    def begins_of(self, known: Sequence[bool]) -> Iterator[list[str]]:
        """
        The code for each line, where only some names are *known* to the caller.

        A function for each Report has one for each group, and that one for each bag.
        """
        serial = 0
        for number, plan in enumerate(self._plans.values()):
            code = [f"{', '.join(TYPE_MAPS)} = source.maps"]
            if any(isinstance(field, Worked) for field in plan.fields):
                code.append("bag = Bag(source)")
            code += self._maps(plan, known)
            parts = ["gap0"]
            for at, field in enumerate(plan.fields, 1):
                if isinstance(field, Worked):
                    code += self._worked(serial)
                else:
                    code += self._shown(field, serial, known)
                parts += [f"p{serial}", f"gap{at}"]
                serial += 1
            code.append(f"return ''.join(({', '.join(parts)},))")
            yield [
                f"def line{number}(match, {self._arguments()}):",
                "    def begin(gaps):",
                f"        {''.join(f'{gap}, ' for gap in parts[::2])} = gaps",
                "        def text(source):",
                *(f"            {line}" for line in code),
                "        return text",
                "    return begin",
            ]

    def _arguments(self) -> str:
        shown = [f"shown{at}" for at in range(len(self._shows))]
        return ", ".join([*shown, *(f"find{at}" for at in range(len(self.keys)))])

    def _worked(self, serial: int) -> Iterator[str]:
        yield f"v = run{serial}(bag)"
        yield "if v.__class__ is Failure: return None"
        yield f"p{serial} = show{serial}(v)"

    def _maps(self, plan: _Plan, known: Sequence[bool]) -> Iterator[str]:
        reads = [one for field in plan.fields if isinstance(field, Sent) for one in field.reads]
        for at in sorted({self._places[one[0]] for one in reads if isinstance(one, tuple)}):
            if known[at]:
                yield f"m{at} = {read('string_maps', at)}"
                yield f"if m{at} is not None and not match(m{at}): return None"

    def _shown(self, field: Sent, serial: int, known: Sequence[bool]) -> Iterator[str]:
        name, held = map_of(field.type), f"p{serial}"
        gone = f"v is None or v == {ABSENT}" if name == "strings" else "v is None"
        before = ""
        for one in field.reads:
            at = self._places[one if isinstance(one, str) else one[0]]
            if not known[at]:
                continue
            found = read(name, at)
            if isinstance(one, tuple):
                found = f"find{self.keys.index(one[1])}(m{at}) if m{at} else None"
            yield f"{before}v = {found}"
            before = f"if {gone}: "
        if not before:
            yield "v = None"
        if field.default is None:
            yield f"if {gone}: return None"
        if _recurs(field):
            yield f"{held} = shown{self._shows.index(_shown(field))}[v]"
            return
        value = "v"
        if name in ("timestamps", "durations"):  # as `timestamp` and `duration` do
            value = f"{name[:-1].title()}(v.seconds * {NANOS} + v.nanos)"
        shown = f"show{serial}({value})"
        if field.default is not None:
            shown = f"{field.default!r} if v is None else {shown}"
        yield f"{held} = {shown}"

    def begins(self, functions: Sequence[Callable[..., Begin]], words: Words) -> dict[Call, Begin]:
        """What begins each line of a Report whose messages have *words*."""
        if not self._plans:
            return {}
        shown = [_Shown(*way, words.sent) for way in self._shows]
        finders = [_finder(words.index(key)) for key in self.keys]
        match = matcher(len(words.sent))
        return {
            call: function(match, *shown, *finders)
            for call, function in zip(self._plans, functions, strict=True)
        }


_finder = lru_cache(maxsize=1024)(finder)
"""Callers number their words alike, and a Report of one bag is too short to make what finds."""


def read(name: str, at: int) -> str:
    """Code that reads an attribute in its type map; ``get`` of protobuf takes longer."""
    return f"({name}[k{at}] if k{at} in {name} else {nothing(name)})"


def nothing(name: str) -> str:
    """Code for what is read where a type map has no such attribute."""
    return str(ABSENT) if name == "strings" else "None"


def _recurs(field: Sent) -> bool:
    """Whether what a field shows is often the same from bag to bag."""
    return map_of(field.type) in ("strings", "bytes")


def _shown(field: Sent) -> tuple[Show, str | None, bool]:
    """How the text of a field is made: by what, for nothing, and whether what is sent is a word."""
    return field.show, field.default, map_of(field.type) == "strings"


class _Shown(dict[Any, str]):
    """The texts of words, by the index under which they are sent, or of addresses, made once."""

    def __init__(
        self, show: Show, default: str | None, are_words: bool, own: Sequence[str]
    ) -> None:
        self._show = show
        self._are_words = are_words
        self._own = own
        if default is not None:
            self[None] = self[ABSENT] = default

    def __missing__(self, sent: Any) -> str:
        value = sent
        if self._are_words:
            value = GLOBAL_WORDS[sent] if sent >= 0 else self._own[~sent]
        shown = self[sent] = self._show(value)
        return shown
