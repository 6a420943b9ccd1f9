"""Optionals: values that may be missing, as cel-go has them."""

from __future__ import annotations

from typing import Any

from mixer.expr.overload import Overload, calls, fast_method
from mixer.expr.types import BOOL, DYN, A, list_of, optional_of
from mixer.expr.values import NONE, Optional, bounded_list


def held(optional: Optional) -> Any:
    """What an optional holds."""
    if optional.present:
        return optional.value
    raise ValueError("optional.none() has no value")


def unless_zero(value: Any) -> Optional:
    """An optional of *value*, missing where it is the zero value of its type."""
    kind = value.__class__
    is_zero = value is None or (kind is not Optional and hasattr(kind, "__len__") and not value)
    if isinstance(value, int | float):
        is_zero = not value
    return NONE if is_zero else Optional(value)


def unwrapped(items: tuple[Optional, ...]) -> tuple[Any, ...]:
    """What the optionals of a list hold."""
    return bounded_list(tuple([item.value for item in items if item.present]))


OPTIONAL = Overload("optional.of", (A,), optional_of(A), "Optional({0})", {"Optional": Optional})
HELD = calls("value", held, (optional_of(A),), A, method=True, heavy=False)
HAS_VALUE = fast_method("hasValue", (optional_of(A),), BOOL, "{0}.present")


OVERLOADS: tuple[Overload, ...] = (
    OPTIONAL,
    HELD,
    HAS_VALUE,
    Overload("optional.none", (), optional_of(DYN), "NONE", {"NONE": NONE}),
    calls("optional.ofNonZeroValue", unless_zero, (A,), optional_of(A), fails=False, heavy=False),
    calls("optional.unwrap", unwrapped, (list_of(optional_of(A)),), list_of(A)),
    calls("unwrapOpt", unwrapped, (list_of(optional_of(A)),), list_of(A), method=True),
)
