"""What is converted from Istio's syntax to CEL means what it meant."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attributes import Attribute, Bag, Duration, Timestamp, Value, ValueType, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr.compile import program
from mixer.expr.convert import convert
from mixer.expr.reads import Failure
from mixer.lang import Lang

TYPES = {
    "one": ValueType.STRING, "a.s": ValueType.STRING, "b.s": ValueType.STRING,
    "a.i": ValueType.INT64, "a.b": ValueType.BOOL, "b.b": ValueType.BOOL,
    "a.m": ValueType.STRING_MAP, "b.m": ValueType.STRING_MAP, "a.u": ValueType.DURATION,
    "a.t": ValueType.TIMESTAMP, "a.ip": ValueType.IP_ADDRESS, "a.host": ValueType.DNS_NAME,
    "b.host": ValueType.DNS_NAME, "a.mail": ValueType.EMAIL_ADDRESS,
}  # fmt: skip
VOCABULARY = Vocabulary({name: Attribute(name, type_) for name, type_ in TYPES.items()})


@pytest.mark.parametrize(
    ("istio", "cel"),
    [
        ('a.s == "x"', 'a.s == "x"'),
        ('a.s != "x"', 'has(a.s) && a.s != "x"'),
        ('a.s == ""', 'has(a.s) && a.s == ""'),
        ("a.i < 5", "has(a.i) && a.i < 5"),
        ("a.i > 5", "a.i > 5"),
        ("a.b", "a.b"),
        ("a.b == false", "has(a.b) && a.b == false"),
        ('a.m["k"] == "v"', 'a.m["k"] | "" == "v"'),
        ('a.m["k"] != "v"', 'has(a.m) && a.m["k"] | "" != "v"'),
        ('a.m["k"] | "x" == "v"', 'a.m["k"] | "x" == "v"'),
        ('a.s == "x" && b.s == "y"', 'a.s == "x" && b.s == "y"'),
        ('a.s == "x" || b.s == "y"', 'has(a.s) && (a.s == "x" || b.s == "y")'),
        ('(a.s | "") == "x" || b.b', 'a.s | "" == "x" || b.b'),
        ('(a.s | "x") != b.s', 'has(b.s) && a.s | "x" != b.s'),
        ('(a.s | b.s) != ""', '(has(a.s) || has(b.s)) && a.s | b.s != ""'),
        ('(a.m["k"] | b.s) != ""', '("k" in a.m || has(b.s)) && a.m["k"] | b.s != ""'),
        ('a.s != "x" && a.s != "y"', 'has(a.s) && a.s != "x" && a.s != "y"'),
        (
            'a.b && b.b || a.i == 1',
            "has(a.b) && (!a.b || has(b.b)) && ((a.b ? b.b : false) || a.i == 1)",
        ),
        (
            "a.host == b.host || b.b",
            "has(a.host) && has(b.host) && (a.host == b.host ? true : b.b)",
        ),
        ('a.s.startsWith("x") || b.b', 'has(a.s) && (a.s.startsWith("x") || b.b)'),
        ('ip(a.s) == ip("1.2.3.4")', 'has(a.s) && ip(a.s) == ip("1.2.3.4")'),
        ('one == "x"', 'one == "x"'),
        ('"^x".matches(a.s)', 'a.s.matches("^x")'),
        ('match(a.s, "*")', 'has(a.s) && match(a.s, "*")'),
        ('a.s.startsWith("x")', 'a.s.startsWith("x")'),
        ('a.u == "1s"', 'a.u == duration("1s")'),
        ('size(a.s) == 3', "size(bytes(a.s)) == 3"),
        ('conditional(a.b, a.s == "x", true)', 'has(a.b) && (a.b ? a.s == "x" : true)'),
    ],
)  # fmt: skip
def test_a_condition_asks_for_what_could_be_missing(istio: str, cel: str) -> None:
    found = convert(istio, Lang.CEXL, VOCABULARY, condition=True)
    assert (found.text, found.notes) == (cel, ())


@pytest.mark.parametrize(
    ("istio", "cel"),
    [
        ("a.s", "a.?s.value()"),
        ('a.s | "x"', 'a.s | "x"'),
        ("a.s | b.s", "a.s | b.?s.value()"),
        ('a.m["k"]', 'a.?m.value()[?"k"].orValue("")'),
        ('a.m["k"] | "x"', 'a.m["k"] | "x"'),
        ("a.m[a.s] | \"x\"", 'a.m[a.s] | "x"'),
        ('(a.m | b.m)["k"]', '(a.m | b.?m.value())[?"k"].orValue("")'),
        ('conditional(a.b | false, "y", "n")', 'a.b | false ? "y" : "n"'),
        ('toLower(a.s | "X")', 'toLower(a.s | "X")'),
        ("a.b && b.b", "a.?b.value() ? b.?b.value() : false"),
        ('"20ms"', 'duration("20ms")'),
    ],
)  # fmt: skip
def test_a_value_fails_where_it_failed(istio: str, cel: str) -> None:
    assert convert(istio, Lang.CEXL, VOCABULARY, condition=False).text == cel


@pytest.mark.parametrize(
    ("istio", "note"),
    [
        ("one", "where one is absent"),
        ("a.i + 1", "wraps around"),
        ("a.host + a.host", "valid DNS_NAME"),
        ('conditionalString(true, a.s, "x")', "fails if either"),
    ],
)
def test_what_can_not_be_kept_is_noted(istio: str, note: str) -> None:
    (found,) = convert(istio, Lang.CEXL, VOCABULARY, condition=False).notes
    assert note in found


def test_compat_means_cel_already() -> None:
    assert convert('a.s.matches("x") | true', Lang.COMPAT, VOCABULARY, True).text == (
        'a.s.matches("x") | true'
    )


def test_compat_takes_a_name_without_a_dot_as_it_is() -> None:
    text = 'a.m[one | "x"] | toLower(one | b.s)'
    assert convert(text, Lang.COMPAT, VOCABULARY, False).text == "a.m[one] | toLower(one)"


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ExpressionError, match="unknown attribute"):
        convert("no.such", Lang.CEXL, VOCABULARY, condition=True)


class Istio:
    """Random expressions of Istio's syntax."""

    def __init__(self, random: Random) -> None:
        self._pick = random.choice
        self._dotted = random.random() < 0.7

    def text(self, depth: int) -> str:
        if depth <= 0:
            one = ["one"] * (not self._dotted)
            return self._pick(["a.s", "b.s", 'a.m["k"]', 'b.m["k"]', '"x"', '""', *one])
        a, b = self.text(depth - 1), self.text(depth - 1)
        return self._pick([
            f"({a} | {b})", f"({a} + {b})", f"toLower({a})", f"a.m[{a}]", f"(b.m | a.m)[{a}]",
            f"conditional({self.truth(depth - 1)}, {a}, {b})",
            f"conditionalString({self.truth(depth - 1)}, {a}, {b})",
        ])  # fmt: skip

    def truth(self, depth: int) -> str:
        if depth <= 0:
            return self._pick(
                ["a.b", "b.b", "true", "FALSE", 'a.s == "x"', 'a.s != "x"', "a.i > 3"]
            )
        a, b = self.text(depth - 1), self.text(depth - 1)
        p, q = self.truth(depth - 1), self.truth(depth - 1)
        sign = self._pick(["==", "!=", "<", ">="])
        return self._pick([
            f"{a} {sign} {b}", f"({p} && {q})", f"({p} || {q})", f"({p} == false)", f"({p} | {q})",
            f'match({a}, "x*")', f"({a}).startsWith({b})", f'"x.*".matches({a})', "a.i <= 3",
            f"size({a}) {sign} 1", 'a.u > "1s"', 'a.t > timestamp("2019-01-01T00:00:00Z")',
            'a.ip == ip("10.0.0.1")', f"ip({a}) == a.ip", "a.host == dnsName(\"x.y\")",
            "a.host == b.host", 'a.mail == email("a@x.y")', f"({a}).endsWith({b})", "a.i + 1 > 4",
            f"conditional({p}, {q}, a.b)", "(a.u | \"0s\") != \"1s\"", f"{p} == {q}",
            "(a.i | 3) != 3", f"(b.m | a.m)[{a}] | \"x\" != {b}", f"a.m[{a}] | b.s != {b}",
        ])  # fmt: skip


def bag(random: Random) -> dict[str, Value]:
    """Some of the attributes, often with their zero values."""
    every: dict[str, list[Any]] = {
        "one": ["x", ""], "a.s": ["x", "", "10.0.0.1"], "b.s": ["x", "y", ""], "a.i": [0, 3, 9],
        "a.b": [True, False], "b.b": [True, False], "a.m": [{}, {"k": "x"}, {"k": "", "x": "v"}],
        "b.m": [{}, {"k": "y"}], "a.u": [Duration(0), Duration.parse("2s")],
        "a.t": [Timestamp(0), Timestamp.parse("2020-01-01T00:00:00Z")],
        "a.ip": [bytes([10, 0, 0, 1]), b""], "a.host": ["x.y", "", ".."],
        "b.host": ["X.Y", ".."], "a.mail": ["a@x.y", "@"],
    }  # fmt: skip
    return {name: random.choice(of) for name, of in every.items() if random.random() < 0.6}


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_what_is_converted_means_the_same(random: Random, condition: bool) -> None:
    same(random, condition)


def same(random: Random, condition: bool) -> None:
    """Convert a random expression and compare both on a random bag."""
    maker = Istio(random)
    text = maker.truth(3) if condition or random.random() < 0.3 else maker.text(3)
    try:
        istio = program(text, Lang.CEXL, VOCABULARY)
    except ExpressionError:
        return
    found = convert(text, Lang.CEXL, VOCABULARY, condition)
    cel = program(found.text, Lang.CEL, VOCABULARY)
    values = bag(random)
    before, after = istio.run(Bag(values)), cel.run(Bag(values))
    if found.notes:
        return
    shown = f"{text}\n{found.text}\n{values}\n{before} {after}"
    if condition:
        assert (before is True) == (after is True), shown
    else:
        assert isinstance(before, Failure) == isinstance(after, Failure), shown
        assert isinstance(before, Failure) or before == after, shown
