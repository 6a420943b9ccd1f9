"""
The tree that every front end parses a text into, before names and types are known.

Operators are calls with the names CEL gives them, such as ``_&&_``; see OPERATORS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from attributes import Duration
from mixer.errors import ExpressionError

AND, OR, NOT, NEGATE = "_&&_", "_||_", "!_", "-_"
EQ, NE, LT, LE, GT, GE, IN = "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"
ADD, SUB, MUL, DIV, MOD = "_+_", "_-_", "_*_", "_/_", "_%_"
CONDITIONAL, FALLBACK = "_?_:_", "_|_"
MAX_LENGTH = 64 * 1024
MAX_DEPTH = 80
OPERATORS = frozenset(
    {AND, OR, NOT, NEGATE, EQ, NE, LT, LE, GT, GE, IN}
    | {ADD, SUB, MUL, DIV, MOD, CONDITIONAL, FALLBACK}
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: str, int, float, bool, bytes, `Duration` or None."""

    offset: int
    value: str | int | float | bool | bytes | Duration | None
    unsigned: bool = False
    """True for CEL's ``1u``."""


@dataclass(frozen=True, slots=True)
class Ident:
    """The first segment of a name."""

    offset: int
    name: str
    rooted: bool = False
    """True for CEL's ``.name``, which no variable of a macro hides."""


@dataclass(frozen=True, slots=True)
class Select:
    """``operand.field``: part of a dotted attribute name, or a map key in CEL."""

    offset: int
    operand: Node
    field: str
    optional: bool = False
    """True for CEL's ``operand.?field``."""


@dataclass(frozen=True, slots=True)
class Index:
    """``operand[key]``."""

    offset: int
    operand: Node
    key: Node
    optional: bool = False
    """True for CEL's ``operand[?key]``."""


@dataclass(frozen=True, slots=True)
class Call:
    """``function(args)``, ``target.function(args)`` or an operator."""

    offset: int
    function: str
    args: tuple[Node, ...]
    target: Node | None = None


@dataclass(frozen=True, slots=True)
class ListOf:
    """``[a, b]`` of CEL."""

    offset: int
    items: tuple[Node, ...]
    optional: frozenset[int] = frozenset()
    """Places of the items written ``?item``."""


@dataclass(frozen=True, slots=True)
class MapOf:
    """``{k: v}`` of CEL."""

    offset: int
    entries: tuple[tuple[Node, Node], ...]
    optional: frozenset[int] = frozenset()
    """Places of the entries written ``?key: value``."""


Node: TypeAlias = Literal | Ident | Select | Index | Call | ListOf | MapOf


def bounded(root: Node) -> Node:
    """*root*, unless it is nested too deeply to be worked on, which raises ExpressionError."""
    stack: list[tuple[Node, int]] = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise too_deep(node.offset)
        stack += [(part, depth + (not _chained(node, part))) for part in _parts(node)]
    return root


def _chained(node: Node, part: Node) -> bool:
    """Whether *part* continues a row of ``&&`` or ``||``, which later becomes one node."""
    return (
        isinstance(node, Call)
        and isinstance(part, Call)
        and node.function in (AND, OR)
        and part.function == node.function
        and part is node.args[0]
    )


def too_deep(offset: int) -> ExpressionError:
    """The error for what nests deeper than MAX_DEPTH."""
    return ExpressionError(f"nested deeper than {MAX_DEPTH}; split the expression", offset)


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Select():
            return (node.operand,)
        case Index():
            return (node.operand, node.key)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
        case ListOf():
            return node.items
        case MapOf():
            return tuple(part for entry in node.entries for part in entry)
        case _:
            return ()
