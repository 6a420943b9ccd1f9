"""
Syntax tree to typed tree: names against the vocabulary, functions against their overloads.

Everything the two languages mean differently is decided here, by a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from attributes import Duration, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import dynamic, fold, macros, refusals, standard, syntax
from mixer.expr.dialect import NAMESPACES, SPECIAL, TYPE_NAMES, Dialect
from mixer.expr.overload import Overload
from mixer.expr.refusals import did_you_mean
from mixer.expr.resolve import choose, common, joined
from mixer.expr.tree import (
    Apply,
    Attribute,
    Binding,
    Conditional,
    Constant,
    Fallback,
    Has,
    Logic,
    Lookup,
    Maybe,
    Tree,
    Variable,
)
from mixer.expr.types import (
    BOOL,
    BY_VALUE_TYPE,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    STRING_MAP,
    TYPE,
    UINT,
    Type,
)
from mixer.expr.values import TypeValue, Uint

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


class Checker:
    """Types one syntax tree; used once."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        dialect: Dialect,
        bindings: Mapping[str, Type],
        checked: bool,
    ) -> None:
        self.vocabulary = vocabulary
        self.dialect = dialect
        self.bindings = bindings
        self.checked = checked
        self.scope: dict[str, Variable] = {}
        self._serial = count(1)

    def tree(self, node: syntax.Node) -> Tree:
        """The typed tree of *node*."""
        try:
            return self._forgotten(self._static(node))
        except ExpressionError as error:
            if self.checked:
                raise
            return Apply(dynamic.failing(error.message), (), DYN, node)

    def _forgotten(self, found: Tree) -> Tree:
        """*found*, without its type where types are left to the call."""
        if self.checked or found.type == DYN:
            return found
        return Apply(dynamic.dyn(found.type), (found,), DYN)

    def _static(self, node: syntax.Node) -> Tree:
        match node:
            case syntax.Literal():
                value = Uint(node.value) if node.unsigned else node.value  # type: ignore[arg-type]
                type_ = UINT if node.unsigned else _LITERALS[type(node.value)]
                return Constant(type_, value, node)
            case syntax.Ident() | syntax.Select():
                return self._name(node)
            case syntax.Index():
                return self._index(node)
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

    # -- reads

    def _name(self, node: syntax.Ident | syntax.Select) -> Tree:
        if isinstance(node, syntax.Select) and node.optional:
            return self._optional_select(node)
        segments = _segments(node)
        if not segments or self._is_variable(segments[0]):
            if isinstance(node, syntax.Ident):
                return replace(self.scope[node.name], source=node)
            return self._select(node, self._static(node.operand))
        path = _dotted(segments)
        if found := self._declared(path, node):
            return found
        if isinstance(node, syntax.Select) and self.dialect.is_cel and self._declares(segments):
            return self._select(node, self._static(node.operand))
        if path in TYPE_NAMES and self.dialect.is_cel:
            return Constant(TYPE, TypeValue(path), node)
        raise ExpressionError(
            f"unknown attribute {path}", segments[0].offset, did_you_mean(path, self._known())
        )

    def _is_variable(self, first: syntax.Ident | syntax.Select) -> bool:
        return isinstance(first, syntax.Ident) and not first.rooted and first.name in self.scope

    def _declared(self, path: str, node: syntax.Node) -> Attribute | Binding | None:
        if attribute := self.vocabulary.get(path):
            return Attribute(BY_VALUE_TYPE[attribute.type], path, self.dialect.is_cel, node)
        if type_ := self.bindings.get(path):
            return Binding(type_, path, node)
        return None

    def _declares(self, segments: Sequence[syntax.Ident | syntax.Select]) -> bool:
        """Whether the beginning of a path, short of its end, is a name."""
        paths = [_dotted(segments[:end]) for end in range(1, len(segments))]
        return any(path in self.vocabulary or path in self.bindings for path in paths)

    def _select(self, node: syntax.Select, operand: Tree) -> Tree:
        key = Constant(STRING, node.field)
        if operand.type == STRING_MAP and self.dialect.is_cel:
            return Lookup(operand, key, lenient=False, source=node)
        if operand.type.name in ("map", "dyn", "optional") and self.dialect.is_cel:
            args = (self._forgotten(operand), key)
            return self.call(standard.INDEX, False, args, node, ())
        raise ExpressionError(f"a {operand.type} has no field {node.field!r}", node.offset)

    def _optional_select(self, node: syntax.Select) -> Tree:
        read, operand = self._read(node)
        if read is not None:
            return Maybe(read, node)
        args = (operand, Constant(STRING, node.field))
        return self.call(standard.OPTIONAL_INDEX, False, args, node, (node.operand, node))

    def _read(self, node: syntax.Select) -> tuple[Attribute | Lookup | None, Tree]:
        """What *node* reads where its presence can be told, and what it selects from."""
        segments = _segments(replace(node, optional=False))
        if segments and not self._is_variable(segments[0]):
            found = self._declared(_dotted(segments), node)
            if isinstance(found, Attribute):
                return found, found
        operand = self._static(node.operand)
        if operand.type == STRING_MAP:
            key = Constant(STRING, node.field)
            return Lookup(operand, key, not self.dialect.is_cel), operand
        return None, self._forgotten(operand)

    def _index(self, node: syntax.Index) -> Tree:
        operand, key = self._static(node.operand), self._static(node.key)
        if operand.type == STRING_MAP and key.type == STRING:
            found = Lookup(operand, key, not self.dialect.is_cel, source=node)
            return Maybe(found, node) if node.optional else found
        operand, key = self._forgotten(operand), self._forgotten(key)
        if not self.dialect.is_cel:
            at, got, expected = (
                (2, key.type, STRING)
                if operand.type == STRING_MAP
                else (1, operand.type, STRING_MAP)
            )
            part = node.key if at == 2 else node.operand
            raise ExpressionError(
                f"INDEX arg {at} typeError got {got}, expected {expected}", part.offset
            )
        function = standard.OPTIONAL_INDEX if node.optional else standard.INDEX
        return self.call(function, False, (operand, key), node, (node.operand, node.key))

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
        segments = _segments(target)
        if not segments or self._is_variable(segments[0]) or not self.dialect.is_cel:
            return ""
        path = _dotted(segments)
        whole = f"{path}.{name}"
        is_namespace = path in NAMESPACES and not self._declared(path, target)
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
        first, second = (self._static(argument) for argument in node.args)
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
        key, wanted = (self._static(argument) for argument in node.args)
        if wanted.type == STRING_MAP and key.type == STRING:
            return Has(Lookup(wanted, key, not self.dialect.is_cel), source=node)
        args = (self._forgotten(key), self._forgotten(wanted))
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
                found = self._static(node.args[0])
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
            one = self._static(argument)
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
        read, operand = self._read(of)
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

    def _known(self) -> list[str]:
        return [*self.vocabulary, *self.bindings, *self.scope]

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


def _segments(node: syntax.Node) -> list[syntax.Ident | syntax.Select]:
    """The parts of the dotted name that *node* spells, none where it is no name."""
    found: list[syntax.Ident | syntax.Select] = []
    while isinstance(node, syntax.Select) and not node.optional:
        found.append(node)
        node = node.operand
    return [node, *reversed(found)] if isinstance(node, syntax.Ident) else []


def _dotted(segments: Iterable[syntax.Ident | syntax.Select]) -> str:
    return ".".join(
        [part.name if isinstance(part, syntax.Ident) else part.field for part in segments]
    )


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
