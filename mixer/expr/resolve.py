"""Which overload a call takes, by the types of its arguments, and what its result is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from mixer.expr.dynamic import dispatch, reads_text
from mixer.expr.overload import Overload
from mixer.expr.types import DYN, A, B, Type


class Fit(IntEnum):
    """How arguments fit an overload."""

    NO = 0
    MAYBE = 1
    """Only the call can tell, as a type is DYN."""

    YES = 2


def joined(a: Type, b: Type) -> Type | None:
    """The type of what may be of either, None where they contradict each other."""
    if a == b:
        return a
    if DYN in (a, b):
        return DYN
    if a.name != b.name or not a.params:
        return None
    params = [joined(x, y) for x, y in zip(a.params, b.params, strict=True)]
    return None if None in params else Type(a.name, tuple([one for one in params if one]))


def common(types: Iterable[Type]) -> Type:
    """The type of the items of a list: theirs where they have one, else DYN."""
    found: Type | None = None
    for type_ in types:
        merged = type_ if found is None else joined(found, type_)
        if merged is None:
            return DYN
        found = merged
    return DYN if found is None else found


def fit(param: Type, given: Type, bound: dict[Type, Type]) -> Fit:
    """Tell whether a value of type *given* fits *param*; type variables are *bound* as needed."""
    if param in (A, B):
        merged = joined(bound.get(param, given), given)
        if merged is None:
            return Fit.NO
        bound[param] = merged
        return Fit.YES
    if param in (given, DYN):
        return Fit.YES
    if given == DYN:
        return Fit.MAYBE
    if param.name != given.name or not param.params:
        return Fit.NO
    return min(fit(p, g, bound) for p, g in zip(param.params, given.params, strict=True))


def bound_type(type_: Type, bound: dict[Type, Type]) -> Type:
    """*type_* with its variables replaced; one that nothing bound becomes DYN."""
    if type_ in (A, B):
        return bound.get(type_, DYN)
    return Type(type_.name, tuple([bound_type(one, bound) for one in type_.params]))


def choose(
    name: str, overloads: Sequence[Overload], types: tuple[Type, ...], widens: bool = True
) -> tuple[Overload, Type] | None:
    """
    The overload for arguments of *types* and its result, None where none can fit.

    Where the language *widens*, a name or an address may stand for the text that it is.
    """
    possible: list[Overload] = []
    results: set[Type] = set()
    for overload in overloads:
        if len(overload.params) != len(types):
            continue
        bound: dict[Type, Type] = {}
        fits = [
            Fit.YES if widens and reads_text(overload, at, given) else fit(param, given, bound)
            for at, (param, given) in enumerate(zip(overload.params, types, strict=True))
        ]
        worst = min(fits, default=Fit.YES)
        if worst is Fit.YES:
            return overload, bound_type(overload.result, bound)
        if worst is Fit.MAYBE:
            possible.append(overload)
            results.add(_promised(overload, fits, bound))
    if not possible:
        return None
    dynamic = dispatch(name, possible, len(types))
    return dynamic, results.pop() if len(results) == 1 else DYN


def _promised(overload: Overload, fits: Sequence[Fit], bound: dict[Type, Type]) -> Type:
    """The result of a call that may take *overload*: what can be told without the call."""
    unsure = any(
        how is Fit.MAYBE and _has_variable(param)
        for how, param in zip(fits, overload.params, strict=True)
    )
    if unsure and _has_variable(overload.result):
        return DYN
    return bound_type(overload.result, bound)


def _has_variable(type_: Type) -> bool:
    return type_ in (A, B) or any(map(_has_variable, type_.params))
