"""The params of an instance: expression texts, checked for the shape of the template."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias, get_args, get_origin

import msgspec

from mixer.adapter.template import Instance as Template
from mixer.adapter.template import Variety
from mixer.config.convert import entry
from mixer.config.findings import Findings, closest
from mixer.config.leaves import expression
from mixer.config.model import Params, Text
from mixer.config.nodes import MapNode, Node, Scalar, camel, is_null

BINDINGS = "attribute_bindings"
SPELLINGS = (BINDINGS, camel(BINDINGS))

Part: TypeAlias = type[Template] | None
"""A nested struct; None for an expression or a map of expressions."""


class Shape(msgspec.Struct, frozen=True):
    """Which fields one struct of a template has."""

    names: Mapping[str, str]
    """Field by either spelling."""

    structs: Mapping[str, type[Template]]
    maps: frozenset[str]


@cache
def shape(template: type[Template]) -> Shape:
    """Tell the fields of a template or of a struct in it; ``name`` is none of the operator's."""
    fields = {
        field.name: field.type for field in msgspec.structs.fields(template) if field.name != "name"
    }
    return Shape(
        {camel(name): name for name in fields} | {name: name for name in fields},
        {
            name: type_
            for name, type_ in fields.items()
            if isinstance(type_, type) and issubclass(type_, Template)
        },
        frozenset(name for name, type_ in fields.items() if _is_map(type_)),
    )


def _is_map(annotation: Any) -> bool:
    return get_origin(annotation) in (dict, Mapping) and bool(get_args(annotation))


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
    refused as in Istio. Problems go to *findings*.
    """
    if is_null(node) or node is None:
        return {}, None
    bindings = None
    if isinstance(node, MapNode) and template.variety is Variety.ATTRIBUTE_GENERATOR:
        for spelling in SPELLINGS:
            bindings = node.entries.get(spelling, bindings)
    return _struct(node, template, findings, field, literals, bindings), bindings


def _struct(
    node: Node,
    template: type[Template],
    findings: Findings,
    path: str,
    literals: bool,
    bindings: Node | None = None,
) -> Params:
    known = shape(template)
    if not isinstance(node, MapNode):
        fields = ", ".join(dict.fromkeys(known.names))
        hint = f"with the fields {fields}" if fields else "leave it out, it has no fields"
        findings.error(f"must be a mapping, not {node}", node.place, path, hint)
        return {}
    params: dict[str, Text | Params] = {}
    spelled: dict[str, str] = {}
    for key, child in node.entries.items():
        name, at, place = known.names.get(key), f"{path}.{key}", node.keys[key].place
        if name is None:
            if child is not bindings:
                reason = f"unknown field {key!r}"
                findings.error(reason, place, at, closest(key, known.names))
        elif name in spelled:
            reason = f"{key!r} and {spelled[name]!r} are one field, and both are given"
            findings.error(reason, place, at, "remove one of them")
        else:
            spelled[name] = key
            if is_null(child):
                continue
            if name in known.structs:
                params[name] = _struct(child, known.structs[name], findings, at, literals)
            elif name in known.maps:
                params[name] = texts(child, findings, at, literals=literals)
            elif text := _leaf(child, findings, at, literals):
                params[name] = text
    return params


def texts(node: Node, findings: Findings, path: str, *, literals: bool = False) -> dict[str, Text]:
    """Read a map of expressions by literal keys; an empty one is an error (spec: params)."""
    if not isinstance(node, MapNode):
        hint = "write one 'KEY: EXPRESSION' a line"
        findings.error(f"must be a mapping, not {node}", node.place, path, hint)
        return {}
    found: dict[str, Text] = {}
    for key, child in node.entries.items():
        at, before = entry(path, key), findings.errors
        if text := _leaf(child, findings, at, literals):
            found[key] = text
        elif findings.errors == before:
            reason = "the expression is empty"
            findings.error(reason, node.keys[key].place, at, "write '\"\"' for the empty text")
    return found


def _leaf(node: Node, findings: Findings, path: str, literals: bool) -> Text | None:
    """Read one expression; None where it is empty or wrong."""
    if is_null(node):
        return None
    literals = literals and isinstance(node, Scalar) and not node.doubtful
    if literals and isinstance(node, Scalar) and isinstance(node.value, bool | int | float):
        value = node.value
        text = str(value).lower() if isinstance(value, bool) else repr(value)
        return Text(text, node.place, path, node.inline and text == node.text)
    text_or_invalid = expression(node, path, findings)
    if isinstance(text_or_invalid, Text) and text_or_invalid.text.strip():
        return text_or_invalid
    return None
