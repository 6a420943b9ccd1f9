"""
Syntax tree to typed tree: names against the vocabulary, functions against their overloads.

Everything the two languages mean differently is decided here, by a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

from attributes import Duration, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import dynamic, fold, macros, refusals, standard, syntax
from mixer.expr.dialect import NAMESPACES, SPECIAL, Dialect
from mixer.expr.names import Names, dotted, segments_of
from mixer.expr.overload import Overload
from mixer.expr.resolve import choose, common, joined
from mixer.expr.tree import (
    Apply,
    Conditional,
    Constant,
    Fallback,
    Has,
    Logic,
    Lookup,
    Tree,
    Variable,
)
from mixer.expr.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    STRING_MAP,
    UINT,
    Type,
)
from mixer.expr.values import Uint

_LITERALS = {
    str: STRING,
    int: INT,
    float: DOUBLE,
    bool: BOOL,
    bytes: BYTES,
    Duration: DURATION,
    type(None): NULL,
}


def check(
    node: syntax.Node,
    vocabulary: Vocabulary,
    dialect: Dialect,
    bindings: Mapping[str, Type] | None = None,
    checked: bool = True,
) -> Tree:
    """
    Type *node*; raise ExpressionError at the first thing that does not fit.

    *bindings* are names that are given beside the call. Unless *checked*, all types are left to
    the call, which must not change what the expression is worth, and what does not fit fails then.
    """
    return Checker(vocabulary, dialect, bindings or {}, checked).tree(node)


class Checker(Names):
    """Types one syntax tree; used once."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        dialect: Dialect,
        bindings: Mapping[str, Type],
        checked: bool,
    ) -> None:
        super().__init__(vocabulary, dialect, bindings)
        self.checked = checked
        self._serial = count(1)

    def tree(self, node: syntax.Node) -> Tree:
        """The typed tree of *node*."""
        try:
            return self.forgotten(self.static(node))
        except ExpressionError as error:
            if self.checked:
                raise
            return Apply(dynamic.failing(error.message), (), DYN, node)

    def forgotten(self, found: Tree) -> Tree:
        """*found*, without its type where types are left to the call."""
        if self.checked or found.type == DYN:
            return found
        return Apply(dynamic.dyn(found.type), (found,), DYN)

    def static(self, node: syntax.Node) -> Tree:
        match node:
            case syntax.Literal():
                value = Uint(node.value) if node.unsigned else node.value  # type: ignore[arg-type]
                type_ = UINT if node.unsigned else _LITERALS[type(node.value)]
                return Constant(type_, value, node)
            case syntax.Ident() | syntax.Select():
                return self.name(node)
            case syntax.Index():
                return self.index(node)
            case syntax.Call():
                return self._call(node)
            case syntax.ListOf():
                return self._list(node)
            case syntax.MapOf():
                return self._map(node)

    def _list(self, node: syntax.ListOf) -> Tree:
        items = [
            self._optional(item) if at in node.optional else self.tree(item)
            for at, item in enumerate(node.items)
        ]
        type_ = common(
            item.type.params[0] if at in node.optional else item.type
            for at, item in enumerate(items)
        )
        overload = standard.list_from(len(items), type_, node.optional)
        return self.apply(overload, items, overload.result, node)

    def _map(self, node: syntax.MapOf) -> Tree:
        keys = [self.tree(key) for key, _ in node.entries]
        values = [
            self._optional(value) if at in node.optional else self.tree(value)
            for at, (_, value) in enumerate(node.entries)
        ]
        value_type = common(
            value.type.params[0] if at in node.optional else value.type
            for at, value in enumerate(values)
        )
        key_type = common(key.type for key in keys)
        overload = standard.map_from(len(keys), key_type, value_type, node.optional)
        args = [part for entry in zip(keys, values, strict=True) for part in entry]
        return self.apply(overload, args, overload.result, node)

    def _optional(self, node: syntax.Node) -> Tree:
        found = self.tree(node)
        if found.type == DYN:
            wanted = Type("optional", (DYN,))
            return Apply(dynamic.narrow(wanted), (found,), wanted)
        if found.type.name != "optional":
            raise ExpressionError(f"expected an optional, got {found.type}", node.offset)
        return found

    # -- calls

    def _call(self, node: syntax.Call) -> Tree:
        match node.function:
            case syntax.AND | syntax.OR:
                return self._logic(node)
            case syntax.FALLBACK:
                return self._fallback(node)
            case syntax.CONDITIONAL:
                return self.conditional(node)
            case syntax.IN:
                return self._in(node)
        if self.dialect.is_cel and (expanded := macros.expand(self, node)):
            return expanded
        if node.target is None and node.function in SPECIAL:
            return self._special(node)
        name, target = node.function, node.target
        if target is not None and (whole := self._qualified(target, name)):
            name, target = whole, None
            if whole not in self.dialect.functions:
                raise refusals.unknown(self.dialect, node, whole)
        sources = (*([] if target is None else [target]), *node.args)
        args = tuple([self.tree(source) for source in sources])
        return self.call(name, target is not None, args, node, sources)

    def _qualified(self, target: syntax.Node, name: str) -> str:
        """The name of a function in a namespace, such as ``math.abs``, or ""."""
        segments = segments_of(target)
        if not segments or self.is_variable(segments[0]) or not self.dialect.is_cel:
            return ""
        path = dotted(segments)
        whole = f"{path}.{name}"
        is_namespace = path in NAMESPACES and not self.declared(path, target)
        return whole if is_namespace or whole in self.dialect.functions else ""

    def _logic(self, node: syntax.Call) -> Tree:
        """One node for a whole row of ``&&`` or ``||``, however long."""
        calls = [node]
        while isinstance(left := calls[-1].args[0], syntax.Call) and left.function == node.function:
            calls.append(left)
        first = self.truth(calls[-1], 0)
        rest = [self.truth(call, 1) for call in reversed(calls)]
        decisive = node.function == syntax.OR
        return fold.logic(Logic(decisive, (first, *rest), self.dialect.is_cel, source=node))

    def truth(self, node: syntax.Call, at: int) -> Tree:
        """An argument that must be a BOOL."""
        operand = self.tree(node.args[at])
        if operand.type == DYN:
            return Apply(dynamic.narrow(BOOL), (operand,), BOOL)
        if operand.type != BOOL:
            raise refusals.mismatch(self.dialect, node, at, operand.type, BOOL)
        return operand

    def _fallback(self, node: syntax.Call) -> Tree:
        if not self.dialect.falls_back:
            raise ExpressionError(
                "a | b is not part of the standard, and this is strict", node.offset,
                'write has(a.b) ? a.b : c, or a.?b.orValue(c)',
            )  # fmt: skip
        first, second = (self.static(argument) for argument in node.args)
        type_ = self.either(node, first, second)
        if type_ != first.type and dynamic.is_tagged(first.type):
            raise refusals.mismatch(self.dialect, node, 1, second.type, first.type)
        if isinstance(node.args[0], syntax.Ident) and self.dialect.picks_plain_names:
            return first
        return Fallback(type_, first, second, node)

    def either(self, node: syntax.Call, first: Tree, second: Tree) -> Type:
        """The type of what is one of two, the second of which is the last argument of *node*."""
        type_ = joined(first.type, second.type)
        if type_ is None:
            raise refusals.mismatch(self.dialect, node, len(node.args) - 1, second.type, first.type)
        return type_

    def conditional(self, node: syntax.Call) -> Tree:
        """``c ? x : y`` or ``conditional(c, x, y)``."""
        condition = self.truth(node, 0)
        yes, no = self.tree(node.args[1]), self.tree(node.args[2])
        type_ = self.either(node, yes, no)
        yes, no = _forgetting(yes, type_), _forgetting(no, type_)
        return fold.conditional(Conditional(type_, condition, yes, no, node))

    def _in(self, node: syntax.Call) -> Tree:
        key, wanted = (self.static(argument) for argument in node.args)
        if wanted.type == STRING_MAP and key.type == STRING:
            return Has(Lookup(wanted, key, not self.dialect.is_cel), source=node)
        args = (self.forgotten(key), self.forgotten(wanted))
        return self.call(syntax.IN, False, args, node, node.args)

    def _special(self, node: syntax.Call) -> Tree:
        match node.function:
            case "emptyStringMap":
                self.arity(node, 0)
                return Constant(STRING_MAP, {}, node)
            case "conditional":
                self.arity(node, 3)
                return self.conditional(node)
        if not self.dialect.is_cel:
            raise refusals.unknown(self.dialect, node, node.function)
        match node.function:
            case "dyn":
                self.arity(node, 1)
                found = self.static(node.args[0])
                return fold.apply(Apply(dynamic.dyn(found.type), (found,), DYN, node))
            case "has":
                return self._has(node)
        return self._pick(node)

    def _pick(self, node: syntax.Call) -> Tree:
        """``pick(a, b, c)``: the first that is there; a name of one segment always is."""
        if len(node.args) < 2:
            raise refusals.arity(node, 2)
        found: Tree | None = None
        for at, argument in reversed(list(enumerate(node.args))):
            one = self.static(argument)
            if found is None or isinstance(argument, syntax.Ident):
                found = one
                continue
            type_ = joined(one.type, found.type)
            if type_ is None:
                raise refusals.mismatch(self.dialect, node, at + 1, found.type, one.type)
            found = Fallback(type_, one, found, node)
        assert found is not None
        return found

    def _has(self, node: syntax.Call) -> Tree:
        self.arity(node, 1)
        of = node.args[0]
        if not isinstance(of, syntax.Select):
            raise ExpressionError("has() takes a name with a dot", of.offset)
        read, operand = self.read(of)
        if read is not None:
            return Has(read, source=node)
        args = (operand, Constant(STRING, of.field))
        return self.call(standard.HAS_KEY, False, args, node, (of.operand, of))

    def call(
        self,
        name: str,
        method: bool,
        args: tuple[Tree, ...],
        node: syntax.Node,
        sources: Sequence[syntax.Node],
    ) -> Tree:
        """The function *name* of *args*, which were written as *sources*."""
        named = self.dialect.functions.get(name)
        if named is None:
            raise refusals.unknown(self.dialect, node, name)
        overloads = [overload for overload in named if overload.method == method]
        if not overloads:
            kind = "regular function on instance method" if method else (
                "instance method without an instance"
            )  # fmt: skip
            raise ExpressionError(f"invoking {kind}: {name}", node.offset)
        types = tuple([argument.type for argument in args])
        chosen = choose(name, overloads, types, widens=self.dialect.is_cel)
        if chosen is None and (listed := self._listed(name, overloads, args, node)):
            return listed
        if chosen is None:
            raise refusals.no_overload(self.dialect, name, node, sources, overloads, types, method)
        overload, result = chosen
        if overload is standard.CONCAT and self.scope:
            overload = standard.GUARDED_CONCAT
        return self.apply(overload, args, result, node, sources)

    def _listed(
        self, name: str, overloads: Sequence[Overload], args: tuple[Tree, ...], node: syntax.Node
    ) -> Tree | None:
        """``f(a, b, c)`` as ``f([a, b, c])``, for functions of any number of numbers."""
        if len(args) <= max(len(overload.params) for overload in overloads):
            return None
        item = common(argument.type for argument in args)
        made = standard.list_from(len(args), item, ())
        row = self.apply(made, args, made.result, node)
        chosen = choose(name, overloads, (row.type,))
        return chosen and self.apply(chosen[0], (row,), chosen[1], node)

    def apply(
        self,
        overload: Overload,
        args: Sequence[Tree],
        result: Type,
        node: syntax.Node,
        sources: Sequence[syntax.Node] = (),
    ) -> Tree:
        """*overload* of *args*, worked out now where that is possible."""
        at = overload.prepared
        if at is not None and isinstance(constant := args[at], Constant):
            try:
                overload.prepare(constant.value)
            except ValueError as error:
                raise ExpressionError(str(error), sources[at].offset) from None
        fitting = tuple(
            [_telling(given, param) for given, param in zip(args, overload.params, strict=True)]
        )
        return fold.apply(Apply(overload, fitting, result, node))

    def arity(self, node: syntax.Call, expected: int) -> None:
        """Raise ExpressionError unless *node* has as many arguments as *expected*."""
        if len(node.args) != expected:
            raise refusals.arity(node, expected)

    # -- scopes

    @contextmanager
    def variable(
        self, *named: tuple[str, Type], may_fail: bool = False
    ) -> Iterator[tuple[Variable, ...]]:
        """Names that stand for variables inside; they hide what had the name."""
        outer = self.scope
        made = tuple(
            [Variable(type_, f"{name}_{next(self._serial)}", may_fail) for name, type_ in named]
        )
        self.scope = outer | {name: one for (name, _), one in zip(named, made, strict=True)}
        yield made
        self.scope = outer


def _telling(given: Tree, param: Type) -> Tree:
    """*given* for a *param* that takes any type, so that its value tells its own."""
    if given.type == param or not dynamic.is_tagged(given.type) or param in (STRING, given.type):
        return given
    return Apply(dynamic.dyn(given.type), (given,), given.type)


def _forgetting(given: Tree, type_: Type) -> Tree:
    """*given* where its static type is forgotten for *type_*."""
    if given.type == type_ or not dynamic.is_tagged(given.type):
        return given
    return Apply(dynamic.dyn(given.type), (given,), DYN)
