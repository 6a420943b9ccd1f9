"""One row for every overload of CEL: what it is worth, or how it fails."""

from __future__ import annotations

import pytest

from attributes import Bag, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import fold
from mixer.expr.compile import program
from mixer.expr.explain import shown
from mixer.expr.overloads import CEL_TABLE
from mixer.expr.tree import Apply, walk
from mixer.lang import Lang

ROWS = r"""
# strings
"abc".charAt(1)                          | "b"
"äbc".charAt(3)                          | ""
"abc".charAt(4)                          | error: index out of range: 4
"abcb".indexOf("b")                      | 1
"abcb".indexOf("x")                      | -1
"abcb".indexOf("b", 2)                   | 3
"abcb".indexOf("b", 5)                   | error: index out of range: 5
"abcb".lastIndexOf("b")                  | 3
"abcb".lastIndexOf("b", 2)               | 1
"abcb".lastIndexOf("b", -1)              | error: index out of range: -1
["a", "b"].join()                        | "ab"
["a", "b"].join("-")                     | "a-b"
[dyn("a"), "b"].join()                   | "ab"
[dyn("a"), 1].join("-")                  | error: no such overload: join(list, string)
"a,b,c".split(",")                       | ["a", "b", "c"]
"a,b,c".split(",", 2)                    | ["a", "b,c"]
"a,b".split(",", 0)                      | []
"aä".split("")                           | ["a", "ä"]
"abc".split("", 2)                       | ["a", "bc"]
"äbcd".substring(1)                      | "bcd"
"abcd".substring(1, 3)                   | "bc"
"abcd".substring(3, 1)                   | error: index out of range
"hello".replace("l", "L")                | "heLLo"
"hello".replace("l", "", 1)              | "helo"
"ab".replace("", "-")                    | "-a-b-"
" \u00a0a b\t".trim()                    | "a b"
"AÄz".lowerAscii()                       | "aÄz"
"aäZ".upperAscii()                       | "AäZ"
"abc".reverse()                          | "cba"
reverse("abc")                           | "cba"
toLower("ÄB")                            | "äb"
strings.quote("a\"b\n\\")                | "\"a\\\"b\\n\\\\\""
"%s=%s".format(["a", "b"])               | "a=b"
"%d".format([1])                         | "1"
"%s %s".format([1.5, [b"x", null]])      | "1.5 [x, null]"
"%s".format([{"b": 1, "a": true}])       | "{a: true, b: 1}"
"%.2f %.1e %b %o %x %X %%".format([1.005, 1234.5, 5, 8, "a", 255]) | "1.00 1.2e+03 101 10 61 FF %"
"%s".format([timestamp(0)])              | "1970-01-01T00:00:00Z"
"%s".format([duration("90s")])           | "90s"
"%s".format([type(1)])                   | "int"
"%s".format([ip("10.0.0.1")])            | "10.0.0.1"
"%f".format([double("NaN")])             | "NaN"
"%d".format(["a"])                       | error: format: %d can't show argument 0, a string
"%s %s".format([1])                      | error: format: no argument is left for '%s'
"%z".format([1])                         | error: format: '%z' is no verb
# texts of the standard
"abc".startsWith("ab")                   | true
"abc".endsWith("ab")                     | false
"abc".contains("b")                      | true
"abc".matches("^a.c$")                   | true
matches("abc", "x")                      | false
match("abc", "a*")                       | true
size("äb") + "äb".size()                 | 4
size(b"ab") + b"ab".size()               | 4
size([1]) + [1].size()                   | 2
size({1: 2}) + {1: 2}.size()             | 2
"a" + "b"                                | "ab"
b"a" + b"b"                              | b"ab"
[1] + [2]                                | [1, 2]
# math
math.greatest(1) + math.least(1)         | 2
math.greatest(1u) == math.least(1u)      | true
math.greatest(1.5) == math.least(1.5)    | true
math.greatest(1, 2) - math.least(1, 2)   | 1
math.greatest(1u, 2u) - math.least(1u, 2u) | 1u
math.greatest(1.0, 2.0) - math.least(1.0, 2.0) | 1.0
math.greatest(1, 2u) == math.least(2, 3u) | true
math.greatest(1u, 2) == math.least(2u, 3) | true
math.greatest(1, 2.0) == math.least(2, 3.0) | true
math.greatest(1.0, 2) == math.least(2.0, 3) | true
math.greatest(1u, 2.0) == math.least(2u, 3.0) | true
math.greatest(1.0, 2u) == math.least(2.0, 3u) | true
math.greatest(1, 3, 2) - math.least([3, 1, 2]) | 2
math.greatest(1u, 3u, 2u) - math.least([3u, 1u]) | 2u
math.greatest(1.0, 3.0, 2.0) - math.least([3.0, 1.0]) | 2.0
math.greatest(1, 3u, 2.0) == math.least([dyn(3), 5u]) | true
math.greatest([])                        | error: the list is empty
math.greatest([dyn("a")])                | error: a string is no number
math.ceil(1.2) - math.floor(1.2)         | 1.0
math.round(2.5) + math.round(-2.5)       | 0.0
math.round(0.49999999999999994)          | 0.0
math.trunc(-1.9)                         | -1.0
math.abs(-1) + math.abs(1)               | 2
math.abs(1u)                             | 1u
math.abs(-1.5)                           | 1.5
math.abs(-9223372036854775808)           | error: integer overflow
math.sign(-7)                            | -1
math.sign(7u)                            | 1u
math.sign(-0.5)                          | -1.0
math.sqrt(4) + math.sqrt(4u) + math.sqrt(4.0) | 6.0
math.isNaN(math.sqrt(-1.0))              | true
math.isInf(1.0 / 0.0)                    | true
math.isFinite(1.0)                       | true
math.bitAnd(6, 3) + math.bitOr(6, 3) + math.bitXor(6, 3) | 14
math.bitAnd(6u, 3u) + math.bitOr(6u, 3u) + math.bitXor(6u, 3u) | 14u
math.bitNot(0)                           | -1
math.bitNot(0u)                          | 18446744073709551615u
math.bitShiftLeft(1, 63)                 | -9223372036854775808
math.bitShiftLeft(1u, 64)                | 0u
math.bitShiftRight(-1, 63)               | 1
math.bitShiftRight(4u, 1)                | 2u
math.bitShiftLeft(1, -1)                 | error: a shift by -1 bits
# sets and lists
sets.contains([1, 2], [2])               | true
sets.contains([dyn(1)], [1.0, 1u])       | true
sets.equivalent([1, 1], [1])             | true
sets.intersects([1], [2])                | false
[1, 2, 1, 2u].distinct()                 | [1, 2]
[[1], [2, 3]].flatten()                  | [1, 2, 3]
[1, dyn([2, [3]])].flatten()             | [1, 2, [3]]
[[1, [2, [3]]]].flatten(2)               | [1, 2, [3]]
[1].flatten(-1)                          | error: flatten: the depth is -1
[1, 2, 3].slice(1, 3)                    | [2, 3]
[1].slice(0, 2)                          | error: index out of range
[3, 1, 2].sort()                         | [1, 2, 3]
["b", "a"].sort()                        | ["a", "b"]
[dyn(1), "a"].sort()                     | error: sort: the items have more than one type
[[1], [2]].sort()                        | error: a list and a list have no order
["bb", "a"].sortBy(x, x.size())          | ["a", "bb"]
lists.range(3)                           | [0, 1, 2]
lists.range(1000000)                     | error: lists.range: more than
[1, 2].reverse()                         | [2, 1]
[1, 2].first()                           | optional(1)
[].last()                                | optional.none()
# encoders
base64.encode(b"hi")                     | "aGk="
base64.decode("aGk")                     | b"hi"
base64.decode("YQ=")                     | error: base64.decode
base64.decode("?")                       | error: base64.decode
# network
isIP("::1") && !isIP("1.2.3")            | true
ip.isCanonical("2001:DB8::1")            | false
ip("10.0.0.1").family()                  | 4
ip("::1").family()                       | 6
ip("0.0.0.0").isUnspecified()            | true
ip("127.0.0.1").isLoopback()             | true
ip("224.0.0.1").isLinkLocalMulticast()   | true
ip("ff02::1").isLinkLocalMulticast()     | true
ip("169.254.0.1").isLinkLocalUnicast()   | true
ip("10.0.0.1").isGlobalUnicast()         | true
ip("255.255.255.255").isGlobalUnicast()  | false
isCIDR("10.0.0.0/8") && !isCIDR("10.0.0.0") | true
cidr("10.0.0.0/33")                      | error: '10.0.0.0/33' is no network
cidr("10.0.0.0/8").containsIP(ip("10.1.2.3")) | true
cidr("10.0.0.0/8").containsIP("11.1.2.3") | false
cidr("10.0.0.0/8").containsIP("::1")     | false
cidr("10.0.0.0/8").containsCIDR(cidr("10.1.0.0/16")) | true
cidr("10.0.0.0/8").containsCIDR("0.0.0.0/0") | false
string(cidr("10.1.2.3/8").masked())      | "10.0.0.0/8"
cidr("10.1.2.3/8").prefixLength()        | 8
cidr("10.1.2.3/8").ip()                  | 10.1.2.3
string(ip("::ffff:10.0.0.1"))            | "10.0.0.1"
ip("10.0.0.1") in [ip("::ffff:10.0.0.1")] | true
# regex
regex.extract("hello world", "w(o)r")    | optional("o")
regex.extract("hello", "x")              | optional.none()
regex.extract("hello", "(h)(e)")         | error: the regular expression '(h)(e)' has more than one
regex.extractAll("a1b2", "[0-9]")        | ["1", "2"]
regex.replace("abab", "(a)b", "<\\1>")   | "<a><a>"
regex.replace("abab", "a", "x", 1)       | "xbab"
regex.replace("a", "a", "\\2")           | error: the regular expression has no group 2
# times
timestamp("2020-02-29T23:59:58.5Z").getFullYear() | 2020
timestamp("2020-02-29T23:59:58.5Z").getMonth() | 1
timestamp("2020-02-29T23:59:58.5Z").getDate() | 29
timestamp("2020-02-29T23:59:58.5Z").getDayOfMonth() | 28
timestamp("2020-02-29T23:59:58.5Z").getDayOfYear() | 59
timestamp("2020-02-29T23:59:58.5Z").getDayOfWeek() | 6
timestamp("2020-02-29T23:59:58.5Z").getHours() | 23
timestamp("2020-02-29T23:59:58.5Z").getMinutes() | 59
timestamp("2020-02-29T23:59:58.5Z").getSeconds() | 58
timestamp("2020-02-29T23:59:58.5Z").getMilliseconds() | 500
timestamp("2020-02-29T23:59:58Z").getFullYear("Europe/Paris") | 2020
timestamp("2020-02-29T23:59:58Z").getMonth("Europe/Paris") | 2
timestamp("2020-02-29T23:59:58Z").getDate("Europe/Paris") | 1
timestamp("2020-02-29T23:59:58Z").getDayOfMonth("+01:00") | 0
timestamp("2020-02-29T23:59:58Z").getDayOfYear("01:00") | 60
timestamp("2020-02-29T23:59:58Z").getDayOfWeek("Asia/Tokyo") | 0
timestamp("2020-02-29T23:59:58Z").getHours("-08:30") | 15
timestamp("2020-02-29T23:59:58Z").getMinutes("-08:30") | 29
timestamp("2020-02-29T23:59:58Z").getSeconds("UTC") | 58
timestamp("2020-02-29T23:59:58.5Z").getMilliseconds("UTC") | 500
timestamp(0).getHours("")                | 0
timestamp("2020-01-01T00:00:00+25:00")   | error: could not convert '2020-01-01T00:00:00+25:00'
timestamp(0).getHours("Nowhere/City")    | error: 'Nowhere/City' is no time zone
timestamp(0).getHours("+25:00")          | error: '+25:00' is no offset
timestamp("9999-12-31T23:59:59Z").getFullYear("+02:00") | error: date value out of range
duration("3h").getHours() + duration("-90m").getHours() | 2
duration("90s").getMinutes()             | 1
duration("90s").getSeconds()             | 90
duration("-1.5s").getMilliseconds()      | -500
# URIs
uri("https://me@a.b:80/p%20q?x=1&x=2&y") == url("HTTPS://me@a.b:80/p%20q?x=1&x=2&y") | true
isURL("/a") && !isURL("a b")             | true
url("relative")                          | error: 'relative' is neither an absolute URI
uri("https://a.b:80/p").getScheme()      | "https"
uri("https://me@a.b:80/p").getHost()     | "a.b:80"
uri("https://[::1]:80/p").getHostname()  | "::1"
uri("https://a.b:80/p").getPort()        | "80"
uri("https://a.b/p q").getEscapedPath()  | "/p%20q"
uri("https://a.b/?x=1&x=2&y").getQuery() | {"x": ["1", "2"], "y": [""]}
uri("https://a.b/").startsWith("https:") | true
dnsName("a.b") == dnsName("A.B.")        | true
dnsName("a.b") != dnsName("a.c")         | true
email("a@b.c") == email("a@B.C") && email("a@b.c") != email("x@b.c") | true
uri("a:b") != uri("a:c")                 | true
ip("::1") != ip("::2") && ip("::1") == ip("0::1") | true
# optionals
optional.of(1).hasValue()                | true
optional.none().hasValue()               | false
optional.of(1).value()                   | 1
optional.none().value()                  | error: optional.none() has no value
optional.ofNonZeroValue("").orValue("x") | "x"
optional.ofNonZeroValue(0).or(optional.of(2)).value() | 2
optional.ofNonZeroValue(timestamp(0)).hasValue() | false
optional.of(2).optMap(x, x * 2)          | optional(4)
optional.of(2).optFlatMap(x, optional.none()) | optional.none()
optional.unwrap([optional.of(1), optional.none()]) | [1]
[optional.of(1), optional.none()].unwrapOpt() | [1]
{"a": 1}.?a                              | optional(1)
{"a": 1}[?"b"]                           | optional.none()
{"a": {"b": 1}}.?a.b                     | optional(1)
{"a": {"b": 1}}.?x.b.orValue(7)          | 7
{"a": [5]}.?a[0]                         | optional(5)
optional.of(dyn([1]))[0]                 | optional(1)
has({"a": {"b": 1}}.?a.b)                | true
optional.of({"a": 1})[?"b"]              | optional.none()
optional.of([1])[?0]                     | optional(1)
optional.of(dyn([1]))[?0]                | optional(1)
[1][?1]                                  | optional.none()
[1][?0u].value() + [1][?0.0].value()     | 2
[?optional.of(1), ?optional.none(), 2]   | [1, 2]
{?"a": optional.none(), "b": 1}          | {"b": 1}
# parts
[1, 2][1] + [1, 2][0u] + [1, 2][0.0]     | 4
[1][1]                                   | error: index out of bounds: 1 of a list of 1
{"a": 1}["a"]                            | 1
{"a": 1}["b"]                            | error: no such key: 'b'
{1: 2}[dyn(1u)] + {1u: 2}[dyn(1.0)]      | 4
{true: 1}[true]                          | 1
{"a": 1, "a": 2}                         | error: the key 'a' comes twice
{1.5: 1}                                 | error: a double can't be the key of a map
has({"a": 1}.b)                          | false
1 in [1] && 1u in [1u] && "a" in ["a"]   | true
true in [true] && b"a" in [b"a"]         | true
timestamp(0) in [timestamp(0)] && duration("1s") in [duration("1s")] | true
1.0 in [1.0] && 1 in {1: 2}              | true
double("NaN") in [double("NaN")]         | false
# comparisons
1 < 2 && 2u >= 1u && 1.0 <= 1.0 && 1u > 0u && 1.0 < 2.0 | true
1u < 2u && 1u <= 2u && 2 > 1 && 2 >= 1 && 2 <= 3 && 1.0 > 0.5 && 1.0 >= 1.0 | true
1 < 2u && 1 <= 2u && 2 > 1u && 2 >= 1u   | true
1u < 2 && 1u <= 2 && 2u > 1 && 2u >= 1   | true
1 < 1.5 && 1 <= 1.5 && 2 > 1.5 && 2 >= 1.5 | true
1.5 < 2 && 1.5 <= 2 && 1.5 > 1 && 1.5 >= 1 | true
1u < 1.5 && 1u <= 1.5 && 2u > 1.5 && 2u >= 1.5 | true
1.5 < 2u && 1.5 <= 2u && 1.5 > 1u && 1.5 >= 1u | true
"a" < "b" && "a" <= "b" && "b" > "a" && "b" >= "a" | true
b"a" < b"b" && b"a" <= b"b" && b"b" > b"a" && b"b" >= b"a" | true
false < true && false <= true && true > false && true >= false | true
timestamp(0) < timestamp(1) && timestamp(0) <= timestamp(1) | true
timestamp(1) > timestamp(0) && timestamp(1) >= timestamp(0) | true
duration("1s") < duration("2s") && duration("1s") <= duration("2s") | true
duration("2s") > duration("1s") && duration("2s") >= duration("1s") | true
dnsName("a") < dnsName("b") && dnsName("a") <= dnsName("b") | true
dnsName("b") > dnsName("a") && dnsName("b") >= dnsName("a") | true
email("a@a.b") < email("b@a.b") && email("a@a.b") <= email("b@a.b") | true
email("b@a.b") > email("a@a.b") && email("b@a.b") >= email("a@a.b") | true
uri("a") < uri("b") && uri("a") <= uri("b") && uri("b") > uri("a") && uri("b") >= uri("a") | true
1 == 1 && 1u == 1u && 1.0 == 1.0 && "a" == "a" && b"a" == b"a" && true == true | true
1 != 2 && 1u != 2u && 1.0 != 2.0 && "a" != "b" && b"a" != b"b" && true != false | true
null == null && !(null != null) && type(1) == int && type(1) != uint | true
timestamp(0) == timestamp(0) && timestamp(0) != timestamp(1) | true
duration("1s") == duration("1000ms") && duration("1s") != duration("2s") | true
[1, 2.0] == [1u, 2] && {"a": [1]} != {"a": [2]} | true
double("NaN") == double("NaN")           | false
dyn(9007199254740993) == 9007199254740992.0 && dyn(9007199254740993) != 9007199254740992u | true
[dyn(9007199254740993)] == [9007199254740992.0] | true
[,] == [] && {,} == {}                   | true
dyn(1) == 1.0 && dyn(1) != true          | true
# arithmetic
-(1) == -1 && -(1.5) == -1.5             | true
7 / -2 + 7 % -2 - 7 * 2 - -7             | -9
7u / 2u + 7u % 2u - 2u * 1u              | 2u
7.0 / 2.0 - 0.5 * 2.0 + 1.0 - -1.0       | 4.5
1.0 / 0.0                                | +Inf
1 / 0                                    | error: division by zero
1u % 0u                                  | error: modulus by zero
-9223372036854775808 / -1                | error: integer overflow
1u - 2u                                  | error: unsigned integer overflow
timestamp(1) - timestamp(0) == duration("1s") | true
timestamp(0) + duration("1s") == duration("1s") + timestamp(0) | true
timestamp(1) - duration("1s") == timestamp(0) | true
duration("1s") + duration("2s") - duration("3s") == duration("0s") | true
timestamp("9999-12-31T23:59:59Z") + duration("1s") | error: timestamp out of range
!true                                    | false
# conversions
int(1) + int("-2") + int(1.9) + int(3u) + int(timestamp(5)) | 8
int("1.5")                               | error: '1.5' is no int
int(1e30)                                | error: integer overflow
uint(1u) + uint("2") + uint(1.9) + uint(3) | 7u
uint(-1)                                 | error: unsigned integer overflow
double(1.5) + double(1) + double(1u) + double("0.5") | 4.0
double("x")                              | error: 'x' is no double
bool("t") && bool(true)                  | true
bool("maybe")                            | error: 'maybe' is no bool
string("a") + string(1) + string(1u) + string(1.5) + string(true) + string(b"x") | "a111.5truex"
string(b"\xff")                          | error: the bytes are not UTF-8
string(timestamp(0)) + string(duration("90s")) | "1970-01-01T00:00:00Z90s"
string(ip("::1")) + string(email("a@b.c")) + string(uri("x")) + string(dnsName("y")) | "::1a@b.cxy"
bytes("ä") == bytes(b"\xc3\xa4")         | true
timestamp("1970-01-01T00:00:01Z") == timestamp(timestamp(1)) | true
timestamp("now")                         | error: could not convert 'now' to TIMESTAMP
duration("1m") == duration(duration("60s")) | true
duration("1 minute")                     | error: '1 minute' is not a duration
type(1) == type(2) && type("") == string && type(type(1)) == type | true
type(ip("::1")) == net.IP                | true
"""
TABLE = [
    tuple(part.strip() for part in line.rsplit(" | ", 1))
    for line in ROWS.splitlines()
    if line and not line.startswith("#")
]


def worth(text: str, checked: bool) -> str:
    """The value of an expression as explanations show it, after the two evaluators agreed."""
    compiled = program(text, Lang.CEL, Vocabulary(), checked=checked)
    found, walked = compiled.run(Bag({})), compiled.walk(Bag({}))
    assert shown(found, compiled.type) == shown(walked, compiled.type)
    return shown(found, compiled.type)


@pytest.mark.parametrize(("text", "value"), TABLE, ids=[text for text, _ in TABLE])
@pytest.mark.parametrize("folded", [True, False], ids=["folded", "whole"])
def test_an_expression_is_worth_this(
    text: str, value: str, folded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not folded:
        monkeypatch.setattr(fold, "apply", lambda tree: tree)
    for checked in (True, False):
        found = worth(text, checked)
        if value.startswith("error: "):
            assert found.startswith("error: "), checked
            assert not checked or found.startswith(value)
        else:
            assert found == value, checked


def test_every_overload_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "apply", lambda tree: tree)
    used = {
        id(part.overload)
        for text, _ in TABLE
        for part in walk(program(text, Lang.CEL, Vocabulary()).tree)
        if isinstance(part, Apply)
    }
    missing = [
        f"{name}({', '.join(map(str, overload.params))})"
        for name, overloads in CEL_TABLE.items()
        for overload in overloads
        if id(overload) not in used
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ('ip("::1") == "::1"', "== arg 2 typeError got STRING, expected IP_ADDRESS", 'ip("...")'),
        ("1 == 1.0", "== arg 2 typeError got DOUBLE, expected INT64", "double(x)"),
        ("[1].map(1, 2)", "takes the name of a variable here", ""),
        ("[1].map(x, x, x, x)", "takes 2 or 3 arguments, got 4", ""),
        ("1.all(x, true)", "goes through a list or a map, got INT64", ""),
        ("[1].all(x, x)", "all arg 2 typeError got INT64, expected BOOL", ""),
        ("[1].exists(x, y > 1)", "unknown attribute y", ""),
        ("math.gratest(1)", "unknown function: math.gratest", "did you mean 'math.greatest'?"),
        ("[1].firts()", "unknown function: firts", "did you mean 'first'?"),
        ("1.optMap(x, x)", "optMap needs an optional, got INT64", ""),
        ("optional.of(1).optFlatMap(x, x)", "optFlatMap needs an optional, got INT64", ""),
        ('true ? optional.of(1).optMap(x, "a") : 1', "got INT64, expected optional(STRING)", ""),
        ("[?1]", "expected an optional, got INT64", ""),
        ('true ? 1 : "a"', "typeError got STRING, expected INT64", ""),
        ("has(1)", "has() takes a name with a dot", ""),
        ("cel.bind(1, 2, 3)", "takes the name of a variable here", ""),
        ("[1].all(x, x, true)", "two variables named 'x'", ""),
        ("a{b: 1}", "messages can't be constructed", ""),
        ("1u + 1", "+ arg 2 typeError got INT64, expected uint", ""),
        ("\"a\".matches(\"(\")", "no regular expression of RE2", ""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(text: str, message: str, suggestion: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        program(text, Lang.CEL, Vocabulary())
    assert message in refused.value.message
    assert suggestion in refused.value.suggestion
