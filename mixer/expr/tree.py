"""
The typed tree: what an expression means, whatever language it was written in.

Law: nothing here depends on the language any more; where languages differ, a node says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from mixer.expr.overloads import Overload
from mixer.expr.types import BOOL, STRING, STRING_MAP, Type


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known now; hashable or a tuple of such."""

    type: Type
    value: Any


@dataclass(frozen=True, slots=True)
class Attribute:
    """Reads an attribute of the call."""

    type: Type
    name: str
    zero: bool
    """Where it is absent: True gives the zero value of its type, False a failure."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The value of a key of a string map."""

    operand: Tree
    key: Tree
    lenient: bool
    """A missing key gives "" where True, a failure where False."""

    type: Type = STRING


@dataclass(frozen=True, slots=True)
class Has:
    """Whether an attribute, or a key of a string map, is there."""

    of: Attribute | Lookup
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Fallback:
    """The first of two that is there."""

    type: Type
    first: Tree
    second: Tree


@dataclass(frozen=True, slots=True)
class Conditional:
    """One of two, by a condition; the other is not evaluated."""

    type: Type
    condition: Tree
    yes: Tree
    no: Tree


@dataclass(frozen=True, slots=True)
class Logic:
    """``&&`` (decisive False) or ``||`` (decisive True) over two or more operands."""

    decisive: bool
    operands: tuple[Tree, ...]
    absorbs: bool
    """True: a decisive operand wins over another's failure, as in CEL. False: the first failure
    is the result, as in Istio's syntax."""

    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of the values of its arguments; a failing argument is its result."""

    overload: Overload
    args: tuple[Tree, ...]

    @property
    def type(self) -> Type:
        """The overload's result."""
        return self.overload.result


@dataclass(frozen=True, slots=True)
class EmptyMap:
    """A string map without entries, which is part of no request."""

    type: Type = STRING_MAP


Tree: TypeAlias = (
    Constant | Attribute | Lookup | Has | Fallback | Conditional | Logic | Apply | EmptyMap
)


def may_be_absent(tree: Tree) -> bool:
    """Tell whether *tree*, left of a fallback, can be absent: only reads of the call can."""
    return isinstance(tree, Attribute | Lookup | Fallback)


def walk(tree: Tree) -> Iterator[Tree]:
    """*tree* and all its parts, in order of writing."""
    yield tree
    match tree:
        case Lookup():
            parts: tuple[Tree, ...] = (tree.operand, tree.key)
        case Has():
            parts = (tree.of,)
        case Fallback():
            parts = (tree.first, tree.second)
        case Conditional():
            parts = (tree.condition, tree.yes, tree.no)
        case Logic():
            parts = tree.operands
        case Apply():
            parts = tree.args
        case _:
            parts = ()
    for part in parts:
        yield from walk(part)
