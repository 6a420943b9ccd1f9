"""
Requests off the wire: bytes to sources of attributes, each decoded as it is asked for.

Law: whatever the bytes, a caller gets a source, an error text or an `RpcError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import DecodeError

from attributes import Duration, Source, Timestamp, Value
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


_SHARED = dict(enumerate(GLOBAL_WORDS))
_SHARED_WORDS = frozenset(GLOBAL_WORDS)


class Words:
    """The words of one message, or of several that share them."""

    __slots__ = ("_back", "_by_index", "_own", "hide")

    def __init__(self, words: Sequence[str]) -> None:
        self._back = words[::-1]
        """The message's own, last first: each one's index, which is negative, is its place."""

        self.hide = not _SHARED_WORDS.isdisjoint(self._back)
        """Whether any of the message's own is among the global ones, and goes before it."""

        self._own: dict[str, int] | None = None
        self._by_index: dict[int, str] | None = None

    @property
    def own(self) -> dict[str, int]:
        """Indices of the message's own words; of one that occurs twice the last one wins."""
        if self._own is None:
            count = len(self._back)
            self._own = dict(zip(self._back[::-1], range(-1, -1 - count, -1), strict=True))
        return self._own

    def index(self, word: str) -> int | None:
        """The index under which *word* is sent: the message's own first, then the global one."""
        shared = GLOBAL_INDEX.get(word)
        return self.own.get(word, shared) if shared is None or self.hide else shared

    def at(self, index: int) -> str | None:
        """The word at *index*, None where it is out of range."""
        try:
            return GLOBAL_WORDS[index] if index >= 0 else self._back[index]
        except IndexError:
            return None

    @property
    def by_index(self) -> dict[int, str]:
        """All words, by the index under which each is sent."""
        if self._by_index is None:
            own = zip(range(-len(self._back), 0), self._back, strict=True)
            self._by_index = _SHARED | dict(own)
        return self._by_index

    def have(self, least: int, most: int) -> bool:
        """Whether there is a word at all indices from *least* to *most*."""
        return least >= -len(self._back) and most < len(GLOBAL_WORDS)

    @property
    def are_plain(self) -> bool:
        """Whether none of the message's own is there twice, nor among the global ones."""
        return not self.hide and len(self.own) == len(self._back)

    def pairs(self, entries: Mapping[int, int]) -> dict[str, str] | None:
        """All *entries* as words, None where any index is out of range."""
        own, shared, found = self._back, GLOBAL_WORDS, {}
        try:
            for key in entries:
                value = entries[key]
                found[shared[key] if key >= 0 else own[key]] = (
                    shared[value] if value >= 0 else own[value]
                )
        except IndexError:
            return None
        return found


class Message(dict[str, Value | None]):
    """
    A source over one message; decodes what is asked for, once.

    It is a dictionary so that what was read before, present or not, is found at the speed of one.
    """

    __slots__ = ("_kinds", "_string", "attributes", "words")

    def __init__(self, attributes: pb.CompressedAttributes, words: Words) -> None:
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
            return self.words.pairs(maps[index].entries)
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
            state = State(Message(attributes, words))
            yield state
        elif errors := state.update(attributes, words):
            text = ", ".join(errors)
            yield f"request could not be processed due to invalid attributes: {text}"
        else:
            yield state


class State:
    """The attributes that a row of delta messages has left behind."""

    __slots__ = ("_changed", "_kinds", "attributes", "latest", "words")

    def __init__(self, first: Message) -> None:
        self.attributes = pb.CompressedAttributes()
        self.attributes.CopyFrom(first.attributes)
        self.words: Words | None = first.words
        """None where what was sent can't be told from *attributes* any longer."""
        self.latest = Message(self.attributes, first.words)
        self._changed: dict[str, Value] = {}
        self._kinds = [set(values) for values in _maps(first.attributes)]
        """The indices that are in each type map, in the order of fields."""
        indices: set[int] = set().union(*self._kinds)
        is_odd = len(indices) < sum(map(len, self._kinds))
        if is_odd or (indices and not first.words.have(min(indices), max(indices))):
            self.words = None

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
        # Fast path: where nothing is wrong, protobuf itself sets one message upon the other.
        if words is self.words and words.are_plain and self._fits(attributes):
            self.attributes.MergeFrom(attributes)
            self.latest = Message(self.attributes, words)
            return []
        self.words = None
        return self._set(attributes, words)

    def _fits(self, sent: pb.CompressedAttributes) -> bool:
        """Whether nothing is wrong with a message, and no attribute changes its type map."""
        assert self.words is not None
        indices: list[int] = []
        for kind, values in zip(self._kinds, _maps(sent), strict=True):
            if not kind.issuperset(values):
                new = set(values) - kind
                if not all(map(new.isdisjoint, self._kinds)):
                    return False
                kind |= new
                indices += new
        strings, maps = sent.strings, sent.string_maps
        indices += [strings[index] for index in strings]
        for index in maps:
            entries = maps[index].entries
            indices += entries
            indices += [entries[key] for key in entries]
        return not indices or self.words.have(min(indices), max(indices))

    def _set(self, attributes: pb.CompressedAttributes, words: Words) -> list[str]:
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


def _maps(sent: pb.CompressedAttributes) -> tuple[Mapping[int, object], ...]:
    return (
        sent.strings, sent.int64s, sent.doubles, sent.bools,
        sent.timestamps, sent.durations, sent.bytes, sent.string_maps,
    )  # fmt: skip


def _typed(
    sent: pb.CompressedAttributes, word: Callable[[int], str]
) -> Iterator[tuple[str, Iterator[tuple[int, Value]]]]:
    """All attributes of a message by type, each by index in ascending order."""
    yield "string", ((at, word(sent.strings[at])) for at in sorted(sent.strings))
    yield "int64", ((at, sent.int64s[at]) for at in sorted(sent.int64s))
    yield "double", ((at, sent.doubles[at]) for at in sorted(sent.doubles))
    yield "bool", ((at, sent.bools[at]) for at in sorted(sent.bools))
    yield "timestamp", ((at, timestamp(sent.timestamps[at])) for at in sorted(sent.timestamps))
    yield "duration", ((at, duration(sent.durations[at])) for at in sorted(sent.durations))
    yield "bytes", ((at, sent.bytes[at]) for at in sorted(sent.bytes))
    for at in sorted(sent.string_maps):
        entries = sent.string_maps[at].entries
        decoded = {word(key): word(entries[key]) for key in sorted(entries)}
        yield "string map", iter([(at, decoded)])


def timestamp(sent: timestamp_pb2.Timestamp) -> Timestamp:
    """A time as expressions have it."""
    return Timestamp(sent.seconds * NANOS + sent.nanos)


def duration(sent: duration_pb2.Duration) -> Duration:
    """A span of time as expressions have it."""
    return Duration(sent.seconds * NANOS + sent.nanos)
