"""Attribute values as YAML and JSON write them, by the type that the vocabulary gives them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from attributes import Attribute, Duration, Timestamp, Value, ValueType, Vocabulary, parse_ip

_PLAIN: dict[ValueType, tuple[type, ...]] = {
    ValueType.STRING: (str,),
    ValueType.INT64: (int,),
    ValueType.DOUBLE: (float, int),
    ValueType.BOOL: (bool,),
    ValueType.URI: (str,),
    ValueType.DNS_NAME: (str,),
    ValueType.EMAIL_ADDRESS: (str,),
}
_FORMS = {
    ValueType.TIMESTAMP: "an RFC 3339 time such as 2019-11-24T00:00:00Z",
    ValueType.DURATION: "a duration such as 1.5s",
    ValueType.IP_ADDRESS: "an address such as 10.0.0.1, or its bytes in base64",
    ValueType.STRING_MAP: "a map of texts",
    ValueType.INT64: "an integer of 64 bits",
    ValueType.DOUBLE: "a number",
    ValueType.BOOL: "true or false",
}


def value_of(type_: ValueType, given: Any) -> Value:
    """
    The value of *type_* that *given* writes.

    Times are RFC 3339, durations Go's text, addresses text. Raises ValueError that says what is
    wanted.
    """
    try:
        return _value_of(type_, given)
    except (ValueError, binascii.Error, TypeError):
        wanted = _FORMS.get(type_, "a text")
        raise ValueError(f"a {type_.name} is {wanted}, not {given!r}") from None


def _value_of(type_: ValueType, given: Any) -> Value:
    match type_:
        case ValueType.TIMESTAMP if isinstance(given, datetime):
            utc = given if given.tzinfo else given.replace(tzinfo=UTC)
            return Timestamp.parse(utc.isoformat())
        case ValueType.TIMESTAMP:
            return Timestamp.parse(given)
        case ValueType.DURATION:
            return Duration.parse(given)
        case ValueType.IP_ADDRESS:
            return _address(given)
        case ValueType.STRING_MAP if isinstance(given, Mapping):
            if all(isinstance(part, str) for entry in given.items() for part in entry):
                return dict(given)
        case _ if isinstance(given, _PLAIN.get(type_, ())):
            return _number(type_, given)
    raise ValueError


def _number(type_: ValueType, given: Any) -> Value:
    if isinstance(given, bool) is not (type_ is ValueType.BOOL):
        raise ValueError
    if type_ is ValueType.INT64 and not -(2**63) <= given < 2**63:
        raise ValueError
    return float(given) if type_ is ValueType.DOUBLE else given


def _address(given: str) -> bytes:
    try:
        return parse_ip(given)
    except ValueError:
        octets = base64.b64decode(given, validate=True)
        if len(octets) not in (4, 16):
            raise
        return octets


def sensed_type(given: Any) -> ValueType:
    """The type of an attribute that no vocabulary declares. Raises ValueError where none fits."""
    match given:
        case bool():
            return ValueType.BOOL
        case int():
            return ValueType.INT64
        case float():
            return ValueType.DOUBLE
        case str():
            return ValueType.STRING
        case datetime() | date():
            return ValueType.TIMESTAMP
        case Mapping():
            return ValueType.STRING_MAP
    raise ValueError(f"{given!r} is no value of an attribute")


def bag_of(
    given: Any, vocabulary: Vocabulary, senses: bool = True
) -> tuple[dict[str, Value], Vocabulary]:
    """
    The attributes that a mapping of names writes, and the vocabulary with names it did not have.

    Unless it *senses* types, names that the vocabulary lacks are left out. Raises ValueError that
    names the attribute.
    """
    if not isinstance(given, Mapping):
        raise ValueError("a bag is a mapping of attribute names to values")
    values: dict[str, Value] = {}
    added: dict[str, ValueType] = {}
    for name, written in given.items():
        declared = vocabulary.get(str(name))
        if declared is None and not senses:
            continue
        try:
            type_ = declared.type if declared else sensed_type(written)
            values[str(name)] = value_of(type_, written)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if declared is None:
            added[str(name)] = type_
    return values, vocabulary.extended(added)


def vocabulary_of(given: Any) -> Vocabulary:
    """The vocabulary that a mapping of names to types writes. Raises ValueError."""
    if not isinstance(given, Mapping):
        raise ValueError("a vocabulary is a mapping of attribute names to types")
    found: dict[str, Attribute] = {}
    for name, type_ in given.items():
        if type_ not in ValueType.__members__ or type_ == "UNSPECIFIED":
            types = ", ".join(one.name for one in ValueType if one is not ValueType.UNSPECIFIED)
            raise ValueError(f"{name}: {type_!r} is no type; the types are {types}")
        found[name] = Attribute(name, ValueType[type_])
    return Vocabulary(found)
