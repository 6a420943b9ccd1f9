"""
Requests off the wire: bytes to sources of attributes, each decoded as it is asked for.

Law: whatever the bytes, a caller gets a source, an error text or an `RpcError`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import DecodeError

from attributes import Duration, Source, Timestamp, Value, ValueType
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from attributes.values import NANOS
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import StringMap
from mixer.adapter.results import QuotaArgs
from mixer.errors import Code, RpcError
from mixer.wire.maps import fits

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


def map_of(type_: ValueType) -> str:
    """The type map that values of a type are sent in."""
    return MAPS.get(type_, "strings")


class CheckCall(msgspec.Struct, frozen=True):
    """A Check as the dispatcher sees it."""

    source: Source
    word_count: int
    """Words of the global dictionary that the caller knows."""

    deduplication_id: str
    quotas: Mapping[str, QuotaArgs]


class ReportCall(msgspec.Struct, frozen=True):
    """A Report as the dispatcher sees it."""

    count: int
    """Attribute messages."""

    words: Words
    """Those of messages that bring none of their own."""

    sources: Iterator[Source | str]
    """One for each message, in order; a text says why a message can't be used. A source is valid
    until the next is taken."""


def check_request(raw: bytes) -> CheckCall:
    """Read a CheckRequest. Raises RpcError(INTERNAL) where it is malformed."""
    try:
        request = pb.CheckRequest.FromString(raw)
    except DecodeError as error:
        raise _malformed(error) from None
    _check_word_count(request.global_word_count)
    quotas = {}
    if sent := request.quotas:
        for name in sent:  # items() of protobuf are slower
            given = sent[name]
            quotas[name] = QuotaArgs(given.amount, given.best_effort)
    source = Message(request.attributes, Words(request.attributes.words))
    return CheckCall(source, request.global_word_count, request.deduplication_id, quotas)


def report_request(raw: bytes) -> ReportCall:
    """Read a ReportRequest. Raises RpcError(INTERNAL) where it is malformed."""
    try:
        request = pb.ReportRequest.FromString(raw)
    except DecodeError as error:
        raise _malformed(error) from None
    _check_word_count(request.global_word_count)
    independent = request.repeated_attributes_semantics == pb.ReportRequest.INDEPENDENT_ENCODING
    defaults = Words(request.default_words)
    sources = (_independent if independent else _delta)(request, defaults)
    return ReportCall(len(request.attributes), defaults, sources)


def _malformed(error: DecodeError) -> RpcError:
    return RpcError(Code.INTERNAL, f"grpc: error unmarshalling request: {error}")


def _check_word_count(count: int) -> None:
    if count > len(GLOBAL_WORDS):
        raise RpcError(
            Code.INTERNAL,
            "inconsistent global dictionary versions used: "
            f"mixer knows {len(GLOBAL_WORDS)} words, caller knows {count}",
        )


_SHARED_WORDS = frozenset(GLOBAL_WORDS)


class Words:
    """The words of one message, or of several that share them."""

    __slots__ = ("_own", "back", "hide")

    def __init__(self, words: Sequence[str]) -> None:
        self.back = words[::-1]
        """The message's own, last first: each one's index, which is negative, is its place."""

        self.hide = not _SHARED_WORDS.isdisjoint(self.back)
        """Whether any of the message's own is among the global ones, and goes before it."""

        self._own: dict[str, int] | None = None

    @property
    def own(self) -> dict[str, int]:
        """Indices of the message's own words; of one that occurs twice the last one wins."""
        if self._own is None:
            count = len(self.back)
            self._own = dict(zip(self.back[::-1], range(-1, -1 - count, -1), strict=True))
        return self._own

    def index(self, word: str) -> int | None:
        """The index under which *word* is sent: the message's own first, then the global one."""
        shared = GLOBAL_INDEX.get(word)
        return self.own.get(word, shared) if shared is None or self.hide else shared

    def at(self, index: int) -> str | None:
        """The word at *index*, None where it is out of range."""
        try:
            return GLOBAL_WORDS[index] if index >= 0 else self.back[index]
        except IndexError:
            return None

    def miss(self, names: frozenset[str]) -> bool:
        """Whether none of the message's own is among *names*."""
        return names.isdisjoint(self.back)

    def have(self, indices: Collection[int]) -> bool:
        """Whether there is a word at each of *indices*."""
        if not indices:
            return True
        return min(indices) >= -len(self.back) and max(indices) < len(GLOBAL_WORDS)

    @property
    def are_plain(self) -> bool:
        """Whether none of the message's own is there twice, nor among the global ones."""
        return not self.hide and len(self.own) == len(self.back)

    def fit(self, entries: bytes) -> bool:
        """Whether there are words for all of a `StringMap`."""
        return fits(entries, len(self.back))

    def pairs(self, sent: bytes) -> dict[str, str] | None:
        """A `StringMap` as words, None where any index is out of range, or it is none."""
        own, shared, found = self.back, GLOBAL_WORDS, {}
        try:
            entries = StringMap.FromString(sent).entries
            for key in entries:
                value = entries[key]
                found[shared[key] if key >= 0 else own[key]] = (
                    shared[value] if value >= 0 else own[value]
                )
        except (IndexError, DecodeError):
            return None
        return found


class Message(dict[str, Value | None]):
    """
    A source over one message; decodes what is asked for, once.

    It is a dictionary so that what was read before, present or not, is found at the speed of one.
    """

    __slots__ = ("_kinds", "_string", "attributes", "words")

    def __init__(self, attributes: Sent, words: Words) -> None:
        self.attributes = attributes
        self.words = words
        self._string = attributes.strings.get
        self._kinds: dict[int, str] | None = None
        """The type map of each attribute that is no text, when one was asked for."""

    @property
    def get(self) -> Callable[[str], Value | None]:  # type: ignore[override]
        """Reads the value of a name, None where there is none."""
        return self.__getitem__

    def __missing__(self, name: str) -> Value | None:
        """The value of *name* in the first type map that has it (spec: wire, decoding)."""
        words = self.words
        index = GLOBAL_INDEX.get(name)
        if index is None or words.hide:
            index = words.index(name)
        value: Value | None = None
        if index is not None:
            word = self._string(index)
            value = self._decoded(index) if word is None else words.at(word)
        self[name] = value
        return value

    def _kind(self, index: int) -> str | None:
        """The first type map, after those of texts and of maps, that has an attribute."""
        kinds = self._kinds
        if kinds is None:
            kinds = self._kinds = {}
            for name in _OTHERS:  # the first comes last, and so has the last word
                kinds |= dict.fromkeys(getattr(self.attributes, name), name)
        return kinds.get(index)

    def _decoded(self, index: int) -> Value | None:
        """The value of an attribute that is no text."""
        if index in (maps := self.attributes.string_maps):
            return self.words.pairs(maps[index])
        kind = self._kind(index)
        if kind is None:
            return None
        sent = getattr(self.attributes, kind)[index]
        match kind:
            case "timestamps":
                return timestamp(sent)
            case "durations":
                return duration(sent)
        value: int | float | bool | bytes = sent
        return value


_OTHERS = ("bytes", "durations", "timestamps", "bools", "doubles", "int64s")
"""The type maps in which an attribute is looked for after texts and maps, the first last."""


def _independent(request: pb.ReportRequest, defaults: Words) -> Iterator[Source | str]:
    for attributes in request.attributes:
        yield Message(attributes, Words(attributes.words) if attributes.words else defaults)


def _delta(request: pb.ReportRequest, defaults: Words) -> Iterator[Source | str]:
    state: State | None = None
    for attributes in request.attributes:
        words = Words(attributes.words) if attributes.words else defaults
        if state is None:
            state = State(attributes, words)
            yield state
        elif errors := state.update(attributes, words):
            text = ", ".join(errors)
            yield f"request could not be processed due to invalid attributes: {text}"
        else:
            yield state


Bytes: TypeAlias = bytes  # a field below has that name


@dataclass(slots=True)
class Attributes:
    """What several messages have left behind: as one message, but of dictionaries."""

    strings: dict[int, int] = field(default_factory=dict)
    int64s: dict[int, int] = field(default_factory=dict)
    doubles: dict[int, float] = field(default_factory=dict)
    bools: dict[int, bool] = field(default_factory=dict)
    timestamps: dict[int, timestamp_pb2.Timestamp] = field(default_factory=dict)
    durations: dict[int, duration_pb2.Duration] = field(default_factory=dict)
    bytes: dict[int, Bytes] = field(default_factory=dict)
    string_maps: dict[int, Bytes] = field(default_factory=dict)


Sent: TypeAlias = pb.CompressedAttributes | Attributes


def _maps(sent: Sent) -> tuple[Any, ...]:
    return (
        sent.strings, sent.int64s, sent.doubles, sent.bools,
        sent.timestamps, sent.durations, sent.bytes, sent.string_maps,
    )  # fmt: skip


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


def timestamp(sent: timestamp_pb2.Timestamp) -> Timestamp:
    """A time as expressions have it."""
    return Timestamp(sent.seconds * NANOS + sent.nanos)


def duration(sent: duration_pb2.Duration) -> Duration:
    """A span of time as expressions have it."""
    return Duration(sent.seconds * NANOS + sent.nanos)
