"""The types of expressions: the attribute types, and those only expressions have."""

from __future__ import annotations

from dataclasses import dataclass

from attributes import ValueType


@dataclass(frozen=True, slots=True)
class Type:
    """A type; equal types are equal values."""

    name: str
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        if self == STRING_MAP:
            return "STRING_MAP"
        return f"{self.name}({', '.join(map(str, self.params))})" if self.params else self.name


def list_of(item: Type) -> Type:
    """The type of a list of *item*s."""
    return Type("list", (item,))


def map_of(key: Type, value: Type) -> Type:
    """The type of a map from *key* to *value*."""
    return Type("map", (key, value))


def optional_of(value: Type) -> Type:
    """The type of a *value* that may be missing."""
    return Type("optional", (value,))


STRING = Type("STRING")
INT = Type("INT64")
DOUBLE = Type("DOUBLE")
BOOL = Type("BOOL")
TIMESTAMP = Type("TIMESTAMP")
IP = Type("IP_ADDRESS")
EMAIL = Type("EMAIL_ADDRESS")
URI = Type("URI")
DNS = Type("DNS_NAME")
DURATION = Type("DURATION")
STRING_MAP = map_of(STRING, STRING)
UINT = Type("uint")
BYTES = Type("bytes")
NULL = Type("null")
TYPE = Type("type")
NETWORK = Type("cidr")
DYN = Type("dyn")
"""A type that is known only when the call is there."""

A, B = Type("?A"), Type("?B")
"""Stand for any type in the parameters of an overload, each time for the same."""

BY_VALUE_TYPE = {
    ValueType.STRING: STRING,
    ValueType.INT64: INT,
    ValueType.DOUBLE: DOUBLE,
    ValueType.BOOL: BOOL,
    ValueType.TIMESTAMP: TIMESTAMP,
    ValueType.IP_ADDRESS: IP,
    ValueType.EMAIL_ADDRESS: EMAIL,
    ValueType.URI: URI,
    ValueType.DNS_NAME: DNS,
    ValueType.DURATION: DURATION,
    ValueType.STRING_MAP: STRING_MAP,
}
VALUE_TYPES = {type_: value_type for value_type, type_ in BY_VALUE_TYPE.items()}
TEXTS = frozenset([STRING, URI, DNS, EMAIL])
"""All that Python holds as a str."""
