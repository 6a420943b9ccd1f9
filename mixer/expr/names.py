"""What a name, a selection or an index in the text reads: attributes, variables, keys of maps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from attributes import Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import standard, syntax
from mixer.expr.dialect import TYPE_NAMES, Dialect
from mixer.expr.refusals import did_you_mean
from mixer.expr.tree import Attribute, Binding, Constant, Lookup, Maybe, Tree, Variable
from mixer.expr.types import BY_VALUE_TYPE, STRING, STRING_MAP, TYPE, Type
from mixer.expr.values import TypeValue


class Names:
    """The part of the checker that knows what names stand for."""

    def __init__(
        self, vocabulary: Vocabulary, dialect: Dialect, bindings: Mapping[str, Type]
    ) -> None:
        self.vocabulary = vocabulary
        self.dialect = dialect
        self.bindings = bindings
        self.scope: dict[str, Variable] = {}
        """The variables of macros, by the names they have in the text."""

    @abstractmethod
    def static(self, node: syntax.Node) -> Tree:
        """The typed tree of *node*, whether or not types are left to the call."""

    @abstractmethod
    def forgotten(self, found: Tree) -> Tree:
        """*found*, without its type where types are left to the call."""

    @abstractmethod
    def call(
        self,
        name: str,
        method: bool,
        args: tuple[Tree, ...],
        node: syntax.Node,
        sources: Sequence[syntax.Node],
    ) -> Tree:
        """The function *name* of *args*, which were written as *sources*."""

    def name(self, node: syntax.Ident | syntax.Select) -> Tree:
        """What a name or a selection reads; a macro's variable hides what else has its name."""
        if isinstance(node, syntax.Select) and node.optional:
            return self._optional_select(node)
        segments = segments_of(node)
        if not segments or self.is_variable(segments[0]):
            if isinstance(node, syntax.Ident):
                return replace(self.scope[node.name], source=node)
            return self._select(node, self.static(node.operand))
        path = dotted(segments)
        if found := self.declared(path, node):
            return found
        if isinstance(node, syntax.Select) and self.dialect.is_cel and self._declares(segments):
            return self._select(node, self.static(node.operand))
        if path in TYPE_NAMES and self.dialect.is_cel:
            return Constant(TYPE, TypeValue(path), node)
        raise ExpressionError(
            f"unknown attribute {path}", segments[0].offset, did_you_mean(path, self._known())
        )

    def is_variable(self, first: syntax.Ident | syntax.Select) -> bool:
        """Whether the *first* part of a path is a variable of a macro."""
        return isinstance(first, syntax.Ident) and not first.rooted and first.name in self.scope

    def declared(self, path: str, node: syntax.Node) -> Attribute | Binding | None:
        """The attribute or binding that is called *path*."""
        if attribute := self.vocabulary.get(path):
            return Attribute(BY_VALUE_TYPE[attribute.type], path, self.dialect.is_cel, node)
        if type_ := self.bindings.get(path):
            return Binding(type_, path, node)
        return None

    def _declares(self, segments: Sequence[syntax.Ident | syntax.Select]) -> bool:
        """Whether the beginning of a path, short of its end, is a name."""
        paths = [dotted(segments[:end]) for end in range(1, len(segments))]
        return any(path in self.vocabulary or path in self.bindings for path in paths)

    def _select(self, node: syntax.Select, operand: Tree) -> Tree:
        key = Constant(STRING, node.field)
        if operand.type == STRING_MAP and self.dialect.is_cel:
            return Lookup(operand, key, lenient=False, source=node)
        if operand.type.name in ("map", "dyn", "optional") and self.dialect.is_cel:
            args = (self.forgotten(operand), key)
            return self.call(standard.INDEX, False, args, node, ())
        raise ExpressionError(f"a {operand.type} has no field {node.field!r}", node.offset)

    def _optional_select(self, node: syntax.Select) -> Tree:
        read, operand = self.read(node)
        if read is not None:
            return Maybe(read, node)
        args = (operand, Constant(STRING, node.field))
        return self.call(standard.OPTIONAL_INDEX, False, args, node, (node.operand, node))

    def read(self, node: syntax.Select) -> tuple[Attribute | Lookup | None, Tree]:
        """What *node* reads where its presence can be told, and what it selects from."""
        segments = segments_of(replace(node, optional=False))
        if segments and not self.is_variable(segments[0]):
            found = self.declared(dotted(segments), node)
            if isinstance(found, Attribute):
                return found, found
        operand = self.static(node.operand)
        if operand.type == STRING_MAP:
            key = Constant(STRING, node.field)
            return Lookup(operand, key, not self.dialect.is_cel), operand
        return None, self.forgotten(operand)

    def index(self, node: syntax.Index) -> Tree:
        """What ``e[key]`` reads; of a string map of the call just that key."""
        operand, key = self.static(node.operand), self.static(node.key)
        if operand.type == STRING_MAP and key.type == STRING:
            found = Lookup(operand, key, not self.dialect.is_cel, source=node)
            return Maybe(found, node) if node.optional else found
        operand, key = self.forgotten(operand), self.forgotten(key)
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

    def _known(self) -> list[str]:
        return [*self.vocabulary, *self.bindings, *self.scope]


def segments_of(node: syntax.Node) -> list[syntax.Ident | syntax.Select]:
    """The parts of the dotted name that *node* spells, none where it is no name."""
    found: list[syntax.Ident | syntax.Select] = []
    while isinstance(node, syntax.Select) and not node.optional:
        found.append(node)
        node = node.operand
    return [node, *reversed(found)] if isinstance(node, syntax.Ident) else []


def dotted(segments: Iterable[syntax.Ident | syntax.Select]) -> str:
    """The parts of a name as one text."""
    return ".".join(
        [part.name if isinstance(part, syntax.Ident) else part.field for part in segments]
    )
