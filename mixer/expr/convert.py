"""
Istio's syntax to CEL text of the same meaning.

What differs is what is missing (spec: expressions, differences from CEXL). There, reading an
absent attribute fails, and a failing condition does not take the call; here it reads as a zero
value. So a value reads ``a.?b.value()``, which fails alike, and a condition asks ``has(a.b)`` where
the zero value could make it true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from attributes import Bag, Vocabulary
from mixer.expr import syntax
from mixer.expr.check import check
from mixer.expr.compile import parse, program
from mixer.expr.dialect import CEXL
from mixer.expr.nodes import (
    EMPTY,
    FALSE,
    TRUE,
    all_of,
    choice,
    distinct,
    has,
    may_be_absent,
    names,
    or_value,
    parts,
    reads,
    walk,
)
from mixer.expr.reads import Failure
from mixer.expr.show import show
from mixer.expr.syntax import (
    ADD,
    AND,
    FALLBACK,
    OR,
    Call,
    Ident,
    Index,
    Literal,
    Node,
    Select,
)
from mixer.expr.types import DNS, EMAIL, INT, URI
from mixer.lang import Lang

_SURE = (syntax.OPERATORS - {ADD}) | {"match", "matches", "toLower", "size", "conditional"}
"""What has a value whenever its arguments have one; of a pattern, if it is a constant."""

_CHOICES = {AND, OR, FALLBACK, ADD, "conditional", "conditionalString"}
_MAKERS = {DNS: "dnsName", EMAIL: "email", URI: "uri"}


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
            case Ident():
                self._may_be_zero(node)
            case Select():
                return Call(0, "value", (), replace(node, optional=True))
            case Index():
                entries, key = self.value(node.operand), self.value(node.key)
                return or_value(Index(0, entries, key, optional=True), EMPTY)
            case Call():
                return self._call(node, self.value)
        return node

    def _present(self, node: Node) -> Node:
        """CEL that has the value of *node* where what `_guards` ask for is there."""
        match node:
            case Index():
                entries, key = self._present(node.operand), self._present(node.key)
                return Call(0, FALLBACK, (Index(0, entries, key), EMPTY))
            case Call():
                return self._call(node, self._present)
        return node

    def _may_be_zero(self, node: Ident) -> None:
        self.notes.append(
            f"where {node.name} is absent, the original fails; CEL reads a zero value"
        )

    def _call(self, node: Call, read: Callable[[Node], Node]) -> Node:
        """*node* in CEL, with its parts as *read* makes them."""
        match node.function:
            case syntax.AND:
                return choice(read(node.args[0]), read(node.args[1]), FALSE)
            case syntax.OR:
                return choice(read(node.args[0]), TRUE, read(node.args[1]))
            case syntax.FALLBACK:
                return self._fallback(node, read)
            case "conditional":
                return choice(*map(read, node.args))
            case "conditionalString":
                texts = node.args[1:]
                if any(map(self._can_fail, texts)) or (
                    read == self.value and any(map(reads, texts))
                ):
                    self.notes.append(
                        "conditionalString() fails if either text does; CEL looks at the one it "
                        "takes"
                    )
                return choice(*map(read, node.args))
            case "size":
                return Call(0, "size", (Call(0, "bytes", (read(node.args[0]),)),))
            case "matches" if node.target is not None:
                return Call(0, "matches", (read(node.target),), read(node.args[0]))
            case syntax.ADD:
                return self._sum(node, read)
        target = None if node.target is None else read(node.target)
        return replace(node, args=tuple(map(read, node.args)), target=target)

    def _sum(self, node: Call, read: Callable[[Node], Node]) -> Node:
        left, right = map(read, node.args)
        type_ = check(node, self._vocabulary, CEXL).type
        if type_ == INT and reads(node):
            self.notes.append("a sum of more than 64 bits wraps around there, and fails in CEL")
        if maker := _MAKERS.get(type_):
            texts = tuple(Call(0, "string", (side,)) for side in (left, right))
            self.notes.append(f"the text that + makes must be a valid {type_} in CEL")
            return Call(0, maker, (Call(0, ADD, texts),))
        return Call(0, ADD, (left, right))

    def _fallback(self, node: Call, last: Callable[[Node], Node]) -> Node:
        """``a | b``, whose left side may be absent in both languages."""
        first, second = node.args
        if not may_be_absent(first):
            return last(first)
        return Call(0, FALLBACK, (self._soft(first), last(second)))

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

    # -- conditions: true for the same calls, and failing only where a function fails

    def condition(self, node: Node) -> Node:
        """CEL that is true where *node* is true, and false or failing elsewhere."""
        return all_of(self._conjuncts(node))

    def _conjuncts(self, node: Node) -> list[Node]:
        match node:
            case Call(function=syntax.AND, args=(left, right)):
                return [*self._conjuncts(left), *self._conjuncts(right)]
            case Call(function=syntax.OR, args=(left, right)):
                # Not true where left fails, though CEL would look at right.
                return self._where_present(left, TRUE, self.condition(right))
            case Call(function="conditional", args=(test, yes, no)):
                return self._where_present(test, self.condition(yes), self.condition(no))
        if self._is_false_of_nothing(node):
            return [self._present(node)]
        return self._where_present(node)

    def _where_present(self, node: Node, yes: Node = TRUE, no: Node = FALSE) -> list[Node]:
        """``node ? yes : no``, and what it takes for *node* to have a value."""
        try:
            conditions, made, fails = self._guards(node), self._present(node), self._can_fail(node)
        except _TangledError:
            conditions, made, fails = [], self.value(node), True
        if yes is not TRUE or (fails and no is not FALSE):
            made = choice(made, yes, no)
        elif no is not FALSE:
            made = Call(0, OR, (made, no))
        return [*conditions, made]

    def _is_false_of_nothing(self, node: Node) -> bool:
        """Whether *node* reads one attribute and can do with its zero value, which gives false."""
        read = {show(name) for name in names(node)}
        if len(read) != 1 or any(isinstance(part, Call) and _chooses(part) for part in walk(node)):
            return False
        text = show(self._present(node))
        return program(text, Lang.CEL, self._vocabulary).run(Bag({})) is False

    def _can_fail(self, node: Node) -> bool:
        """Whether *node* may have no value though all that it reads is there."""
        if not isinstance(node, Call):
            return any(map(self._can_fail, parts(node)))
        if not reads(node):
            made = program(show(self.value(node)), Lang.CEL, self._vocabulary)
            return isinstance(made.run(Bag({})), Failure)
        compares = node.function in (syntax.EQ, syntax.NE)
        if compares and check(node.args[0], self._vocabulary, CEXL).type in _MAKERS:
            return True
        sure = node.function in _SURE and not (node.target and reads(node.target))
        texts = node.function in ("startsWith", "endsWith")
        return not (sure or texts) or any(map(self._can_fail, parts(node)))

    # -- presence

    def _guards(self, node: Node) -> list[Node]:
        """
        Conditions that hold just where *node* finds all that it reads, each once, in order.

        Raises _TangledError where that can't be said in a few words.
        """
        match node:
            case Literal():
                return []
            case Ident():
                self._may_be_zero(node)
                return []
            case Select():
                return [has(node)]
            case Call(function=syntax.FALLBACK, args=(first, second)):
                return self._fallback_guards(first, second)
            case Call(function=syntax.AND | syntax.OR as logic, args=(left, right)):
                found, rest = self._guards(left), self._guards(right)
                if rest:
                    decided = self._present(left)
                    if logic == AND:
                        decided = Call(0, syntax.NOT, (decided,))
                    found.append(Call(0, OR, (decided, all_of(rest))))
                return found
            case Call(function="conditional", args=(test, yes, no)):
                found, branches = self._guards(test), [self._guards(yes), self._guards(no)]
                if any(branches):
                    found.append(choice(self._present(test), *map(all_of, branches)))
                return found
        return distinct(guard for part in parts(node) for guard in self._guards(part))

    def _fallback_guards(self, first: Node, second: Node) -> list[Node]:
        if not may_be_absent(first):
            return self._guards(first)
        if any(_computes(part) and reads(part) for part in walk(first)):
            raise _TangledError
        last = self._guards(second)
        return [Call(0, OR, (self._there(first), all_of(last)))] if last else []

    def _there(self, node: Node) -> Node:
        """CEL that tells whether *node*, which stands left of ``|``, is there."""
        match node:
            case Select():
                return has(node)
            case Index(operand=Select() as entries, key=Literal() as key):
                return Call(0, syntax.IN, (key, entries))
            case Call(function=syntax.FALLBACK, args=(first, second)) if may_be_absent(first):
                return Call(0, OR, (self._there(first), self._there(second)))
        raise _TangledError


class _TangledError(Exception):
    """What an expression needs to be there can't be said by `has` and `in`."""


def _chooses(node: Node) -> bool:
    """Whether not all that *node* names need be there, or CEL's sum is another."""
    return isinstance(node, Call) and node.function in _CHOICES


def _computes(node: Node) -> bool:
    return isinstance(node, Call) and node.function != FALLBACK
