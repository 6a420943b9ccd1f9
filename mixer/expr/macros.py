"""The macros of CEL: calls whose first arguments name variables (cel-spec, langdef.md, Macros)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from mixer.errors import ExpressionError
from mixer.expr import dynamic, fold, syntax
from mixer.expr.library import optionals
from mixer.expr.overload import calls
from mixer.expr.tree import Apply, Bind, Conditional, Constant, Loop, Macro, Tree, Variable
from mixer.expr.types import (
    BOOL,
    DYN,
    INT,
    A,
    B,
    Type,
    list_of,
    map_of,
    optional_of,
)
from mixer.expr.values import NONE

if TYPE_CHECKING:
    from mixer.expr.check import Checker

KEYS = calls("keys", dynamic.keys, (map_of(A, B),), list_of(A), fails=False)
PAIRS = calls("pairs", dynamic.pairs, (DYN,), DYN)
ITEMS = calls("items", dynamic.items, (DYN,), list_of(DYN))
Expander: TypeAlias = "Callable[[Checker, syntax.Call], Tree]"


def expand(checker: Checker, node: syntax.Call) -> Tree | None:
    """The tree of *node* where it is a macro, else None."""
    if node.function == "bind" and node.target == syntax.Ident(_offset(node), "cel"):
        return _bind(checker, node)
    if node.target is None or (found := _METHODS.get(node.function)) is None:
        return None
    counts, expander = found
    if len(node.args) not in counts:
        shown = " or ".join(map(str, counts))
        raise ExpressionError(
            f"the macro {node.function} takes {shown} arguments, got {len(node.args)}", node.offset
        )
    return expander(checker, node)


def _offset(node: syntax.Call) -> int:
    return node.target.offset if node.target is not None else -1


def _names(node: syntax.Call, count: int) -> list[str]:
    names = []
    for argument in node.args[:count]:
        if not isinstance(argument, syntax.Ident) or argument.rooted:
            raise ExpressionError(
                f"the macro {node.function} takes the name of a variable here", argument.offset
            )
        if argument.name in names:
            raise ExpressionError(f"two variables named {argument.name!r}", argument.offset)
        names.append(argument.name)
    return names


def _range(checker: Checker, node: syntax.Call, count: int) -> tuple[Tree, list[tuple[str, Type]]]:
    """What the macro goes through, as a list or a list of pairs, and its variables with types."""
    assert node.target is not None
    given = checker.tree(node.target)
    names = _names(node, count)
    match given.type.name, given.type.params:
        case "list", (item,):
            types = [item] if count == 1 else [INT, item]
        case "map", (key, value):
            types = [key] if count == 1 else [key, value]
        case "dyn", _:
            types = [DYN] * count
        case _:
            raise ExpressionError(
                f"{node.function} goes through a list or a map, got {given.type}", node.offset
            )
    if count == 2:
        given = Apply(PAIRS, (given,), DYN)
    elif given.type.name == "map":
        given = Apply(KEYS, (given,), list_of(types[0]))
    elif given.type == DYN:
        given = Apply(ITEMS, (given,), list_of(DYN))
    return given, list(zip(names, types, strict=True))


def _loop(
    checker: Checker,
    node: syntax.Call,
    macro: Macro,
    count: int,
    condition: int | None,
    result: int | None,
    key: int | None = None,
) -> Tree:
    """A loop with *count* variables whose parts are these arguments of *node*."""
    given, named = _range(checker, node, count)
    with checker.variable(*named) as variables:
        test = None if condition is None else checker.truth(node, condition)
        made = None if result is None else checker.tree(node.args[result])
        named_key = None if key is None else checker.tree(node.args[key])
    type_ = BOOL
    if macro is Macro.LIST:
        type_ = list_of(made.type if made else variables[-1].type)
    return Loop(macro, type_, given, variables, test, made, named_key, node)


def _quantifier(macro: Macro) -> Expander:
    return lambda checker, node: _loop(
        checker, node, macro, len(node.args) - 1, len(node.args) - 1, None
    )


def _filter(checker: Checker, node: syntax.Call) -> Tree:
    given, named = _range(checker, node, 1)
    with checker.variable(*named) as variables:
        test = checker.truth(node, 1)
    type_ = list_of(variables[0].type)
    return Loop(Macro.LIST, type_, given, variables, test, variables[0], source=node)


def _mapping(variables: int) -> Expander:
    def expander(checker: Checker, node: syntax.Call) -> Tree:
        last = len(node.args) - 1
        condition = variables if last > variables else None
        return _loop(checker, node, Macro.LIST, variables, condition, last)

    return expander


def _transform_map(checker: Checker, node: syntax.Call) -> Tree:
    last = len(node.args) - 1
    given, named = _range(checker, node, 2)
    with checker.variable(*named) as variables:
        test = checker.truth(node, 2) if last == 3 else None
        made = checker.tree(node.args[last])
    type_ = map_of(variables[0].type, made.type)
    return Loop(Macro.MAP, type_, given, variables, test, made, variables[0], node)


def _transform_entries(checker: Checker, node: syntax.Call) -> Tree:
    """A map of the entries of all the maps that the items give."""
    last = len(node.args) - 1
    loop = _loop(checker, node, Macro.LIST, 2, 2 if last == 3 else None, last)
    item = loop.type.params[0]
    if item.name not in ("map", "dyn"):
        raise ExpressionError(f"{node.function} takes a map, got {item}", node.args[last].offset)
    type_ = item if item.name == "map" else map_of(DYN, DYN)
    return Apply(MERGED, (loop,), type_, node)


def merged(maps: tuple[dict[object, object], ...]) -> dict[object, object]:
    """All entries of *maps*; raises ValueError where a key comes twice."""
    found: dict[object, object] = {}
    for entries in maps:
        if entries.__class__ is not dict:
            raise ValueError("transformMapEntry takes a map")
        for key, value in entries.items():
            if key in found:
                raise ValueError(f"the key {key!r} comes twice")
            found[key] = value
    return found


MERGED = calls("merged", merged, (list_of(A),), A)


def _sort_by(checker: Checker, node: syntax.Call) -> Tree:
    assert node.target is not None
    given = checker.tree(node.target)
    with checker.variable(("@sorted", given.type), may_fail=True) as (held,):
        inner = syntax.Ident(node.offset, "@sorted")
        keys = _mapping(1)(checker, syntax.Call(node.offset, "map", node.args, inner))
        found = checker.call("@sortedBy", False, (held, keys), node, (node, node))
    return Bind(held, given, found, node)


def _bind(checker: Checker, node: syntax.Call) -> Tree:
    """``cel.bind(name, value, body)``."""
    checker.arity(node, 3)
    name = _names(node, 1)[0]
    value = checker.tree(node.args[1])
    with checker.variable((name, value.type), may_fail=True) as (variable,):
        body = checker.tree(node.args[2])
    return Bind(variable, value, body, node)


def _optional(node: syntax.Call, given: Tree, offset: int) -> Tree:
    """*given*, which must be an optional."""
    if given.type == DYN:
        wanted = optional_of(DYN)
        return Apply(dynamic.narrow(wanted), (given,), wanted)
    if given.type.name != "optional":
        raise ExpressionError(f"{node.function} needs an optional, got {given.type}", offset)
    return given


def _if_present(
    checker: Checker, node: syntax.Call, then: Callable[[Variable], Tree], other: Tree | None
) -> Tree:
    """*then*, of an optional held in a variable, where it is present; else *other*, or none."""
    assert node.target is not None
    given = _optional(node, checker.tree(node.target), node.offset)
    with checker.variable(("@optional", given.type), may_fail=True) as (held,):
        yes = then(held)
        other = other or Constant(yes.type, NONE)
        test = Apply(optionals.HAS_VALUE, (held,), BOOL)
        type_ = checker.either(node, yes, other)
        return Bind(held, given, fold.conditional(Conditional(type_, test, yes, other)), node)


def _held(variable: Variable) -> Tree:
    return Apply(optionals.HELD, (variable,), variable.type.params[0])


def _opt_map(flat: bool) -> Expander:
    def expander(checker: Checker, node: syntax.Call) -> Tree:
        name = _names(node, 1)[0]

        def then(held: Variable) -> Tree:
            with checker.variable((name, held.type.params[0]), may_fail=True) as (variable,):
                body = checker.tree(node.args[1])
            if flat:
                body = _optional(node, body, node.args[1].offset)
            else:
                body = Apply(optionals.OPTIONAL, (body,), optional_of(body.type))
            return Bind(variable, _held(held), body)

        return _if_present(checker, node, then, None)

    return expander


def _or_value(checker: Checker, node: syntax.Call) -> Tree:
    return _if_present(checker, node, _held, checker.tree(node.args[0]))


def _or(checker: Checker, node: syntax.Call) -> Tree:
    return _if_present(checker, node, lambda held: held, checker.tree(node.args[0]))


_METHODS: dict[str, tuple[tuple[int, ...], Expander]] = {
    "all": ((2, 3), _quantifier(Macro.ALL)),
    "exists": ((2, 3), _quantifier(Macro.EXISTS)),
    "exists_one": ((2, 3), _quantifier(Macro.ONE)),
    "existsOne": ((2, 3), _quantifier(Macro.ONE)),
    "filter": ((2,), _filter),
    "map": ((2, 3), _mapping(1)),
    "transformList": ((3, 4), _mapping(2)),
    "transformMap": ((3, 4), _transform_map),
    "transformMapEntry": ((3, 4), _transform_entries),
    "sortBy": ((2,), _sort_by),
    "optMap": ((2,), _opt_map(flat=False)),
    "optFlatMap": ((2,), _opt_map(flat=True)),
    "orValue": ((1,), _or_value),
    "or": ((1,), _or),
}
"""By name: how many arguments, and what the macro becomes."""


NAMES = ("cel.bind", *_METHODS)
