"""The tree a YAML document is read into: every node and every key knows its place."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from mixer.errors import Place


class _Placed(msgspec.Struct, frozen=True, gc=False):
    file: str
    line: int
    column: int

    @property
    def place(self) -> Place:
        """Where the node's first character stands."""
        return Place(self.file, self.line, self.column)


class Scalar(_Placed, frozen=True, gc=False):
    """One value that has no parts."""

    text: str
    """As written, without quotes and with escapes resolved."""

    value: str | int | float | bool | None
    """As YAML 1.2 reads it."""

    inline: bool = True
    """True if the text stands on one line unescaped, so that an offset in it is a column."""

    doubtful: bool = False
    """True if YAML 1.1 reads it otherwise (`scalars.trap` says how); the value is the text."""

    def __str__(self) -> str:
        match self.value:
            case None:
                return "null"
            case str():
                return f"the text {self.text!r}"
            case bool():
                return f"the boolean {self.text}"
            case _:
                return f"the number {self.text}"


class ListNode(_Placed, frozen=True, gc=False):
    """A YAML sequence."""

    items: tuple[Node, ...]

    def __str__(self) -> str:
        return "a list"


class MapNode(_Placed, frozen=True, gc=False):
    """A YAML mapping, in the order it was written."""

    entries: dict[str, Node]
    keys: dict[str, Scalar]
    """The key itself, for its place, by its text."""

    def __str__(self) -> str:
        return "a mapping"


Node: TypeAlias = Scalar | ListNode | MapNode


def is_null(node: Node | None) -> bool:
    """Tell whether a field is absent or null, which mean the same: not set."""
    return node is None or (isinstance(node, Scalar) and node.value is None)


def plain(node: Node) -> Any:
    """The node as JSON would give it."""
    match node:
        case MapNode(entries=entries):
            return {key: plain(child) for key, child in entries.items()}
        case ListNode(items=items):
            return [plain(child) for child in items]
        case Scalar(value=value):
            return value


def camel(name: str) -> str:
    """The lowerCamelCase spelling of a snake_case *name*."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def locate(node: Node, path: str) -> Place:
    """
    The place of the node at *path*, or of the deepest one on the way to it that was written.

    *path* is like ``quotas[0].max_amount``; names may be in either spelling, and keys of maps may
    contain dots.
    """
    while path := path.lstrip("."):
        found = _step(node, path)
        if found is None:
            break
        node, path = found
    return node.place


def _step(node: Node, path: str) -> tuple[Node, str] | None:
    if isinstance(node, ListNode) and path.startswith("["):
        index, _, rest = path[1:].partition("]")
        if index.isdigit() and int(index) < len(node.items):
            return node.items[int(index)], rest
    elif isinstance(node, MapNode):
        for key in sorted(node.entries, key=len, reverse=True):
            for spelling in (key, f'["{key}"]', f"[{key}]"):
                if _starts(path, spelling):
                    return node.entries[key], path[len(spelling) :]
        head = path.partition(".")[0].partition("[")[0]
        if (other := camel(head)) in node.entries:
            return node.entries[other], path[len(head) :]
    return None


def _starts(path: str, name: str) -> bool:
    return path.startswith(name) and path[len(name) : len(name) + 1] in ("", ".", "[")
