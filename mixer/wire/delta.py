"""A row of messages each of which says what has changed since the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from attributes import Value
from attributes.dictionary import GLOBAL_WORDS
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import StringMap
from mixer.wire.maps import matcher
from mixer.wire.message import Attributes, Message, duration, timestamp
from mixer.wire.words import Words


class State:
    """The attributes that a row of delta messages has left behind."""

    __slots__ = (
        "_changed", "_latest", "_match", "_mine", "_sent", "_words", "attributes", "size", "words",
    )  # fmt: skip

    def __init__(self, first: pb.CompressedAttributes, words: Words) -> None:
        self._words = words
        self._match = matcher(len(words.back))
        self._changed: dict[str, Value] = {}
        self._sent: list[pb.CompressedAttributes] = []
        self._latest: Message | None = None
        self._begin()
        self.words: Words | None = words if self._put(first) and words.are_plain else None
        """None where what was sent can't be told from *attributes* any longer."""

    def _begin(self) -> None:
        self.attributes = Attributes()
        self._mine = _maps(self.attributes)
        self.size = 0
        """Attributes whose names were found right; while it is the same, so are the names."""

    @property
    def latest(self) -> Message:
        """The attributes as a source."""
        if self._latest is None:
            self._latest = Message(self.attributes, self._words)
        return self._latest

    def get(self, name: str) -> Value | None:
        """The value last set."""
        value = self._changed.get(name)
        return self.latest.get(name) if value is None else value

    def update(self, attributes: pb.CompressedAttributes, words: Words) -> Sequence[str]:
        """
        Set what *attributes* mention; return what is wrong with them.

        A name in two type maps ends the update; what was set until then stays. An index out of
        range reads as "".
        """
        if words is self.words:
            if self._put(attributes):
                return ()
            before = self._sent[:-1]
            self._begin()
            for message in before:
                self._put(message)
        self.words = None
        return self._set(attributes, words)

    def _put(self, sent: pb.CompressedAttributes) -> bool:
        """
        Set what *sent* has, right or wrong; tell which of both.

        It is right where there are words for all indices, and each attribute is in one type map.
        """
        # The slowest part of such a Report; hence a loop for each map, and nothing called in them.
        self._sent.append(sent)
        self._latest = None
        words, mine, match, right = self._words, self.attributes, self._match, True
        low, high = -len(words.back), len(GLOBAL_WORDS)
        known: dict[int, Any] = mine.strings
        given: Mapping[int, Any] = sent.strings
        for index in given:
            text = known[index] = given[index]
            if text >= high or text < low:
                right = False
        known, given = mine.string_maps, sent.string_maps
        for index in given:
            entries = known[index] = given[index]
            if not match(entries) and not words.fit(entries):
                right = False
        known, given = mine.int64s, sent.int64s
        for index in given:
            known[index] = given[index]
        known, given = mine.doubles, sent.doubles
        for index in given:
            known[index] = given[index]
        known, given = mine.bools, sent.bools
        for index in given:
            known[index] = given[index]
        known, given = mine.timestamps, sent.timestamps
        for index in given:
            known[index] = given[index]
        known, given = mine.durations, sent.durations
        for index in given:
            known[index] = given[index]
        known, given = mine.bytes, sent.bytes
        for index in given:
            known[index] = given[index]
        size = sum(map(len, self._mine))
        if size != self.size:
            names = set().union(*self._mine)
            right &= len(names) == size and words.have(names)
            self.size = size
        return right

    def _set(self, attributes: pb.CompressedAttributes, words: Words) -> list[str]:
        errors: list[str] = []

        def word(index: int) -> str:
            found = words.at(index)
            if found is None:
                errors.append(f"attribute index {index} is not defined in the dictionaries")
                return ""
            return found

        def texts(sent: bytes) -> dict[str, str]:
            try:
                entries = StringMap.FromString(sent).entries
            except DecodeError as error:
                errors.append(f"a string map can not be read: {error}")
                return {}
            return {word(key): word(entries[key]) for key in sorted(entries)}

        seen: set[str] = set()
        for kind, values in _typed(attributes, word, texts):
            for index, value in values:
                name = word(index)
                if name in seen and kind != "string":
                    return [*errors, f"duplicate attribute {name} (type {kind})"]
                seen.add(name)
                self._changed[name] = value
        return errors


def _maps(sent: Attributes) -> tuple[dict[int, Any], ...]:
    return (
        sent.int64s, sent.doubles, sent.bools, sent.timestamps, sent.durations, sent.bytes,
        sent.strings, sent.string_maps,
    )  # fmt: skip


def _typed(
    sent: pb.CompressedAttributes,
    word: Callable[[int], str],
    texts: Callable[[bytes], dict[str, str]],
) -> Iterator[tuple[str, Iterator[tuple[int, Value]]]]:
    """All attributes of a message by type, each by index in ascending order."""
    yield "string", ((at, word(sent.strings[at])) for at in sorted(sent.strings))
    yield "int64", ((at, sent.int64s[at]) for at in sorted(sent.int64s))
    yield "double", ((at, sent.doubles[at]) for at in sorted(sent.doubles))
    yield "bool", ((at, sent.bools[at]) for at in sorted(sent.bools))
    yield "timestamp", ((at, timestamp(sent.timestamps[at])) for at in sorted(sent.timestamps))
    yield "duration", ((at, duration(sent.durations[at])) for at in sorted(sent.durations))
    yield "bytes", ((at, sent.bytes[at]) for at in sorted(sent.bytes))
    yield "string map", ((at, texts(sent.string_maps[at])) for at in sorted(sent.string_maps))
