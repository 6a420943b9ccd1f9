"""The attribute flags of mixc: lists of ``name=value`` to typed attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from attributes import Value
from attributes.texts import boolean, duration, integer, number, timestamp

V = TypeVar("V", bound=Value)
_BYTES = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2})*")


def _bytes(text: str) -> bytes:
    if not _BYTES.fullmatch(text):
        raise ValueError("hex bytes with colons, such as 0a:2c:01:11")
    return bytes(int(part, 16) for part in text.split(":"))


def _string_map(text: str) -> dict[str, str]:
    pairs = [entry.partition(":") for entry in text.split(";")]
    if not all(colon for _, colon, _ in pairs):
        raise ValueError("a map, such as app:ratings;version:v1")
    return {key: value for key, _, value in pairs}


def _sensed(text: str) -> Value:
    """The first type that *text* can be, in the order of the original."""
    for read in (integer, number, boolean, timestamp, duration, _bytes, _string_map):
        try:
            return read(text)
        except ValueError:
            continue
    return text


@dataclass(frozen=True, slots=True)
class Flag(Generic[V]):
    """One flag that lists names and values."""

    names: tuple[str, ...]
    help: str
    read: Callable[[str], V]
    """Raises ValueError that says what the value should be."""

    @property
    def dest(self) -> str:
        """The name of the parsed argument."""
        return self.names[-1].removeprefix("--")


FLAGS: tuple[Flag[Value], ...] = (
    Flag(("-s", "--string_attributes"), "texts", str),
    Flag(("-i", "--int64_attributes"), "integers", integer),
    Flag(("-d", "--double_attributes"), "numbers", number),
    Flag(("-b", "--bool_attributes"), "true or false", boolean),
    Flag(("-t", "--timestamp_attributes"), "RFC 3339 times", timestamp),
    Flag(("--duration_attributes",), "durations", duration),
    Flag(("--bytes_attributes",), "bytes in hex, b0:b1:...", _bytes),
    Flag(("--stringmap_attributes",), "maps, name=k1:v1;k2:v2", _string_map),
    Flag(("-a", "--attributes"), "values whose type is sensed", _sensed),
)
"""In the order in which later flags override earlier ones."""


def pairs(text: str) -> list[tuple[str, str]]:
    """Split ``name=value,name=value``; there is no escape for a comma. Raises ValueError."""
    if any("\ud800" <= char <= "\udfff" for char in text):  # how Python holds such bytes of argv
        raise ValueError(f"{text!r} is not UTF-8")
    found = []
    for entry in filter(None, text.split(",")):
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{entry!r} is not of the form name=value")
        found.append((name.strip(), value))
    return found


def read(given: Iterable[tuple[Flag[V], str]]) -> dict[str, V]:
    """
    All names and values of *given* flags with their texts; of equal names the last counts.

    Raises ValueError with a message that names the flag, the name and what was expected.
    """
    found: dict[str, V] = {}
    for flag, text in given:
        option = flag.names[-1]
        try:
            listed = pairs(text)
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from None
        for name, value in listed:
            try:
                found[name] = flag.read(value)
            except ValueError as error:
                raise ValueError(f"{option}: {name}={value!r} is not {error}") from None
    return found
