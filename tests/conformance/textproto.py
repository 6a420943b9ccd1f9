"""
The text format of protocol buffers, as far as conformance data needs it, without any schema.

A message becomes a dict of lists, as every field may be repeated; a string is bytes, any other
scalar the word that was written, which `integer` and `double` read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Message = dict[str, list[Any]]
Word = tuple[str, str]
"""What kind of word, and its text."""

_WORD = re.compile(
    r"""\s+|\#[^\n]*
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<extension>\[[A-Za-z0-9_./]+\])
      | (?P<sign>[{}<>:\[\],;])
      | (?P<word>-?\s*[.\w](?:[.\w]|(?<=[eE])[-+])*)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_PLAIN = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_END = ("end", "the end of the text")
_SEPARATORS = [("sign", ","), ("sign", ";")]
_CLOSING = {"{": ("sign", "}"), "<": ("sign", ">")}
_INTEGER = re.compile(r"(-?)\s*(?:0[xX]([0-9a-fA-F]+)|0([0-7]+)|(0|[1-9][0-9]*))")


def parse(text: str) -> Message:
    """The message that *text* writes. Raises ValueError where it is none."""
    message, _ = _message([*_words(text), _END], 0, _END)
    return message


def integer(word: str) -> int:
    """The integer that *word* writes: decimal, octal or hexadecimal. Raises ValueError."""
    found = _INTEGER.fullmatch(word)
    if not found:
        raise ValueError(f"{word!r} is no integer")
    sign, hexadecimal, octal, decimal = found.groups()
    number = int(hexadecimal or octal or decimal, 16 if hexadecimal else 8 if octal else 10)
    return -number if sign else number


def double(word: str) -> float:
    """The number that *word* writes, ``inf`` and ``nan`` among them. Raises ValueError."""
    if _INTEGER.fullmatch(word):
        return float(integer(word))
    return float("".join(word.split()) if word[-1] not in "fF" or "inf" in word else word[:-1])


def _words(text: str) -> Iterator[Word]:
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise ValueError(f"unexpected {text[at]!r} at {at}")
        if found.lastgroup:
            yield found.lastgroup, found[0]
        at = found.end()


def _message(words: list[Word], at: int, end: Word) -> tuple[Message, int]:
    message: Message = {}
    while words[at] != end:
        kind, name = words[at]
        if kind not in ("word", "extension"):
            raise ValueError(f"expected the name of a field instead of {name}")
        at += 1
        if words[at] == ("sign", ":"):
            at += 1
        elif words[at][1] not in _CLOSING:
            raise ValueError(f"expected ':' after {name} instead of {words[at][1]}")
        value, at = _value(words, at)
        message.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        if words[at] in _SEPARATORS:
            at += 1
    return message, at + 1


def _value(words: list[Word], at: int) -> tuple[Any, int]:
    kind, text = words[at]
    if kind == "sign" and text in _CLOSING:
        return _message(words, at + 1, _CLOSING[text])
    if kind == "sign" and text == "[":
        return _list(words, at + 1)
    if kind == "string":
        joined = b""
        while words[at][0] == "string":
            joined += _unquoted(words[at][1])
            at += 1
        return joined, at
    if kind == "word":
        return text, at + 1
    raise ValueError(f"expected a value instead of {text}")


def _list(words: list[Word], at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while words[at] != ("sign", "]"):
        if items:
            if words[at] != ("sign", ","):
                raise ValueError(f"expected ',' in a list instead of {words[at][1]}")
            at += 1
        item, at = _value(words, at)
        items.append(item)
    return items, at + 1


def _unquoted(text: str) -> bytes:
    return _ESCAPE.sub(_escaped, text[1:-1].encode())


def _escaped(found: re.Match[bytes]) -> bytes:
    octal, byte, short, long, plain = found.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if byte:
        return bytes([int(byte, 16)])
    if short or long:
        return chr(int(short or long, 16)).encode()
    return bytes([_PLAIN.get(plain[0], plain[0])])
