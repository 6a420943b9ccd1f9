"""Lists and sets where equality, order and sharing matter."""

from __future__ import annotations

import math
from typing import Any

import pytest

from attributes import Timestamp
from mixer.expr.types import INT, A, B, list_of
from mixer.expr.values import MAX_SIZE, MAX_STEPS, NONE, DnsName, Optional, Uint
from tests.expr.library.overloads import outcome

LIST = list_of(A)
NAN = math.nan
MIXED = "error: sort: the items have more than one type, or are no numbers"


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("distinct", ((1, 1.0, Uint(1), True, "1"),), (1, True, "1")),
        ("distinct", ((NAN, NAN),), (NAN, NAN)),
        ("distinct", (((1, 2.0), (Uint(1), 2), {1: 2}, {1: 2.0}),), ((1, 2.0), {1: 2})),
        ("distinct", ((DnsName("a.b"), DnsName("A.B."), "a.b"),), ("a.b", "a.b")),
        ("sort", ((),), ()),
        ("sort", ((True, False),), (False, True)),
        ("sort", ((Timestamp(2), Timestamp(1)),), (Timestamp(1), Timestamp(2))),
        ("sort", ((1, 1.5),), MIXED),
        ("sort", ((1.5, NAN),), MIXED),
        ("sort", ((NAN, 1.5),), "error: a double and a double have no order"),
        ("sort", ((None,),), "error: a null_type and a null_type have no order"),
        ("slice", ((1, 2), 2, 2), ()),
        ("slice", ((1, 2), -1, 1), "error: index out of range: slice(-1, 1) of 2 items"),
        ("slice", ((1, 2), 2, 1), "error: index out of range: slice(2, 1) of 2 items"),
        ("flatten", ((1, (2, (3,)), ()),), (1, 2, (3,))),
        ("flatten", ((1, (2, (3,))), 0), (1, (2, (3,)))),
        ("flatten", ((1, (2, (3, ()))), 2**62), (1, 2, 3)),
        ("first", ((),), NONE),
        ("last", ((1, None),), Optional(None)),
        ("reverse", ((),), ()),
    ],
)  # fmt: skip
def test_a_list_gives_this(name: str, args: tuple[Any, ...], expected: Any) -> None:
    assert outcome(name, (LIST, INT, INT)[: len(args)], *args) == expected


@pytest.mark.parametrize(("count", "length"), [(-1, 0), (0, 0), (MAX_STEPS, MAX_STEPS)])
def test_a_range_has_as_many_items(count: int, length: int) -> None:
    assert len(outcome("lists.range", (INT,), count)) == length


def test_items_of_one_key_keep_their_order() -> None:
    found = outcome("@sortedBy", (LIST, list_of(B)), ("b", "a", "c"), (1, 1, 0))
    assert found == ("c", "b", "a")


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("contains", (), (), True),
        ("contains", (1, 2.0), (Uint(2),), True),
        ("contains", (1,), (True,), False),
        ("contains", (NAN,), (NAN,), False),
        ("equivalent", (1, 2, 2), (2.0, 1), True),
        ("equivalent", ((1,),), ((1.0,), (Uint(1),)), True),
        ("equivalent", (NAN,), (NAN,), False),
        ("intersects", (), (), False),
        ("intersects", (NAN, 1), (NAN, 1.0), True),
    ],
)
def test_sets_compare_as_cel_does(
    name: str, a: tuple[Any, ...], b: tuple[Any, ...], expected: bool
) -> None:
    assert outcome(f"sets.{name}", (LIST, LIST), a, b) is expected


def test_a_short_list_of_large_shared_items_is_refused() -> None:
    shared = (tuple(range(1000)),) * 50
    found = f"error: the value has more than {MAX_STEPS} parts"
    assert outcome("distinct", (LIST,), (shared,) * 50) == found
    assert outcome("sets.contains", (LIST, LIST), (), (shared,) * 50) == found


def test_a_flat_list_of_shared_items_is_refused_before_it_is_made() -> None:
    shared = (tuple(range(MAX_STEPS)),) * 50
    found = f"error: the list has more than {MAX_SIZE} items"
    assert outcome("flatten", (LIST,), shared) == found
