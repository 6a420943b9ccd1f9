"""Extraction and replacement where groups, empty matches and sizes matter."""

from __future__ import annotations

from typing import Any

import pytest

from mixer.expr.types import INT, STRING
from mixer.expr.values import MAX_SIZE, NONE, Optional
from tests.expr.library.overloads import outcome, overload

TEXTS = (STRING, STRING)
MANY = "a" * 100_000


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("extract", ("äxb", "x"), Optional("x")),
        ("extract", ("abc", "x*"), Optional("")),
        ("extract", ("ac", "a(b)?"), NONE),
        ("extract", ("ac", "a(b*)"), NONE),
        ("extractAll", ("ac ab", "a(b*)"), ("b",)),
        ("extractAll", ("abc", "x*"), ("", "", "", "")),
        ("extractAll", ("baac", "a*"), ("", "aa", "")),
        ("extractAll", ("abc", "x"), ()),
        ("replace", ("abc", "x*", "-"), "-a-b-c-"),
        ("replace", ("baac", "a*", "-"), "-b-c-"),
        ("replace", ("äa", "(ä)(x)?", "\\0\\2."), "ä.a"),
        ("replace", ("ab", "b", "\\\\"), "a\\"),
        ("replace", ("ab", "b", "\\"), "error: '\\\\' in the replacement: write "),
        ("replace", ("ab", "b", "\\x"), "error: '\\\\x' in the replacement"),
        ("replace", ("ab", "c", "\\1"), "error: the regular expression has no group 1"),
        ("replace", ("aaa", "a", "b", 2), "bba"),
        ("replace", ("aaa", "a", "b", 0), "aaa"),
        ("replace", ("aaa", "a", "b", -2), "bbb"),
        ("extract", ("a", "("), "error: '(' is no regular expression of RE2"),
    ],
)  # fmt: skip
def test_matches_are_those_of_go(name: str, args: tuple[Any, ...], expected: Any) -> None:
    found = outcome(f"regex.{name}", (STRING, STRING, STRING, INT)[: len(args)], *args)
    if isinstance(expected, str) and expected.startswith("error: "):
        assert str(found).startswith(expected)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        pytest.param("a", "x" * 100, id="a long text for each match"),
        pytest.param("(a+)", "\\1" * 100_000, id="a long group many times"),
        pytest.param("(b)?a", "\\1" * 100_000, id="an empty group many times"),
    ],
)
def test_a_replacement_that_grows_too_long_is_refused(pattern: str, replacement: str) -> None:
    found = outcome("regex.replace", (*TEXTS, STRING), MANY, pattern, replacement)
    assert found == f"error: regex.replace: the text has more than {MAX_SIZE} characters"


def test_what_follows_the_last_match_counts_for_the_size() -> None:
    found = outcome("regex.replace", (*TEXTS, STRING), "a" + "b" * MAX_SIZE, "a", "c")
    assert found == f"error: the text has more than {MAX_SIZE} characters"


def test_a_prepared_pattern_and_its_text_give_the_same() -> None:
    extract = overload("regex.extract", *TEXTS)
    assert extract.prepared == 1
    prepared = extract.prepare("b+")
    assert extract.call("abb", prepared) == extract.call("abb", "b+") == Optional("bb")
