"""
Attributes that the configuration of a proxy gives by name (spec: envoy, mapping, rule 1).

A key that is a declared attribute gives that attribute, and ``MAP.KEY`` an entry of a declared map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from structlog.typing import FilteringBoundLogger

from attributes import Value, ValueType, Vocabulary
from attributes.texts import value_of
from mixer.adapter import Milestones
from mixer.server.front import Front

Misfit: TypeAlias = Callable[[str], None]
"""Is told the name of an attribute whose text is no value of its type."""

Texts: TypeAlias = tuple[tuple[str, str], ...]
"""Names, and the texts that are given for them."""

MAX_KNOWN = 256
LONGEST_KNOWN = 4096
"""Characters of texts that are kept with their values."""


def pairs_of(given: Mapping[str, str]) -> Texts:
    """Names and texts of a map of a message."""
    return tuple([(key, given[key]) for key in given])  # items() of protobuf are slower


class Named:
    """Reads such texts; as most proxies give the same ones each time, some are kept."""

    __slots__ = ("_known", "_maps", "_misfit", "_types")

    def __init__(self, vocabulary: Vocabulary, misfit: Misfit) -> None:
        self._types = vocabulary.types
        self._maps = {name for name, type_ in self._types.items() if type_ is ValueType.STRING_MAP}
        self._misfit = misfit
        self._known: dict[Texts, dict[str, Value]] = {}

    def read(self, given: Texts) -> Mapping[str, Value]:
        """The attributes that are *given*, by name."""
        found = self._known.get(given)
        if found is None:
            found = self.values(given)
            if sum(len(key) + len(text) for key, text in given) <= LONGEST_KNOWN:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[given] = found
        return found

    def values(self, given: Iterable[tuple[str, str]]) -> dict[str, Value]:
        """The same of pairs of names and texts that nobody need remember."""
        found: dict[str, Value] = {}
        maps: dict[str, dict[str, str]] = {}
        for key, text in given:
            type_ = self._types.get(key)
            if type_ is None:
                for name in self._maps:
                    if key.startswith(f"{name}."):
                        maps.setdefault(name, {})[key[len(name) + 1 :]] = text
            elif text and type_ is not ValueType.STRING_MAP:
                try:
                    found[key] = value_of(type_, text)
                except ValueError:
                    self._misfit(key)
        return found | maps


class Names:
    """The same for a service, by the vocabulary in force; what does not fit is told and counted."""

    def __init__(self, front: Front, log: FilteringBoundLogger, where: str) -> None:
        """*where* is the part of a proxy's configuration that gives the texts."""
        self._log = log
        self._where = where
        self._misfits, self._all_misfits = Milestones(), front.metrics.envoy_misfits()
        self._vocabulary = Vocabulary()
        self._named = Named(self._vocabulary, self._misfit)

    def read(self, vocabulary: Vocabulary, texts: Mapping[str, str]) -> Mapping[str, Value]:
        """The attributes of a *vocabulary* that *texts* give, by name."""
        return self.by(vocabulary).read(pairs_of(texts))

    def fresh(self, vocabulary: Vocabulary, texts: Mapping[str, str]) -> Mapping[str, Value]:
        """The same of *texts* that do not come again."""
        return self.by(vocabulary).values(texts.items())

    def by(self, vocabulary: Vocabulary) -> Named:
        """What reads them for a *vocabulary*."""
        if vocabulary is not self._vocabulary:
            self._vocabulary = vocabulary
            self._named = Named(vocabulary, self._misfit)
        return self._named

    def _misfit(self, name: str) -> None:
        self._all_misfits.add()
        if self._misfits.reached():
            self._log.warning(
                "a proxy gives an attribute by name that is no value of its type",
                attribute=name,
                times=self._misfits.count,
                advice=f"see {self._where} in the configuration of the proxy",
            )
