"""What each part of an expression was worth for one call: the answer to "why did it not match?"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from attributes import Bag
from mixer.expr.compile import Program
from mixer.expr.conversions import text_of_double
from mixer.expr.dynamic import tagged
from mixer.expr.json_values import to_json
from mixer.expr.reads import Failure
from mixer.expr.show import quoted, show
from mixer.expr.syntax import Literal
from mixer.expr.tree import Constant, Tree, parts
from mixer.expr.types import Type
from mixer.expr.values import Address, Key, Optional, TypeValue

MAX_SHOWN = 3
"""Values shown of a part that a macro evaluates many times."""

MAX_WIDTH = 200
"""Characters shown of one value."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an expression that somebody wrote."""

    text: str
    depth: int
    values: tuple[str, ...]
    """What it was worth, each time it was evaluated; none where it was not."""

    @property
    def outcome(self) -> str:
        """The values in one line."""
        if not self.values:
            return "not evaluated"
        if len(self.values) > MAX_SHOWN:
            return ", ".join(self.values[:MAX_SHOWN]) + f", ... ({len(self.values)} times)"
        return ", ".join(self.values)


def explain(
    program: Program, bag: Bag, bindings: Mapping[str, Any] | None = None
) -> tuple[Any, list[Part]]:
    """The value of *program*, or its `Failure`, and its parts from the whole to the smallest."""
    seen: dict[int, list[str]] = {}

    def watch(tree: Tree, value: Any) -> None:
        seen.setdefault(id(tree), []).append(shown(value, tree.type))

    value = program.walk(bag, bindings, watch)
    return value, list(_parts(program.tree, 0, seen))


def _parts(tree: Tree, depth: int, seen: Mapping[int, list[str]]) -> Iterator[Part]:
    is_written = tree.source is not None and (depth == 0 or not isinstance(tree, Constant))
    if is_written and tree.source is not None:
        yield Part(show(tree.source), depth, tuple(seen.get(id(tree), ())))
    for part in parts(tree):
        yield from _parts(part, depth + is_written, seen)


def shown(value: Any, type_: Type) -> str:
    """*value* of static *type_* as an operator reads it, in one line."""
    if value is None and type_.name != "null":
        return "absent"
    if isinstance(value, Failure):
        return f"error: {value.message}"
    text = _text(tagged(value, type_))
    return text if len(text) <= MAX_WIDTH else f"{text[:MAX_WIDTH]}..."


def _text(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return quoted(value[:MAX_WIDTH])
        case float():
            return repr(value) if math.isfinite(value) else text_of_double(value)
        case Address():
            return str(to_json(value)["stringValue"])
        case bytes():
            return show(Literal(0, value[:MAX_WIDTH]))
        case tuple():
            return f"[{', '.join(_text(item) for item in value[:20])}]"
        case dict():
            entries = [
                f"{_text(key.value if isinstance(key, Key) else key)}: {_text(item)}"
                for key, item in list(value.items())[:20]
            ]
            return f"{{{', '.join(entries)}}}"
        case TypeValue():
            return value.name
        case Optional():
            return f"optional({_text(value.value)})" if value.present else "optional.none()"
        case _:
            return str(value)
