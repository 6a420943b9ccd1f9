"""A row of messages each of which says what has changed since the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError

from attributes import Value
from attributes.dictionary import GLOBAL_WORDS
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import StringMap
from mixer.wire.maps import matcher
from mixer.wire.message import ABSENT, TYPE_MAPS, Attributes, Message, duration, timestamp
from mixer.wire.words import Words

Watch: TypeAlias = Sequence[tuple[str, int | None]]
"""Type maps and indices of attributes; None for one whose name the caller does not know."""


class State:
    """
    The attributes that a row of delta messages has left behind.

    Most of them nobody asks for. So a message is looked at whether it is right, what is watched is
    put in its place, and the rest is done when somebody asks.
    """

    __slots__ = (
        "_attributes", "_changed", "_latest", "_match", "_names", "_pending", "_places", "_row",
        "_wanted", "_words", "strange", "words",
    )  # fmt: skip

    def __init__(self, first: pb.CompressedAttributes, words: Words) -> None:
        self._words = words
        self._match = matcher(len(words.back))
        self._changed: dict[str, Value] = {}
        self._attributes = Attributes()
        self._pending = [first]
        """Messages that are not yet in those."""

        self._latest: Message | None = None
        self._wanted: dict[int, tuple[str, int]] = {}
        """By index, the type map and the place of what is watched."""

        self._places: dict[str, dict[int, int]] = {name: {} for name in TYPE_MAPS}
        """For each type map, the attributes that are in it, by index, and their places."""

        self._names: set[int] = set()
        """All of these."""

        self._row: list[Any] = [None]
        """What is watched; at place 0 what is not."""

        self.strange = False
        """Whether anything that is watched is in the map of another type."""

        self.words: Words | None = words if self._put(first) and words.are_plain else None
        """None where what was sent can't be told by its indices any longer."""

    @property
    def attributes(self) -> Attributes:
        """What was sent, while *words* are there; else what was before that went wrong."""
        found = self._attributes
        for sent in self._pending:
            for name in TYPE_MAPS:
                known, given = getattr(found, name), getattr(sent, name)
                for index in given:
                    known[index] = given[index]
        self._pending.clear()
        return found

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

    def watched(self, wanted: Watch) -> list[Any]:
        """The values of *wanted* as they were sent, from place 1 on; kept up to date from then."""
        if len(self._row) == 1:
            self._row += [ABSENT if name == "strings" else None for name, _ in wanted]
            attributes = self.attributes
            for place, (name, index) in enumerate(wanted, 1):
                if index is None:
                    continue
                self._wanted[index] = name, place
                if index in self._places[name]:
                    self._places[name][index] = place
                    self._row[place] = getattr(attributes, name)[index]
                elif index in self._names:
                    self.strange = True
        return self._row

    def update(self, attributes: pb.CompressedAttributes, words: Words) -> Sequence[str]:
        """
        Set what *attributes* mention; return what is wrong with them.

        A name in two type maps ends the update; what was set until then stays. An index out of
        range reads as "".
        """
        if words is self.words and self._put(attributes):
            self._pending.append(attributes)
            self._latest = None
            return ()
        self.words = None
        return self._set(attributes, words)

    def _put(self, sent: pb.CompressedAttributes) -> bool:
        """
        Put what is watched of *sent* in its place, and tell whether all of it is right.

        It is where there are words for all indices, and each attribute is in one type map.
        """
        # The slowest part of such a Report; hence a loop for each map, and little called in them:
        # one loop over all six that are alike takes a twentieth more of the whole.
        row, places, match, words = self._row, self._places, self._match, self._words
        low, high = -len(words.back), len(GLOBAL_WORDS)
        try:
            known, texts = places["strings"], sent.strings
            for index in texts:
                text = texts[index]
                if text >= high or text < low:
                    return False
                row[known[index]] = text
            known, maps = places["string_maps"], sent.string_maps
            for index in maps:
                entries = maps[index]
                if not match(entries) and not words.fit(entries):
                    return False
                row[known[index]] = entries
            given: Mapping[int, Any]
            known, given = places["int64s"], sent.int64s
            for index in given:
                if place := known[index]:
                    row[place] = given[index]
            known, given = places["doubles"], sent.doubles
            for index in given:
                if place := known[index]:
                    row[place] = given[index]
            known, given = places["bools"], sent.bools
            for index in given:
                if place := known[index]:
                    row[place] = given[index]
            known, given = places["timestamps"], sent.timestamps
            for index in given:
                if place := known[index]:
                    row[place] = given[index]
            known, given = places["durations"], sent.durations
            for index in given:
                if place := known[index]:
                    row[place] = given[index]
            known, given = places["bytes"], sent.bytes
            for index in given:
                if place := known[index]:
                    row[place] = given[index]
        except KeyError:  # an attribute that was not there before
            return self._admit(sent) and self._put(sent)
        return True

    def _admit(self, sent: pb.CompressedAttributes) -> bool:
        """Let in the attributes of *sent* that are new; tell whether all may be where they are."""
        for name, places in self._places.items():
            new = [index for index in getattr(sent, name) if index not in places]
            if not (self._words.have(new) and self._names.isdisjoint(new)):
                return False
            self._names.update(new)
            for index in new:
                own, place = self._wanted.get(index, (name, 0))
                self.strange |= own != name
                places[index] = place if own == name else 0
        return True

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
