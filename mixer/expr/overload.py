"""One meaning of a function for one list of types, and how to write one down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from mixer.expr.types import Type


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Overload:
    """
    A function of values.

    Its code is a Python expression to be filled with the atoms of the arguments, ``{0}``, ``{1}``;
    where it can fail it raises ValueError or OverflowError, which becomes the expression's failure.
    """

    function: str
    params: tuple[Type, ...]
    """For a method the target comes first."""

    result: Type
    code: str
    helpers: Mapping[str, Any] = field(default_factory=dict)
    """What the code calls, by name."""

    fails: bool = False
    method: bool = False
    heavy: bool = False
    """Its time grows with its arguments, so that a loop which calls it counts their size."""

    prepared: int | None = None
    """The argument that, where constant, is prepared once, such as a regular expression."""

    prepare: Callable[[Any], Any] = _same
    """Raises ValueError for a constant that can't be used."""

    constant_code: str = ""
    """The code where the prepared argument is constant, if it differs; it can't fail."""

    @property
    def python(self) -> Callable[..., Any]:
        """The code as a function of its arguments; raises as the code does."""
        return _callable(self)

    def call(self, *args: Any) -> Any:
        """The value for *args*; raises as the code does."""
        return _callable(self)(*args)


_made: WeakKeyDictionary[Overload, Callable[..., Any]] = WeakKeyDictionary()
"""Overloads made for one expression go with it, so this must not keep them."""


def _callable(overload: Overload) -> Callable[..., Any]:
    if (made := _made.get(overload)) is None:
        names = [f"a{at}" for at in range(len(overload.params))]
        source = f"lambda {', '.join(names)}: {overload.code.format(*names)}"
        made = _made[overload] = eval(source, dict(overload.helpers))
    return made


def fast(function: str, params: tuple[Type, ...], result: Type, code: str) -> Overload:
    """A plain function or operator whose *code* can't fail."""
    return Overload(function, params, result, code)


def fast_method(function: str, params: tuple[Type, ...], result: Type, code: str) -> Overload:
    """A method whose *code* can't fail."""
    return Overload(function, params, result, code, method=True)


def calls(
    function: str,
    python: Callable[..., Any],
    params: tuple[Type, ...],
    result: Type,
    **more: Any,
) -> Overload:
    """A plain function that calls *python*, which may fail and is heavy unless *more* says so."""
    helper = python.__name__
    holes = ", ".join(f"{{{at}}}" for at in range(len(params)))
    options = {"fails": True, "heavy": True} | more
    return Overload(function, params, result, f"{helper}({holes})", {helper: python}, **options)


def calls_method(
    function: str,
    python: Callable[..., Any],
    params: tuple[Type, ...],
    result: Type,
    **more: Any,
) -> Overload:
    """A method that calls *python* with the target first; see `calls`."""
    return calls(function, python, params, result, method=True, **more)
