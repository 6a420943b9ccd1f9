"""Params in YAML to the message of an adapter in another process (protobuf's JSON mapping)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from attributes import Duration
from mixer.adapter.config import FieldProblem
from mixer.remote.connection import Packed
from mixer.remote.kinds import entry, is_map

_GOOGLE = "google.protobuf."
_DURATION = f"{_GOOGLE}Duration"
_WHERE = re.compile(r"( at .*|Failed to parse \S+ field: )")
"""What protobuf adds to a reason that is told by place already."""


def packed(kind: type[Message], given: dict[str, Any]) -> Packed | list[FieldProblem]:
    """
    Encode *given* as a message of *kind*, or tell all that is wrong with it.

    Durations may be written as in all other params, such as ``1h``.
    """
    message = kind()
    given = _single(kind.DESCRIPTOR, given)
    try:
        ParseDict(given, message)
    except ParseError as error:
        found = list(_problems(kind.DESCRIPTOR, given, ""))
        return found or [FieldProblem("", str(error))]
    name = kind.DESCRIPTOR.full_name
    encoded = message.SerializeToString(deterministic=True)
    return Packed(type_url=f"type.googleapis.com/{name}", value=encoded)


def _fitted(field: FieldDescriptor, value: Any) -> Any:
    """*value* with its durations in seconds, the one unit of protobuf's JSON."""
    if field.message_type is None:
        return value
    if is_map(field) and isinstance(value, dict):
        return {key: _fitted(entry(field, "value"), one) for key, one in value.items()}
    if isinstance(value, list):
        return [_single(field.message_type, one) for one in value]
    return _single(field.message_type, value)


def _single(kind: Any, value: Any) -> Any:
    if kind.full_name == _DURATION and isinstance(value, str):
        with suppress(ValueError):  # what is none, protobuf will refuse
            seconds, nanos = divmod(abs(duration := Duration.parse(value)), 1_000_000_000)
            return f"{'-' if duration < 0 else ''}{seconds}.{nanos:09}s"
    if isinstance(value, dict) and not kind.full_name.startswith(_GOOGLE):
        known = _fields(kind)
        return {
            key: _fitted(known[key], one) if key in known else one for key, one in value.items()
        }
    return value


def _fields(kind: Any) -> dict[str, FieldDescriptor]:
    """The fields of a message by either spelling."""
    return {name: field for field in kind.fields for name in (field.name, field.json_name)}


def _problems(kind: Any, given: dict[str, Any], path: str) -> Iterator[FieldProblem]:
    known = _fields(kind)
    for key, value in given.items():
        at, field = f"{path}{key}", known.get(key)
        if field is None:
            names = ", ".join(field.json_name for field in kind.fields)
            yield FieldProblem(at, f"unknown field {key!r}", f"known here: {names}")
            continue
        parts = list(_parts(field, value, at))
        for inner, part, where in parts:
            yield from _problems(inner, part, f"{where}.")
        if not parts:
            try:
                ParseDict({key: value}, message_factory.GetMessageClass(kind)())
            except ParseError as error:
                reason = _WHERE.sub("", str(error)).rstrip(".")
                yield FieldProblem(at, f"{value!r} does not fit: {reason}")


def _parts(
    field: FieldDescriptor, value: Any, path: str
) -> Iterator[tuple[Any, dict[str, Any], str]]:
    """The messages of our own making that *value* holds, and where."""
    kind = field.message_type
    if kind is None or is_map(field) or kind.full_name.startswith(_GOOGLE):
        return
    many = value if field.is_repeated and isinstance(value, list) else [value]
    if all(isinstance(one, dict) for one in many):
        for number, one in enumerate(many):
            yield kind, one, f"{path}[{number}]" if field.is_repeated else path
