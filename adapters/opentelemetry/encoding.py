"""
Protobuf's wire format, as much of it as OTLP's messages need.

Written at once, records cost a fraction of what messages of the protobuf library do, which must be
built to be encoded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mixer.adapter import Duration, Timestamp, Value, ip_text
from mixer.adapter.records import MASK

MAX_KEYS = 4096
"""Keys that are remembered encoded; those of maps may come from clients."""

_BYTES = [bytes((number,)) for number in range(128)]
_fixed64 = struct.Struct("<Q").pack
_double = struct.Struct("<d").pack


def varint(number: int) -> bytes:
    """A whole number from 0 to 2**64 - 1."""
    if number < 0x80:
        return bytes((number,))
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def message(number: int, content: bytes) -> bytes:
    """A field that holds a message, a text or bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(number: int, content: str) -> bytes:
    """A field with text; nothing for an empty one."""
    return message(number, content.encode("utf-8", "replace")) if content else b""


def whole(number: int, value: int) -> bytes:
    """A field with a whole number or a truth; nothing for 0."""
    return varint(number << 3) + varint(value & 0xFFFF_FFFF_FFFF_FFFF) if value else b""


def fixed(number: int, value: int) -> bytes:
    """A field with 8 bytes of a whole number; nothing for 0."""
    return varint(number << 3 | 1) + _fixed64(value & 0xFFFF_FFFF_FFFF_FFFF) if value else b""


def real(number: int, value: float) -> bytes:
    """A field with a number, 0 too."""
    return varint(number << 3 | 1) + _double(value)


class Attributes:
    """Writes attributes as fields of one number, with a KeyValue each; masked ones are hidden."""

    __slots__ = ("_keys", "_masked", "_nested", "_tag")

    def __init__(self, number: int, masked: frozenset[str]) -> None:
        """*masked* are keys in lower case. The *number* is less than 16."""
        self._tag = bytes((number << 3 | 2,))
        self._masked = masked
        self._keys: dict[str, tuple[bytes, bool]] = {}
        """The field of each key, and whether its value is hidden."""
        self._nested = self if number == 1 else Attributes(1, masked)

    def of(self, values: Mapping[str, Value]) -> bytes:
        """All *values*: times, durations and addresses as text, maps as keys and values."""
        keys, tag = self._keys, self._tag
        parts: list[bytes] = []
        for key, value in values.items():
            field, hidden = keys.get(key) or self._known(key)
            shown = self.value(MASK if hidden else value)
            size = len(shown)
            if (whole_size := len(field) + size + 2) < 128:
                parts += (tag, _BYTES[whole_size], field, b"\x12", _BYTES[size], shown)
            else:
                told = b"\x12" + varint(size)
                parts += (tag, varint(len(field) + len(told) + size), field, told, shown)
        return b"".join(parts)

    def value(self, value: Any) -> bytes:
        """An AnyValue."""
        if write := _WRITERS.get(value.__class__):
            return write(value)
        return message(6, self._nested.of(value))  # a map

    def _known(self, key: str) -> tuple[bytes, bool]:
        if len(self._keys) >= MAX_KEYS:
            self._keys.clear()
        field = message(1, key.encode("utf-8", "replace"))
        found = self._keys[key] = field, key.lower() in self._masked
        return found


def _text_value(value: str) -> bytes:
    content = value.encode("utf-8", "replace")
    size = len(content)
    return b"\n" + (_BYTES[size] if size < 128 else varint(size)) + content


def _whole_value(value: int) -> bytes:
    return b"\x18" + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


_WRITERS: Mapping[type, Callable[[Any], bytes]] = {
    str: _text_value,
    int: _whole_value,
    bool: lambda value: b"\x10\x01" if value else b"\x10\x00",
    float: lambda value: real(4, value),
    bytes: lambda value: _text_value(ip_text(value)),
    Duration: lambda value: _text_value(str(value)),
    Timestamp: lambda value: _text_value(str(value)),
    type(None): lambda value: b"",
}
"""Values of each class as AnyValue."""


def packed(number: int, values: Iterable[float]) -> bytes:
    """A field with all *values*, as numbers of 8 bytes."""
    return message(number, b"".join(map(_double, values)))


def packed_fixed(number: int, values: Iterable[int]) -> bytes:
    """A field with all *values*, as whole numbers of 8 bytes."""
    return message(number, b"".join(map(_fixed64, values)))


def fields(content: bytes) -> dict[int, int | bytes]:
    """
    The fields of a message by number, the last of each: whole numbers, or bytes.

    Raises ValueError for what is no message.
    """
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        match key & 7:
            case 0:
                found[key >> 3], at = _varint(content, at)
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(content, at)
            case 5:
                size = 4
            case _:
                raise ValueError(f"wire type {key & 7} at byte {at}")
        if at + size > len(content):
            raise ValueError("the message ends in the middle of a field")
        found[key >> 3] = content[at : at + size]
        at += size
    return found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("the message ends in the middle of a number")
