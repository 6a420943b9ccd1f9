"""
YAML nodes to typed structs, by proto's strict JSON rules (spec: config, strict mapping).

Readers are made once per type. A reader notes what is wrong and returns `INVALID`; it goes on
with the rest, so that all problems of a block are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec
from msgspec import NODEFAULT

from attributes import Duration
from mixer.config.findings import Findings, closest
from mixer.config.leaves import INVALID, LEAVES, Reader, mismatch
from mixer.config.nodes import ListNode, MapNode, Node, Scalar, camel, is_null

S = TypeVar("S", bound=msgspec.Struct)


def convert(node: Node, type_: type[S], findings: Findings, field: str = "spec") -> S | None:
    """
    Read *node* as a struct; what is not mentioned, or null, has the struct's default.

    A mentioned list, map or struct replaces the default as a whole. Returns None, with at least
    one error in *findings*, if anything is wrong.
    """
    value = reader(type_)(node, field, findings)
    return value if isinstance(value, type_) else None


def salvage(node: Node, type_: type[S], field: str = "spec") -> S | None:
    """
    Read the fields of *type_* that can be read, for finding what else is wrong; report nothing.

    None where too little is left.
    """
    if not isinstance(node, MapNode):
        return None
    names, values = spellings(type_), {}
    types = {one.name: one.type for one in msgspec.structs.fields(type_)}
    for key, child in node.entries.items():
        name, findings = names.get(key), Findings("")
        if name is not None and not is_null(child):
            value = reader(types[name])(child, f"{field}.{key}", findings)
            if not findings.errors:
                values[name] = value
    try:
        return type_(**values)
    except TypeError:
        return None


@cache
def reader(annotation: Any) -> Reader:
    """
    Make the reader of a type that `Config` allows.

    Raises TypeError for other types: a mistake in an adapter, not in the configuration.
    """
    if made := LEAVES.get(annotation):
        return made
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [meta for meta in arguments[1:] if isinstance(meta, msgspec.Meta)]
        return _bounded(reader(arguments[0]), bounds)
    if origin in (Union, UnionType):
        (some,) = (one for one in arguments if one is not NoneType)
        return reader(some)
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _list(arguments[0])
    if origin in (dict, Mapping) and arguments[0] is str:
        return _map(arguments[1])
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return _enum(annotation)
        if issubclass(annotation, msgspec.Struct):
            return _struct(annotation)
    raise TypeError(f"params can't have a field of type {annotation!r}; see mixer.adapter.Config")


def _struct(type_: type[msgspec.Struct]) -> Reader:
    fields = {field.name: field for field in msgspec.structs.fields(type_)}
    names = spellings(type_)

    def read(node: Node, path: str, findings: Findings) -> Any:
        if not isinstance(node, MapNode):
            findings.error(f"must be a mapping, not {node}", node.place, path, _fields(names))
            return INVALID
        values: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        before = findings.errors
        for key, child in node.entries.items():
            place, at = node.keys[key].place, f"{path}.{key}"
            name = names.get(key)
            if name is None:
                findings.error(f"unknown field {key!r}", place, at, closest(key, names))
            elif name in spelled:
                reason = f"{key!r} and {spelled[name]!r} are one field, and both are given"
                findings.error(reason, place, at, "remove one of them")
            else:
                spelled[name] = key
                if not is_null(child):
                    values[name] = reader(fields[name].type)(child, at, findings)
        for name, field in fields.items():
            required = field.default is NODEFAULT and field.default_factory is NODEFAULT
            if required and name not in values:
                findings.error("is required", node.place, f"{path}.{name}")
        if findings.errors > before:
            return INVALID
        try:
            return type_(**values)
        except (TypeError, ValueError) as error:
            findings.error(str(error), node.place, path)
            return INVALID

    return read


def spellings(type_: type[msgspec.Struct]) -> dict[str, str]:
    """
    Each name that YAML may use, and the field it means.

    These are both spellings, or the one that ``msgspec.field(name=...)`` gives.
    """
    fields = msgspec.structs.fields(type_)
    named = {field.encode_name: field.name for field in fields}
    free = [field.name for field in fields if field.encode_name == field.name]
    return {camel(name): name for name in free} | named


def _fields(names: Mapping[str, str]) -> str:
    return "with the fields " + ", ".join(dict.fromkeys(names)) if names else "an empty one: {}"


def _list(item: Any) -> Reader:
    read_item = reader(item)

    def read(node: Node, path: str, findings: Findings) -> Any:
        if not isinstance(node, ListNode):
            hint = f"write [{node.text}] for one element" if isinstance(node, Scalar) else ""
            findings.error(f"must be a list, not {node}", node.place, path, hint)
            return INVALID
        values = tuple(
            read_item(child, f"{path}[{number}]", findings)
            for number, child in enumerate(node.items)
        )
        return INVALID if INVALID in values else values

    return read


def _map(item: Any) -> Reader:
    read_item = reader(item)

    def read(node: Node, path: str, findings: Findings) -> Any:
        if not isinstance(node, MapNode):
            findings.error(f"must be a mapping, not {node}", node.place, path)
            return INVALID
        values = {
            key: read_item(child, entry(path, key), findings) for key, child in node.entries.items()
        }
        return INVALID if INVALID in values.values() else values

    return read


def entry(path: str, key: str) -> str:
    """The path of a map's entry; a key that could be taken for a path is put in brackets."""
    return f'{path}["{key}"]' if "." in key or "[" in key else f"{path}.{key}"


def _enum(type_: type[Enum]) -> Reader:
    numbered = issubclass(type_, IntEnum)
    names = type_.__members__ if numbered else {str(member.value): member for member in type_}

    def read(node: Node, path: str, findings: Findings) -> Any:
        if isinstance(node, Scalar) and node.text in names:
            return names[node.text]
        if numbered and isinstance(node, Scalar) and type(node.value) is int:
            for member in type_:
                if member.value == node.value:
                    return member
        said = node.text if isinstance(node, Scalar) else ""
        return mismatch(node, "one of a fixed set", path, findings, closest(said, names))

    return read


def _bounded(read_value: Reader, bounds: list[msgspec.Meta]) -> Reader:
    rules = [rule for meta in bounds for rule in _rules(meta)]

    def read(node: Node, path: str, findings: Findings) -> Any:
        value = read_value(node, path, findings)
        if value is not INVALID:
            for claim, holds in rules:
                if not holds(value):
                    findings.error(f"{claim(value)}, not {node}", node.place, path)
                    return INVALID
        return value

    return read


def _rules(meta: msgspec.Meta) -> list[tuple[Callable[[Any], str], Callable[[Any], bool]]]:
    """Each bound as what it asks for, printed like the value, and whether a value keeps it."""
    given: list[tuple[Any, str, Callable[[Any, Any], bool]]] = [
        (meta.gt, "must be greater than {}", lambda value, bound: value > bound),
        (meta.ge, "must be at least {}", lambda value, bound: value >= bound),
        (meta.lt, "must be less than {}", lambda value, bound: value < bound),
        (meta.le, "must be at most {}", lambda value, bound: value <= bound),
        (meta.multiple_of, "must be a multiple of {}", lambda value, bound: value % bound == 0),
        (meta.min_length, "must have a length of at least {}", lambda v, bound: len(v) >= bound),
        (meta.max_length, "must have a length of at most {}", lambda v, bound: len(v) <= bound),
        (meta.pattern, "must match {}", lambda value, bound: bool(re.search(bound, value))),
    ]

    def rule(
        bound: Any, words: str, holds: Callable[[Any, Any], bool]
    ) -> tuple[Callable[[Any], str], Callable[[Any], bool]]:
        def claim(value: Any) -> str:
            return words.format(Duration(bound) if isinstance(value, Duration) else bound)

        return claim, lambda value: holds(value, bound)

    return [rule(*each) for each in given if each[0] is not None]
