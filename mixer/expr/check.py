"""
Syntax tree to typed tree: names against the vocabulary, functions against their overloads.

Everything the two languages mean differently is decided here, by a `Dialect`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from attributes import Duration, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import syntax
from mixer.expr.overloads import CEL_TABLE, CEXL_TABLE, Overload, Table
from mixer.expr.tree import (
    Apply,
    Attribute,
    Conditional,
    Constant,
    EmptyMap,
    Fallback,
    Has,
    Logic,
    Lookup,
    Tree,
)
from mixer.expr.types import (
    BOOL,
    BY_VALUE_TYPE,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    STRING_MAP,
    Type,
    list_of,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the languages differ (spec: expressions, differences from CEXL)."""

    functions: Table
    zero: bool
    """An absent attribute reads as the zero value of its type."""

    lenient: bool
    """A missing map key reads as ""."""

    absorbs: bool
    """``&&`` and ``||`` absorb a failing side."""

    selects_keys: bool
    """``map.key`` means ``map["key"]``."""


CEXL = Dialect(CEXL_TABLE, zero=False, lenient=True, absorbs=False, selects_keys=False)
CEL = Dialect(CEL_TABLE, zero=True, lenient=False, absorbs=True, selects_keys=True)
SPECIAL = ("conditional", "emptyStringMap", "has", "pick")


def check(node: syntax.Node, vocabulary: Vocabulary, dialect: Dialect) -> Tree:
    """Type *node*; raise ExpressionError at the first thing that does not fit."""
    return _Checker(vocabulary, dialect).tree(node)


class _Checker:
    def __init__(self, vocabulary: Vocabulary, dialect: Dialect) -> None:
        self.vocabulary = vocabulary
        self.dialect = dialect

    def tree(self, node: syntax.Node) -> Tree:
        match node:
            case syntax.Literal():
                return self._literal(node)
            case syntax.Ident() | syntax.Select():
                return self._name(node)
            case syntax.Index():
                return self._lookup(node, node.operand, self.tree(node.key))
            case syntax.Call():
                return self._call(node)
            case syntax.ListOf():
                return self._list(node)
            case syntax.MapOf():
                raise ExpressionError("maps can't be written here", node.offset)

    def _literal(self, node: syntax.Literal) -> Constant:
        types = {str: STRING, int: INT, float: DOUBLE, bool: BOOL, Duration: DURATION}
        type_ = types.get(type(node.value))
        if type_ is None or node.unsigned:
            raise ExpressionError("no attribute or field has the type of this literal", node.offset)
        return Constant(type_, node.value)

    def _list(self, node: syntax.ListOf) -> Tree:
        items = [self.tree(item) for item in node.items]
        if not items:
            raise ExpressionError("an empty list has no type; write at least one item", node.offset)
        for item, source in zip(items, node.items, strict=True):
            if item.type != items[0].type:
                raise ExpressionError(
                    f"all items of a list must have one type: got {item.type} after "
                    f"{items[0].type}",
                    source.offset,
                )
        type_ = list_of(items[0].type)
        constants = tuple(item.value for item in items if isinstance(item, Constant))
        if len(constants) == len(items):
            return Constant(type_, constants)
        code = "(" + "".join(f"{{{at}}}, " for at in range(len(items))) + ")"
        return Apply(Overload("[]", tuple(item.type for item in items), type_, code), tuple(items))

    # -- reads

    def _name(self, node: syntax.Ident | syntax.Select) -> Tree:
        path = _path(node)
        if path is None:
            assert isinstance(node, syntax.Select)
            return self._select(node, self.tree(node.operand))
        if declared := self.vocabulary.get(path):
            return Attribute(BY_VALUE_TYPE[declared.type], path, self.dialect.zero)
        if isinstance(node, syntax.Select) and self.dialect.selects_keys:
            parent = _path(node.operand)
            if parent in self.vocabulary:
                return self._select(node, self.tree(node.operand))
        raise ExpressionError(
            f"unknown attribute {path}", _start(node), _did_you_mean(path, self.vocabulary)
        )

    def _select(self, node: syntax.Select, operand: Tree) -> Tree:
        if operand.type != STRING_MAP or not self.dialect.selects_keys:
            raise ExpressionError(f"a {operand.type} has no field {node.field!r}", node.offset)
        return Lookup(operand, Constant(STRING, node.field), self.dialect.lenient)

    def _lookup(self, node: syntax.Index, of: syntax.Node, key: Tree) -> Tree:
        operand = self.tree(of)
        if operand.type != STRING_MAP:
            raise ExpressionError(
                f"INDEX arg 1 typeError got {operand.type}, expected STRING_MAP", of.offset
            )
        if key.type != STRING:
            raise ExpressionError(
                f"INDEX arg 2 typeError got {key.type}, expected STRING", node.key.offset
            )
        return Lookup(operand, key, self.dialect.lenient)

    # -- calls

    def _call(self, node: syntax.Call) -> Tree:
        match node.function:
            case syntax.AND | syntax.OR:
                return self._logic(node)
            case syntax.FALLBACK:
                return self._fallback(node)
            case syntax.CONDITIONAL:
                return self._conditional(node)
            case syntax.IN:
                return self._in(node)
            case name if name in SPECIAL and node.target is None:
                return self._special(node)
            case _:
                return self._apply(node)

    def _logic(self, node: syntax.Call) -> Tree:
        """One node for a whole row of ``&&`` or ``||``, however long."""
        calls = [node]
        while isinstance(left := calls[-1].args[0], syntax.Call) and left.function == node.function:
            calls.append(left)
        first = self._truth(calls[-1], 0)
        rest = (self._truth(call, 1) for call in reversed(calls))
        return Logic(node.function == syntax.OR, (first, *rest), self.dialect.absorbs)

    def _truth(self, node: syntax.Call, at: int) -> Tree:
        """An argument that must be a BOOL."""
        operand = self.tree(node.args[at])
        if operand.type != BOOL:
            raise self._mismatch(node, at, operand.type, BOOL)
        return operand

    def _fallback(self, node: syntax.Call) -> Tree:
        first, second = (self.tree(argument) for argument in node.args)
        if first.type != second.type:
            raise self._mismatch(node, 1, second.type, first.type)
        return Fallback(first.type, first, second)

    def _conditional(self, node: syntax.Call) -> Tree:
        condition, yes, no = (self.tree(argument) for argument in node.args)
        if condition.type != BOOL:
            raise self._mismatch(node, 0, condition.type, BOOL)
        if yes.type != no.type:
            raise self._mismatch(node, 2, no.type, yes.type)
        return Conditional(yes.type, condition, yes, no)

    def _in(self, node: syntax.Call) -> Tree:
        wanted = self.tree(node.args[1])
        if wanted.type != STRING_MAP:
            return self._apply(node)
        key = self.tree(node.args[0])
        if key.type != STRING:
            raise self._mismatch(node, 0, key.type, STRING)
        return Has(Lookup(wanted, key, self.dialect.lenient))

    def _special(self, node: syntax.Call) -> Tree:
        if node.function == "emptyStringMap":
            self._arity(node, 0)
            return EmptyMap()
        if node.function == "conditional":
            self._arity(node, 3)
            return self._conditional(node)
        if self.dialect is CEXL:
            raise self._unknown(node)
        if node.function == "has":
            self._arity(node, 1)
            if not isinstance(node.args[0], syntax.Select):
                raise ExpressionError("has() takes a name with a dot", node.args[0].offset)
            found = self.tree(node.args[0])
            assert isinstance(found, Attribute | Lookup)
            return Has(found)
        if len(node.args) < 2:
            raise self._arity_error(node, 2)
        first = self.tree(node.args[0])
        for argument in node.args[1:]:
            second = self.tree(argument)
            if second.type != first.type:
                raise self._mismatch(node, 1, second.type, first.type)
            first = Fallback(first.type, first, second)
        return first

    def _apply(self, node: syntax.Call) -> Tree:
        named = self.dialect.functions.get(node.function)
        if named is None:
            raise self._unknown(node)
        method = node.target is not None
        overloads = [overload for overload in named if overload.method == method]
        if not overloads:
            kind = (
                "regular function on instance method"
                if method
                else ("instance method without an instance")
            )
            raise ExpressionError(f"invoking {kind}: {node.function}", node.offset)
        sources = (*([node.target] if node.target is not None else []), *node.args)
        args = tuple(self.tree(source) for source in sources)
        types = tuple(argument.type for argument in args)
        for overload in overloads:
            if overload.params == types:
                return self._prepared(overload, args, sources)
        raise self._no_overload(node, overloads, types)

    def _prepared(
        self, overload: Overload, args: tuple[Tree, ...], sources: tuple[syntax.Node, ...]
    ) -> Tree:
        at = overload.prepared
        if at is not None and isinstance(constant := args[at], Constant):
            try:
                overload.prepare(constant.value)
            except ValueError as error:
                raise ExpressionError(str(error), sources[at].offset) from None
        return Apply(overload, args)

    # -- errors

    def _no_overload(
        self, node: syntax.Call, overloads: list[Overload], types: tuple[Type, ...]
    ) -> ExpressionError:
        name = _operator(node.function)
        counts = {len(overload.params) for overload in overloads}
        shift = 0 if node.target is None else 1
        if len(types) not in counts:
            return self._arity_error(node, min(counts) - shift)
        best = max(overloads, key=lambda overload: _common(overload.params, types))
        at = _common(best.params, types)
        if node.function in syntax.OPERATORS and at == 0:
            return ExpressionError(f"{name} is not defined for {types[0]}", node.offset)
        if at < shift:
            return ExpressionError(
                f"{name} target typeError got {types[0]}, expected {best.params[0]}", node.offset
            )
        return self._mismatch(node, at - shift, types[at], best.params[at])

    def _mismatch(self, node: syntax.Call, at: int, got: Type, expected: Type) -> ExpressionError:
        return ExpressionError(
            f"{_operator(node.function)} arg {at + 1} typeError got {got}, expected {expected}",
            node.args[at].offset,
        )

    def _unknown(self, node: syntax.Call) -> ExpressionError:
        known = [name for name in self.dialect.functions if name not in syntax.OPERATORS]
        return ExpressionError(
            f"unknown function: {node.function}",
            node.offset,
            _did_you_mean(node.function, [*known, *SPECIAL]),
        )

    def _arity(self, node: syntax.Call, expected: int) -> None:
        if len(node.args) != expected:
            raise self._arity_error(node, expected)

    def _arity_error(self, node: syntax.Call, expected: int) -> ExpressionError:
        return ExpressionError(
            f"{_operator(node.function)} arity mismatch. Got {len(node.args)} arg(s), "
            f"expected {expected} arg(s)",
            node.offset,
        )


def _path(node: syntax.Node) -> str | None:
    """The dotted name that *node* spells, or None where it is no name."""
    segments = []
    while isinstance(node, syntax.Select):
        segments.append(node.field)
        node = node.operand
    if not isinstance(node, syntax.Ident):
        return None
    return ".".join([node.name, *reversed(segments)])


def _start(node: syntax.Node) -> int:
    while isinstance(node, syntax.Select):
        node = node.operand
    return node.offset


def _operator(function: str) -> str:
    return function.strip("_@!") if function in syntax.OPERATORS else function


def _common(expected: Iterable[Type], got: Iterable[Type]) -> int:
    """How many leading types agree."""
    count = 0
    for a, b in zip(expected, got, strict=False):
        if a != b:
            break
        count += 1
    return count


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else ""
