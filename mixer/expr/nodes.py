"""Syntax trees of Istio's kind: what is in them, and pieces of CEL to make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mixer.expr.show import show
from mixer.expr.syntax import AND, CONDITIONAL, FALLBACK, Call, Ident, Index, Literal, Node, Select

EMPTY = Literal(0, "")
TRUE, FALSE = Literal(0, True), Literal(0, False)


def parts(node: Node) -> tuple[Node, ...]:
    """The trees that *node* of Istio's syntax is made of, in order."""
    match node:
        case Index():
            return (node.operand, node.key)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """*node* and all its parts."""
    yield node
    for part in parts(node):
        yield from walk(part)


def names(node: Node) -> Iterator[Ident | Select]:
    """The attributes that *node* names, maps included."""
    return (part for part in walk(node) if isinstance(part, Ident | Select))


def reads(node: Node) -> bool:
    """Whether *node* names an attribute."""
    return any(True for _ in names(node))


def may_be_absent(node: Node) -> bool:
    """Whether ``|`` takes *node*, left of it, for absent where it is not there."""
    return isinstance(node, Ident | Select | Index) or (
        isinstance(node, Call) and node.function == FALLBACK
    )


def choice(test: Node, yes: Node, no: Node) -> Node:
    """``test ? yes : no``."""
    return Call(0, CONDITIONAL, (test, yes, no))


def or_value(optional: Node, value: Node) -> Node:
    """``optional.orValue(value)``."""
    return Call(0, "orValue", (value,), optional)


def has(name: Select) -> Node:
    """``has(name)``."""
    return Call(0, "has", (name,))


def distinct(conditions: Iterable[Node]) -> list[Node]:
    """*conditions*, each once."""
    return list({show(condition): condition for condition in conditions}.values())


def all_of(conditions: Iterable[Node]) -> Node:
    """One condition of all, each said once; true where there are none."""
    found, *rest = distinct(conditions) or [TRUE]
    for one in rest:
        found = Call(0, AND, (found, one))
    return found
