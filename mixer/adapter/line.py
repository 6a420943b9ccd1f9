"""How an adapter shows instances as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from mixer.adapter.template import Instance

Show: TypeAlias = Callable[[Any], str]
"""Shows a value; the same text for equal values of one type."""


class Line:
    """The text of an instance: pieces that never change, and fields each of which stands alone."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: Sequence[str | tuple[str, Show]]) -> None:
        """Fields go by path, such as ``timestamp`` or ``variables.url``."""
        self.pieces = tuple(
            piece if isinstance(piece, str) else Field(piece[0], _getter(piece[0]), piece[1])
            for piece in pieces
        )

    def of(self, instance: Instance) -> str:
        """The text of *instance*."""
        return "".join(
            [
                piece if isinstance(piece, str) else piece.show(piece.get(instance))
                for piece in self.pieces
            ]
        )


class Field(NamedTuple):
    """A field of a line."""

    path: str
    get: Callable[[Instance], Any]
    show: Show


def _getter(path: str) -> Callable[[Instance], Any]:
    field, dot, key = path.partition(".")
    whole = attrgetter(field)
    return (lambda instance: whole(instance)[key]) if dot else whole
