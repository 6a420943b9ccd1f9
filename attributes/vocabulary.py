"""The names a call may use, each with its type: what manifests declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attributes.values import ValueType


@dataclass(frozen=True, slots=True)
class Attribute:
    """One declared name."""

    name: str
    type: ValueType
    description: str = ""


class Vocabulary(Mapping[str, Attribute]):
    """All declared attributes by name; immutable."""

    __slots__ = ("_attributes", "types")

    def __init__(self, attributes: Mapping[str, Attribute] | None = None) -> None:
        self._attributes = dict(attributes or {})
        self.types = {name: found.type for name, found in self._attributes.items()}
        """The type of each name, for code that has no time for more."""

    @classmethod
    def of(cls, **types: ValueType) -> Vocabulary:
        """Make one from names with ``_`` for ``.``, as tests and examples like to write them."""
        names = {name.replace("_", "."): type_ for name, type_ in types.items()}
        return cls({name: Attribute(name, type_) for name, type_ in names.items()})

    def extended(self, more: Mapping[str, ValueType]) -> Vocabulary:
        """This vocabulary and *more* names; a name declared here keeps its type."""
        added = {name: Attribute(name, type_) for name, type_ in more.items()}
        return Vocabulary(added | self._attributes)

    def __getitem__(self, name: str) -> Attribute:
        return self._attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)
