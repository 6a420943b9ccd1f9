"""Messages to templates: for a template of another process, a class like those of our own."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from keyword import iskeyword
from types import GenericAlias
from typing import Any, ClassVar, cast

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from attributes import Duration, Timestamp
from mixer.adapter.template import DnsName, EmailAddress, Instance, Output, Uri
from mixer.remote.descriptors import BadDescriptor, Wire, own_fields, unpacked, wire
from mixer.remote.kinds import MESSAGES, entry, is_map, scalar

MAX_DEPTH = 16
"""So deep may structs of a template lie in one another."""

_ZEROS: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False, bytes: b""}
_READABLE = frozenset([*_ZEROS, Duration, Timestamp, DnsName, EmailAddress, Uri])
"""What a field of an output may be for expressions to read it; they know no other of its types."""


class Outside(Instance, frozen=True, gc=False):
    """Base of templates of adapters in other processes. What is not said is not sent."""

    outside = True
    wire: ClassVar[Wire]


@lru_cache(maxsize=1024)  # so that a reload finds the same class, and handlers stay
def template(name: str, descriptor: str) -> type[Outside]:
    """
    The template that a *descriptor* in base64 describes, called *name*.

    Raises `BadDescriptor` where it describes none, or one that can't be used here.
    """
    found = wire(unpacked(descriptor))
    members: dict[str, Any] = {"template": name, "variety": found.variety, "wire": found}
    if found.output is not None:
        members["output"] = _output(found.output)
    return _struct(found.instance, Outside, members, 0)


def attribute(field: FieldDescriptor) -> str:
    """What a field of a message is called in a struct: its name, unless Python takes it."""
    name = field.name
    return f"{name}_" if iskeyword(name) or hasattr(Outside, name) else name


def _struct(
    kind: Descriptor, base: type[Instance], members: dict[str, Any], depth: int
) -> type[Any]:
    if depth > MAX_DEPTH:
        raise BadDescriptor(f"messages lie more than {MAX_DEPTH} deep in one another")
    fields = [
        (
            attribute(field),
            annotation := _annotation(field, depth),
            msgspec.field(default=_ZEROS.get(annotation), name=field.name),
        )
        for field in own_fields(kind)
    ]
    members = {"__doc__": f"The message {kind.full_name}.", **members}
    return msgspec.defstruct(
        kind.name, fields, bases=(base,), namespace=members, frozen=True, kw_only=True, gc=False
    )


def _annotation(field: FieldDescriptor, depth: int) -> Any:
    if is_map(field):
        if entry(field, "key").type != FieldDescriptor.TYPE_STRING:
            raise BadDescriptor(f"the keys of {field.full_name} are not of type string")
        return GenericAlias(dict, (str, _single(entry(field, "value"), depth)))
    single = _single(field, depth)
    return GenericAlias(tuple, (single, ...)) if field.is_repeated else single


def _single(field: FieldDescriptor, depth: int) -> Any:
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.message_type is None:
        return scalar(field)
    known = MESSAGES.get(field.message_type.full_name)
    return known.annotation if known else _struct(field.message_type, Instance, {}, depth + 1)


@lru_cache(maxsize=1024)
def _enum(kind: EnumDescriptor) -> type[IntEnum]:
    try:
        make: Any = IntEnum
        found: type[IntEnum] = make(kind.name, [(one.name, one.number) for one in kind.values])
    except ValueError as error:
        raise BadDescriptor(f"the enum {kind.full_name} can't be used: {error}") from None
    return found


def _output(kind: Descriptor) -> type[Output]:
    fields = []
    for field in own_fields(kind):
        if is_map(field):
            texts = entry(field, "value").type == FieldDescriptor.TYPE_STRING
            held: Any = dict[str, str] if texts else None
        elif field.is_repeated:
            held = None
        elif field.enum_type is not None:
            held = int
        elif field.message_type is None:
            held = scalar(field)
        else:
            known = MESSAGES.get(field.message_type.full_name)
            held = known.annotation if known and known.annotation in _READABLE else None
        if held is not None:
            fields.append((field.name, held | None, None))
    found: Any = msgspec.defstruct(kind.name, fields, bases=(Output,), frozen=True, kw_only=True)
    return cast(type[Output], found)
