"""
YAML text to node trees, one document at a time: what is wrong with one leaves the others whole.

Law: the input is bounded here in size, nesting and expanded aliases; nothing behind it recurses
deeper than MAX_DEPTH.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from mixer.config.findings import Findings
from mixer.config.nodes import ListNode, MapNode, Node, Scalar
from mixer.config.scalars import resolve, trap
from mixer.errors import Place, Problem

MAX_BYTES = 8 << 20
MAX_DEPTH = 64
MAX_NODES = 500_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it was built in: about ten times as fast as the Python one."""

_START = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_YAML_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_YAML_TAG + name for name in ("int", "float", "bool", "null"))
_COLLECTION_TAGS = frozenset(_YAML_TAG + name for name in ("map", "seq"))
_HINTS = (
    ("mapping values are not allowed", "put a text that contains ': ' in quotes, and check the "
     "indentation"),
    ("did not find expected", "check the indentation; a text that begins with a quote, such as "
     "\"a\" + b, must be quoted as a whole: '\"a\" + b'"),
    ("could not find expected ':'", "write 'name: value', with a space after the colon"),
    ("cannot start any token", "put the text in quotes"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, or why there is none."""

    root: Node | None
    """None where the text can't be read."""

    problems: tuple[Problem, ...] = ()


class _Refused(Exception):
    """The rest of a document is not worth reading; the reason is the message."""

    def __init__(self, reason: str, place: Place, suggestion: str = "") -> None:
        super().__init__(reason)
        self.reason, self.place, self.suggestion = reason, place, suggestion


def documents(data: bytes, file: str) -> list[Document]:
    """Read all documents of a file; empty ones are left out."""
    if len(data) > MAX_BYTES:
        reason = f"the file has {len(data)} bytes, at most {MAX_BYTES} are read"
        return [_unreadable(reason, Place(file, 1, 1), "split it into several files")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = data[: error.start].split(b"\n")
        place = Place(file, len(lines), len(lines[-1].decode("utf-8-sig", "replace")) + 1)
        reason = f"byte 0x{data[error.start]:02x} is not UTF-8"
        return [_unreadable(reason, place, "save the file as UTF-8")]
    if found := _FORBIDDEN.search(text):
        lines_before = text[: found.start()].split("\n")
        place = Place(file, len(lines_before), len(lines_before[-1]) + 1)
        reason = f"the control character U+{ord(found[0]):04X} is not allowed in YAML"
        return [_unreadable(reason, place, "remove it")]
    read: list[Document] = []
    count = 0
    for first_line, chunk in _chunks(text):
        composer = _Composer(file, chunk, first_line, count)
        read += composer.documents()
        count = composer.count
    return read


def _unreadable(reason: str, place: Place, suggestion: str) -> Document:
    return Document(None, (Problem(reason, place, suggestion=suggestion),))


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Cut before each ``---`` line, which can't be within a document, so that errors stay local."""
    cuts = [found.start() for found in _START.finditer(text)]
    line = 0
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        chunk = text[start:end]
        if any(row.strip() and row[0] not in "#%" for row in chunk.splitlines()):
            yield line, chunk
        line += chunk.count("\n")


class _Composer:
    """Builds the trees of one chunk from libyaml's events."""

    def __init__(self, file: str, text: str, first_line: int, count: int) -> None:
        self.file = file
        self.count = count
        self._text = text
        self._offset = first_line
        self._findings = Findings()
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._next: Any = None

    def documents(self) -> Iterator[Document]:
        try:
            loader = _Loader(self._text)
            self._next = loader.get_event
            while type(event := self._next()) is not StreamEndEvent:
                if type(event) in (StreamStartEvent, DocumentEndEvent):
                    continue
                assert type(event) is DocumentStartEvent
                self._findings, self._anchors = Findings(), {}
                root = self._node(self._next(), 1)
                if not (isinstance(root, Scalar) and root.value is None):
                    yield Document(root, tuple(self._findings.problems))
        except _Refused as refusal:
            self._findings.error(refusal.reason, refusal.place, suggestion=refusal.suggestion)
            yield Document(None, tuple(self._findings.problems))
        except yaml.YAMLError as error:
            self._findings.problems.append(self._syntax_problem(error))
            yield Document(None, tuple(self._findings.problems))

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        mark = event.start_mark
        line, column = mark.line + self._offset + 1, mark.column + 1
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            self._bound(depth, Place(self.file, line, column))
        before = self.count
        node: Node
        if kind is ScalarEvent:
            node = self._scalar(event, line, column)
        else:
            if event.tag and event.tag not in _COLLECTION_TAGS:
                self._tag(event.tag, Place(self.file, line, column))
            if kind is SequenceStartEvent:
                node = ListNode(self.file, line, column, tuple(self._items(depth)))
            else:
                assert kind is MappingStartEvent
                node = self._mapping(line, column, depth)
        if event.anchor:
            self._anchors[event.anchor] = node, self.count - before + 1
        return node

    def _alias(self, event: Any) -> Node:
        mark = event.start_mark
        place = Place(self.file, mark.line + self._offset + 1, mark.column + 1)
        if event.anchor not in self._anchors:
            reason = f"the alias '*{event.anchor}' has no anchor '&{event.anchor}' before it"
            raise _Refused(reason, place, "an anchor counts in its own document only")
        node, size = self._anchors[event.anchor]
        self.count += size
        if self.count > MAX_NODES:
            self._bound(0, place)
        return node

    def _bound(self, depth: int, place: Place) -> None:
        if depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} levels deep", place, "flatten it")
        reason = f"the file has more than {MAX_NODES} values, aliases expanded"
        raise _Refused(reason, place, "split it into several files, or use fewer aliases")

    def _items(self, depth: int) -> Iterator[Node]:
        while type(event := self._next()) is not SequenceEndEvent:
            yield self._node(event, depth + 1)

    def _mapping(self, line: int, column: int, depth: int) -> MapNode:
        entries: dict[str, Node] = {}
        keys: dict[str, Scalar] = {}
        merged: list[Node] = []
        while type(event := self._next()) is not MappingEndEvent:
            plain = type(event) is ScalarEvent and not event.style
            key = self._key(event, depth)
            value = self._node(self._next(), depth + 1)
            name = key.text
            if plain and name == "<<":
                merged += value.items if isinstance(value, ListNode) else [value]
            elif name in entries:
                first = keys[name]
                reason = f"the key {name!r} stands twice in one mapping, first at {first.place}"
                self._findings.error(reason, key.place, suggestion="remove one of them")
            else:
                entries[name], keys[name] = value, key
        for source in merged:
            self._merge(source, entries, keys)
        return MapNode(self.file, line, column, entries, keys)

    def _merge(self, source: Node, entries: dict[str, Node], keys: dict[str, Scalar]) -> None:
        if not isinstance(source, MapNode):
            self._findings.error(f"'<<' merges mappings, not {source}", source.place)
            return
        for name, value in source.entries.items():
            if name not in entries:
                entries[name], keys[name] = value, source.keys[name]

    def _key(self, event: Any, depth: int) -> Scalar:
        if type(event) is not ScalarEvent or event.style:
            node = self._node(event, depth + 1)
            if not isinstance(node, Scalar):
                raise _Refused(f"a key must be a text, not {node}", node.place)
            return node
        mark: Any = event.start_mark
        line, column = mark.line + self._offset + 1, mark.column + 1
        key = Scalar(self.file, line, column, event.value, event.value)
        if event.anchor:
            self._anchors[event.anchor] = key, 1
        self.count += 1
        if found := trap(event.value):
            self._findings.warn(found[0], key.place, suggestion=found[1])
        return key

    def _scalar(self, event: Any, line: int, column: int) -> Scalar:
        text: str = event.value
        style: str = event.style
        start, end = event.start_mark, event.end_mark
        if style in ("|", ">"):
            return self._block(text, start.line)
        quotes = 2 if style else 0
        inline = start.line == end.line and end.column - start.column == len(text) + quotes
        tag = event.tag
        if tag and tag not in _PLAIN_TAGS:
            if tag not in (_YAML_TAG + "str", "!"):
                self._tag(tag, Place(self.file, line, column))
            return Scalar(self.file, line, column, text, text, False)
        if style and not tag:
            return Scalar(self.file, line, column + 1, text, text, inline)
        return Scalar(self.file, line, column, text, resolve(text), inline, trap(text) is not None)

    def _block(self, text: str, header: int) -> Scalar:
        rows = self._text.split("\n")
        first = next((n for n in range(header + 1, len(rows)) if rows[n].strip()), header)
        column = len(rows[first]) - len(rows[first].lstrip()) + 1
        inline = rows[first].strip() == text.rstrip("\n")
        return Scalar(self.file, first + self._offset + 1, column, text, text, inline)

    def _tag(self, tag: str, place: Place) -> None:
        reason = f"the tag {tag!r} is not supported"
        self._findings.error(reason, place, suggestion="remove it")

    def _syntax_problem(self, error: yaml.YAMLError) -> Problem:
        mark = None
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
        if mark is None:
            return Problem(f"not YAML: {error}", Place(self.file, self._offset + 1, 1))
        place = Place(self.file, mark.line + self._offset + 1, mark.column + 1)
        reason = getattr(error, "problem", None) or str(error)
        hint = next((hint for words, hint in _HINTS if words in reason), "")
        problem = Problem(f"not YAML: {reason}", place, suggestion=hint)
        row = self._text.split("\n")[mark.line] if mark.line <= self._text.count("\n") else ""
        if "\t" in row[: len(row) - len(row.lstrip())]:
            return replace(problem, suggestion="indent with spaces, not tabs")
        return problem
