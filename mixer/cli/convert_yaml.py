"""Edits of YAML text by place, which leave every other character as it was."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: where it is, and its tree."""

    start: int
    """Offset of its first character, comments before it included, `---` not."""

    end: int
    root: yaml.MappingNode


class YamlText:
    """A YAML file that is being edited; edits count when `edited` is asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]
        self._edits: list[tuple[int, int, str]] = []
        self.roots: list[yaml.MappingNode] = [
            node
            for node in yaml.compose_all(text, Loader=yaml.SafeLoader)
            if isinstance(node, yaml.MappingNode)
        ]
        self._scalars = sorted(
            ((self.span(node), node) for root in self.roots for node in _scalars(root)),
            key=lambda found: found[0],
        )

    def offset(self, line: int, column: int) -> int:
        """The offset of a place that counts from 1."""
        return self._lines[line - 1] + column - 1

    def span(self, node: Any) -> tuple[int, int]:
        """Where *node* begins and ends."""
        start, end = node.start_mark, node.end_mark
        return self._lines[start.line] + start.column, self._lines[end.line] + end.column

    def scalar_at(self, line: int, column: int) -> yaml.ScalarNode:
        """The scalar that contains a place."""
        at = self.offset(line, column)
        found = bisect_right([span for span, _ in self._scalars], (at, len(self.text)))
        return self._scalars[found - 1][1]

    def replace(self, start: int, end: int, text: str) -> None:
        """Put *text* in the place of what is between two offsets."""
        self._edits.append((start, end, text))

    def set(self, node: yaml.ScalarNode, value: str, flow: bool) -> None:
        """Let a scalar say *value*; *flow* where it stands within brackets."""
        start, end = self.span(node)
        tail = "\n" if node.style in ("|", ">") and self.text[:end].endswith("\n") else ""
        self.replace(start, end, scalar(value, flow) + tail)

    def comment(self, at: int, text: str) -> None:
        """Put a comment on a line of its own above the line of offset *at*."""
        start = self.text.rfind("\n", 0, at) + 1
        indent = len(self.text[start:]) - len(self.text[start:].lstrip(" "))
        self.replace(start, start, f"{' ' * indent}# mixs convert: {text}\n")

    def in_flow(self, node: yaml.Node) -> bool:
        """Whether *node* stands within brackets."""
        return any(
            parent.flow_style and self.span(parent)[0] < self.span(node)[0] < self.span(parent)[1]
            for root in self.roots
            for parent in _collections(root)
        )

    def edited(self) -> str:
        """The text with all edits; those of one place in the order they were made."""
        pieces: list[str] = []
        last = 0
        for start, end, text in sorted(self._edits, key=lambda edit: edit[0]):
            pieces += (self.text[last:start], text)
            last = max(last, end)
        return "".join([*pieces, self.text[last:]])

    def documents(self) -> list[Document]:
        """All documents with what belongs to them."""
        cuts = [0]
        position = 0
        for line in self.text.splitlines(keepends=True):
            if line.rstrip() == "---" or line.startswith("--- "):
                cuts.append(position)
            position += len(line)
        bounds = list(zip(cuts, [*cuts[1:], len(self.text)], strict=True))
        found = []
        for root in self.roots:
            at = self.span(root)[0]
            start, end = next((start, end) for start, end in bounds if start <= at < end)
            found.append(Document(start, end, root))
        return found

    def lines_of(self, node: yaml.Node) -> list[str]:
        """The lines of a block, without its own indentation."""
        start, end = self.span(node)
        indent = node.start_mark.column
        lines = (" " * indent + self.text[start:end]).rstrip().split("\n")
        return [line[indent:] if not line[:indent].strip() else line.lstrip() for line in lines]


def scalar(value: str, flow: bool) -> str:
    """*value* as a YAML scalar: plain where that is safe, else in quotes."""
    template = "{{a: {}}}" if flow else "a: {}"
    try:
        if yaml.safe_load(template.format(value)) == {"a": value} and "\n" not in value:
            return value
    except yaml.YAMLError:
        pass
    return "'" + value.replace("'", "''") + "'"


def get(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    """The node at *path* below a mapping."""
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node


def text_at(node: yaml.Node, *path: str) -> str:
    """The text of the scalar at *path*, "" where there is none."""
    found = get(node, *path)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""


def _collections(node: yaml.Node) -> Iterator[yaml.CollectionNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _collections(value)
    elif isinstance(node, yaml.SequenceNode):
        yield node
        for item in node.value:
            yield from _collections(item)


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    for part in _collections(node):
        children = (
            [value for _, value in part.value] if isinstance(part, yaml.MappingNode) else part.value
        )
        for child in children:
            if isinstance(child, yaml.ScalarNode):
                yield child
