"""One table of expressions: what each is worth, and which attributes it depends on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from attributes import Attribute, Bag, Duration, Reference, Timestamp, ValueType, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr.compile import Failure, expression, program
from mixer.lang import Lang

VOCABULARY = Vocabulary(
    {
        name: Attribute(name, type_)
        for name, type_ in {
            "one": ValueType.STRING,
            "two": ValueType.STRING,
            "a.s": ValueType.STRING,
            "b.s": ValueType.STRING,
            "a.i": ValueType.INT64,
            "a.d": ValueType.DOUBLE,
            "a.b": ValueType.BOOL,
            "b.b": ValueType.BOOL,
            "a.t": ValueType.TIMESTAMP,
            "a.u": ValueType.DURATION,
            "a.ip": ValueType.IP_ADDRESS,
            "a.m": ValueType.STRING_MAP,
            "b.m": ValueType.STRING_MAP,
            "a.host": ValueType.DNS_NAME,
            "a.mail": ValueType.EMAIL_ADDRESS,
            "a.uri": ValueType.URI,
        }.items()
    }
)
BAG: dict[str, Any] = {
    "one": "single",
    "a.s": "x",
    "a.i": 5,
    "a.d": 2.5,
    "a.b": True,
    "a.t": Timestamp.parse("2019-11-24T00:00:00Z"),
    "a.u": Duration.parse("1500ms"),
    "a.ip": bytes([10, 0, 0, 1]),
    "a.m": {"k": "v", "x": "key of a.s"},
    "a.host": "Ratings.Example.com",
    "a.mail": "me@example.com",
    "a.uri": "http://example.com/p",
}
CEXL, CEL, BOTH = (Lang.CEXL,), (Lang.CEL,), (Lang.CEXL, Lang.CEL)


class Fails:
    """An expected failure, by a part of its message."""

    def __init__(self, part: str) -> None:
        self.part = part


# languages, expression, value, references ("name", "name:key", "!name" for absence)
TABLE: list[tuple[tuple[Lang, ...], str, Any, str]] = [
    (BOTH, "a.s", "x", "a.s"),
    (BOTH, "one", "single", "one"),
    (CEXL, "b.s", Fails("lookup failed: 'b.s'"), "!b.s"),
    (CEL, "b.s", "", "!b.s"),
    (BOTH, 'a.s | "y"', "x", "a.s"),
    (BOTH, 'b.s | "y"', "y", "!b.s"),
    (BOTH, 'b.s | a.s | "y"', "x", "!b.s a.s"),
    (BOTH, 'a.m["k"]', "v", "a.m:k"),
    (CEXL, 'a.m["no"]', "", "!a.m:no"),
    (CEL, 'a.m["no"]', Fails("no such key: 'no'"), "!a.m:no"),
    (CEXL, 'b.m["k"]', Fails("lookup failed: 'b.m'"), "!b.m"),
    (CEL, 'b.m["k"]', Fails("no such key: 'k'"), "!b.m"),
    (BOTH, 'b.m["k"] | "y"', "y", "!b.m"),
    (BOTH, 'a.m["no"] | "y"', "y", "!a.m:no"),
    (BOTH, "a.m[a.s]", "key of a.s", "a.s a.m:x"),
    (CEXL, 'a.m[b.s] | "y"', "y", "!b.s"),
    (BOTH, '(b.m | a.m)["k"]', "v", "!b.m a.m:k"),
    (BOTH, 'emptyStringMap()["k"] | "y"', "y", ""),
    (CEXL, "emptyStringMap() | a.m", {}, ""),
    (BOTH, "a.m", dict(BAG["a.m"]), "a.m"),
    (CEL, "a.m.k", "v", "a.m:k"),
    (CEL, '"k" in a.m', True, "a.m:k"),
    (CEL, '"k" in b.m', False, "!b.m"),
    (CEL, "has(a.m.no)", False, "!a.m:no"),
    (CEL, "has(a.s)", True, "a.s"),
    (CEL, "has(b.s)", False, "!b.s"),
    (BOTH, 'a.s == "x" && a.i == 5', True, "a.s a.i"),
    (BOTH, 'a.s == "y" && a.i == 5', False, "a.s"),
    (BOTH, 'a.s == "x" || a.i == 5', True, "a.s"),
    (CEXL, 'b.s == "y" || a.b', Fails("lookup failed"), "!b.s"),
    (CEL, 'b.m["k"] == "y" || a.b', True, "!b.m a.b"),
    (CEL, 'a.b && b.m["k"] == "y"', Fails("no such key"), "a.b !b.m"),
    (CEL, 'b.m["k"] == "y" && b.b', False, "!b.m !b.b"),
    (CEL, 'b.m["k"] == "y" && a.b', Fails("no such key"), "!b.m a.b"),
    (CEL, '(b.m["k"] == "y" || b.b) ? 1 : 2', Fails("no such key"), "!b.m !b.b"),
    (BOTH, 'conditional(true, a.s, b.s) | "y"', "x", "a.s"),
    ((Lang.COMPAT,), 'a.s.matches("^x$")', True, "a.s"),
    ((Lang.COMPAT,), 'b.s | a.s | "y"', "x", "!b.s a.s"),
    ((Lang.COMPAT,), 'two | "y"', "", "!two"),
    ((Lang.COMPAT,), 'one | "y"', "single", "one"),
    ((Lang.COMPAT,), 'a.u == "1.5s"', True, "a.u"),
    ((Lang.COMPAT,), 'b.m["k"] == "y" || a.b', True, "!b.m a.b"),
    ((Lang.COMPAT,), "b.s", "", "!b.s"),
    ((Lang.COMPAT,), 'size("äb")', 2, ""),
    ((Lang.COMPAT,), 'conditional(a.b, "yes", "no")', "yes", "a.b"),
    (CEXL + CEL, 'two | "y"', "y", "!two"),
    (CEL, 'pick(b.s, b.m["k"], "y")', "y", "!b.s !b.m"),
    (CEL, 'pick(b.s, two, "y")', "", "!b.s !two"),
    (
        CEL,
        'a.host.startsWith("Rat") && match(a.uri, "http*") && size(a.mail) == 14',
        True,
        "a.host a.uri a.mail",
    ),
    (CEXL, 'conditional(true, b.s, a.s) | "y"', Fails("lookup failed"), "!b.s"),
    (BOTH, "(false || a.b) | false", True, "a.b"),
    (BOTH, 'conditional(a.b, "yes", b.s)', "yes", "a.b"),
    (CEXL, 'conditional(a.b == false, "yes", "no")', "no", "a.b"),
    (CEXL, 'conditionalString(a.b, "yes", "no")', "yes", "a.b"),
    (CEL, 'a.b ? "yes" : b.s', "yes", "a.b"),
    (BOTH, 'match(a.s, "x*")', True, "a.s"),
    (BOTH, 'match("abc", "*bc")', True, ""),
    (BOTH, 'match("abc", "abc")', True, ""),
    (BOTH, 'match("abcd", "abc")', False, ""),
    (BOTH, 'match("*abcd", "*abc*")', True, ""),
    (CEXL, '"^x$".matches(a.s)', True, "a.s"),
    (CEL, 'a.s.matches("^x$")', True, "a.s"),
    (BOTH, 'a.s.startsWith("x")', True, "a.s"),
    (BOTH, 'a.s.endsWith("y")', False, "a.s"),
    (CEXL, '(a.m["k"]).startsWith("v")', True, "a.m:k"),
    (CEL, 'a.m["k"].startsWith("v")', True, "a.m:k"),
    (BOTH, 'toLower("ÄBC")', "äbc", ""),
    (CEXL, 'size("äb")', 3, ""),
    (CEL, 'size("äb")', 2, ""),
    (CEL, "size(a.m)", 2, "a.m"),
    (BOTH, 'a.ip == ip("10.0.0.1")', True, "a.ip"),
    (BOTH, 'a.ip == ip("10.0.0.2")', False, "a.ip"),
    (BOTH, 'ip("nonsense") == a.ip', Fails("could not convert nonsense to IP_ADDRESS"), ""),
    (BOTH, 'a.t == timestamp("2019-11-24T01:00:00+01:00")', True, "a.t"),
    (BOTH, 'a.t <= timestamp("2019-11-24T01:00:00+01:00")', True, "a.t"),
    (BOTH, 'timestamp("bad") == a.t', Fails("could not convert 'bad' to TIMESTAMP"), ""),
    (CEXL, 'a.u == "1.5s"', True, "a.u"),
    (CEXL, 'a.u < "2s"', True, "a.u"),
    (CEXL, 'a.u | "0ms"', Duration.of(1.5), "a.u"),
    (CEL, 'a.u == duration("1500ms")', True, "a.u"),
    (CEL, "a.t + a.u > a.t", True, "a.t a.u"),
    (BOTH, 'a.host == dnsName("RATINGS.example.com.")', True, "a.host"),
    (BOTH, 'a.mail == email("me@EXAMPLE.com")', True, "a.mail"),
    (BOTH, 'a.mail == email("Me@example.com")', False, "a.mail"),
    (BOTH, 'a.uri == uri("HTTP://EXAMPLE.com/p")', True, "a.uri"),
    (BOTH, 'a.uri == uri("http://example.com:80/p")', False, "a.uri"),
    (BOTH, 'a.s + "y"', "xy", "a.s"),
    (BOTH, "a.i + 1", 6, "a.i"),
    (CEXL, "9223372036854775807 + a.i", -9223372036854775804, "a.i"),
    (CEL, "9223372036854775807 + a.i", Fails("integer overflow"), "a.i"),
    (CEL, "-7 / 2", -3, ""),
    (CEL, "-7 % 2", -1, ""),
    (CEL, "a.i / 0", Fails("division by zero"), "a.i"),
    (CEL, 'a.s in ["x", "y"]', True, "a.s"),
    (CEL, 'a.s in ["y", b.s]', False, "a.s !b.s"),
    (CEL, "!a.b", False, "a.b"),
    (CEL, "-a.i", -5, "a.i"),
    (CEL, "string(a.i) + string(a.ip)", "510.0.0.1", "a.i a.ip"),
    (CEXL, "TRUE == a.b", True, "a.b"),
    (CEXL, "017 == 17", True, ""),
    (CEXL, "'c' == \"c\"", True, ""),
    (CEXL, '"\\x41\\u00e4\\101" == "AäA"', True, ""),
    (CEXL, '`raw\\n` == "raw\\\\n"', True, ""),
    (CEXL, 'a.s | "x" == "x"', True, "a.s"),
    (CEXL, 'b.s | "x" + "y"', "xy", "!b.s"),
    (CEL, 'b.s | "x" + "y"', "xy", "!b.s"),
]
CASES = [
    pytest.param(lang, text, value, references, id=f"{lang.value} {text}")
    for langs, text, value, references in TABLE
    for lang in langs
]


def recorded(bag: Bag) -> str:
    """The references of a bag in the notation of the table."""
    return _sorted(
        ("!" if found is Reference.ABSENCE else "") + (name if key is None else f"{name}:{key}")
        for (name, key), found in bag.references.items()
    )


def _sorted(words: Iterable[str]) -> str:
    return " ".join(sorted(words))


@pytest.mark.parametrize(("lang", "text", "value", "references"), CASES)
def test_an_expression_has_its_value_and_its_references(
    lang: Lang, text: str, value: Any, references: str
) -> None:
    program = expression(text, lang, VOCABULARY)
    for evaluate in (program.run, program.walk):
        bag = Bag(BAG)
        found = evaluate(bag)
        if isinstance(value, Fails):
            assert isinstance(found, Failure)
            assert value.part in found.message
        else:
            assert (type(found), found) == (type(value), value)
        assert recorded(bag) == _sorted(references.split())


@pytest.mark.parametrize(
    ("lang", "text", "message", "offset"),
    [
        (Lang.CEXL, "", "ends where a value", 0),
        (Lang.CEL, "", "ends where a value", 0),
        (Lang.CEXL, "a.s ==", "ends where a value", 6),
        (Lang.CEL, "a.s ==", "ends where a value", 6),
        (Lang.CEXL, "a.s = 1", "operator = is not", 4),
        (Lang.CEL, "a.s = 1", "unexpected '='", 4),
        (Lang.CEXL, "!a.b", "unexpected '!'", 0),
        (Lang.CEXL, "-1", "unexpected '-'", 0),
        (Lang.CEXL, "a.i * 2", "operator * is not", 4),
        (Lang.CEXL, "0x10", "no decimal number", 0),
        (Lang.CEXL, "no.such", "unknown attribute no.such", 0),
        (Lang.CEL, 'a.s == "x" && a.x', "unknown attribute a.x", 14),
        (Lang.CEXL, "noFunction(a.s)", "unknown function: noFunction", 0),
        (Lang.CEXL, "a.s == 1", "typeError got INT64, expected STRING", 7),
        (Lang.CEXL, 'a.s | "0"', "typeError got DURATION, expected STRING", 6),
        (Lang.CEXL, "match(a.s)", "arity mismatch. Got 1 arg(s), expected 2", 0),
        (Lang.CEXL, 'a.s.match("x")', "invoking regular function on instance method", 0),
        (Lang.CEXL, 'startsWith(a.s, "x")', "invoking instance method without", 0),
        (Lang.CEXL, 'a.m["k"].startsWith("v")', "can't be followed by a method", 8),
        (Lang.CEXL, 'a.host.startsWith("x")', "target typeError got DNS_NAME, expected STRING", 0),
        (Lang.CEL, "math.gratest(1)", "unknown function: math.gratest", 5),
        (Lang.CEXL, "a.m == b.m", "== is not defined for STRING_MAP", 4),
        (Lang.CEXL, '"[".matches(a.s)', "no regular expression", 0),
        (Lang.CEL, 'a.s.matches("[")', "no regular expression", 12),
        (Lang.CEXL, "a.type", "reserved word", 2),
        (Lang.CEXL, '"abc', "has no end", 0),
        (Lang.CEXL, "(a.s)(a.s)", "only a name can be called", 5),
        (Lang.CEXL, "(" * 10_000, "nested deeper", 80),
        (Lang.CEL, "(" * 5_000 + "1" + ")" * 5_000, "nested deeper", 80),
        (Lang.CEXL, "a" * 70_000, "longer than", 0),
    ],
)
def test_a_wrong_text_is_refused_with_its_place(
    lang: Lang, text: str, message: str, offset: int
) -> None:
    with pytest.raises(ExpressionError) as refused:
        expression(text, lang, VOCABULARY)
    assert message in refused.value.message
    assert refused.value.offset == offset


def test_words_of_other_languages_are_recognised() -> None:
    with pytest.raises(ExpressionError, match="unexpected 'and'") as refused:
        expression("a.b and b.b", Lang.CEL, VOCABULARY)
    assert refused.value.suggestion == "use &&"


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(ExpressionError) as refused:
        expression("a.hots", Lang.CEXL, VOCABULARY)
    assert refused.value.suggestion == "did you mean 'a.host'?"


def test_a_value_of_another_type_than_declared_fails_the_expression() -> None:
    found = expression("a.s", Lang.CEXL, VOCABULARY).run(Bag({"a.s": 5}))
    assert isinstance(found, Failure)
    assert "error converting value of a.s" in found.message


def test_integers_and_durations_stand_for_each_other_on_the_wire() -> None:
    bag = Bag({"a.i": Duration(7), "a.u": 7})
    assert expression("a.i", Lang.CEXL, VOCABULARY).run(bag) == 7
    assert type(expression("a.u", Lang.CEXL, VOCABULARY).run(bag)) is Duration


def test_the_expected_type_of_a_field_is_demanded() -> None:
    with pytest.raises(ExpressionError, match="expected type BOOL, got STRING"):
        expression("a.s", Lang.CEXL, VOCABULARY, ValueType.BOOL)


def test_the_generated_source_can_be_printed() -> None:
    program = expression('a.s == "x"', Lang.CEXL, VOCABULARY)
    assert "read('a.s')" in program.source


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, value) for langs, text, value, _ in TABLE if Lang.CEL in langs],
    ids=[text for langs, text, _, _ in TABLE if Lang.CEL in langs],
)
def test_types_left_to_the_call_change_no_value(text: str, value: Any) -> None:
    found = program(text, Lang.CEL, VOCABULARY, checked=False).run(Bag(BAG))
    if isinstance(value, Fails):
        assert isinstance(found, Failure)
    else:
        assert found == value
