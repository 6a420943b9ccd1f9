"""The words that a message's indices stand for: those of the global dictionary, and its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import filterfalse

from google.protobuf.message import DecodeError

from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from mixer._pb.mixer_pb2 import StringMap
from mixer.wire.maps import fits, matcher

_SHARED_WORDS = frozenset(GLOBAL_WORDS)


class Words:
    """The words of one message, or of several that share them."""

    __slots__ = ("_own", "hide", "sent")

    def __init__(self, words: Sequence[str]) -> None:
        self.sent = words[:]
        """The message's own, in order: those at -1, -2, -3 ..., so that ``~index`` is the place.
        Python takes twice as long for what is at a negative place."""

        self.hide: bool | None = None
        """Whether any of the message's own is among the global ones, and goes before it; None until
        `index` or `are_plain` was asked, as not every message has to be looked through."""

        self._own: dict[str, int] | None = None

    @property
    def own(self) -> dict[str, int]:
        """Indices of the message's own words; of one that occurs twice the last one wins."""
        if self._own is None:
            self._own = dict(zip(self.sent, range(-1, -1 - len(self.sent), -1), strict=True))
        return self._own

    def index(self, word: str) -> int | None:
        """The index under which *word* is sent: the message's own first, then the global one."""
        shared = GLOBAL_INDEX.get(word)
        return self.own.get(word, shared) if shared is None or self._hides() else shared

    def at(self, index: int) -> str | None:
        """The word at *index*, None where it is out of range."""
        try:
            return GLOBAL_WORDS[index] if index >= 0 else self.sent[~index]
        except IndexError:
            return None

    def _hides(self) -> bool:
        if self.hide is None:
            self.hide = not self.miss(_SHARED_WORDS)
        return self.hide

    def miss(self, names: frozenset[str]) -> bool:
        """Whether none of the message's own is among *names*."""
        return names.isdisjoint(self.sent)

    def have(self, indices: Collection[int]) -> bool:
        """Whether there is a word at each of *indices*."""
        return not indices or (min(indices) >= -len(self.sent) and max(indices) < len(GLOBAL_WORDS))

    @property
    def are_plain(self) -> bool:
        """Whether none of the message's own is there twice, nor among the global ones."""
        own = set(self.sent)
        self.hide = not _SHARED_WORDS.isdisjoint(own)
        return not self.hide and len(own) == len(self.sent)

    def fit(self, maps: Iterable[bytes]) -> bool:
        """Whether there are words for all of each `StringMap`."""
        count = len(self.sent)
        return all(fits(sent, count) for sent in filterfalse(matcher(count), maps))

    def pairs(self, sent: StringMap | bytes) -> dict[str, str] | None:
        """A `StringMap` as words, None where any index is out of range, or bytes are none."""
        own, shared, found = self.sent, GLOBAL_WORDS, {}
        try:
            entries = (StringMap.FromString(sent) if isinstance(sent, bytes) else sent).entries
            for key in entries:
                value = entries[key]
                found[shared[key] if key >= 0 else own[~key]] = (
                    shared[value] if value >= 0 else own[~value]
                )
        except (IndexError, DecodeError):
            return None
        return found
