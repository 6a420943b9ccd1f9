"""
Patterns by what a caller sent: indices of words, and maps that are indices throughout.

Other words have the same indices in another Report. So a pattern is known by the words that decide
it; and, as those who do not batch send the same indices again and again, by the indices and
those of the message's own words that they mean, which saves turning all of them into words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import TypeAlias

import msgspec
from google.protobuf.message import DecodeError

from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from mixer._pb.mixer_pb2 import StringMap
from mixer.rules.folding import Known, Pattern, Patterns
from mixer.rules.routes import Found
from mixer.wire.message import ABSENT
from mixer.wire.words import Words

MAX_SEEN = 4096
"""So many keys are known to have been there once."""

_TEXTS = (*GLOBAL_WORDS, None)

Key: TypeAlias = tuple[Sequence[int], Hashable, Sequence[bytes | None]]
"""Indices of texts, what else decides, and maps."""


class Meaning(msgspec.Struct, frozen=True, eq=False):
    """What decides a bag beside its key: some of the message's own words."""

    own: Callable[[Sequence[str]], Hashable]
    """Picks them."""

    count: int
    """So many of its own a message must have for all indices to be right."""


class SentPatterns:
    """The patterns of a configuration; *entries* of maps decide, None stands for all of a map."""

    def __init__(
        self, entries: Sequence[Sequence[str] | None], make: Callable[[Found], Pattern]
    ) -> None:
        self._entries = entries
        self._make = make
        self._worded = Patterns()
        self._sent = Patterns()
        """By `Meaning` and words."""

        self._meanings = Known[Meaning]()
        self._seen: set[int] = set()
        """Hashes of keys that were there once: one that does not come again need not be kept."""

    def find(self, words: Words, key: Key) -> Pattern | None:
        """The pattern of bags that have *key*, if it is known."""
        back = words.back
        meaning = self._meanings.get(key)
        if meaning is None:
            meaning = self._meaning(key)
        if meaning is None or len(back) < meaning.count:
            return self._worded.get(self._words(words, key))
        sent = meaning, meaning.own(back)
        pattern = self._sent.get(sent)
        if pattern is None:
            pattern = self._worded.get(self._words(words, key))
            if pattern is not None:
                self._sent.keep(sent, pattern)
        return pattern

    def learn(self, words: Words, key: Key, found: Found) -> Pattern:
        """Make the pattern of bags that have *key*, and know it where that can be."""
        pattern = self._make(found)
        self._worded.keep(self._words(words, key), pattern)
        return pattern

    def _words(self, words: Words, key: Key) -> Hashable:
        """What *key* says, for all Reports alike; None where only the source knows it."""
        texts, others, maps = key
        own = words.back
        try:
            shown = tuple([_TEXTS[at] if at >= 0 else own[at] for at in texts])
        except IndexError:
            return None
        entries: list[Hashable] = []
        for sent, keys in zip(maps, self._entries, strict=True):
            found = words.pairs(sent) if sent else None
            if found is None:
                entries.append(sent and None)
            else:
                entries.append(tuple(found.items() if keys is None else map(found.get, keys)))
        return shown, others, tuple(entries)

    def _meaning(self, key: Key) -> Meaning | None:
        """What a *key* means that is there for the second time, where no index is wrong."""
        number = hash(key)
        if number not in self._seen:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen.add(number)
            return None
        texts, _, maps = key
        decisive, all_ = set(texts), set(texts)
        try:
            for sent, keys in zip(maps, self._entries, strict=True):
                wanted = None if keys is None else {GLOBAL_INDEX.get(name) for name in keys}
                entries = StringMap.FromString(sent or b"").entries
                for at in entries:
                    all_ |= {at, entries[at]}
                    # Any of the message's own words may be one of the keys.
                    if at < 0 or wanted is None or at in wanted:
                        decisive |= {at, entries[at]}
        except DecodeError:
            return None
        if max(all_, default=0) > ABSENT:
            return None
        own = sorted(at for at in decisive if at < 0)
        meaning = Meaning(itemgetter(*own) if own else _nothing, -min(all_, default=0))
        self._meanings.keep(key, meaning)
        return self._meanings.get(key)


def _nothing(own: Sequence[str]) -> Hashable:
    return None
