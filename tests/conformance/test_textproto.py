"""The reader of conformance data reads what protocol buffers write."""

from __future__ import annotations

import pytest

from tests.conformance.textproto import parse


def test_every_field_is_a_list_of_what_was_written() -> None:
    text = """
    # a comment
    name: "a" 'b\\n' value { int64_value: -5 } value: < double_value: 1e3; >
    numbers: [1, 2] numbers: 3, [type.googleapis.com/a.B] { seconds: 1 }
    """
    assert parse(text) == {
        "name": [b"ab\n"],
        "value": [{"int64_value": ["-5"]}, {"double_value": ["1e3"]}],
        "numbers": ["1", "2", "3"],
        "[type.googleapis.com/a.B]": [{"seconds": ["1"]}],
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"\303\277"', b"\xc3\xbf"),
        (r'"\xff\0"', b"\xff\0"),
        (r'"\u00e4\U0001F600"', "ä😀".encode()),
        (r'"\"\\\'"', b"\"\\'"),
    ],
)
def test_escapes_are_bytes(written: str, read: bytes) -> None:
    assert parse(f"a: {written}") == {"a": [read]}


@pytest.mark.parametrize("text", ["a {", "a: }", "{", 'a: "'])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse(text)
