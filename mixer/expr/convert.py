"""
Istio's syntax to CEL text of the same meaning.

What differs is what is missing (spec: expressions, differences from CEXL). There, reading an
absent attribute fails, and a failing condition does not take the call; here it reads as a zero
value. So a value reads ``a.?b.value()``, which fails alike, and a condition asks ``has(a.b)`` where
the zero value could make it true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from attributes import Bag, Vocabulary
from mixer.expr import syntax
from mixer.expr.check import check
from mixer.expr.compile import parse, program
from mixer.expr.dialect import CEXL
from mixer.expr.show import show
from mixer.expr.syntax import (
    ADD,
    AND,
    CONDITIONAL,
    FALLBACK,
    OR,
    Call,
    Ident,
    Index,
    Literal,
    Node,
    Select,
)
from mixer.expr.types import DNS, EMAIL, INT, URI, Type
from mixer.lang import Lang

_MAKERS = {DNS: "dnsName", EMAIL: "email", URI: "uri"}
_EMPTY = Literal(0, "")
_TRUE = Literal(0, True)


@dataclass(frozen=True, slots=True)
class Converted:
    """An expression in CEL."""

    text: str
    notes: tuple[str, ...]
    """What its meaning could not be kept in, for people to read."""


def convert(text: str, lang: Lang, vocabulary: Vocabulary, condition: bool) -> Converted:
    """
    Rewrite *text*, which is of Istio's syntax, as CEL.

    A *condition* takes the same calls, and any other value is the same or fails alike, unless a
    note says otherwise. Raises ExpressionError where *text* is no expression.
    """
    node = parse(text, lang)
    if lang is Lang.COMPAT:
        return Converted(show(_compat(node)), ())
    check(node, vocabulary, CEXL)
    converter = _Converter(vocabulary)
    made = converter.condition(node) if condition else converter.value(node)
    return Converted(show(made), tuple(dict.fromkeys(converter.notes)))


def _compat(node: Node) -> Node:
    """What COMPAT means, which is what CEL means, but for ``a | b`` of a name without a dot."""
    match node:
        case Call(function=syntax.FALLBACK, args=(Ident() as first, _)):
            return first
        case Call():
            target = None if node.target is None else _compat(node.target)
            return replace(node, args=tuple(map(_compat, node.args)), target=target)
        case Index():
            return replace(node, operand=_compat(node.operand), key=_compat(node.key))
    return node


class _Converter:
    """Converts one expression; used once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.notes: list[str] = []

    # -- values: the same, or failing alike

    def value(self, node: Node) -> Node:
        """CEL that has the value of *node*, and fails where it fails."""
        match node:
            case Ident() | Select():
                return self._attribute(node)
            case Index():
                entries, key = self.value(node.operand), self.value(node.key)
                return _or_value(Index(0, entries, key, optional=True), _EMPTY)
            case Call():
                return self._call(node)
        return node

    def _attribute(self, node: Ident | Select) -> Node:
        if isinstance(node, Ident):
            self.notes.append(
                f"where {node.name} is absent, the original fails; CEL reads a zero value"
            )
            return node
        return Call(0, "value", (), replace(node, optional=True))

    def _call(self, node: Call) -> Node:
        match node.function:
            case syntax.AND:
                return _choice(self.value(node.args[0]), self.value(node.args[1]), _no(_TRUE))
            case syntax.OR:
                return _choice(self.value(node.args[0]), _TRUE, self.value(node.args[1]))
            case syntax.FALLBACK:
                return self._fallback(node, self.value)
            case "conditional":
                return _choice(*map(self.value, node.args))
            case "conditionalString":
                return self._conditional_string(node)
            case "size":
                return Call(0, "size", (Call(0, "bytes", (self.value(node.args[0]),)),))
            case "matches" if node.target is not None:
                pattern, subject = self.value(node.target), self.value(node.args[0])
                return Call(0, "matches", (pattern,), subject)
            case syntax.ADD:
                return self._sum(node)
        target = None if node.target is None else self.value(node.target)
        return replace(node, args=tuple(map(self.value, node.args)), target=target)

    def _conditional_string(self, node: Call) -> Node:
        if any(self._reads(branch) or _calls(branch) for branch in node.args[1:]):
            self.notes.append(
                "conditionalString() fails if either text is absent; CEL looks at the one it takes"
            )
        return _choice(*map(self.value, node.args))

    def _sum(self, node: Call) -> Node:
        left, right = map(self.value, node.args)
        type_ = self._type(node)
        if type_ == INT:
            self.notes.append("a sum of more than 64 bits wraps around there, and fails in CEL")
        if maker := _MAKERS.get(type_):
            texts = tuple(Call(0, "string", (side,)) for side in (left, right))
            self.notes.append(f"the text that + makes must be a valid {type_} in CEL")
            return Call(0, maker, (Call(0, ADD, texts),))
        return Call(0, ADD, (left, right))

    def _type(self, node: Node) -> Type:
        return check(node, self._vocabulary, CEXL).type

    def _fallback(self, node: Call, last: object) -> Node:
        """``a | b``, whose left side may be absent in both languages."""
        first, second = node.args
        if not _may_be_absent(first):
            return self.value(first)
        right = self._soft(second) if last == self._soft else self.value(second)
        return Call(0, FALLBACK, (self._soft(first), right))

    def _soft(self, node: Node) -> Node:
        """CEL for what stands left of ``|``."""
        match node:
            case Ident() | Select():
                return node
            case Index():
                return Index(0, self._soft(node.operand), self._soft(node.key))
            case Call(function=syntax.FALLBACK):
                return self._fallback(node, self._soft)
        return self.value(node)

    # -- conditions: true for the same calls

    def condition(self, node: Node) -> Node:
        """CEL that is true where *node* is true, and false or failing elsewhere."""
        match node:
            case Call(function=syntax.AND, args=(left, right)):
                return Call(0, AND, (self.condition(left), self.condition(right)))
            case Call(function=syntax.OR, args=(left, right)):
                return self._either(left, right)
            case Call(function="conditional", args=(test, yes, no)):
                return _choice(self.value(test), self.condition(yes), self.condition(no))
        return self._guarded(node, self._risky(node))

    def _either(self, left: Node, right: Node) -> Node:
        """``a || b``, which is not true where *left* fails, though CEL would look at *right*."""
        if not self._reads(left) and not _calls(left):
            return Call(0, OR, (self.value(left), self.condition(right)))
        if self._is_plain(left) and not _calls(left):
            either = Call(0, OR, (self._present(left), self.condition(right)))
            return _all([*map(_has, self._maps_and_names(left)), either])
        return _choice(self.value(left), _TRUE, self.condition(right))

    def _guarded(self, node: Node, names: Iterable[Select]) -> Node:
        if not self._is_plain(node):
            return self.value(node)
        made = self._present(node) if list(self._lookups(node)) else node
        made = self._renamed(node) if not list(self._lookups(node)) else made
        return _all([*map(_has, names), made])

    def _risky(self, node: Node) -> list[Select]:
        """The names whose absence must be asked for, since zero values might make *node* true."""
        if not self._is_plain(node):
            return []
        reads = self._maps_and_names(node)
        if len(reads) == 1 and not self._is_true_of_nothing(node):
            return []
        return reads

    def _is_true_of_nothing(self, node: Node) -> bool:
        """Whether the condition is true where everything is absent."""
        text = show(self._present(node))
        return program(text, Lang.CEL, self._vocabulary).run(Bag({})) is True

    def _present(self, node: Node) -> Node:
        """CEL for *node* where all attributes that it reads are there."""
        match node:
            case Ident() | Select():
                return node
            case Index():
                entries, key = self._present(node.operand), self._present(node.key)
                return Call(0, FALLBACK, (Index(0, entries, key), _EMPTY))
            case Call():
                return self._renamed(node)
        return node

    def _renamed(self, node: Node) -> Node:
        """A call that both languages have, under CEL's name and with CEL's order of arguments."""
        if not isinstance(node, Call):
            return self._present(node)
        target = None if node.target is None else self._present(node.target)
        args = tuple(map(self._present, node.args))
        match node.function:
            case "size":
                return Call(0, "size", (Call(0, "bytes", args),))
            case "matches" if target is not None:
                return Call(0, "matches", (target,), args[0])
            case syntax.FALLBACK | syntax.ADD:
                return self.value(node)
        return replace(node, args=args, target=target)

    # -- what is read

    def _is_plain(self, node: Node) -> bool:
        """Whether every attribute that *node* names is read, whatever the others are."""
        choices = (AND, OR, FALLBACK, CONDITIONAL, "conditional", "conditionalString")
        return not any(
            isinstance(part, Call) and (part.function in choices or part.function == ADD)
            for part in _walk(node)
        ) and all(isinstance(name, Select) for name in self._names(node))

    def _maps_and_names(self, node: Node) -> list[Select]:
        found = {show(name): name for name in self._names(node) if isinstance(name, Select)}
        return list(found.values())

    def _reads(self, node: Node) -> bool:
        return any(True for _ in self._names(node))

    def _names(self, node: Node) -> Iterator[Ident | Select]:
        """The attributes that *node* names, maps included."""
        if isinstance(node, Ident | Select):
            yield node
            return
        for part in _parts(node):
            yield from self._names(part)

    def _lookups(self, node: Node) -> Iterator[Index]:
        for part in _walk(node):
            if isinstance(part, Index):
                yield part


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Index():
            return (node.operand, node.key)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
    return ()


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in _parts(node):
        yield from _walk(part)


def _calls(node: Node) -> bool:
    """Whether *node* calls a function that could fail."""
    return any(
        isinstance(part, Call) and part.function not in syntax.OPERATORS for part in _walk(node)
    )


def _may_be_absent(node: Node) -> bool:
    return isinstance(node, Ident | Select | Index) or (
        isinstance(node, Call) and node.function == FALLBACK
    )


def _choice(test: Node, yes: Node, no: Node) -> Node:
    return Call(0, CONDITIONAL, (test, yes, no))


def _or_value(optional: Node, value: Node) -> Node:
    return Call(0, "orValue", (value,), optional)


def _has(name: Select) -> Node:
    return Call(0, "has", (name,))


def _no(literal: Literal) -> Literal:
    return replace(literal, value=not literal.value)


def _all(conditions: list[Node]) -> Node:
    found, *rest = conditions
    for one in rest:
        found = Call(0, AND, (found, one))
    return found
