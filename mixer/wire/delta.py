"""A row of messages each of which says what has changed since the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import DecodeError

from attributes import Value
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import StringMap
from mixer.wire.message import Attributes, Message, Sent, duration, timestamp
from mixer.wire.words import Words


class State:
    """The attributes that a row of delta messages has left behind."""

    __slots__ = ("_changed", "_fit", "_latest", "_sent", "_size", "_words", "attributes", "words")

    def __init__(self, first: pb.CompressedAttributes, words: Words) -> None:
        self.attributes = Attributes()
        self._words = words
        self._changed: dict[str, Value] = {}
        self._sent: list[pb.CompressedAttributes] = []
        self._latest: Message | None = None
        self._size = 0
        """Attributes whose names were found right."""

        self._fit: set[bytes] = set()
        """Maps that were found right."""

        self._put(first)
        self.words: Words | None = words if self._is_right() else None
        """None where what was sent can't be told from *attributes* any longer."""

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

    def update(self, attributes: pb.CompressedAttributes, words: Words) -> list[str]:
        """
        Set what *attributes* mention; return what is wrong with them.

        A name in two type maps ends the update; what was set until then stays. An index out of
        range reads as "".
        """
        if words is self.words and words.are_plain:
            self._put(attributes)
            if self._is_right():
                return []
            self._sent.pop()
            self.attributes = Attributes()
            for before in self._sent.copy():
                self._put(before)
        self.words = None
        return self._set(attributes, words)

    def _put(self, sent: pb.CompressedAttributes) -> None:
        """Set what *sent* has, right or wrong."""
        self._sent.append(sent)
        self._latest = None
        for mine, values in zip(_maps(self.attributes), _maps(sent), strict=True):
            for index in values:
                mine[index] = values[index]

    def _is_right(self) -> bool:
        """Whether there are words for all indices, and each attribute is in one type map."""
        maps, words = _maps(self.attributes), self._words
        size = sum(map(len, maps))
        if size != self._size:
            names = set().union(*maps)
            if len(names) != size or not words.have(names):
                return False
            self._size = size
        unknown = set(self.attributes.string_maps.values()) - self._fit
        self._fit |= unknown
        return words.have(self.attributes.strings.values()) and all(map(words.fit, unknown))

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


def _maps(sent: Sent) -> tuple[Any, ...]:
    return (
        sent.strings, sent.int64s, sent.doubles, sent.bools,
        sent.timestamps, sent.durations, sent.bytes, sent.string_maps,
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
