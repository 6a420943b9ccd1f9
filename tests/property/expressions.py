"""Random expressions in both languages over a small vocabulary."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from attributes import ValueType
from mixer.lang import Lang

VOCABULARY = {
    "context.reporter.kind": ValueType.STRING,
    "source.namespace": ValueType.STRING,
    "destination.namespace": ValueType.STRING,
    "source.user": ValueType.STRING,
    "source.name": ValueType.STRING,
    "own.text": ValueType.STRING,
    "request.headers": ValueType.STRING_MAP,
    "source.labels": ValueType.STRING_MAP,
    "response.code": ValueType.INT64,
    "request.size": ValueType.INT64,
    "own.double": ValueType.DOUBLE,
    "connection.mtls": ValueType.BOOL,
    "request.time": ValueType.TIMESTAMP,
    "response.duration": ValueType.DURATION,
    "source.ip": ValueType.IP_ADDRESS,
}
"""Of these all but ``own.*`` are words of the global dictionary."""

_DURATION = {Lang.CEL: 'duration("1s")', Lang.CEXL: '"1s"'}
_CEL_TEXTS = [
    "string(response.code)",
    "string(own.double)",
    "string(1.0 / own.double)",
    "(has(own.text) ? own.text : source.user)",
    'source.user.split("").filter(c, c != "a").join("")',
]
_CEL_TRUTHS = [
    "has(request.headers)",
    'has(request.headers.a) && request.headers.a == "x"',
    '"a" in source.labels',
    "request.headers.exists(k, k == source.user)",
    "int(source.user) > 1",
    "!connection.mtls",
    "request.size / response.code > 0",
    "request.time.getFullYear() > 2000",
    "own.double > 0.5",
]
_NUMBERS = [
    "request.size",
    "request.size | 0",
    "response.code",
    "response.code | 200",
    "response.duration",
    "own.double",
    "own.double | 0.5",
    "1",
    "7",
    '"7"',
    'own.text | "1"',
    "source.user",
]


@cache
def texts(lang: Lang, depth: int) -> SearchStrategy[str]:
    """Expressions of type STRING."""
    leaf = st.sampled_from(
        [
            "source.user", "own.text", "source.name", '"x"', '""', 'request.headers["a"]',
            'source.labels["a"]', 'request.headers["b"] | "none"', 'own.text | "x"',
            "request.headers[source.user]", '(source.labels | request.headers)["a"]',
            "source.namespace",
        ]
    )  # fmt: skip
    if lang is Lang.CEL:
        leaf = st.one_of(leaf, st.sampled_from(_CEL_TEXTS))
    if depth == 0:
        return leaf
    inner, truth = texts(lang, depth - 1), truths(lang, depth - 1)
    choice = "({} ? {} : {})" if lang is Lang.CEL else "conditional({}, {}, {})"
    return st.one_of(
        leaf,
        st.builds("({} | {})".format, inner, inner),
        st.builds("({} + {})".format, inner, inner),
        st.builds("source.labels[{}]".format, inner),
        st.builds(choice.format, truth, inner, inner),
    )


@cache
def truths(lang: Lang, depth: int) -> SearchStrategy[str]:
    """Expressions of type BOOL."""
    leaf = st.sampled_from(
        [
            "true", "connection.mtls", 'source.user == "x"', 'source.user != "a"',
            'source.labels["a"] == "x"', "response.code > 1", "response.code == 200",
            "connection.mtls | true", f"response.duration > {_DURATION[lang]}",
            'source.ip == ip("10.0.0.1")', 'own.text == "x"',
        ]
    )  # fmt: skip
    if lang is Lang.CEL:
        leaf = st.one_of(leaf, st.sampled_from(_CEL_TRUTHS))
    if depth == 0:
        return leaf
    inner, text = truths(lang, depth - 1), texts(lang, depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("({} == {})".format, text, text),
        st.builds("({} == false)".format, inner),
    )


def numbers(lang: Lang) -> SearchStrategy[str]:
    """Expressions whose values can be measured."""
    more = ["response.code + 1", "int(source.user)", "size(own.text)"] if lang is Lang.CEL else []
    return st.sampled_from([*_NUMBERS, f"response.duration | {_DURATION[lang]}", *more])


def anything(lang: Lang) -> SearchStrategy[str]:
    """Expressions of any type."""
    return st.one_of(
        texts(lang, 1), truths(lang, 0), numbers(lang),
        st.sampled_from(["request.time", "source.ip", "source.labels", "request.headers"]),
    )  # fmt: skip


def measures(lang: Lang) -> SearchStrategy[str]:
    """Expressions that are measured without a look at the rest."""
    default = f"response.duration | {_DURATION[lang]}"
    return st.sampled_from(
        ["request.size | 0", "own.double | 0.5", default, "1", "request.size", "own.double"]
    )


plain_values = st.sampled_from(
    [
        'source.user | "none"', 'own.text | "none"', 'request.headers["a"] | "none"',
        'source.labels["a"] | "none"', "connection.mtls | false", "response.code | 200",
        "own.double | 0.5", 'source.namespace | ""', '"x"', 'request.headers["b"] | "none"',
        "request.headers", '(request.headers["b"] | "none") + "!"',
    ]
)  # fmt: skip
"""Expressions of either language that seldom fail."""

plain_truths = st.sampled_from(
    [
        "connection.mtls | true", '(own.text | "x") == "x"', "(response.code | 200) == 200",
        '(source.user | "") != "a"', '(request.headers["a"] | "x") != "b"',
    ]
)  # fmt: skip
"""The same as conditions."""
