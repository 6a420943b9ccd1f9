"""The fields of params and templates in words, for the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from attributes import Duration, Timestamp
from mixer.adapter.docs import field_docs
from mixer.adapter.template import Instance
from mixer.config.leaves import Raw
from mixer.config.model import Text

_PARAMS = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Duration: "duration",
    Text: "expression", Raw: "any YAML",
}  # fmt: skip
_EXPRESSIONS = {
    str: "STRING", int: "INT64", float: "DOUBLE", bool: "BOOL", bytes: "IP_ADDRESS",
    Duration: "DURATION", Timestamp: "TIMESTAMP",
}  # fmt: skip
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "a multiple of"}


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field as the reference shows it."""

    name: str
    type_text: str
    default_text: str
    """As one would write it in YAML; empty where the field is required or has no default."""

    doc: str


def fields(type_: type[msgspec.Struct]) -> list[FieldInfo]:
    """Describe the fields of a config, a template, or a struct in one, in their order."""
    docs = field_docs(type_)
    template = issubclass(type_, Instance)
    return [
        FieldInfo(
            field.name if field.encode_name == field.name else field.encode_name,
            _expression(field.type) if template else _param(field.type),
            "" if template else _default(field),
            docs.get(field.name, ""),
        )
        for field in msgspec.structs.fields(type_)
        if not (template and field.name == "name")
    ]


def structs(type_: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """List the structs that the fields of *type_* hold, at any depth, each once."""
    found: dict[type[msgspec.Struct], None] = {}
    for field in msgspec.structs.fields(type_):
        for inner in _structs(field.type):
            if inner not in found and inner is not type_:
                found |= dict.fromkeys([inner, *structs(inner)])
    return list(found)


def plain(value: Any) -> Any:
    """Turn a default into what one would write in YAML for it; structs tell what differs."""
    match value:
        case Duration():
            return str(value)
        case Text():
            return value.text
        case IntEnum():
            return value.name
        case Enum():
            return value.value
        case msgspec.Struct():
            return {
                field.name: plain(part)
                for field in msgspec.structs.fields(type(value))
                if (part := getattr(value, field.name)) != field.default
                and not (part is not None and not part and field.default_factory is not NODEFAULT)
            }
        case tuple() | list():
            return [plain(part) for part in value]
        case Mapping():
            return {str(key): plain(part) for key, part in value.items()}
        case _:
            return value


def default(field: msgspec.structs.FieldInfo) -> Any:
    """The default of a struct's field, or NODEFAULT."""
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return field.default


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = default(field)
    return "" if value is NODEFAULT or value is None else _flow(plain(value))


def _flow(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case "":
            return '""'
        case _:
            return str(value)


def _param(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [_bounds(arguments[0], meta) for meta in arguments[1:]]
        return ", ".join([_param(arguments[0]), *filter(None, bounds)])
    if origin in (Union, UnionType):
        return _param(next(one for one in arguments if one is not NoneType))
    if origin is tuple:
        return f"list of {_param(arguments[0])}"
    if origin in (dict, Mapping):
        return f"map of {_param(arguments[1])}"
    if annotation in _PARAMS:
        return _PARAMS[annotation]
    if issubclass(annotation, IntEnum):
        return "one of " + ", ".join(annotation.__members__)
    if issubclass(annotation, Enum):
        return "one of " + ", ".join(str(member.value) for member in annotation)
    return str(annotation.__name__)


def _bounds(type_: Any, meta: Any) -> str:
    given = ((words, getattr(meta, name, None)) for name, words in _BOUNDS.items())
    made = Duration if type_ is Duration else lambda bound: bound
    return ", ".join(f"{words} {made(bound)}" for words, bound in given if bound is not None)


def _expression(annotation: Any) -> str:
    if get_origin(annotation) in (dict, Mapping):
        return f"map of {_expression(get_args(annotation)[1])}"
    if annotation in _EXPRESSIONS:
        return _EXPRESSIONS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Instance):
        return annotation.__name__
    return "any type"


def _structs(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _structs(argument)
