"""The params of an instance: expression texts, checked for the shape of the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from mixer.adapter.template import Instance as Template
from mixer.adapter.template import Variety
from mixer.config.convert import entry
from mixer.config.findings import Findings, closest
from mixer.config.leaves import expression
from mixer.config.model import Params, Text
from mixer.config.nodes import ListNode, MapNode, Node, Scalar, camel, is_null

BINDINGS = "attribute_bindings"
SPELLINGS = (BINDINGS, camel(BINDINGS))


@cache
def fields(template: type[Template]) -> dict[str, tuple[str, Any]]:
    """
    The fields of a template or of a struct in it, and what they hold, by either spelling.

    ``name`` is none of the operator's.
    """
    hints = get_type_hints(template)
    own = {
        field.encode_name: (field.name, hints[field.name])
        for field in msgspec.structs.fields(template)
        if field.name != "name"
    }
    return {camel(name): field for name, field in own.items()} | own


def read(
    node: Node | None,
    template: type[Template],
    findings: Findings,
    field: str,
    *,
    literals: bool,
) -> tuple[Params, Node | None]:
    """
    Read the params of a *template*, and the node of the attribute bindings if they stand there.

    With *literals*, a bare number or boolean is the expression it looks like; without, it is
    refused as in Istio, but for templates of adapters in other processes, for which a text in
    quotes is a constant too then. Problems go to *findings*.
    """
    if is_null(node) or node is None:
        return {}, None
    bindings = None
    if isinstance(node, MapNode) and template.variety is Variety.ATTRIBUTE_GENERATOR:
        for spelling in SPELLINGS:
            bindings = node.entries.get(spelling, bindings)
    outside = template.outside
    reading = _Reading(findings, literals or outside, outside and not literals, bindings)
    return reading.struct(node, template, field), bindings


def texts(node: Node, findings: Findings, path: str) -> dict[str, Text]:
    """Read a map of expressions by literal keys; an empty one is an error (spec: params)."""
    found = _Reading(findings).entries(node, str, path)
    return {key: text for key, text in found.items() if isinstance(text, Text)}


@dataclass(frozen=True, slots=True)
class _Reading:
    """How params are read, and where problems go."""

    findings: Findings
    literals: bool = False
    quotes: bool = False
    """True: a text in quotes is a constant, whatever an expression would make of it."""

    bindings: Node | None = None

    def struct(self, node: Node, template: type[Template], path: str) -> Params:
        known = fields(template)
        if not isinstance(node, MapNode):
            names = ", ".join(dict.fromkeys(known))
            hint = f"with the fields {names}" if names else "leave it out, it has no fields"
            self.findings.error(f"must be a mapping, not {node}", node.place, path, hint)
            return {}
        params: dict[str, Text | Params] = {}
        spelled: dict[str, str] = {}
        for key, child in node.entries.items():
            at, place = f"{path}.{key}", node.keys[key].place
            if key not in known:
                if child is not self.bindings:
                    hint = closest(key, known)
                    self.findings.error(f"unknown field {key!r}", place, at, hint)
                continue
            name, annotation = known[key]
            if name in spelled:
                reason = f"{key!r} and {spelled[name]!r} are one field, and both are given"
                self.findings.error(reason, place, at, "remove one of them")
                continue
            spelled[name] = key
            if not is_null(child):
                found = self._value(child, annotation, at)
                if found is not None:
                    params[name] = found
        return params

    def _value(self, node: Node, annotation: Any, path: str) -> Text | Params | None:
        origin, inner = get_origin(annotation), get_args(annotation)
        if isinstance(annotation, type) and issubclass(annotation, Template):
            return self.struct(node, annotation, path)
        if origin in (dict, Mapping):
            return self.entries(node, inner[1], path)
        if origin is tuple:
            return self._items(node, inner[0], path)
        return self._leaf(node, annotation, path)

    def entries(self, node: Node, annotation: Any, path: str) -> Params:
        """Read a map by literal keys."""
        if not isinstance(node, MapNode):
            hint = "write one 'KEY: EXPRESSION' a line"
            self.findings.error(f"must be a mapping, not {node}", node.place, path, hint)
            return {}
        return {
            key: found
            for key, child in node.entries.items()
            if (found := self._filled(child, annotation, entry(path, key), node.keys[key]))
            is not None
        }

    def _items(self, node: Node, annotation: Any, path: str) -> Params:
        if not isinstance(node, ListNode):
            hint = "write one '- EXPRESSION' a line"
            self.findings.error(f"must be a list, not {node}", node.place, path, hint)
            return {}
        return {
            str(number): found
            for number, child in enumerate(node.items)
            if (found := self._filled(child, annotation, f"{path}[{number}]", child)) is not None
        }

    def _filled(self, node: Node, annotation: Any, path: str, at: Node) -> Text | Params | None:
        """Read what may not be left out."""
        before = self.findings.errors
        found = self._value(node, annotation, path)
        if found is None and self.findings.errors == before:
            reason = "the expression is empty"
            self.findings.error(reason, at.place, path, "write '\"\"' for the empty text")
        return found

    def _leaf(self, node: Node, annotation: Any, path: str) -> Text | None:
        """Read one expression; None where it is empty or wrong."""
        if is_null(node):
            return None
        if self.literals and isinstance(node, Scalar) and not node.doubtful:
            value = node.value
            if isinstance(value, bool | int | float):
                if annotation is float and not isinstance(value, bool):
                    value = float(value)
                text = str(value).lower() if isinstance(value, bool) else repr(value)
                return Text(text, node.place, path, node.inline and text == node.text)
            if self.quotes and _is_quoted(node.text):
                return Text(node.text[1:-1], node.place, path, literal=True)
            if _names(annotation, node.text):
                return Text(node.text, node.place, path, literal=True)
        found = expression(node, path, self.findings)
        return found if isinstance(found, Text) and found.text.strip() else None


def _is_quoted(text: str) -> bool:
    """Tell whether all of *text* is one text in quotes; ``"a" == "b"`` is not."""
    return len(text) > 1 and text[0] in "\"'" and text[0] == text[-1] and text[0] not in text[1:-1]


def _names(annotation: Any, text: str) -> bool:
    """Tell whether *text* is one of the names that a field of this type may have."""
    return (
        isinstance(annotation, type)
        and issubclass(annotation, IntEnum)
        and text in annotation.__members__
    )
