"""The reader of conformance data reads what protocol buffers write."""

from __future__ import annotations

import math

import pytest

from tests.conformance.textproto import double, integer, parse


def test_every_field_is_a_list_of_what_was_written() -> None:
    text = """
    # a comment
    name: "a" 'b\\n' value { int64_value: -5 } value: < double_value: 1e3; >
    numbers: [1, 2] numbers: 3, [type.googleapis.com/a.B] { seconds: 1 }
    flags: [], messages: [{a: X}, <b: - 5>] [type.googleapis.com/a.B] < nanos: 1; > # the end"""
    assert parse(text) == {
        "name": [b"ab\n"],
        "value": [{"int64_value": ["-5"]}, {"double_value": ["1e3"]}],
        "numbers": ["1", "2", "3"],
        "[type.googleapis.com/a.B]": [{"seconds": ["1"]}, {"nanos": ["1"]}],
        "flags": [],
        "messages": [{"a": ["X"]}, {"b": ["- 5"]}],
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"\303\277"', b"\xc3\xbf"),
        (r'"\xff\0"', b"\xff\0"),
        (r'"\u00e4\U0001F600"', "ä😀".encode()),
        (r'"\"\\\'"', b"\"\\'"),
        (r"'\a\b\f\n\r\t\v\?\1234'", b"\a\b\f\n\r\t\v?S4"),
        ("'a#b' # c\n \"d\"", b"a#bd"),
    ],
)
def test_escapes_are_bytes(written: str, read: bytes) -> None:
    assert parse(f"a: {written}") == {"a": [read]}


@pytest.mark.parametrize(
    ("word", "number"), [("-5", -5), ("- 5", -5), ("0", 0), ("0x1F", 31), ("-017", -15)]
)
def test_integers_are_decimal_octal_or_hexadecimal(word: str, number: int) -> None:
    assert integer(word) == number
    assert double(word) == number


@pytest.mark.parametrize("word", ["", "1.5", "08", "1_0", "+1", "TRUE"])
def test_other_words_are_no_integers(word: str) -> None:
    with pytest.raises(ValueError, match="is no integer"):
        integer(word)


@pytest.mark.parametrize(
    ("word", "number"),
    [("1.5", 1.5), ("1.5f", 1.5), ("-.5e-3", -0.0005), ("2F", 2.0), ("- 1.", -1.0), ("1e+2", 100),
     ("inf", math.inf), ("-inf", -math.inf), ("-infinity", -math.inf)],
)  # fmt: skip
def test_doubles_may_end_with_f_and_be_infinite(word: str, number: float) -> None:
    assert parse(f"a: {word} b: x") == {"a": [word], "b": ["x"]}
    assert double(word) == number


def test_nan_is_a_double() -> None:
    assert math.isnan(double("nan"))


@pytest.mark.parametrize(
    "text",
    ["a {", "a: }", "{", 'a: "', "a", "a 5", "a:", "a: [1", "a: [1 2]", "a { b: 1 >", "a: 1 }",
     "a: [,]", "a: 1,, b: 2", "a: $"],
)  # fmt: skip
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected"):
        parse(text)
