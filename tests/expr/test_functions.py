"""The functions of expressions, as the specification words them."""

from __future__ import annotations

import pytest

from mixer.expr import functions


@pytest.mark.parametrize(
    ("name", "unicode"),
    [
        ("example.com", "example.com"),
        ("Example.COM", "Example.COM"),
        ("example.com.", "example.com."),
        ("bücher.example", "bücher.example"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("a-b.c1", "a-b.c1"),
    ],
)
def test_a_dns_name_is_valid_and_given_in_unicode(name: str, unicode: str) -> None:
    assert functions.dns_name(name) == unicode


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        "-a.b",
        "a-.b",
        "a_b",
        "a b",
        "xn--zz--",
        "a" * 64,
        "a." * 130 + "a",
        "ab--c",
    ],
)
def test_what_is_no_dns_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="to dns name"):
        functions.dns_name(name)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("a.b", "A.B", True),
        ("a.b", "a.b.", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("BÜCHER.example", "bücher.example", True),
        ("a.b", "a.c", False),
    ],
)
def test_dns_names_compare_as_resolvers_do(a: str, b: str, same: bool) -> None:
    assert functions.same_dns_name(a, b) is same


@pytest.mark.parametrize("text", ["me@example.com", '"a b"@example.com', "a+b@bücher.example"])
def test_an_address_is_given_back_unchanged(text: str) -> None:
    assert functions.email_address(text) == text


@pytest.mark.parametrize(
    "text", ["", "me", "@example.com", "me@", "Me <me@example.com>", "me@-bad", "a b@c.d", "a@b@c"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="to e-mail"):
        functions.email_address(text)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("me@a.b", "me@A.B", True),
        ('"me"@a.b', "me@a.b", True),
        ("Me@a.b", "me@a.b", False),
        ("me@a.b", "me@a.c", False),
    ],
)
def test_addresses_compare_local_parts_exactly(a: str, b: str, same: bool) -> None:
    assert functions.same_email(a, b) is same


@pytest.mark.parametrize(
    "text", ["www.x", "http://a.b/c?d#e", "/path", "mailto:me@a.b", "http://[::1]:80/", "a%20b"]
)
def test_a_uri_is_taken_as_laxly_as_go_takes_it(text: str) -> None:
    assert functions.uri(text) == text


@pytest.mark.parametrize(
    "text", ["", ":/", "a\nb", "%zz", "http://a:b/", "http://a b/", "1a:b", "a/../%2"]
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="to uri"):
        functions.uri(text)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("http://a.b/p", "HTTP://A.B/p", True),
        ("http://a.b/p", "http://a.b./p", True),
        ("http://a.b/p", "https://a.b/p", False),
        ("http://a.b/p", "http://a.b:80/p", False),
        ("http://a.b/%7Ep", "http://a.b/~p", True),
        ("http://a.b/p%2Fq", "http://a.b/p/q", False),
        ("http://a.b/ä", "http://a.b/%C3%A4", True),
        ("mailto:A@b", "MAILTO:A@b", True),
        ("mailto:A@b", "mailto:a@b", False),
        ("/p", "/q", False),
    ],
)
def test_uris_compare_by_what_they_name(a: str, b: str, same: bool) -> None:
    assert functions.same_uri(a, b) is same


def test_a_regular_expression_is_linear_and_bounded() -> None:
    assert functions.compile_regex("a+b").search("xaab") is not None
    assert functions.compile_regex("(a+)+$").search("a" * 5000 + "b") is None
    with pytest.raises(ValueError, match="no regular expression of RE2"):
        functions.compile_regex("(?<=a)b")
    with pytest.raises(ValueError, match="longer than 4096"):
        functions.compile_regex("a" * 5000)
