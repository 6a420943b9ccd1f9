"""Lists: the lists library of CEL hosts."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mixer.expr.library.sets import canonical_items
from mixer.expr.overload import Overload, calls, calls_method
from mixer.expr.types import DYN, INT, A, B, list_of, optional_of
from mixer.expr.values import MAX_SIZE, MAX_STEPS, NONE, Optional, bounded_list, compare

Items = tuple[Any, ...]


def distinct(items: Items) -> Items:
    """The items without those that are equal to an earlier one."""
    found: dict[Hashable, Any] = {}
    for form, item in zip(canonical_items(items), items, strict=True):
        found.setdefault(form, item)
    return tuple(found.values())


def flatten(items: Items) -> Items:
    """The items, with lists replaced by their items, one level deep."""
    return flatten_to(items, 1)


def flatten_to(items: Items, depth: int) -> Items:
    """The items, with lists replaced by their items, *depth* levels deep."""
    if depth < 0:
        raise ValueError(f"flatten: the depth is {depth}, it can't be negative")
    steps = 0
    for _ in range(min(depth, MAX_STEPS)):
        if not any(item.__class__ is tuple for item in items):
            break
        steps += len(items)
        if steps > MAX_STEPS:
            raise ValueError(f"flatten: the list has more than {MAX_STEPS} parts")
        inner: list[Any] = []
        for item in items:
            if item.__class__ is tuple:
                inner.extend(item)
            else:
                inner.append(item)
            if len(inner) > MAX_SIZE:
                bounded_list(tuple(inner))
        items = tuple(inner)
    return items


def slice_of(items: Items, start: int, end: int) -> Items:
    """The items from *start* up to *end*."""
    if not 0 <= start <= end <= len(items):
        raise ValueError(f"index out of range: slice({start}, {end}) of {len(items)} items")
    return items[start:end]


def sort(items: Items) -> Items:
    """The items in order; they are all of one type that has an order, or numbers."""
    return sorted_by(items, items)


def sorted_by(items: Items, keys: Items) -> Items:
    """The *items* in the order of their *keys*, which all have one type that has an order."""
    if not items:
        return items
    compare(keys[0], keys[0])
    if any(key.__class__ is not keys[0].__class__ or key != key for key in keys):
        raise ValueError("sort: the items have more than one type, or are no numbers")
    return tuple([items[at] for at in sorted(range(len(items)), key=keys.__getitem__)])


def span(count: int) -> Items:
    """The whole numbers from 0 up to *count*."""
    if count > MAX_STEPS:
        raise ValueError(f"lists.range: more than {MAX_STEPS} items")
    return tuple(range(count))


def turned(items: Items) -> Items:
    """The items from last to first."""
    return items[::-1]


def first(items: Items) -> Optional:
    """The first item, if there is one."""
    return Optional(items[0]) if items else NONE


def last(items: Items) -> Optional:
    """The last item, if there is one."""
    return Optional(items[-1]) if items else NONE


OVERLOADS: tuple[Overload, ...] = (
    calls_method("distinct", distinct, (list_of(A),), list_of(A)),
    calls_method("flatten", flatten, (list_of(list_of(A)),), list_of(A)),
    calls_method("flatten", flatten, (list_of(A),), list_of(DYN)),
    calls_method("flatten", flatten_to, (list_of(A), INT), list_of(DYN)),
    calls_method("slice", slice_of, (list_of(A), INT, INT), list_of(A)),
    calls_method("sort", sort, (list_of(A),), list_of(A)),
    calls("@sortedBy", sorted_by, (list_of(A), list_of(B)), list_of(A)),
    calls("lists.range", span, (INT,), list_of(INT)),
    calls_method("reverse", turned, (list_of(A),), list_of(A), fails=False),
    calls_method("first", first, (list_of(A),), optional_of(A), fails=False, heavy=False),
    calls_method("last", last, (list_of(A),), optional_of(A), fails=False, heavy=False),
)
