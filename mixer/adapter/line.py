"""How an adapter shows instances as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from mixer.adapter.template import Instance

Show: TypeAlias = Callable[[Any], str]
"""Shows a value; the same text for equal values of one type."""


class Line:
    """The text of an instance: pieces that never change, and fields each of which stands alone."""

    __slots__ = ("_keyed", "_plain", "_texts", "pieces")

    def __init__(self, pieces: Sequence[str | tuple[str, Show]]) -> None:
        """Fields go by path, such as ``timestamp`` or ``variables.url``."""
        self.pieces = tuple(piece if isinstance(piece, str) else Field(*piece) for piece in pieces)
        self._texts = [piece if isinstance(piece, str) else "" for piece in self.pieces]
        self._plain: list[tuple[int, str, Show]] = []
        self._keyed: dict[str, list[tuple[int, str, Show]]] = {}
        """Where the text of each key of a map goes, by field."""

        for at, piece in enumerate(self.pieces):
            if isinstance(piece, Field):
                field, dot, key = piece.path.partition(".")
                if dot:
                    self._keyed.setdefault(field, []).append((at, key, piece.show))
                else:
                    self._plain.append((at, field, piece.show))

    def of(self, instance: Instance) -> str:
        """The text of *instance*."""
        texts = self._texts.copy()
        for at, field, show in self._plain:
            texts[at] = show(getattr(instance, field))
        for field, keys in self._keyed.items():
            values = getattr(instance, field)
            for at, key, show in keys:
                texts[at] = show(values[key])
        return "".join(texts)


class Field(NamedTuple):
    """A field of a line."""

    path: str
    show: Show

    def shown(self, instance: Instance) -> str:
        """Its text in the line of *instance*."""
        field, dot, key = self.path.partition(".")
        value = getattr(instance, field)
        return self.show(value[key] if dot else value)
