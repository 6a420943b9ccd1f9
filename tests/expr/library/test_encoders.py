"""Base64 with and without padding, and what is none."""

from __future__ import annotations

import pytest

from mixer.expr.types import BYTES, STRING
from mixer.expr.values import MAX_SIZE
from tests.expr.library.overloads import outcome


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"h", "aA=="), (b"hi", "aGk="), (b"\xfb\xff", "+/8=")]
)
def test_bytes_come_back_from_their_text(data: bytes, text: str) -> None:
    assert outcome("base64.encode", (BYTES,), data) == text
    assert outcome("base64.decode", (STRING,), text) == data
    assert outcome("base64.decode", (STRING,), text.rstrip("=")) == data


def test_line_breaks_are_skipped() -> None:
    assert outcome("base64.decode", (STRING,), "aG\r\nk=\n") == b"hi"


@pytest.mark.parametrize(
    "text", ["a", "?", "aG k", "aGk==", "=", "aG=k", "aG=", "aGkh=", "ä", "-_8="]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    assert str(outcome("base64.decode", (STRING,), text)).startswith("error: base64.decode: ")


def test_bytes_too_long_to_encode_are_refused() -> None:
    fits = MAX_SIZE // 4 * 3
    assert len(outcome("base64.encode", (BYTES,), bytes(fits))) == MAX_SIZE
    found = outcome("base64.encode", (BYTES,), bytes(fits + 1))
    assert found == f"error: base64.encode: the text has more than {MAX_SIZE} characters"
