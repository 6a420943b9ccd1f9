"""Lists as sets: the sets library of CEL hosts. Equality is CEL's, and all are linear in time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast

from mixer.expr.overload import Overload, calls
from mixer.expr.types import BOOL, A, list_of
from mixer.expr.values import canonical

Items = tuple[Any, ...]


def canonical_items(items: Items) -> tuple[Hashable, ...]:
    """
    The canonical form of each item.

    All share one bound of steps: short lists may share large items, many times over.
    """
    return cast("tuple[type, tuple[Hashable, ...]]", canonical(items))[1]


def _set(items: Items) -> frozenset[Hashable]:
    return frozenset(canonical_items(items))


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
