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

    __slots__ = ("_misfit", "_texts", "_vocabulary")

    def __init__(self, texts: Mapping[str, str], vocabulary: Vocabulary, misfit: Misfit) -> None:
        self._texts = texts
        self._vocabulary = vocabulary
        self._misfit = misfit

    def get(self, name: str) -> Value | None:
        """The value of *name*; None where none is given, or what is given is none."""
        declared = self._vocabulary.get(name)
        if declared is None or not self._texts:
            return None
        if declared.type is ValueType.STRING_MAP:
            return self._entries(name)
        text = self._texts.get(name)
        if not text:
            return None
        try:
            return value_of(declared.type, text)
        except ValueError:
            self._misfit(name)
            return None

    def _entries(self, name: str) -> dict[str, str] | None:
        start = f"{name}."
        return {
            key.removeprefix(start): text
            for key, text in self._texts.items()
            if key.startswith(start) and key not in self._vocabulary
        } or None
