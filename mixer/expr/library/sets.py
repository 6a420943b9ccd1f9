"""Lists as sets: the sets library of CEL hosts. Equality is CEL's, and all are linear in time."""

from __future__ import annotations

from typing import Any

from mixer.expr.overload import Overload, calls
from mixer.expr.types import BOOL, A, list_of
from mixer.expr.values import canonical

Items = tuple[Any, ...]


def _set(items: Items) -> set[Any]:
    return {canonical(item) for item in items}


def contains(items: Items, wanted: Items) -> bool:
    """Whether all of *wanted* are among *items*."""
    return _set(wanted) <= _set(items)


def equivalent(a: Items, b: Items) -> bool:
    """Whether each item of one is also one of the other."""
    return _set(a) == _set(b)


def intersects(a: Items, b: Items) -> bool:
    """Whether they have an item in common."""
    return bool(_set(a) & _set(b))


OVERLOADS: tuple[Overload, ...] = tuple(
    calls(f"sets.{python.__name__}", python, (list_of(A), list_of(A)), BOOL)
    for python in (contains, equivalent, intersects)
)
