"""
The bag of one call: reads attributes, and records each read.

Law: everything an answer depends on went through a `Bag`, so its references are the answer's
cache key at the sidecar.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol, TypeAlias

from attributes.values import Value


class Reference(IntEnum):
    """What a read found (numbers of ReferencedAttributes.Condition)."""

    ABSENCE = 1
    EXACT = 2


References: TypeAlias = dict[tuple[str, str | None], Reference]
"""Reads by (attribute, map key); the key is None where no map key was asked for."""


class Source(Protocol):
    """What a caller sent, decoded as it is asked for."""

    def get(self, name: str, /) -> Value | None:
        """The value sent under *name*, or None where there is none or it can't be decoded."""
        ...


class Bag:
    """
    Attributes of one call with those that attribute generators added.

    A generated attribute never replaces one that was sent, and reading it leaves no reference:
    it is no part of what the caller sent.
    """

    __slots__ = ("_generated", "_source", "references")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._generated: dict[str, Value] = {}
        self.references: References = {}

    def get(self, name: str) -> Value | None:
        """Read an attribute, whole maps included; None where it is absent."""
        if name in self._generated:
            return self._generated[name]
        value = self._source.get(name)
        self.references[name, None] = Reference.ABSENCE if value is None else Reference.EXACT
        return value

    def map(self, name: str) -> Value | None:
        """Read a map in order to look up keys of it; only its absence is a reference."""
        if name in self._generated:
            return self._generated[name]
        value = self._source.get(name)
        if value is None:
            self.references[name, None] = Reference.ABSENCE
        return value

    def key(self, name: str, entries: Mapping[str, str], key: str) -> str | None:
        """Look up *key* in the *entries* that `map` gave for *name*; None where it is absent."""
        value = entries.get(key)
        if name not in self._generated:
            self.references[name, key] = Reference.ABSENCE if value is None else Reference.EXACT
        return value

    def peek(self, name: str) -> Value | None:
        """Read without a reference: for tracing and logs, never for an answer."""
        return self._generated[name] if name in self._generated else self._source.get(name)

    def overlaid(self, attributes: Mapping[str, Value]) -> Bag:
        """This bag and *attributes*, which the caller did not send; reads are recorded in both."""
        other = Bag(self._source)
        other._generated = {**attributes, **self._generated}
        other.references = self.references
        return other

    def aside(self) -> Bag:
        """This bag with references of its own, for what must leave no trace in the answer."""
        other = Bag(self._source)
        other._generated = self._generated
        return other

    def generate(self, attributes: Mapping[str, Value]) -> None:
        """Add generated *attributes*; those already sent or generated stay as they are."""
        for name, value in attributes.items():
            if self.peek(name) is None:
                self._generated[name] = value
