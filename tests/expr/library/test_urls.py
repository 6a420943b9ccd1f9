"""Parts of URIs that lack some, or are odd."""

from __future__ import annotations

import pytest

from mixer.expr.types import STRING, URI
from tests.expr.library.overloads import outcome

PARTS = ("getScheme", "getHost", "getHostname", "getPort", "getEscapedPath")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("HTTPS://u:p@A.b:80/x%2Fy z", ("https", "A.b:80", "A.b", "80", "/x%2Fy%20z")),
        ("http://[::1]", ("http", "[::1]", "::1", "", "")),
        ("http://[::1]:8", ("http", "[::1]:8", "::1", "8", "")),
        ("http://a:", ("http", "a:", "a", "", "")),
        ("/only/path", ("", "", "", "", "/only/path")),
        ("mailto:a@b", ("mailto", "", "", "", "")),
        ("", ("", "", "", "", "")),
    ],
)
def test_a_uri_has_these_parts(text: str, parts: tuple[str, ...]) -> None:
    assert tuple(outcome(name, (URI,), text) for name in PARTS) == parts


@pytest.mark.parametrize("text", ["http://a", "/a?b", "mailto:a@b", "urn:x:y"])
def test_this_is_a_url(text: str) -> None:
    assert outcome("isURL", (STRING,), text) is True
    assert outcome("url", (STRING,), text) == text


@pytest.mark.parametrize(
    "text", ["", "a", "a b", ":/", "/%zz", "http://[::1", "a\n:b", "http://a:b"]
)
def test_this_is_no_url(text: str) -> None:
    assert outcome("isURL", (STRING,), text) is False
    assert str(outcome("url", (STRING,), text)).startswith("error: ")


def test_a_uri_without_parts_says_which() -> None:
    assert (
        outcome("getHost", (URI,), "http://[::1")
        == "error: 'http://[::1' is no URI: Invalid IPv6 URL"
    )


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {}),
        ("?", {}),
        ("?a=1&b=&a=2&c", {"a": ("1", "2"), "b": ("",), "c": ("",)}),
        ("?a=x+y%20z%C3%A4&=v", {"a": ("x y zä",), "": ("v",)}),
        ("?a=b=c#d=e", {"a": ("b=c",)}),
    ],
)
def test_a_query_has_these_fields(query: str, fields: dict[str, tuple[str, ...]]) -> None:
    assert outcome("getQuery", (URI,), f"http://a/{query}") == fields


def test_a_query_of_too_many_fields_is_refused() -> None:
    found = outcome("getQuery", (URI,), "/?" + "a&" * 1001)
    assert str(found).startswith("error: ")
