"""One message of attributes as a source: each is decoded when it is asked for."""

from __future__ import annotations

from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2

from attributes import Duration, Timestamp, Value, ValueType
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from attributes.values import NANOS
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import CompressedAttributes as Whole
from mixer.wire.words import Words

ABSENT = len(GLOBAL_WORDS)
"""Instead of the index of a text where there is none; one that is sent says as much."""

NOBODY = 2**31 - 1
"""Instead of the index of a name that a caller does not know."""

MAPS = {
    ValueType.STRING_MAP: "string_maps",
    ValueType.INT64: "int64s",
    ValueType.DOUBLE: "doubles",
    ValueType.BOOL: "bools",
    ValueType.TIMESTAMP: "timestamps",
    ValueType.DURATION: "durations",
    ValueType.IP_ADDRESS: "bytes",
}
"""Where values of a type are sent, if not in ``strings``."""

TYPE_MAPS = ("strings", *MAPS.values())

SCALARS = tuple(name for name in MAPS.values() if name != "string_maps")
"""The type maps in which an attribute is looked for after texts and maps, in order."""


def map_of(type_: ValueType) -> str:
    """The type map that values of a type are sent in."""
    return MAPS.get(type_, "strings")


class Message:
    """A source over one message; decodes what is asked for, once."""

    maps: tuple[Any, ...]
    """The type maps, for whoever put them here: protobuf makes them anew each time."""

    __slots__ = ("_kinds", "_string_maps", "_strings", "attributes", "decoded", "maps", "words")

    def __init__(self, attributes: pb.CompressedAttributes | Whole, words: Words) -> None:
        self.attributes = attributes
        self.words = words
        self.decoded: dict[str, Value | None] = {}
        """What was asked for so far, present or not."""

        self._strings = attributes.strings
        self._string_maps = attributes.string_maps
        self._kinds: dict[int, str] | None = None
        """The type map of each attribute that is no text, when one was asked for."""

    def forget(self) -> None:
        """Decode anew what is asked for; for when what was sent has changed."""
        self.decoded.clear()
        self._kinds = None

    def get(self, name: str) -> Value | None:
        """The value of *name* in the first type map that has it (spec: wire, decoding)."""
        decoded = self.decoded
        if name in decoded:
            return decoded[name]
        words = self.words
        index = GLOBAL_INDEX.get(name)
        if index is None or words.hide is not False:
            index = words.index(name)
        value: Value | None = None
        if index is not None:
            strings, maps = self._strings, self._string_maps
            if index in strings:
                value = words.at(strings[index])
            elif index in maps:
                value = words.pairs(maps[index])
            elif (kind := self._kind(index)) is not None:
                value = _decoded(kind, getattr(self.attributes, kind)[index])
        decoded[name] = value
        return value

    def _kind(self, index: int) -> str | None:
        """The first type map, after those of texts and of maps, that has an attribute."""
        kinds = self._kinds
        if kinds is None:
            kinds = self._kinds = {}
            for name in reversed(SCALARS):  # the first comes last, and so has the last word
                kinds |= dict.fromkeys(getattr(self.attributes, name), name)
        return kinds.get(index)


def _decoded(kind: str, sent: Any) -> Value:
    """A value of the type map *kind*."""
    match kind:
        case "timestamps":
            return timestamp(sent)
        case "durations":
            return duration(sent)
    value: int | float | bool | bytes = sent
    return value


def timestamp(sent: timestamp_pb2.Timestamp) -> Timestamp:
    """A time as expressions have it."""
    return Timestamp(sent.seconds * NANOS + sent.nanos)


def duration(sent: duration_pb2.Duration) -> Duration:
    """A span of time as expressions have it."""
    return Duration(sent.seconds * NANOS + sent.nanos)
