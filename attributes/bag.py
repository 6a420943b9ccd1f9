"""
The bag of one call: reads attributes, and records each read.

Law: everything an answer depends on went through a `Bag`, so its references are the answer's
cache key at the sidecar.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from enum import IntEnum
from typing import Protocol, TypeAlias

import msgspec

from attributes.values import Value


class Reference(IntEnum):
    """What a read found (numbers of ReferencedAttributes.Condition)."""

    ABSENCE = 1
    EXACT = 2


References: TypeAlias = dict[tuple[str, str | None], Reference]
"""Reads by (attribute, map key); the key is None where no map key was asked for."""


class Reads:
    """Names of attributes and map keys that compiled code reads; equal to itself alone."""

    __slots__ = ("names",)

    def __init__(self, names: Iterable[tuple[str, str | None]]) -> None:
        self.names = tuple(names)


Note: TypeAlias = tuple[Reads, int]
"""What code can read, and two bits for each name, the first one's lowest: found, absent."""


class Source(Protocol):
    """What a caller sent, decoded as it is asked for."""

    def get(self, name: str, /) -> Value | None:
        """The value sent under *name*, or None where there is none or it can't be decoded."""
        ...


class Seen(msgspec.Struct, frozen=True):
    """All that was read for an answer, which is its cache key at the sidecar."""

    notes: tuple[Note, ...] = ()
    others: References = {}
    """What no note has."""
    generated: Container[str] = ()

    @property
    def key(self) -> Hashable:
        """Equal where the references are; None where that can't be told by notes."""
        return None if self.others or self.generated else self.notes

    @property
    def references(self) -> References:
        """Each read, and what it found."""
        found = dict(self.others)
        for note in self.notes:
            _record(note, found, self.generated)
        return found


Mark: TypeAlias = tuple[int, References]
"""How many notes there were, and what no note had."""


class Bag:
    """
    Attributes of one call with those that attribute generators added.

    A generated attribute never replaces one that was sent, and reading it leaves no reference:
    it is no part of what the caller sent.
    """

    __slots__ = ("_generated", "_notes", "_references", "_source", "note", "read")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._generated: dict[str, Value] = {}
        self._references: References = {}
        self._notes: list[Note] = []
        self.read: Callable[[str], Value | None] = source.get
        """Read without a reference; who reads so must `note` it."""
        self.note: Callable[[Note], None] = self._notes.append
        """Record many reads at once, as compiled expressions do."""

    @property
    def seen(self) -> Seen:
        """All reads of what was sent, so far."""
        return Seen(tuple(self._notes), self._references.copy(), self._generated)

    @property
    def references(self) -> References:
        """All reads of what was sent, so far, each with what it found."""
        return self.seen.references

    @property
    def mark(self) -> Mark:
        """What there is to `rewind` to, until attributes are generated."""
        return len(self._notes), self._references.copy()

    def rewind(self, to: Mark) -> None:
        """Forget all reads but those up to then."""
        count, references = to
        del self._notes[count:]
        self._references = references.copy()

    def get(self, name: str) -> Value | None:
        """Read an attribute, whole maps included; None where it is absent."""
        value = self.read(name)
        if name not in self._generated:
            found = Reference.ABSENCE if value is None else Reference.EXACT
            self._references[name, None] = found
        return value

    def map(self, name: str) -> Value | None:
        """Read a map in order to look up keys of it; only its absence is a reference."""
        value = self.read(name)
        if value is None:
            self._references[name, None] = Reference.ABSENCE
        return value

    def key(self, name: str, entries: Mapping[str, str], key: str) -> str | None:
        """Look up *key* in the *entries* that `map` gave for *name*; None where it is absent."""
        value = entries.get(key)
        if name not in self._generated:
            self._references[name, key] = Reference.ABSENCE if value is None else Reference.EXACT
        return value

    def peek(self, name: str) -> Value | None:
        """Read without a reference: for tracing and logs, never for an answer."""
        return self.read(name)

    def overlaid(self, attributes: Mapping[str, Value]) -> Bag:
        """This bag and *attributes*, which the caller did not send; reads are recorded in both."""
        other = Bag(self._source)
        other._layer({**attributes, **self._generated})
        references, generated = self._references, other._generated
        other._references = references
        other.note = lambda note: _record(note, references, generated)
        return other

    def aside(self) -> Bag:
        """This bag with references of its own, for what must leave no trace in the answer."""
        other = Bag(self._source)
        other._layer(self._generated)
        return other

    def generate(self, attributes: Mapping[str, Value]) -> None:
        """Add generated *attributes*; those already sent or generated stay as they are."""
        self._references = self.references  # what was read until now was read without them
        self._notes.clear()
        added = {name: value for name, value in attributes.items() if self.read(name) is None}
        self._layer(self._generated | added)

    def _layer(self, generated: dict[str, Value]) -> None:
        self._generated = generated
        sent = self._source.get
        if not generated:
            return

        def read(name: str) -> Value | None:
            value = generated.get(name)
            return sent(name) if value is None else value

        self.read = read


def _record(note: Note, references: References, generated: Container[str]) -> None:
    reads, seen = note
    for at, (name, key) in enumerate(reads.names):
        if (found := seen >> 2 * at & 3) and name not in generated:
            references[name, key] = Reference.EXACT if found & 1 else Reference.ABSENCE
