"""Texts at their ends and at their bounds."""

from __future__ import annotations

from typing import Any

import pytest

from mixer.expr.types import INT, STRING, list_of
from mixer.expr.values import MAX_SIZE
from tests.expr.library.overloads import outcome

TOO_LONG = f"error: the text has more than {MAX_SIZE} characters"
TOO_MANY = f"error: the list has more than {MAX_SIZE} items"


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("charAt", ("", 0), ""),
        ("charAt", ("a", -1), "error: index out of range: -1"),
        ("indexOf", ("tacocat", "", 3), 3),
        ("indexOf", ("tacocat", "a", -1), "error: index out of range: -1"),
        ("indexOf", ("a", "ab"), -1),
        ("lastIndexOf", ("tacocat", ""), 7),
        ("lastIndexOf", ("tacocat", "at", 5), 5),
        ("lastIndexOf", ("tacocat", "at", 4), -1),
        ("lastIndexOf", ("tacocat", "a", 30), "error: index out of range: 30"),
        ("split", ("", ""), ()),
        ("split", ("", ","), ("",)),
        ("split", ("a,b,c", ",", 1), ("a,b,c",)),
        ("split", ("a,b,c", ",", -1), ("a", "b", "c")),
        ("split", ("ab", "", 9), ("a", "b")),
        ("substring", ("äb", 2), ""),
        ("substring", ("äb", 3), "error: index out of range: substring(3, 2) of 2 characters"),
        ("replace", ("aaa", "aa", "b"), "ba"),
        ("replace", ("ab", "", "-", 2), "-a-b"),
        ("replace", ("ab", "a", "x", -1), "xb"),
        ("trim", ("\u180e\u200b\ufeff",), "\u180e\u200b\ufeff"),
        ("trim", ("\x85\u1680\u2003a\u2029\u3000",), "a"),
        ("lowerAscii", ("\u212aÄI",), "\u212aÄi"),
        ("reverse", ("a😀",), "😀a"),
    ],
)
def test_an_edge_gives_this(name: str, args: tuple[Any, ...], expected: Any) -> None:
    types = tuple(INT if isinstance(one, int) else STRING for one in args)
    assert outcome(name, types, *args) == expected


LONG = "a" * MAX_SIZE


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        pytest.param("replace", (LONG, "", "b"), TOO_LONG, id="replace between all"),
        pytest.param("replace", (LONG, "a", "bb", 1), TOO_LONG, id="replace one"),
        pytest.param("split", (LONG + "a", ""), TOO_MANY, id="split"),
        pytest.param("split", (LONG + "aa", "", MAX_SIZE + 1), TOO_MANY, id="split with limit"),
    ],
)
def test_a_result_that_is_too_large_is_refused(
    name: str, args: tuple[Any, ...], expected: str
) -> None:
    types = tuple(INT if isinstance(one, int) else STRING for one in args)
    assert outcome(name, types, *args) == expected


def test_a_long_separator_is_counted_before_it_is_repeated() -> None:
    texts = list_of(STRING)
    assert outcome("join", (texts, STRING), ("",) * 3, LONG) == TOO_LONG
    assert outcome("join", (texts, STRING), ("", ""), LONG) == LONG
    assert outcome("join", (texts,), ()) == ""
