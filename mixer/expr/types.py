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
        return f"{self.name}({', '.join(map(str, self.params))})" if self.params else self.name


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
STRING_MAP = Type("STRING_MAP")

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


def list_of(item: Type) -> Type:
    """The type of a list of *item*s."""
    return Type("list", (item,))
