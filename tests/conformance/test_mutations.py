"""Expressions with a slip in them are refused, fail or have a value; nothing else comes of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attributes import Bag, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr.compile import program
from mixer.expr.reads import Failure
from mixer.lang import Lang
from tests.conformance.cel_spec import same
from tests.conformance.expressions import VARIABLES, values
from tests.conformance.rare import RareExpressions

_SIGNS = "()[]{}.,:?!+-*/%<>=&|\"'`\\ 0189eux_i\n\0é"


def mutated(random: Random) -> str:
    """A random expression with a few characters lost, swapped, doubled or put in."""
    text = list(RareExpressions(random).make())
    for _ in range(random.randrange(1, 4)):
        at, other = random.randrange(len(text)), random.randrange(len(text))
        match random.randrange(4):
            case 0:
                del text[at : at + random.randrange(1, 4)]
            case 1:
                text[at], text[other] = text[other], text[at]
            case 2:
                text[other:other] = text[at : at + random.randrange(1, 20)]
            case _:
                text.insert(at, random.choice(_SIGNS))
        text = text or ["1"]
    return "".join(text)


@settings(max_examples=500, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_slip_is_refused_or_has_one_outcome(random: Random) -> None:
    text, given_values = mutated(random), values(random)
    for checked in (True, False):
        try:
            compiled = program(text, Lang.CEL, Vocabulary(), VARIABLES, checked)
        except ExpressionError as error:
            assert error.message
            assert 0 <= error.offset <= len(text)
            continue
        found = compiled.run(Bag({}), given_values)
        walked = compiled.walk(Bag({}), given_values)
        assert isinstance(found, Failure) == isinstance(walked, Failure), text
        assert isinstance(found, Failure) or same(found, walked), text


def nested(body: str) -> str:
    """An expression in which *body* may use x9, a list within some 500 others."""
    for at in reversed(range(10)):
        inner = f"x{at - 1}" if at else "1"
        body = f"cel.bind(x{at}, {'[' * 50}{inner}{']' * 50}, {body})"
    return body


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(
    "body",
    ["x9 == [x9]", "x9 == x9", "{1: x9} == {1: x9}", "x9 in [x9, 1]", "[x9, 1].distinct()",
     "'%s'.format([x9])", "optional.of(x9) == optional.of(x9)", "string(x9)", "[x9].flatten(9)"],
)  # fmt: skip
def test_lists_that_lie_too_deep_in_one_another_fail(body: str, checked: bool) -> None:
    try:
        compiled = program(nested(body), Lang.CEL, Vocabulary(), {}, checked)
    except ExpressionError as error:
        assert checked
        assert "too deep" in error.message
        return
    outcomes = [compiled.run(Bag({})), compiled.walk(Bag({}))]
    if "flatten" in body:
        assert outcomes[0] == outcomes[1]
    else:
        assert [isinstance(found, Failure) for found in outcomes] == [True, True], outcomes
