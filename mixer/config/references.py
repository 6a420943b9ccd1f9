"""How one resource names another (spec: config, reference resolution)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from mixer.config.findings import closest
from mixer.config.model import Key
from mixer.errors import Place

T = TypeVar("T")

_SUGGESTIONS = 50
"""So many different wrong names get a suggestion; each costs milliseconds among thousands."""


def candidates(reference: str, kind: str, namespace: str) -> tuple[str, ...]:
    """
    The full names that *reference* may mean in *namespace*, in the order they are tried.

    ``a`` is of the own namespace only: there is no fallback to the default one.
    """
    match reference.count("."):
        case 0:
            return (f"{reference}.{kind}.{namespace}",)
        case 1:
            name, other = reference.split(".")
            return f"{name}.{other}.{namespace}", f"{name}.{kind}.{other}"
        case _:
            return (reference,)


class Register(Generic[T]):
    """Things of one wanted kind by full name, those that can't be used included."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, tuple[Key, T | None]] = {}
        self._suggestions: dict[tuple[str, str], str] = {}

    def add(self, key: Key, thing: T | None) -> None:
        """Declare a thing; None says that it has errors of its own."""
        self._things[key.full_name] = key, thing

    def __iter__(self) -> Iterator[T]:
        return (thing for _, thing in self._things.values() if thing is not None)

    def find(self, reference: str, namespace: str) -> T | None:
        """The thing that *reference* means in *namespace*, None if it can't be used."""
        for name in candidates(reference, self.kind, namespace):
            if name in self._things:
                return self._things[name][1]
        return None

    def knows(self, reference: str, namespace: str) -> bool:
        """Tell whether *reference* means a thing in *namespace*, usable or not."""
        names = candidates(reference, self.kind, namespace)
        return any(name in self._things for name in names)

    def why_not(self, reference: str, namespace: str) -> tuple[str, str]:
        """Say why `find` gave None, and what to do."""
        for name in candidates(reference, self.kind, namespace):
            if name in self._things:
                key, _ = self._things[name]
                return f"{self.kind} {reference!r} has errors", f"see the problems of {key}"
        asked = reference, namespace
        if asked not in self._suggestions and len(self._suggestions) < _SUGGESTIONS:
            self._suggestions[asked] = self._suggest(reference, namespace)
        reason = f"{self.kind} {reference!r} not found in {namespace!r}"
        return reason, self._suggestions.get(asked, "")

    def _suggest(self, reference: str, namespace: str) -> str:
        name = reference.partition(".")[0]
        for key, _ in self._things.values():
            if key.name == name:
                return f"did you mean {self._short(key, namespace)!r}?"
        return closest(reference, (self._short(key, namespace) for key, _ in self._things.values()))

    def _short(self, key: Key, namespace: str) -> str:
        """The shortest reference to *key* that works in *namespace*."""
        for text in (key.name, f"{key.name}.{key.namespace}", f"{key.name}.{key.kind}"):
            if key.full_name in candidates(text, self.kind, namespace):
                return text
        return key.full_name


class Names:
    """All keys in use, so that what stands inline in a rule never takes the name of another."""

    def __init__(self, declared: Mapping[Key, Place]) -> None:
        self._taken = dict(declared)

    def claim(self, key: Key, place: Place) -> Place | None:
        """Take *key* for what stands at *place*; give the place of who has it, if anybody."""
        owner = self._taken.setdefault(key, place)
        return None if owner is place else owner

    def free(self, kind: str, namespace: str, name: str, place: Place) -> Key:
        """Take *name*, or ``NAME-2``, ``NAME-3``... where that is taken."""
        key, number = Key(kind, namespace, name), 1
        while self.claim(key, place):
            number += 1
            key = Key(kind, namespace, f"{name}-{number}")
        return key
