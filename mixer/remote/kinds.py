"""
What the fields of messages hold, in the types of templates: one table, read by all who translate.

A kind that is a message fills and reads it; one that is none holds its value as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from attributes import Duration, Timestamp, Value, ValueType
from mixer.adapter.template import DnsName, EmailAddress, Uri

POLICY = "istio.policy.v1beta1"
VALUE = f"{POLICY}.Value"
VALUE_TYPE = f"{POLICY}.ValueType"
_NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A message that stands for one value."""

    annotation: Any
    """Of the field of a template that holds it."""

    fill: Callable[[Any, Any], None]
    """Puts a value into an empty message."""

    read: Callable[[Any], Any]


def _fill(message: Any, value: Any) -> None:
    message.value = value


def _read(message: Any) -> Any:
    return message.value


def _fill_duration(message: Any, value: int) -> None:
    # Seconds and nanoseconds of one sign, as google.protobuf.Duration wants them.
    seconds, nanos = divmod(abs(value), _NANOS)
    message.seconds, message.nanos = (-seconds, -nanos) if value < 0 else (seconds, nanos)
    message.SetInParent()


def _fill_timestamp(message: Any, value: int) -> None:
    message.seconds, message.nanos = divmod(value, _NANOS)
    message.SetInParent()


def _nanoseconds(message: Any) -> int:
    return int(message.seconds) * _NANOS + int(message.nanos)


def seconds(message: Any) -> float:
    """The length of a google.protobuf.Duration."""
    return float(message.seconds + message.nanos / _NANOS)


def fill_seconds(message: Any, length: float) -> None:
    """Put a length into a google.protobuf.Duration."""
    _fill_duration(message, round(length * _NANOS))


_DURATION = Kind(Duration, _fill_duration, lambda message: Duration(_nanoseconds(message)))
_TIMESTAMP = Kind(Timestamp, _fill_timestamp, lambda message: Timestamp(_nanoseconds(message)))


def _wrapping(kind: Kind) -> Kind:
    """A *kind* one message further in."""
    return Kind(
        kind.annotation,
        lambda message, value: kind.fill(message.value, value),
        lambda message: kind.read(message.value),
    )


_MAP = Kind(
    dict[str, str],
    lambda message, value: message.value.update(value),
    lambda message: dict(message.value),
)
_MEMBERS: Mapping[ValueType, tuple[str, Kind | None]] = {
    ValueType.STRING: ("string_value", None),
    ValueType.INT64: ("int64_value", None),
    ValueType.DOUBLE: ("double_value", None),
    ValueType.BOOL: ("bool_value", None),
    ValueType.IP_ADDRESS: ("ip_address_value", Kind(bytes, _fill, _read)),
    ValueType.TIMESTAMP: ("timestamp_value", _wrapping(_TIMESTAMP)),
    ValueType.DURATION: ("duration_value", _wrapping(_DURATION)),
    ValueType.EMAIL_ADDRESS: ("email_address_value", Kind(EmailAddress, _fill, _read)),
    ValueType.DNS_NAME: ("dns_name_value", Kind(DnsName, _fill, _read)),
    ValueType.URI: ("uri_value", Kind(Uri, _fill, _read)),
    ValueType.STRING_MAP: ("string_map_value", _MAP),
}
"""The member of a Value that holds each type of attribute."""

_TYPES = {member: type_ for type_, (member, _) in _MEMBERS.items()}


def fill_value(message: Any, value: Value, type_: ValueType) -> None:
    """Put *value*, which is of *type_*, into an empty ``Value``."""
    member, kind = _MEMBERS[type_]
    if kind is None:
        setattr(message, member, value)
    else:
        part = getattr(message, member)
        part.SetInParent()
        kind.fill(part, value)


def read_value(message: Any) -> tuple[Value | None, ValueType]:
    """What a ``Value`` holds, and of which type it is; None and UNSPECIFIED where nothing is."""
    member = message.WhichOneof("value")
    if member is None:
        return None, ValueType.UNSPECIFIED
    type_, held = _TYPES[member], getattr(message, member)
    kind = _MEMBERS[type_][1]
    value: Value = held if kind is None else kind.read(held)
    return value, type_


def type_of(value: Value) -> ValueType:
    """The type that *value* seems to have, where nobody told: a text is a STRING."""
    for class_, type_ in _CLASSES:
        if isinstance(value, class_):
            return type_
    return ValueType.STRING_MAP


_CLASSES: tuple[tuple[type, ValueType], ...] = (
    (str, ValueType.STRING),
    (bool, ValueType.BOOL),
    (Duration, ValueType.DURATION),
    (Timestamp, ValueType.TIMESTAMP),
    (int, ValueType.INT64),
    (float, ValueType.DOUBLE),
    (bytes, ValueType.IP_ADDRESS),
)

MESSAGES: Mapping[str, Kind] = {
    VALUE: Kind(
        Value,
        lambda message, value: fill_value(message, value, type_of(value)),
        lambda message: read_value(message)[0],
    ),
    f"{POLICY}.IPAddress": Kind(bytes, _fill, _read),
    f"{POLICY}.TimeStamp": _wrapping(_TIMESTAMP),
    f"{POLICY}.Duration": _wrapping(_DURATION),
    f"{POLICY}.DNSName": Kind(DnsName, _fill, _read),
    f"{POLICY}.EmailAddress": Kind(EmailAddress, _fill, _read),
    f"{POLICY}.Uri": Kind(Uri, _fill, _read),
    "google.protobuf.Duration": _DURATION,
    "google.protobuf.Timestamp": _TIMESTAMP,
}
"""The messages that stand for one value each, by full name."""

_SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_UINT64: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_FLOAT: float,
    FieldDescriptor.CPPTYPE_BOOL: bool,
}


def scalar(field: FieldDescriptor) -> Any:
    """The annotation for a field that is neither message nor enum."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes
    return _SCALARS.get(field.cpp_type, str)


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether *field* is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def entry(field: FieldDescriptor, part: str) -> FieldDescriptor:
    """The ``key`` or ``value`` of a map."""
    kind: Any = field.message_type
    found: FieldDescriptor = kind.fields_by_name[part]
    return found
