"""Our CEL is worth what Google's is: random expressions, run by both."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cel_expr_python", reason="Google's CEL has no wheel for this platform")

from tests.conformance.differential import DISAGREEMENTS, compare, listed
from tests.conformance.expressions import Expressions, values


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_both_fail_or_have_one_value(random: Random) -> None:
    outcome = compare(Expressions(random).make(), values(random))
    assert outcome.agrees or listed(outcome), outcome


@pytest.mark.parametrize(
    "text",
    [
        'string(timestamp(0) + duration("1.5s"))',
        '!!b""',
        "[1].reverse()",
        '"abc".substring(0, 3)',
        '"".split("")',
    ],
)
def test_a_listed_disagreement_is_still_one(text: str) -> None:
    outcome = compare(text, values(Random(1)))
    assert not outcome.agrees
    assert listed(outcome) or "avoided: true" in DISAGREEMENTS.read_text(encoding="utf-8")
