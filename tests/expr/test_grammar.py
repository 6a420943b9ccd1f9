"""Our parser of CEL takes what cel-python's grammar takes, on the specification's expressions."""

from __future__ import annotations

import pytest
from celpy.celparser import CELParseError, CELParser

from mixer.errors import ExpressionError
from mixer.expr import cel
from tests.conformance.cel_spec import spec_tests

PARSER = CELParser()
TEXTS = sorted({test.expression for test in spec_tests().values()})


def refusal(text: str) -> str:
    """Why our parser refuses *text*, "" where it does not."""
    try:
        cel.parse(text)
    except ExpressionError as error:
        return error.message
    return ""


@pytest.mark.parametrize("half", [0, 1])
def test_what_cel_python_parses_we_parse(half: int) -> None:
    for text in TEXTS[half::2]:
        try:
            PARSER.parse(text)
        except CELParseError:
            continue
        assert refusal(text) in ("", "messages can't be constructed here"), text


@pytest.mark.parametrize(
    "text",
    ["", "1 +", "a b", "(1", "[1", "{1}", "a.", "a.1", "?", "a ? b", "1 ! 2",
     "f(1,)", "a.f(1,)", "f(,)", "[,,]"],
)  # fmt: skip
def test_what_neither_takes_is_refused(text: str) -> None:
    assert refusal(text)
    with pytest.raises(CELParseError):
        PARSER.parse(text)


@pytest.mark.parametrize(
    "text", ["[1,]", "{1: 2,}", "[,]", "{,}", "a.?b", "a[?b]", "[?a]", "{?a: b}", "a.`b-c`"]
)
def test_what_is_younger_than_that_grammar_is_parsed(text: str) -> None:
    assert refusal(text) == ""
    with pytest.raises(CELParseError):
        PARSER.parse(text)
