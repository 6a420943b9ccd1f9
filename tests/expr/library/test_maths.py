"""Numbers at their ends: NaN, infinities, signs of zero, 64 bits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mixer.expr.types import DOUBLE, DYN, INT, UINT, list_of
from mixer.expr.values import Uint
from tests.expr.library.overloads import outcome

TYPES = {int: INT, Uint: UINT, float: DOUBLE, tuple: list_of(DYN)}
LEAST_INT, GREATEST_INT = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("greatest", (GREATEST_INT, float(2**63)), float(2**63)),
        ("least", (Uint(2**64 - 1), -1), -1),
        ("greatest", ((1, Uint(3), 2.5),), Uint(3)),
        ("greatest", (1.0, math.inf), math.inf),
        ("greatest", (math.nan, 1.0), "error: NaN has no order"),
        ("greatest", (1, math.nan), "error: NaN has no order"),
        ("least", ((1, math.nan),), "error: NaN has no order"),
        ("least", ((math.nan, 1),), "error: NaN has no order"),
        ("least", ((),), "error: the list is empty"),
        ("least", ((1, True),), "error: a bool is no number"),
        ("ceil", (-0.5,), -0.0),
        ("ceil", (math.inf,), math.inf),
        ("floor", (-0.5,), -1.0),
        ("floor", (1e300,), 1e300),
        ("round", (-0.4,), -0.0),
        ("round", (-2.5,), -3.0),
        ("round", (4503599627370497.5,), 4503599627370498.0),
        ("trunc", (-0.9,), -0.0),
        ("abs", (-0.0,), 0.0),
        ("abs", (LEAST_INT,), "error: integer overflow"),
        ("sign", (LEAST_INT,), -1),
        ("sign", (Uint(0),), Uint(0)),
        ("sqrt", (-4,), math.nan),
        ("sqrt", (Uint(2**64 - 1),), 2.0**32),
        ("isInf", (-math.inf,), True),
        ("isNaN", (1.0,), False),
        ("isFinite", (math.nan,), False),
        ("bitAnd", (-1, 5), 5),
        ("bitNot", (GREATEST_INT,), LEAST_INT),
        ("bitNot", (Uint(2**64 - 1),), Uint(0)),
        ("bitShiftLeft", (-1, 64), 0),
        ("bitShiftLeft", (3, 63), LEAST_INT),
        ("bitShiftLeft", (Uint(3), 63), Uint(2**63)),
        ("bitShiftLeft", (1, GREATEST_INT), 0),
        ("bitShiftRight", (-1, 0), -1),
        ("bitShiftRight", (-1, 60), 15),
        ("bitShiftRight", (Uint(1), -1), "error: a shift by -1 bits"),
    ],
)  # fmt: skip
def test_an_edge_gives_this(name: str, args: tuple[Any, ...], expected: Any) -> None:
    found = outcome(f"math.{name}", tuple(TYPES[type(one)] for one in args), *args)
    assert type(found) is type(expected)
    assert repr(found) == repr(expected)  # tells 0.0 from -0.0, and NaN as itself
