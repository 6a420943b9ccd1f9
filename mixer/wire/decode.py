"""
Requests off the wire: bytes to sources of attributes, each decoded as it is asked for.

Law: whatever the bytes, a caller gets a source, an error text or an `RpcError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import DecodeError

from attributes import Duration, Entries, Source, Timestamp, Value
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from attributes.values import NANOS
from mixer._pb import mixer_pb2 as pb
from mixer.adapter.results import QuotaArgs
from mixer.errors import Code, RpcError


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
        quotas = {name: QuotaArgs(given.amount, given.best_effort) for name, given in sent.items()}
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


class Words:
    """The words of one message, or of several that share them."""

    __slots__ = ("_count", "_own", "_words")

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._count = len(self._words)
        self._own: dict[str, int] | None = None

    def index(self, word: str) -> int | None:
        """
        The index under which *word* is sent: the message's own first, then the global one.

        Of a word that occurs twice the last one wins.
        """
        index = (self._own or self._number()).get(word)
        return GLOBAL_INDEX.get(word) if index is None else index

    def _number(self) -> dict[str, int]:
        indices = range(-1, -1 - self._count, -1)
        self._own = dict(zip(self._words, indices, strict=True))
        return self._own

    def at(self, index: int) -> str | None:
        """The word at *index*, None where it is out of range."""
        if index < 0:
            return self._words[-1 - index] if index >= -self._count else None
        return GLOBAL_WORDS[index] if index < len(GLOBAL_WORDS) else None

    def pairs(self, entries: Mapping[int, int]) -> dict[str, str] | None:
        """All *entries* as words, None where any index is out of range."""
        if not self._are_known(entries):
            return None
        return self._decoded(entries)

    def _decoded(self, entries: Mapping[int, int]) -> dict[str, str]:
        word = [*GLOBAL_WORDS, *reversed(self._words)].__getitem__  # so that -1 finds the first
        return {word(key): word(entries[key]) for key in entries}

    def entries(self, entries: Mapping[int, int]) -> Entries | None:
        """The same, each as it is asked for."""
        if not self._are_known(entries):
            return None
        decoded: dict[str, str] | None = None

        def get(key: str) -> str | None:
            nonlocal decoded
            if decoded is None:
                if key not in (self._own or self._number()):
                    index = GLOBAL_INDEX.get(key)
                    value = None if index is None else entries.get(index)
                    return None if value is None else self.at(value)
                decoded = self._decoded(entries)
            return decoded.get(key)

        return Entries(get)

    def _are_known(self, entries: Mapping[int, int]) -> bool:
        both = list(entries)
        both += [entries[key] for key in both]  # the values() of a protobuf map are slower
        return not both or (min(both) >= -self._count and max(both) < len(GLOBAL_WORDS))


class Message(dict[str, Value | None]):
    """
    A source over one message; decodes what is asked for, once.

    It is a dictionary so that what was read before, present or not, is found at the speed of one.
    """

    __slots__ = ("_maps", "attributes", "words")

    def __init__(self, attributes: pb.CompressedAttributes, words: Words) -> None:
        self.attributes = attributes
        self.words = words
        self._maps: dict[str, Value | Entries | None] = {}

    @property
    def get(self) -> Callable[[str], Value | None]:  # type: ignore[override]
        """Reads the value of a name, None where there is none."""
        return self.__getitem__

    def __missing__(self, name: str) -> Value | None:
        """The value of *name* in the first type map that has it (spec: wire, decoding)."""
        words = self.words
        index, value = words.index(name), None
        if index is not None:
            word = self.attributes.strings.get(index)
            value = self._decoded(index) if word is None else words.at(word)
        self[name] = value
        return value

    def entries(self, name: str) -> Value | Entries | None:
        """A map of which only some keys are wanted; of another attribute the value."""
        try:
            return self._maps[name]
        except KeyError:
            found = self._maps[name] = self._entries(name)
            return found

    def _entries(self, name: str) -> Value | Entries | None:
        index, sent = self.words.index(name), self.attributes
        if index is None or index in sent.strings or index not in sent.string_maps:
            return self[name]
        return self.words.entries(sent.string_maps[index].entries)

    def _decoded(self, index: int) -> Value | None:
        """The value of an attribute that is no text."""
        sent = self.attributes
        if (entries := sent.string_maps.get(index)) is not None:
            return self.words.pairs(entries.entries)
        value: int | float | bool | bytes | None
        for scalars in (sent.int64s, sent.doubles, sent.bools):
            if (value := scalars.get(index)) is not None:
                return value
        if (time := sent.timestamps.get(index)) is not None:
            return _timestamp(time)
        if (span := sent.durations.get(index)) is not None:
            return _duration(span)
        return sent.bytes.get(index)


def _independent(request: pb.ReportRequest, defaults: Words) -> Iterator[Source | str]:
    for attributes in request.attributes:
        yield Message(attributes, Words(attributes.words) if attributes.words else defaults)


def _delta(request: pb.ReportRequest, defaults: Words) -> Iterator[Source | str]:
    state: State | None = None
    for attributes in request.attributes:
        words = Words(attributes.words) if attributes.words else defaults
        if state is None:
            state = State(Message(attributes, words))
            yield state
        elif errors := state.update(attributes, words):
            text = ", ".join(errors)
            yield f"request could not be processed due to invalid attributes: {text}"
        else:
            yield state


class State:
    """The attributes that a row of delta messages has left behind."""

    __slots__ = ("_changed", "_first")

    def __init__(self, first: Message) -> None:
        self._first = first
        self._changed: dict[str, Value] = {}

    def get(self, name: str) -> Value | None:
        """The value last set."""
        value = self._changed.get(name)
        return self._first.get(name) if value is None else value

    def update(self, attributes: pb.CompressedAttributes, words: Words) -> list[str]:
        """
        Set what *attributes* mention; return what is wrong with them.

        A name in two type maps ends the update; what was set until then stays. An index out of
        range reads as "".
        """
        errors: list[str] = []

        def word(index: int) -> str:
            found = words.at(index)
            if found is None:
                errors.append(f"attribute index {index} is not defined in the dictionaries")
                return ""
            return found

        seen: set[str] = set()
        for kind, values in _typed(attributes, word):
            for index, value in values:
                name = word(index)
                if name in seen and kind != "string":
                    return [*errors, f"duplicate attribute {name} (type {kind})"]
                seen.add(name)
                self._changed[name] = value
        return errors


def _typed(
    sent: pb.CompressedAttributes, word: Callable[[int], str]
) -> Iterator[tuple[str, Iterator[tuple[int, Value]]]]:
    """All attributes of a message by type, each by index in ascending order."""
    yield "string", ((at, word(sent.strings[at])) for at in sorted(sent.strings))
    yield "int64", ((at, sent.int64s[at]) for at in sorted(sent.int64s))
    yield "double", ((at, sent.doubles[at]) for at in sorted(sent.doubles))
    yield "bool", ((at, sent.bools[at]) for at in sorted(sent.bools))
    yield "timestamp", ((at, _timestamp(sent.timestamps[at])) for at in sorted(sent.timestamps))
    yield "duration", ((at, _duration(sent.durations[at])) for at in sorted(sent.durations))
    yield "bytes", ((at, sent.bytes[at]) for at in sorted(sent.bytes))
    for at in sorted(sent.string_maps):
        entries = sent.string_maps[at].entries
        decoded = {word(key): word(entries[key]) for key in sorted(entries)}
        yield "string map", iter([(at, decoded)])


def _timestamp(sent: timestamp_pb2.Timestamp) -> Timestamp:
    return Timestamp(sent.seconds * NANOS + sent.nanos)


def _duration(sent: duration_pb2.Duration) -> Duration:
    return Duration(sent.seconds * NANOS + sent.nanos)
