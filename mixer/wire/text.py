"""Text of instances straight off the wire: code for the fields that are as they were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from attributes import Bag, Source
from attributes.dictionary import GLOBAL_WORDS
from mixer.adapter.line import Field, Show
from mixer.adapter.template import Instance
from mixer.expr.reads import Failure
from mixer.rules.lines import Begin, Gaps, Piece, Sent, Text, Worked
from mixer.rules.routes import Call
from mixer.wire.maps import finder, matcher
from mixer.wire.message import MAPS, map_of
from mixer.wire.words import Words

Write: TypeAlias = Callable[[Any, Gaps, Sequence[str]], str | None]
"""Text of a message, with that of what is the same for a group, and of what was worked out."""


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
        texts = [field.show for field in sent if map_of(field.type) == "strings"]
        self._shows = list(dict.fromkeys(texts))
        keys = [read[1] for field in sent for read in field.reads if isinstance(read, tuple)]
        self._keys = list(dict.fromkeys(keys))
        self.names = {f"show{at}": field.show for at, field in enumerate(sent)}
        """What the code finds by name."""

        self.gaps = {call: plan.shown for call, plan in self._plans.items()}
        """What is the same in the lines of bags like that of an instance, by call."""

    def bodies(self, known: Sequence[bool]) -> Iterator[list[str]]:
        """The code for each line, where only some names are *known* to the caller."""
        serial = 0
        for plan in self._plans.values():
            code = [f"{name} = sent.{name}.get" for name in ("strings", *MAPS.values())]
            code += self._maps(plan, known)
            parts, worked = ["gaps[0]"], 0
            for field in plan.fields:
                if isinstance(field, Worked):
                    parts.append(f"worked[{worked}]")
                    worked += 1
                else:
                    code += self._shown(field, serial, known)
                    parts.append(f"p{serial}")
                    serial += 1
                parts.append(f"gaps[{len(parts) // 2}]")
            yield [*code, f"return ''.join(({', '.join(parts)},))"]

    def _maps(self, plan: _Plan, known: Sequence[bool]) -> Iterator[str]:
        reads = [read for field in plan.fields if isinstance(field, Sent) for read in field.reads]
        for at in sorted({self._places[read[0]] for read in reads if isinstance(read, tuple)}):
            if known[at]:
                yield f"m{at} = string_maps(k{at})"
                yield f"if m{at} is not None and not match(m{at}): return None"

    def _shown(self, field: Sent, serial: int, known: Sequence[bool]) -> Iterator[str]:
        name, held = map_of(field.type), f"p{serial}"
        before = ""
        for read in field.reads:
            at = self._places[read if isinstance(read, str) else read[0]]
            if not known[at]:
                continue
            found = f"{name}(k{at})"
            if isinstance(read, tuple):
                found = f"find[{self._keys.index(read[1])}](m{at}) if m{at} else None"
            yield f"{before}v = {found}"
            before = "if v is None: "
        if not before:
            yield "v = None"
        if field.default is None:
            yield "if v is None: return None"
        if name == "strings":
            shown = f"shown[{self._shows.index(field.show)}][v]"
        elif name in ("timestamps", "durations"):
            shown = f"show{serial}({name[:-1]}(v))"
        else:
            shown = f"show{serial}(v)"
        yield f"{held} = {field.default!r} if v is None else {shown}"

    def begins(self, functions: Sequence[Callable[..., Any]], words: Words) -> dict[Call, Begin]:
        """What begins each line of a Report whose messages have *words*."""
        if not self._plans:
            return {}
        given = {
            "shown": [_Shown(show, words.back) for show in self._shows],
            "find": [finder(words.index(key)) for key in self._keys],
            "match": matcher(len(words.back)),
        }
        return {
            call: partial(_begin, plan, partial(function, **given))
            for (call, plan), function in zip(self._plans.items(), functions, strict=True)
        }


class _Shown(dict[int, str]):
    """The texts of words, by the index under which they are sent, each made once."""

    def __init__(self, show: Show, own: Sequence[str]) -> None:
        self._show = show
        self._own = own

    def __missing__(self, index: int) -> str:
        shown = self[index] = self._show(GLOBAL_WORDS[index] if index >= 0 else self._own[index])
        return shown


def _begin(plan: _Plan, write: Write, gaps: Gaps) -> Text:
    """What writes lines that have these *gaps*."""
    worked = [field for field in plan.fields if isinstance(field, Worked)]

    def text(source: Source) -> str | None:
        texts = []
        if worked:
            bag = Bag(source)
            for field in worked:
                value = field.run(bag)
                if value.__class__ is Failure:
                    return None
                texts.append(field.show(value))
        return write(source.attributes, gaps, texts)  # type: ignore[attr-defined]

    return text
