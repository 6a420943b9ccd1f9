"""Which entry of a configuration is for which quota."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar

from mixer.adapter.config import FieldProblem
from mixer.adapter.template import Shape


class Named(Protocol):
    """An entry that says which quota instance it is for, by full or short name."""

    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Named)


def entry_for(shape: Shape, entries: Sequence[E]) -> E | None:
    """The entry for the quota of *shape*; of several the last."""
    return next((one for one in reversed(entries) if shape.answers_to(one.name)), None)


def without_entry(shapes: Iterable[Shape], entries: Sequence[Named]) -> Iterable[FieldProblem]:
    """Find the quotas of *shapes* that none of *entries*, in the field ``quotas``, is for."""
    names = [one.name for one in entries]
    for shape in shapes:
        if entry_for(shape, entries) is None:
            near = get_close_matches(shape.name, names, 1)
            yield FieldProblem(
                "quotas",
                f"did not find limit defined for quota {shape.name}",
                f"did you mean it by {near[0]!r}?" if near else "add an entry of that name",
            )
