"""
The typed tree: what an expression means, whatever language it was written in.

Law: nothing here depends on the language any more; where languages differ, a node says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from mixer.expr.overload import Overload
from mixer.expr.syntax import Node
from mixer.expr.types import BOOL, STRING, Type, optional_of


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known now."""

    type: Type
    value: Any
    source: Node | None = field(default=None, compare=False)
    """What it was written as; None for parts that nobody wrote."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """Reads an attribute of the call."""

    type: Type
    name: str
    zero: bool
    """Where it is absent: True gives the zero value of its type, False a failure."""

    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """Reads a value that is given beside the call, under a name."""

    type: Type
    name: str
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """Reads what a `Loop` or a `Bind` has set; its name is unique in the tree."""

    type: Type
    name: str
    may_fail: bool = False
    """Whether it may stand for a failure, which is one only where it is read."""

    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Lookup:
    """The value of a key of a string map; a map of the call need not be read whole."""

    operand: Tree
    key: Tree
    lenient: bool
    """A missing key gives "" where True, a failure where False."""

    type: Type = STRING
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Has:
    """Whether an attribute, or a key of a string map, is there."""

    of: Attribute | Lookup
    type: Type = BOOL
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Maybe:
    """An attribute, or the value of a key of a string map, as an optional."""

    of: Attribute | Lookup
    source: Node | None = field(default=None, compare=False)

    @property
    def type(self) -> Type:
        """An optional of what is read."""
        return optional_of(self.of.type)


@dataclass(frozen=True, slots=True)
class Fallback:
    """The first of two that is there."""

    type: Type
    first: Tree
    second: Tree
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Conditional:
    """One of two, by a condition; the other is not evaluated."""

    type: Type
    condition: Tree
    yes: Tree
    no: Tree
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Logic:
    """``&&`` (decisive False) or ``||`` (decisive True) over two or more operands."""

    decisive: bool
    operands: tuple[Tree, ...]
    absorbs: bool
    """True: a decisive operand wins over another's failure, as in CEL. False: the first failure
    is the result, as in Istio's syntax."""

    type: Type = BOOL
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of the values of its arguments; a failing argument is its result."""

    overload: Overload
    args: tuple[Tree, ...]
    type: Type
    source: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Bind:
    """*body*, in which *variable* stands for *value*; a failing value fails where it is read."""

    variable: Variable
    value: Tree
    body: Tree
    source: Node | None = field(default=None, compare=False)

    @property
    def type(self) -> Type:
        """The type of the body."""
        return self.body.type


class Macro(Enum):
    """What a `Loop` makes of its items."""

    ALL = "all"
    """BOOL: every condition holds; one that does not wins over failures."""

    EXISTS = "exists"
    """BOOL: some condition holds; it wins over failures."""

    ONE = "exists_one"
    """BOOL: just one condition holds."""

    LIST = "map"
    """A list of the results of items whose condition holds."""

    MAP = "transformMap"
    """A map of the results by `Loop.key`."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Goes through a list with one variable, or through a list of pairs with two."""

    macro: Macro
    type: Type
    range: Tree
    variables: tuple[Variable, ...]
    condition: Tree | None
    """Of type BOOL; None takes every item."""

    result: Tree | None
    key: Tree | None = None
    source: Node | None = field(default=None, compare=False)


Tree: TypeAlias = (
    Constant
    | Attribute
    | Binding
    | Variable
    | Lookup
    | Has
    | Maybe
    | Fallback
    | Conditional
    | Logic
    | Apply
    | Bind
    | Loop
)


def may_be_absent(tree: Tree) -> bool:
    """Tell whether *tree*, left of a fallback, can be absent: only reads of the call can."""
    return isinstance(tree, Attribute | Lookup | Fallback)


def is_counted(tree: Apply, repeats: bool) -> bool:
    """
    Whether the steps of a function count: it goes through lists, or what it takes may *repeat*.

    Without loops, variables and lists an expression does little more than read its arguments.
    """
    return tree.overload.heavy and (
        repeats or any(argument.type.name in _SIZED for argument in tree.args)
    )


_SIZED = frozenset(["list", "map", "optional", "dyn"])


def parts(tree: Tree) -> tuple[Tree, ...]:
    """The trees that *tree* is made of, in order of evaluation."""
    match tree:
        case Lookup():
            return (tree.operand, tree.key)
        case Has() | Maybe():
            return (tree.of,)
        case Fallback():
            return (tree.first, tree.second)
        case Conditional():
            return (tree.condition, tree.yes, tree.no)
        case Logic():
            return tree.operands
        case Apply():
            return tree.args
        case Bind():
            return (tree.value, tree.body)
        case Loop():
            inner = (tree.condition, tree.key, tree.result)
            return (tree.range, *(part for part in inner if part is not None))
        case _:
            return ()


def walk(tree: Tree) -> Iterator[Tree]:
    """*tree* and all its parts."""
    yield tree
    for part in parts(tree):
        yield from walk(part)
