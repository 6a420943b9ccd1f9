"""Text to program: parse, check, generate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

from attributes import Bag, ValueType, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import cel, cexl, check, dialect, dynamic, generate
from mixer.expr.dialect import Dialect
from mixer.expr.evaluate import Watch, evaluate
from mixer.expr.reads import Failure
from mixer.expr.syntax import Node
from mixer.expr.tree import Apply, Constant, Tree
from mixer.expr.types import BY_VALUE_TYPE, DYN, STRING, VALUE_TYPES, Type
from mixer.lang import Lang

_FRONT_ENDS: dict[Lang, tuple[Callable[[str], Node], Dialect]] = {
    Lang.CEXL: (cexl.parse, dialect.CEXL),
    Lang.CEL: (cel.parse, dialect.CEL),
    Lang.STRICT: (cel.parse, dialect.STRICT),
    Lang.COMPAT: (cexl.parse, dialect.COMPAT),
}


@lru_cache(maxsize=8192)
def _parsed(text: str, parse: Callable[[str], Node]) -> Node:
    """The tree of *text*; a reload finds again what did not change."""
    return parse(text)


def parse(text: str, lang: Lang) -> Node:
    """The syntax tree of *text*; raises ExpressionError where it is no expression of *lang*."""
    return _parsed(text, _FRONT_ENDS[lang][0])


@dataclass(frozen=True, eq=False)
class Program:
    """A checked expression, compiled when it is first run."""

    text: str
    type: Type
    tree: Tree = field(repr=False)

    @cached_property
    def _function(self) -> tuple[Callable[..., Any], str]:
        try:
            return generate.function(self.tree, self.text)
        except generate.TooDeepError:
            return partial(evaluate, self.tree), ""

    @property
    def run(self) -> Callable[..., Any]:
        """
        The value for a bag, and for bindings by name where the program has any, or a `Failure`.

        What values are says `mixer.expr.values`; one of an attribute type is what
        `attributes.Value` says. Never raises.
        """
        return self._function[0]

    @property
    def source(self) -> str:
        """The generated Python; empty where the expression is too deep for it."""
        return self._function[1]

    @property
    def value_type(self) -> ValueType:
        """The attribute type of the value, UNSPECIFIED where it has none."""
        return VALUE_TYPES.get(self.type, ValueType.UNSPECIFIED)

    def walk(
        self, bag: Bag, bindings: Mapping[str, Any] | None = None, watch: Watch | None = None
    ) -> Any:
        """What `run` gives, evaluated step by step; *watch* sees each part's value."""
        return evaluate(self.tree, bag, bindings, watch)


def program(
    text: str,
    lang: Lang,
    vocabulary: Vocabulary,
    bindings: Mapping[str, Type] | None = None,
    checked: bool = True,
    expected: Type | None = None,
) -> Program:
    """
    Compile *text*, whatever its type.

    *bindings* are the types of values that are given by name beside the bag. Unless *checked*,
    types and names are looked at only when the program runs. Raises ExpressionError with the offset
    where *text* does not parse, does not fit the vocabulary, or has not the *expected* type.
    """
    spoken = _FRONT_ENDS[lang][1]
    try:
        tree = check.check(parse(text, lang), vocabulary, spoken, bindings, checked)
    except RecursionError:  # types of lists within lists, one variable within the next
        raise ExpressionError("lists and maps lie too deep in one another; split it") from None
    if expected is not None and tree.type != expected:
        tree = _as(tree, expected)
    return Program(text, tree.type, tree)


def expression(
    text: str, lang: Lang, vocabulary: Vocabulary, expected: ValueType | None = None
) -> Program:
    """Compile *text*, whose value is that of an attribute; see `program`."""
    wanted = None if expected is None else BY_VALUE_TYPE[expected]
    found = program(text, lang, vocabulary, expected=wanted)
    if found.value_type is ValueType.UNSPECIFIED:
        raise ExpressionError(
            f"a {found.type} can't be the result of an expression here",
            suggestion="convert it, such as by string(...)",
        )
    return found


def constant(text: str) -> Program:
    """The program whose value is *text* itself."""
    return Program(repr(text), STRING, Constant(STRING, text))


def _as(tree: Tree, expected: Type) -> Tree:
    """*tree* where only the call can tell that it has the *expected* type."""
    if DYN in (tree.type, *tree.type.params) and (
        tree.type == DYN or tree.type.name == expected.name
    ):
        return Apply(replace(dynamic.narrow(expected), params=(tree.type,)), (tree,), expected)
    type_ = VALUE_TYPES.get(tree.type)
    shown = tree.type if type_ is None else type_.name
    raise ExpressionError(f"expected type {expected}, got {shown}")


__all__ = ["Failure", "Program", "constant", "expression", "parse", "program"]
