"""
Attributes that the configuration of a proxy gives by name (spec: envoy, mapping, rule 1).

A key that is a declared attribute gives that attribute, and ``MAP.KEY`` an entry of a declared map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attributes import Value, ValueType, Vocabulary
from attributes.texts import value_of

Misfit = Callable[[str], None]
"""Is told the name of an attribute whose text is no value of its type."""


class Named:
    """The attributes that some texts give; each converted when it is asked for."""

    __slots__ = ("_misfit", "_texts", "_types")

    def __init__(self, texts: Mapping[str, str], vocabulary: Vocabulary, misfit: Misfit) -> None:
        self._texts = texts
        self._types = vocabulary.types
        self._misfit = misfit

    def get(self, name: str) -> Value | None:
        """The value of *name*; None where none is given, or what is given is none."""
        type_ = self._types.get(name)
        if type_ is ValueType.STRING_MAP:
            return self._entries(name)
        text = self._texts.get(name)
        if not text or type_ is None:
            return None
        try:
            return value_of(type_, text)
        except ValueError:
            self._misfit(name)
            return None

    def _entries(self, name: str) -> dict[str, str] | None:
        start, types = f"{name}.", self._types
        return {
            key.removeprefix(start): text
            for key, text in self._texts.items()
            if key.startswith(start) and key not in types
        } or None
