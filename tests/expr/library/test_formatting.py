"""What each verb of format shows, and refuses; what quote escapes."""

from __future__ import annotations

import ipaddress
import math
from typing import Any

import pytest

from attributes import Duration, Timestamp
from mixer.expr.types import DYN, STRING, list_of
from mixer.expr.values import MAX_SIZE, NONE, Address, DnsName, Key, TypeValue, Uint, Url
from tests.expr.library.overloads import outcome


@pytest.mark.parametrize(
    ("template", "args", "expected"),
    [
        ("", (), ""),
        ("100%%", (), "100%"),
        ("%s %s %s", (None, True, b"\xc3\xa4"), "null true ä"),
        ("%s", (1e22,), "1" + "0" * 22),
        ("%s %s %s", (math.nan, math.inf, -math.inf), "NaN Infinity -Infinity"),
        ("%s %s", (Timestamp(1), Duration(-1_500_000_000)), "1970-01-01T00:00:00.000000001Z -1.5s"),
        ("%s %s", (Address(b"\x0a\0\0\1"), TypeValue("int")), "10.0.0.1 int"),
        ("%s %s", (Url("a:b"), DnsName("x.y")), "a:b x.y"),
        ("%s", (ipaddress.ip_interface("10.1.2.3/8"),), "10.1.2.3/8"),
        ("%s", ((1, ("a", Uint(2)), {}),), "[1, [a, 2], {}]"),
        ("%s", ({"b": 1, 10: 2, Key.TRUE: ()},), "{10: 2, b: 1, true: []}"),
        ("%d %d %d", (-1, Uint(2), math.nan), "-1 2 NaN"),
        ("%f %.0f %.3f", (1.5, 2.5, Uint(1)), "1.500000 2 1.000"),
        ("%.20f", (0.1,), "0.10000000000000000555"),
        ("%e %.0e", (1234.5678, 1500), "1.234568e+03 2e+03"),
        ("%f %e", (-math.inf, math.inf), "-Infinity Infinity"),
        ("%f %.1e %f", ("NaN", "Infinity", "-Infinity"), "NaN Infinity -Infinity"),
        ("%b %b %b", (-5, Uint(5), True), "-101 101 1"),
        ("%o %x %X", (-8, -255, Uint(255)), "-10 -ff FF"),
        ("%x %X", ("ä", b"\xab"), "c3a4 AB"),
        ("%s", ("a", "b"), "a"),
        ("%s", (), "error: format: no argument is left for '%s'"),
        ("%", (1,), "error: format: '%' is no verb; the verbs are s d f e b o x X"),
        ("%.d", (1,), "error: format: '%.' is no verb; the verbs are s d f e b o x X"),
        ("%.1001f", (1.0,), "error: format: a precision of 1001 is more than 1000"),
        ("%s%d", (1, 1.5), "error: format: %d can't show argument 1, a double"),
        ("%f", ("1",), "error: format: %f can't show argument 0, a string"),
        ("%e", (True,), "error: format: %e can't show argument 0, a bool"),
        ("%b", (1.0,), "error: format: %b can't show argument 0, a double"),
        ("%o", (True,), "error: format: %o can't show argument 0, a bool"),
        ("%X", (None,), "error: format: %X can't show argument 0, a null_type"),
        ("%s", ((NONE,),), "error: format: %s can't show argument 0, a list"),
        ("%s", (b"\xff",), "error: the bytes are not UTF-8"),
    ],
)
def test_a_template_with_these_arguments_gives(
    template: str, args: tuple[Any, ...], expected: str
) -> None:
    assert outcome("format", (STRING, list_of(DYN)), template, args) == expected


@pytest.mark.parametrize(
    ("template", "args"),
    [
        pytest.param("%s%s", ("a" * (MAX_SIZE // 2 + 1),) * 2, id="long arguments"),
        pytest.param("%s", (("a" * 1000,) * 2000,), id="a long list"),
        pytest.param("%.1000f" * 2000, (1.0,) * 2000, id="many digits"),
        pytest.param("%s" + "a" * MAX_SIZE, ("b",), id="a long end"),
        pytest.param("a" * (MAX_SIZE + 1), (), id="a long template"),
    ],
)
def test_a_text_that_grows_too_long_is_refused(template: str, args: tuple[Any, ...]) -> None:
    expected = f"error: format: the text has more than {MAX_SIZE} characters"
    assert outcome("format", (STRING, list_of(DYN)), template, args) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '""'),
        ('"\\', '"\\"\\\\"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("ä\u2028'", '"ä\u2028\'"'),
    ],
)
def test_quotes_escape_what_would_end_or_break_them(text: str, expected: str) -> None:
    assert outcome("strings.quote", (STRING,), text) == expected


def test_a_text_too_long_to_quote_is_refused() -> None:
    assert str(outcome("strings.quote", (STRING,), "\n" * MAX_SIZE)).startswith("error: the text")
