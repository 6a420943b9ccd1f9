"""Our CEL is the specification's: its conformance data, run by both evaluators."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from tests.conformance.cel_spec import NotOurs, SpecTest, passes, same, skipped, spec_tests


@pytest.mark.parametrize(
    "test",
    [pytest.param(test, id=id_) for id_, test in spec_tests().items() if id_ not in skipped()],
)
def test_the_expression_is_worth_what_the_specification_says(test: SpecTest) -> None:
    expected = test.expected()
    for evaluator, found in test.outcomes():
        assert same(found, expected), f"{evaluator}: {test.expression}: {found!r}"


@pytest.mark.parametrize("id_", skipped())
def test_a_skipped_test_is_there_and_can_not_pass(id_: str) -> None:
    test = spec_tests()[id_]
    with suppress(NotOurs):
        assert not passes(test), "it passes: take it from skipped.yaml"


@pytest.mark.parametrize("id_", skipped())
def test_only_what_makes_a_message_is_skipped(id_: str) -> None:
    bare = re.sub("//.*", "", spec_tests()[id_].expression)
    assert re.search(r"[\w`]\s*\{", bare)


def test_the_list_of_skipped_tests_only_shrinks() -> None:
    assert len(skipped()) <= 98
