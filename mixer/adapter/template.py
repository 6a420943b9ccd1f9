"""What a template is: the shape of the data that a rule sends to an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any, ClassVar, NewType

import msgspec

from attributes import Duration, Timestamp, ValueType

DnsName = NewType("DnsName", str)
EmailAddress = NewType("EmailAddress", str)
Uri = NewType("Uri", str)


FIXED: dict[Any, ValueType] = {
    str: ValueType.STRING,
    int: ValueType.INT64,
    float: ValueType.DOUBLE,
    bool: ValueType.BOOL,
    Timestamp: ValueType.TIMESTAMP,
    Duration: ValueType.DURATION,
    bytes: ValueType.IP_ADDRESS,
    DnsName: ValueType.DNS_NAME,
    EmailAddress: ValueType.EMAIL_ADDRESS,
    Uri: ValueType.URI,
    dict[str, str]: ValueType.STRING_MAP,
}
"""The type an expression must have for a field so annotated; any other takes every type."""


class Variety(IntEnum):
    """When a template's instances are made and what is answered (spec: templates)."""

    CHECK = 0
    REPORT = 1
    QUOTA = 2
    ATTRIBUTE_GENERATOR = 3
    CHECK_WITH_OUTPUT = 4


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what attribute generators and checks with output return; None means not set."""


class Instance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    Base of all templates, and of the structs nested in them.

    A subclass that sets ``template`` is one, with ``variety`` and ``output`` as needed: rules
    build its instances from expressions. The annotation of a field tells the type its expression
    must have: str STRING, int INT64, float DOUBLE, bool BOOL, `Timestamp`, `Duration`, bytes
    IP_ADDRESS, `DnsName`, `EmailAddress`, `Uri`, an IntEnum STRING or INT64, `Value` any type,
    ``dict[str, T]`` literal keys with a T each, ``tuple[T, ...]`` a list, or another Instance
    subclass. All have a default, which stands where the configuration leaves the field
    out. (Class options instead would need a metaclass, which makes instances slower to build.)
    """

    template: ClassVar[str] = ""
    variety: ClassVar[Variety] = Variety.CHECK
    output: ClassVar[type[Output] | None] = None
    outside: ClassVar[bool] = False
    """True: of an adapter in another process, whose params may be constants (spec:
    out-of-process, encoding of instance params)."""

    measured: ClassVar[str] = ""
    """The field with a number that instances have each for itself, while the rest is the same for
    many; see `Reports.tally`."""

    name: str = ""
    """Full name of the instance, such as ``requestcount.instance.istio-system``."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a handler will receive from one instance of the configuration, told before it opens."""

    name: str
    """Full name of the instance; the ``name`` of every instance built from it."""

    template: type[Instance]
    types: Mapping[str, ValueType] = field(default_factory=lambda: MappingProxyType({}))
    """Types of the fields by path: ``value``, ``dimensions.source``, ``subject.user``. A field
    that the configuration leaves out is missing here."""

    def answers_to(self, name: str) -> bool:
        """Tell whether params that say *name* mean this instance: by full or by short name."""
        return name in (self.name, self.name.partition(".")[0])

    def keys(self, path: str) -> list[str]:
        """The keys configured for the map field *path*, such as ``dimensions``, sorted."""
        return sorted(
            key.removeprefix(path + ".") for key in self.types if key.startswith(path + ".")
        )
