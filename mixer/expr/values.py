"""
Values that only expressions have, and what equality, order and size mean for values of any type.

A value is what `attributes.Value` says, or a `Uint`, None for null, a tuple for a list, a dict for
a map, a `TypeValue`, an `Optional` or a `Network`. Where the type is not known before the call,
an IP_ADDRESS is an `Address` and a URI, DNS_NAME or EMAIL_ADDRESS a `Name`, so that each value
tells its type (see `tagged`).

Law: values are never changed, and whatever walks into them counts its steps.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import Any, TypeAlias

from attributes import Duration, Timestamp, ip_text
from mixer.expr import functions

INT64_MAX = 2**63 - 1
MAX_STEPS = 100_000
"""How many parts of values one comparison or conversion looks at before it fails."""

MAX_DEPTH = 100
"""How deep values may lie in one another to be compared or shown."""

MAX_SIZE = 1 << 20
"""The longest text, in characters, and list that an expression may make."""

Network: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface
"""A network that remembers the address it was written with."""


class Uint(int):
    """An unsigned integer of 64 bits."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int(self)}u"


class Address(bytes):
    """An IP_ADDRESS that says so."""

    __slots__ = ()


class Url(str):
    """A URI that says so."""

    __slots__ = ()


class DnsName(str):
    """A DNS_NAME that says so."""

    __slots__ = ()


class Email(str):
    """An EMAIL_ADDRESS that says so."""

    __slots__ = ()


class Key(Enum):
    """A boolean as the key of a map; Python would take it for a number."""

    FALSE = False
    TRUE = True


@dataclass(frozen=True, slots=True)
class TypeValue:
    """A type as a value, what ``type(x)`` gives."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be missing; `NONE` is the missing one."""

    value: Any
    present: bool = True


NONE = Optional(None, present=False)

CLASSES: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    tuple: "list",
    dict: "map",
    type(None): "null_type",
    TypeValue: "type",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Optional: "optional_type",
    Address: "net.IP",
    ipaddress.IPv4Interface: "net.CIDR",
    ipaddress.IPv6Interface: "net.CIDR",
    Url: "net.URI",
    DnsName: "net.DNSName",
    Email: "net.Email",
}
"""The name of the type of each class of values, as ``type(x)`` shows it."""

_NUMBERS = (int, Uint, float)
_CANONICAL: dict[type, Callable[[Any], Hashable]] = {
    Address: ip_text,
    DnsName: functions.canonical_dns_name,
    Email: functions.canonical_email,
    Url: functions.canonical_uri,
}


def int64(value: int) -> int:
    """*value* where it fits 64 bits; raise OverflowError otherwise."""
    if -INT64_MAX - 1 <= value <= INT64_MAX:
        return value
    raise OverflowError("integer overflow")


def uint64(value: int) -> Uint:
    """*value* where it fits 64 bits without sign; raise OverflowError otherwise."""
    if 0 <= value < 2**64:
        return Uint(value)
    raise OverflowError("unsigned integer overflow")


def bounded_text(text: str) -> str:
    """*text*, unless it is longer than MAX_SIZE, which raises ValueError."""
    if len(text) > MAX_SIZE:
        raise ValueError(f"the text has more than {MAX_SIZE} characters")
    return text


def bounded_list(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """*items*, unless there are more than MAX_SIZE, which raises ValueError."""
    if len(items) > MAX_SIZE:
        raise ValueError(f"the list has more than {MAX_SIZE} items")
    return items


def type_name(value: Any) -> str:
    """The name of the type of *value*."""
    return CLASSES[value.__class__]


def key_of(value: Any) -> Hashable:
    """
    The key under which a map holds *value*: numbers are one, whatever their type.

    Raises ValueError where no map can have such a key.
    """
    kind = value.__class__
    if kind is str or kind is int or kind is Uint:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return Key(value)
    if kind is float and value.is_integer():
        return int(value)
    if kind is float:
        return value  # type: ignore[no-any-return]  # equals no key
    if isinstance(value, str):
        return str(value)
    raise ValueError(f"a {type_name(value)} can't be the key of a map")


def from_key(key: Any) -> Any:
    """The value that a key of a map stands for."""
    return key.value if key.__class__ is Key else key


def keys(entries: Mapping[Any, Any]) -> Iterator[Any]:
    """The keys of a map as values."""
    return map(from_key, entries)


def equal(a: Any, b: Any) -> bool:
    """
    Tell whether two values of any types are equal, as CEL says: numbers by value, NaN never.

    An int and a double compare as doubles. Raises ValueError where the values are too large.
    """
    return _equal(a, b, [MAX_STEPS], MAX_DEPTH)


def _equal(a: Any, b: Any, steps: list[int], depth: int) -> bool:
    kind, other = a.__class__, b.__class__
    if kind in _NUMBERS and other in _NUMBERS:
        return bool(float(a) == float(b) if float in (kind, other) else a == b)
    if kind is not other:
        return False
    depth = _deeper(steps, depth)
    if kind is tuple:
        return len(a) == len(b) and all(map(_equal, a, b, repeat(steps), repeat(depth)))
    if kind is dict:
        return a.keys() == b.keys() and all(_equal(a[key], b[key], steps, depth) for key in a)
    if kind is Optional:
        return a.present is b.present and _equal(a.value, b.value, steps, depth)
    if kind in _CANONICAL:
        return _CANONICAL[kind](a) == _CANONICAL[kind](b)
    return bool(a == b)


def canonical(value: Any) -> Hashable:
    """
    A form of *value* that is equal, and hashes equal, just where two values are equal.

    Only numbers of more than 53 bits are told apart here that `equal` takes for one as doubles.
    Raises ValueError where the value is too large or too deep.
    """
    return _canonical(value, [MAX_STEPS], MAX_DEPTH)


def _canonical(value: Any, steps: list[int], depth: int) -> Hashable:
    depth = _deeper(steps, depth)
    kind = value.__class__
    if kind in _NUMBERS:
        return object() if value != value else (float, value)
    if kind is tuple:
        return (tuple, tuple([_canonical(item, steps, depth) for item in value]))
    if kind is dict:
        entries = [
            (_canonical(from_key(key), steps, depth), _canonical(item, steps, depth))
            for key, item in value.items()
        ]
        return (dict, frozenset(entries))
    if kind is Optional:
        return (Optional, value.present, _canonical(value.value, steps, depth))
    if kind in _CANONICAL:
        return (kind, _CANONICAL[kind](value))
    return (kind, value)


def _deeper(steps: list[int], depth: int) -> int:
    """The depth that is left inside of one more part; raise ValueError where none is."""
    steps[0] -= 1
    if steps[0] < 0:
        raise ValueError(f"the value has more than {MAX_STEPS} parts")
    if depth <= 0:
        raise ValueError(f"the value is nested deeper than {MAX_DEPTH}")
    return depth - 1


def compare(a: Any, b: Any) -> int:
    """
    -1, 0 or 1 as *a* comes before, with or after *b*, which have the same type or are numbers.

    Raises ValueError for values without order, NaN among them.
    """
    comparable = a.__class__ is b.__class__ or {a.__class__, b.__class__} <= set(_NUMBERS)
    ordered = (*_NUMBERS, str, bytes, bool, Timestamp, Duration)
    if not comparable or a.__class__ not in ordered or a != a or b != b:
        raise ValueError(f"a {type_name(a)} and a {type_name(b)} have no order")
    return int(a > b) - int(a < b)


def weight(*args: Any) -> int:
    """The steps that a function of *args* counts for: their length, of texts a part of it."""
    steps = 1
    for value in args:
        kind = value.__class__
        if kind is str or kind is bytes:
            steps += len(value) >> 6
        elif kind is tuple or kind is dict:
            steps += len(value)
    return steps


def finite(value: float) -> float:
    """*value*, which must be a number; raise ValueError for NaN and the infinities."""
    if math.isfinite(value):
        return value
    raise ValueError(f"{value} is not a finite number")
