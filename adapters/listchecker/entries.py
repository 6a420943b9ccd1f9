"""The lists: built from text when configured or fetched, asked on the hot path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Any, Protocol

import re2
import yaml

from mixer.adapter import ip_text, parse_ip

_MAPPED = 0xFFFF  # what stands above the 32 bits of an IPv4 address in its IPv6 form
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # a bad pattern is reported to its author, not on standard error
_OPTIONS.never_capture = True  # only whether there is a match counts
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Keeps scalars as text: ``1:2:3:4:5:6:7:8`` is an address, not a number of base 60."""


class EntryType(IntEnum):
    """How entries are compared with a value."""

    STRINGS = 0
    CASE_INSENSITIVE_STRINGS = 1
    IP_ADDRESSES = 2
    REGEX = 3


class Entries(Protocol):
    """One list, frozen."""

    def has_text(self, text: str, /) -> bool:
        """Tell whether *text* is listed; raise ValueError where the list can't hold such text."""
        ...

    def has_address(self, address: bytes, /) -> bool:
        """Tell whether an address of 4 or 16 bytes is listed; raise ValueError on others."""
        ...


class Strings:
    """Texts to be met exactly."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(entries)

    def has_text(self, text: str, /) -> bool:
        return text in self._entries

    def has_address(self, address: bytes, /) -> bool:
        return ip_text(address) in self._entries


class CaseInsensitiveStrings:
    """Texts to be met in upper case."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(entry.upper() for entry in entries)

    def has_text(self, text: str, /) -> bool:
        return text.upper() in self._entries

    def has_address(self, address: bytes, /) -> bool:
        return ip_text(address).upper() in self._entries


class Patterns:
    """
    Regular expressions (RE2), found anywhere in a text.

    They are joined into as few automata as memory allows, so that a long list costs one search.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        patterns = list(entries)
        for pattern in patterns:
            _compile(pattern)  # each on its own first: 'a)|(b' would pass when joined
        self._searches: list[Callable[[bytes], object]] = [
            joined.search for joined in _joined(patterns)
        ]

    def has_text(self, text: str, /) -> bool:
        encoded = text.encode()  # with bytes re2 has no offsets to translate: 3 µs instead of 7
        for search in self._searches:  # noqa: SIM110  # a generator costs as much as the search
            if search(encoded):
                return True
        return False

    def has_address(self, address: bytes, /) -> bool:
        return self.has_text(ip_text(address))


class Addresses:
    """
    Ranges of addresses, one set of network numbers for each length of prefix.

    A look-up takes at most 33 steps for IPv4 and 129 for IPv6, however long the list. IPv4 in its
    IPv6 form is IPv4; IPv4 is in no shorter IPv6 range.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        ranges: tuple[dict[int, set[int]], dict[int, set[int]]] = ({}, {})
        for entry in entries:
            version, shift, network = _network(entry)
            ranges[version].setdefault(shift, set()).add(network)
        self._v4, self._v6 = ([*found.items()] for found in ranges)

    def has_text(self, text: str, /) -> bool:
        return self.has_address(parse_ip(text))

    def has_address(self, address: bytes, /) -> bool:
        number, ranges = int.from_bytes(address), self._v4
        if len(address) == 16:
            if number >> 32 == _MAPPED:
                number &= 0xFFFFFFFF
            else:
                ranges = self._v6
        elif len(address) != 4:
            raise ValueError(f"an address has 4 or 16 bytes, not {len(address)}")
        for shift, networks in ranges:  # noqa: SIM110  # as above
            if number >> shift in networks:
                return True
        return False


_KINDS: dict[EntryType, Callable[[Iterable[str]], Entries]] = {
    EntryType.STRINGS: Strings,
    EntryType.CASE_INSENSITIVE_STRINGS: CaseInsensitiveStrings,
    EntryType.IP_ADDRESSES: Addresses,
    EntryType.REGEX: Patterns,
}


def build(entry_type: EntryType, entries: Sequence[str]) -> Entries:
    """Make a list; raise ValueError, which names the entry, if one is bad."""
    return _KINDS[entry_type](entries)


def read(entry_type: EntryType, body: bytes) -> list[str]:
    """
    Take the entries out of what a provider sent; raise ValueError if it is malformed.

    Addresses come as YAML or JSON under the key ``whitelist``, whichever way the list is used;
    everything else as lines, which are not trimmed (spec: adapters, listchecker).
    """
    text = body.decode()
    if entry_type is not EntryType.IP_ADDRESSES:
        return [line for line in text.split("\n") if line]
    try:
        # A BaseLoader makes nothing but texts, lists and mappings.
        document = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise ValueError(f"the list is not valid YAML: {error}") from None
    entries = document.get("whitelist") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError("the list has no key 'whitelist' that holds a list of addresses")
    return entries


def _compile(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0]
        shown = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ValueError(f"{pattern!r} is not a regular expression of RE2: {shown}") from None


def _joined(patterns: list[str]) -> list[Any]:
    """Join valid *patterns* into one automaton, or into more where one would be too big."""
    if len(patterns) < 2:
        return [_compile(pattern) for pattern in patterns]
    try:
        return [_compile("|".join(f"(?:{pattern})" for pattern in patterns))]
    except ValueError:
        half = len(patterns) // 2
        return _joined(patterns[:half]) + _joined(patterns[half:])


def _network(entry: str) -> tuple[int, int, int]:
    """Read a range or address: 0 for IPv4 or 1 for IPv6, the bits of the host, the network."""
    address, slash, length = entry.partition("/")
    bits = 128 if ":" in address else 32
    try:
        number = int.from_bytes(parse_ip(address))
        prefix = bits
        if slash:
            if not (length.isascii() and length.isdecimal()) or int(length) > bits:
                raise ValueError
            prefix = int(length)
    except ValueError:
        raise ValueError(
            f"{entry!r} is neither an IP address nor a range such as '10.0.0.0/8'"
        ) from None
    host = bits - prefix
    if host <= 32 and number >> 32 == _MAPPED:
        return 0, host, (number & 0xFFFFFFFF) >> host
    return 1, host, number >> host
