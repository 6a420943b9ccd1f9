"""Text to program: parse, check, generate."""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

from attributes import Bag, ValueType, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr import cel, cexl, check, generate
from mixer.expr.generate import Failure
from mixer.expr.syntax import Node
from mixer.expr.tree import Tree
from mixer.expr.types import VALUE_TYPES
from mixer.lang import Lang

_FRONT_ENDS: dict[Lang, tuple[Callable[[str], Node], check.Dialect]] = {
    Lang.CEXL: (cexl.parse, check.CEXL),
    Lang.CEL: (cel.parse, check.CEL),
    Lang.COMPAT: (cexl.parse, check.CEL),
}
_serial = count(1)


@lru_cache(maxsize=8192)
def _parsed(text: str, lang: Lang) -> Node:
    """The tree of *text*; a reload finds again what did not change."""
    return _FRONT_ENDS[lang][0](text)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression."""

    text: str
    type: ValueType
    run: Callable[[Bag], Any]
    """The value for a bag, of the Python type that `attributes.Value` gives *type*, or a
    `Failure`. Never raises."""

    tree: Tree = field(repr=False)
    source: str = field(repr=False)
    """The generated Python."""


def expression(
    text: str, lang: Lang, vocabulary: Vocabulary, expected: ValueType | None = None
) -> Program:
    """
    Compile *text*.

    Raises ExpressionError with the offset where it does not parse, does not fit the vocabulary,
    or has not the *expected* type.
    """
    tree = check.check(_parsed(text, lang), vocabulary, _FRONT_ENDS[lang][1])
    type_ = VALUE_TYPES.get(tree.type)
    if type_ is None:
        raise ExpressionError(f"a {tree.type} can't be the result of an expression")
    if expected is not None and type_ is not expected:
        raise ExpressionError(f"expected type {expected.name}, got {type_.name}")
    name = f"<expression {next(_serial)}: {text[:60]}>"
    run, source = generate.function(tree, name)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    weakref.finalize(run, linecache.cache.pop, name, None)
    return Program(text, type_, run, tree, source)


__all__ = ["Failure", "Program", "expression"]
