"""Numbers: the math library of CEL hosts."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

from mixer.expr.overload import Overload, calls
from mixer.expr.types import BOOL, DOUBLE, DYN, INT, UINT, Type, list_of
from mixer.expr.values import Uint, int64, type_name

_NUMBERS = (INT, UINT, DOUBLE)
_MASK = 2**64 - 1


def _checked(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise ValueError("the list is empty")
    for item in items:
        if item.__class__ not in (int, Uint, float):
            raise ValueError(f"a {type_name(item)} is no number")
    return items


def _ordered(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(items) > 1 and any(item != item for item in items):
        raise ValueError("NaN has no order")  # else the place of NaN would decide
    return items


def greatest(*items: Any) -> Any:
    """The greatest of some numbers; of equal ones the first."""
    return max(_ordered(items))


def greatest_of(items: tuple[Any, ...]) -> Any:
    """The greatest number of a list."""
    return max(_ordered(_checked(items)))


def least(*items: Any) -> Any:
    """The least of some numbers; of equal ones the first."""
    return min(_ordered(items))


def least_of(items: tuple[Any, ...]) -> Any:
    """The least number of a list."""
    return min(_ordered(_checked(items)))


def ceil(value: float) -> float:
    """The next whole number that is not less."""
    return math.copysign(math.ceil(value), value) if math.isfinite(value) else value


def floor(value: float) -> float:
    """The next whole number that is not greater."""
    return math.copysign(math.floor(value), value) if math.isfinite(value) else value


def rounded(value: float) -> float:
    """The nearest whole number; halves go away from zero."""
    if not math.isfinite(value) or abs(value) >= 2**52:
        return value
    whole = math.floor(abs(value))
    return math.copysign(float(whole + (abs(value) - whole >= 0.5)), value)


def trunc(value: float) -> float:
    """The whole part."""
    return math.copysign(float(math.trunc(value)), value) if math.isfinite(value) else value


def absolute(value: Any) -> Any:
    """The value without its sign."""
    if value.__class__ is Uint:
        return value
    return int64(abs(value)) if value.__class__ is int else abs(value)


def sign(value: Any) -> Any:
    """-1, 0 or 1 of the same type; NaN of NaN."""
    if value.__class__ is float:
        return value if value != value else float((value > 0) - (value < 0))
    return value.__class__((value > 0) - (value < 0))


def square_root(value: float) -> float:
    """The square root; NaN of negative numbers."""
    return math.sqrt(value) if value >= 0 else math.nan


def bit_not(value: int) -> int:
    """All bits turned."""
    return ~value


def bit_not_unsigned(value: int) -> Uint:
    """All bits turned."""
    return Uint(~value & _MASK)


def shift_left(value: int, bits: int) -> int:
    """Bits moved up; those past the 64th are lost."""
    if bits < 0:
        raise ValueError(f"a shift by {bits} bits")
    shifted = (value << bits) & _MASK if bits < 64 else 0
    if value.__class__ is Uint:
        return Uint(shifted)
    return shifted - 2**64 if shifted >= 2**63 else shifted


def shift_right(value: int, bits: int) -> int:
    """Bits moved down; zeros come in, also for negative numbers."""
    if bits < 0:
        raise ValueError(f"a shift by {bits} bits")
    shifted = (value & _MASK) >> bits if bits < 64 else 0
    if value.__class__ is Uint:
        return Uint(shifted)
    return shifted - 2**64 if shifted >= 2**63 else shifted


def _chosen(
    name: str, some: Callable[..., Any], whole: Callable[[tuple[Any, ...]], Any]
) -> list[Overload]:
    """Functions of one or two numbers, or of a list; more numbers become a list."""

    def common(a: Type, b: Type) -> Type:
        return a if a == b else DYN

    return [
        *(calls(name, some, (one,), one, heavy=False) for one in _NUMBERS),
        *(calls(name, some, (a, b), common(a, b), heavy=False)
          for a, b in product(_NUMBERS, _NUMBERS)),
        *(calls(name, whole, (list_of(one),), one) for one in (*_NUMBERS, DYN)),
    ]  # fmt: skip


def _bits(name: str, operator: str) -> list[Overload]:
    function = f"math.{name}"
    return [
        Overload(function, (INT, INT), INT, f"{{0}} {operator} {{1}}"),
        Overload(function, (UINT, UINT), UINT, f"Uint({{0}} {operator} {{1}})", {"Uint": Uint}),
    ]


def _of_double(name: str, python: Callable[[float], float]) -> Overload:
    return calls(f"math.{name}", python, (DOUBLE,), DOUBLE, fails=False, heavy=False)


OVERLOADS: tuple[Overload, ...] = (
    *_chosen("math.greatest", greatest, greatest_of),
    *_chosen("math.least", least, least_of),
    *(_of_double(name, python) for name, python in (
        ("ceil", ceil), ("floor", floor), ("round", rounded), ("trunc", trunc),
    )),
    *(calls("math.abs", absolute, (one,), one, heavy=False) for one in _NUMBERS),
    *(calls("math.sign", sign, (one,), one, fails=False, heavy=False) for one in _NUMBERS),
    *(
        calls("math.sqrt", square_root, (one,), DOUBLE, fails=False, heavy=False)
        for one in _NUMBERS
    ),
    *(
        Overload(f"math.{name}", (DOUBLE,), BOOL, f"{python.__name__}({{0}})",
                 {python.__name__: python})
        for name, python in (
            ("isNaN", math.isnan), ("isInf", math.isinf), ("isFinite", math.isfinite),
        )
    ),
    *_bits("bitAnd", "&"),
    *_bits("bitOr", "|"),
    *_bits("bitXor", "^"),
    calls("math.bitNot", bit_not, (INT,), INT, fails=False, heavy=False),
    calls("math.bitNot", bit_not_unsigned, (UINT,), UINT, fails=False, heavy=False),
    *(calls(f"math.{name}", python, (one, INT), one, heavy=False)
      for name, python in (("bitShiftLeft", shift_left), ("bitShiftRight", shift_right))
      for one in (INT, UINT)),
)  # fmt: skip
