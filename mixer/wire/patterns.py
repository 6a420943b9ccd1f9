"""
Patterns by what a caller sent: indices of words, and maps that are indices throughout.

Other words have the same indices in another Report, so a pattern is known by the words that decide
it. To remember what indices meant as well would help with those alone who number their words alike
in each Report, and cost all others more than it saves.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

from attributes.dictionary import GLOBAL_WORDS
from mixer.rules.folding import Pattern, Patterns
from mixer.rules.routes import Found
from mixer.wire.message import Message
from mixer.wire.words import Words

_TEXTS = (*GLOBAL_WORDS, None)

Key: TypeAlias = tuple[Sequence[int], Hashable, Sequence[bytes | None]]
"""Indices of texts, what else decides, and maps."""


class SentPatterns:
    """The patterns of a configuration; *entries* of maps decide, None stands for all of a map."""

    def __init__(
        self, entries: Sequence[Sequence[str] | None], make: Callable[[Found], Pattern]
    ) -> None:
        self._entries = entries
        self._make = make
        self._worded = Patterns()

    def find(self, source: Message, key: Key) -> Pattern | None:
        """The pattern of bags that have *key* as *source* does, if it is known."""
        return self._worded.get(self._words(source.words, key))

    def learn(self, source: Message, key: Key, found: Found) -> Pattern:
        """Make the pattern of bags that have *key*, and know it where that can be."""
        pattern = self._make(found)
        self._worded.keep(self._words(source.words, key), pattern)
        return pattern

    def _words(self, words: Words, key: Key) -> Hashable:
        """What *key* says, for all Reports alike; None where only the source knows it."""
        texts, others, maps = key
        own = words.sent
        try:
            shown = tuple([_TEXTS[at] if at >= 0 else own[~at] for at in texts])
        except IndexError:
            return None
        entries: list[Hashable] = []
        for at, keys in enumerate(self._entries):  # faster than zip
            sent = maps[at]
            found = words.pairs(sent) if sent else None
            if found is None:
                entries.append(sent and None)  # one that can't be read is as none
            else:
                entries.append(tuple(found.items() if keys is None else map(found.get, keys)))
        return shown, others, tuple(entries)
