"""
Structs of templates to messages and back, by functions that are made once for each.

What has no value is not sent, nor is zero; what did not come is zero, or has no value (spec:
out-of-process, encoding and decoding).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeAlias, get_args, get_type_hints

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from attributes import ValueType
from mixer.adapter.template import FIXED, Instance
from mixer.remote.descriptors import INSTANCE_NAME
from mixer.remote.kinds import MESSAGES, VALUE, entry, fill_value, is_map, read_value, type_of

Fill: TypeAlias = Callable[[Any, Any], None]
"""Puts a value into a message, or what a struct says."""

Types: TypeAlias = Mapping[str, ValueType]
"""The types of fields by path, as a `Shape` tells them."""

Read: TypeAlias = Callable[[Any, MutableMapping[str, ValueType], str], Any]
"""Reads a message that stands at a path, and notes of which types its values are."""


def filler(kind: Descriptor, struct: type[msgspec.Struct], types: Types, path: str = "") -> Fill:
    """
    What puts a *struct* into a message of *kind*.

    It raises ValueError where a value does not fit, such as a number of too many bits.
    """
    parts = [
        (attribute, _left_out(default), _putter(field, annotation, types, f"{path}{attribute}"))
        for field, attribute, annotation, default in _pairs(kind, struct)
    ]
    named = not path and INSTANCE_NAME in kind.fields_by_number

    def fill(message: Any, value: Any) -> None:
        for attribute, left_out, put in parts:
            held = getattr(value, attribute)
            if held is not None and held != left_out:
                put(message, held)
        if named:
            message.name = value.name

    return fill


def reader(kind: Descriptor, struct: type[msgspec.Struct]) -> Read:
    """What makes a *struct* of a message of *kind*."""
    parts = [
        # A message tells whether it is there; of others, zero tells nothing but zero.
        (field, attribute, _getter(field, annotation), bool(default) and not field.has_presence)
        for field, attribute, annotation, default in _pairs(kind, struct)
    ]
    named = issubclass(struct, Instance) and INSTANCE_NAME in kind.fields_by_number

    def read(message: Any, types: MutableMapping[str, ValueType], path: str) -> Any:
        found = {}
        for field, attribute, get, always in parts:
            if field.has_presence and not message.HasField(field.name):
                continue
            held = getattr(message, field.name)
            if field.has_presence or held or always:
                found[attribute] = get(held, types, f"{path}{attribute}")
        if named:
            found["name"] = message.name
        return struct(**found)

    return read


def fill_types(message: Any, types: Types, path: str = "") -> None:
    """Put the *types* of an instance into a message ``Type`` of its template."""
    for field in message.DESCRIPTOR.fields:
        at = f"{path}{field.name}"
        if is_map(field):
            entries = getattr(message, field.name)
            for key, type_ in types.items():
                if key.startswith(f"{at}."):
                    entries[key.removeprefix(f"{at}.")] = type_
        elif field.message_type is not None:
            fill_types(getattr(message, field.name), types, f"{at}.")
        elif at in types:
            setattr(message, field.name, types[at])


def read_types(message: Any, path: str = "") -> dict[str, ValueType]:
    """The types that a message ``Type`` tells, by path."""
    found: dict[str, ValueType] = {}
    for field in message.DESCRIPTOR.fields:
        at, held = f"{path}{field.name}", getattr(message, field.name)
        if is_map(field):
            found |= {f"{at}.{key}": ValueType(type_) for key, type_ in held.items()}
        elif field.message_type is not None:
            found |= read_types(held, f"{at}.")
        elif held:
            found[at] = ValueType(held)
    return found


def fixed_types(struct: type[Instance], path: str = "") -> dict[str, ValueType]:
    """The types of those fields of a template whose types no configuration chooses, by path."""
    hints = get_type_hints(struct)
    found: dict[str, ValueType] = {}
    for name in struct.__struct_fields__:
        annotation = hints[name]
        if isinstance(annotation, type) and issubclass(annotation, Instance):
            found |= fixed_types(annotation, f"{path}{name}.")
        elif name != "name" and annotation in FIXED:
            found[f"{path}{name}"] = FIXED[annotation]
    return found


def _pairs(
    kind: Descriptor, struct: type[msgspec.Struct]
) -> list[tuple[FieldDescriptor, str, Any, Any]]:
    """The fields that a message and a struct have both: the attribute, its type and default."""
    own = {_plain(field.encode_name): field for field in msgspec.structs.fields(struct)}
    hints = get_type_hints(struct)
    return [
        (field, known.name, hints[known.name], _default(known))
        for field in kind.fields
        if field.number != INSTANCE_NAME and (known := own.get(_plain(field.name)))
    ]


def _plain(name: str) -> str:
    """Equal for both spellings of a name."""
    return name.replace("_", "").lower()


def _left_out(default: Any) -> Any:
    """The value that need not be sent: zero, or a struct in which nothing is said."""
    return default if not default or isinstance(default, msgspec.Struct) else None


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _putter(field: FieldDescriptor, annotation: Any, types: Types, path: str) -> Fill:
    name = field.name
    if is_map(field):
        return _map_putter(field, annotation, types, path)
    if field.message_type is None:
        number = _number(field.enum_type)
        if field.is_repeated:
            return lambda message, values: getattr(message, name).extend(map(number, values))
        return lambda message, value: setattr(message, name, number(value))
    if field.is_repeated:
        item = get_args(annotation)[0]

        def put_all(message: Any, values: Any) -> None:
            for place, value in enumerate(values):
                fill = _message_filler(field.message_type, item, types, f"{path}.{place}")
                fill(getattr(message, name).add(), value)

        return put_all
    fill = _message_filler(field.message_type, annotation, types, path)

    def put(message: Any, value: Any) -> None:
        part = getattr(message, name)
        part.SetInParent()
        fill(part, value)

    return put


def _map_putter(field: FieldDescriptor, annotation: Any, types: Types, path: str) -> Fill:
    name, held = field.name, entry(field, "value")
    item = get_args(annotation)[1]
    if held.message_type is None:
        number = _number(held.enum_type)
        return lambda message, values: getattr(message, name).update(
            {key: number(value) for key, value in values.items()}
        )
    fills: dict[str, Fill] = {}

    def put(message: Any, values: Any) -> None:
        entries = getattr(message, name)
        for key, value in values.items():
            if key not in fills:  # the configuration gives always the same keys
                fills[key] = _message_filler(held.message_type, item, types, f"{path}.{key}")
            fills[key](entries[key], value)

    return put


def _message_filler(kind: Any, annotation: Any, types: Types, path: str) -> Fill:
    if kind.full_name == VALUE:
        type_ = types.get(path)
        return lambda message, value: fill_value(message, value, type_ or type_of(value))
    if known := MESSAGES.get(kind.full_name):
        return known.fill
    return filler(kind, annotation, types, f"{path}.")


def _number(kind: EnumDescriptor | None) -> Callable[[Any], Any]:
    """What a scalar of this kind is put as: members of enums by number, whoever names them."""
    if kind is None:
        return lambda value: value
    numbers = {value.name: value.number for value in kind.values}

    def number(value: Any) -> int:
        if isinstance(value, str):
            if value not in numbers:
                raise ValueError(f"{value!r} is none of {', '.join(numbers)}")
            return numbers[value]
        return int(value)

    return number


def _getter(field: FieldDescriptor, annotation: Any) -> Read:
    if is_map(field):
        held = entry(field, "value")
        one = _single_getter(held, _argument(annotation, 1))
        return lambda values, types, path: {
            key: one(value, types, f"{path}.{key}") for key, value in values.items()
        }
    if field.is_repeated:
        one = _single_getter(field, _argument(annotation, 0))
        return lambda values, types, path: tuple(
            one(value, types, f"{path}.{place}") for place, value in enumerate(values)
        )
    return _single_getter(field, annotation)


def _argument(annotation: Any, place: int) -> Any:
    """The argument of a generic type, which may be optional."""
    if type(None) in get_args(annotation):
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    return get_args(annotation)[place]


def _single_getter(field: FieldDescriptor, annotation: Any) -> Read:
    kind = field.message_type
    if kind is None:
        return lambda value, types, path: value
    if kind.full_name == VALUE:

        def read(message: Any, types: MutableMapping[str, ValueType], path: str) -> Any:
            value, types[path] = read_value(message)
            return value

        return read
    if known := MESSAGES.get(kind.full_name):
        return lambda message, types, path: known.read(message)
    inner = reader(kind, annotation)
    return lambda message, types, path: inner(message, types, f"{path}.")
