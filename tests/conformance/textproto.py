"""
The text format of protocol buffers, as far as conformance data needs it, without any schema.

A message becomes a dict of lists, as every field may be repeated; a string is bytes, any other
scalar the word that was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Message = dict[str, list[Any]]
_WORD = re.compile(
    r"""\s+|\#[^\n]*
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<extension>\[[A-Za-z0-9_./]+\])
      | (?P<sign>[{}<>:\[\],;])
      | (?P<word>[-+.\w]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_PLAIN = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_CLOSING = {"{": "}", "<": ">"}


def parse(text: str) -> Message:
    """The message that *text* writes. Raises ValueError where it is none."""
    words = list(_words(text))
    message, at = _message(words, 0, "")
    assert at == len(words)
    return message


def _words(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise ValueError(f"unexpected {text[at]!r} at {at}")
        if found.lastgroup:
            yield found.lastgroup, found[0]
        at = found.end()


def _message(words: list[tuple[str, str]], at: int, end: str) -> tuple[Message, int]:
    message: Message = {}
    while at < len(words):
        kind, name = words[at]
        at += 1
        if kind == "sign" and name == end:
            return message, at
        if kind == "sign" and name in ",;":
            continue
        if kind not in ("word", "extension"):
            raise ValueError(f"expected the name of a field instead of {name!r}")
        if words[at] == ("sign", ":"):
            at += 1
        value, at = _value(words, at)
        message.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    if end:
        raise ValueError(f"the text ends before {end!r}")
    return message, at


def _value(words: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    kind, text = words[at]
    if kind == "sign" and text in _CLOSING:
        return _message(words, at + 1, _CLOSING[text])
    if kind == "sign" and text == "[":
        return _list(words, at + 1)
    if kind == "string":
        joined = b""
        while at < len(words) and words[at][0] == "string":
            joined += _unquoted(words[at][1])
            at += 1
        return joined, at
    if kind == "word":
        return text, at + 1
    raise ValueError(f"expected a value instead of {text!r}")


def _list(words: list[tuple[str, str]], at: int) -> tuple[list[Any], int]:
    items = []
    while words[at] != ("sign", "]"):
        if words[at] == ("sign", ","):
            at += 1
            continue
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
