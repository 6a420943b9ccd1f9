"""Regular expressions: the regex library of CEL hosts, in linear time (RE2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mixer.expr.functions import compile_regex
from mixer.expr.overload import Overload
from mixer.expr.types import INT, STRING, Type, list_of, optional_of
from mixer.expr.values import MAX_SIZE, NONE, Optional, bounded_list, bounded_text

_GROUP = re.compile(r"\\(?:(\d)|(\\)|(.?))", re.DOTALL)


def extract(pattern: Any, text: str) -> Optional:
    """
    The first match, or what its one group holds, if there is a match.

    A group that holds nothing is missing, as in cel-go.
    """
    _one_group(pattern)
    found = pattern.search(text)
    if found is None:
        return NONE
    part = found.group(pattern.groups)
    return NONE if pattern.groups and not part else Optional(part)


def extract_all(pattern: Any, text: str) -> tuple[str, ...]:
    """
    All matches, or what their one group holds, from left to right.

    Groups that hold nothing are left out, as in cel-go.
    """
    _one_group(pattern)
    found = [match.group(pattern.groups) for match in _matches(pattern, text)]
    return bounded_list(tuple([part for part in found if part or not pattern.groups]))


def _matches(pattern: Any, text: str) -> Iterator[Any]:
    """The matches from left to right; an empty one right behind another is none, as in Go."""
    end = -1
    for found in pattern.finditer(text):
        if found.end() > end:
            yield found
        end = found.end()


def _one_group(pattern: Any) -> None:
    if pattern.groups > 1:
        raise ValueError(f"the regular expression {pattern.pattern!r} has more than one group")


def replace_all(pattern: Any, text: str, replacement: str) -> str:
    """*text* with all matches replaced; ``\\1`` stands for the first group."""
    return replace_some(pattern, text, replacement, -1)


def replace_some(pattern: Any, text: str, replacement: str, limit: int) -> str:
    """*text* with the first *limit* matches replaced; a negative limit is none."""
    template = _template(replacement, pattern.groups)
    pieces: list[str] = []
    length = last = 0
    for count, found in enumerate(_matches(pattern, text)):
        if count == limit:
            break
        for part in (text[last : found.start()], *template):
            pieces.append(part if isinstance(part, str) else found.group(part) or "")
            length += len(pieces[-1])
            # Groups may be empty, so that pieces alone could take for ever.
            if length > MAX_SIZE or len(pieces) > MAX_SIZE:
                raise ValueError(f"regex.replace: the text has more than {MAX_SIZE} characters")
        last = found.end()
    return bounded_text("".join([*pieces, text[last:]]))


def _template(replacement: str, groups: int) -> list[str | int]:
    """The texts and the numbers of groups that *replacement* is made of."""
    parts: list[str | int] = []
    last = 0
    for found in _GROUP.finditer(replacement):
        parts += filter(None, [replacement[last : found.start()]])
        last = found.end()
        if found[1]:
            if int(found[1]) > groups:
                raise ValueError(f"the regular expression has no group {found[1]}")
            parts.append(int(found[1]))
        elif found[2]:
            parts.append("\\")
        else:
            raise ValueError(f"{found[0]!r} in the replacement: write \\\\ for a backslash")
    return [*parts, *filter(None, [replacement[last:]])]


def _overload(name: str, python: Any, params: tuple[Type, ...], result: Type) -> Overload:
    """A function whose second argument is the pattern, which is compiled once if constant."""
    rest = "".join(f", {{{at}}}" for at in range(2, len(params)))
    helper = python.__name__
    return Overload(
        f"regex.{name}",
        params,
        result,
        f"{helper}(compiled({{1}}), {{0}}{rest})",
        {helper: python, "compiled": compiled},
        fails=True,
        heavy=True,
        prepared=1,
        prepare=compile_regex,
    )


def compiled(pattern: Any) -> Any:
    """*pattern*, which may be a text, ready to search with."""
    return compile_regex(pattern) if isinstance(pattern, str) else pattern


OVERLOADS: tuple[Overload, ...] = (
    _overload("extract", extract, (STRING, STRING), optional_of(STRING)),
    _overload("extractAll", extract_all, (STRING, STRING), list_of(STRING)),
    _overload("replace", replace_all, (STRING, STRING, STRING), STRING),
    _overload("replace", replace_some, (STRING, STRING, STRING, INT), STRING),
)
