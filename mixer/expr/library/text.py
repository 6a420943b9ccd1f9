"""Texts: the strings library of CEL hosts, by code points."""

from __future__ import annotations

from mixer.expr.library.formatting import format_text, quote
from mixer.expr.overload import Overload, calls, calls_method
from mixer.expr.types import DYN, INT, STRING, list_of
from mixer.expr.values import MAX_SIZE, bounded_list

_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def char_at(text: str, at: int) -> str:
    """The character at *at*; the place after the last gives ""."""
    if not 0 <= at <= len(text):
        raise ValueError(f"index out of range: {at}")
    return text[at : at + 1]


def index_of(text: str, part: str) -> int:
    """Where *part* comes first, or -1."""
    return text.find(part)


def index_of_from(text: str, part: str, start: int) -> int:
    """Where *part* comes first at *start* or later, or -1."""
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    return text.find(part, start)


def last_index_of(text: str, part: str) -> int:
    """Where *part* comes last, or -1."""
    return text.rfind(part)


def last_index_of_until(text: str, part: str, last: int) -> int:
    """Where *part* begins last, at *last* or before, or -1."""
    if not 0 <= last <= len(text):
        raise ValueError(f"index out of range: {last}")
    return text.rfind(part, 0, last + len(part))


def join(items: tuple[str, ...]) -> str:
    """All *items* as one text."""
    return join_by(items, "")


def join_by(items: tuple[str, ...], separator: str) -> str:
    """All *items* as one text, with *separator* between them."""
    length = len(separator) * max(0, len(items) - 1)
    length += sum(map(len, items))
    _fits(length)
    return separator.join(items)


def _fits(length: int) -> None:
    """Refuse a text before it is made."""
    if length > MAX_SIZE:
        raise ValueError(f"the text has more than {MAX_SIZE} characters")


def split(text: str, separator: str) -> tuple[str, ...]:
    """The parts of *text* between separators; with "" for one, its characters."""
    return split_limited(text, separator, -1)


def split_limited(text: str, separator: str, limit: int) -> tuple[str, ...]:
    """At most *limit* parts, the last of which is the rest; a negative limit is none."""
    if limit == 0:
        return ()
    if separator:
        return bounded_list(tuple(text.split(separator, limit - 1 if limit > 0 else -1)))
    if limit < 0 or limit >= len(text):
        return bounded_list(tuple(text))
    return bounded_list((*text[: limit - 1], text[limit - 1 :]))


def substring(text: str, start: int) -> str:
    """The text from *start* on."""
    return substring_to(text, start, len(text))


def substring_to(text: str, start: int, end: int) -> str:
    """The text from *start* up to *end*."""
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"index out of range: substring({start}, {end}) of {len(text)} characters")
    return text[start:end]


def replace(text: str, old: str, new: str) -> str:
    """*text* with all *old* replaced."""
    return replace_limited(text, old, new, -1)


def replace_limited(text: str, old: str, new: str, limit: int) -> str:
    """*text* with the first *limit* of *old* replaced; a negative limit is none."""
    found = text.count(old)
    found = found if limit < 0 else min(found, limit)
    _fits(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, found)


def trim(text: str) -> str:
    """*text* without white space at its ends, as Unicode has it."""
    return text.strip(_SPACE)


def lower_ascii(text: str) -> str:
    """*text* with A to Z in lower case, all else as it is."""
    return text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """*text* with a to z in upper case, all else as it is."""
    return text.translate(_UPPER)


def reverse(text: str) -> str:
    """The characters from last to first."""
    return text[::-1]


OVERLOADS: tuple[Overload, ...] = (
    calls_method("charAt", char_at, (STRING, INT), STRING, heavy=False),
    calls_method("indexOf", index_of, (STRING, STRING), INT, fails=False),
    calls_method("indexOf", index_of_from, (STRING, STRING, INT), INT),
    calls_method("lastIndexOf", last_index_of, (STRING, STRING), INT, fails=False),
    calls_method("lastIndexOf", last_index_of_until, (STRING, STRING, INT), INT),
    calls_method("join", join, (list_of(STRING),), STRING),
    calls_method("join", join_by, (list_of(STRING), STRING), STRING),
    calls_method("split", split, (STRING, STRING), list_of(STRING)),
    calls_method("split", split_limited, (STRING, STRING, INT), list_of(STRING)),
    calls_method("substring", substring, (STRING, INT), STRING),
    calls_method("substring", substring_to, (STRING, INT, INT), STRING),
    calls_method("replace", replace, (STRING, STRING, STRING), STRING),
    calls_method("replace", replace_limited, (STRING, STRING, STRING, INT), STRING),
    calls_method("trim", trim, (STRING,), STRING, fails=False),
    calls_method("lowerAscii", lower_ascii, (STRING,), STRING, fails=False),
    calls_method("upperAscii", upper_ascii, (STRING,), STRING, fails=False),
    calls_method("reverse", reverse, (STRING,), STRING, fails=False),
    calls("strings.quote", quote, (STRING,), STRING),
    *(
        calls_method("format", format_text, (STRING, items), STRING)
        for items in (list_of(STRING), list_of(INT), list_of(DYN))
    ),
)
