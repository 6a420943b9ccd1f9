"""A row of messages each of which says what has changed since the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from secrets import token_bytes

from google.protobuf.message import DecodeError

from attributes import Source, Value
from mixer._pb import inbound_pb2 as pb
from mixer._pb.mixer_pb2 import StringMap
from mixer.wire.message import ABSENT, NOBODY, SCALARS, Message, duration, timestamp
from mixer.wire.words import Words


class Row:
    """
    Messages with nothing wrong in any of them, merged one after the other.

    There are words for all indices, and each attribute is in one type map throughout.
    """

    __slots__ = ("_kinds", "_sent", "message")

    def __init__(self, sent: Sequence[bytes], words: Words, kinds: Mapping[int, str]) -> None:
        """*kinds* has the type map of each attribute, by index."""
        self._sent = sent
        self._kinds = kinds
        self.message = Message(pb.CompressedAttributes.FromString(_NOTHING), words)
        """What messages have left behind, and before the first whatever stands for nothing."""

    def has_only(self, index: int | None, name: str) -> bool:
        """Whether an attribute, if it is there at all, is in the type map of that *name*."""
        return index is None or self._kinds.get(index, name) == name

    def __iter__(self) -> Iterator[Source]:
        """What is left behind by each; to be asked for once."""
        message, attributes = self.message, self.message.attributes
        for one in self._sent:
            attributes.MergeFromString(one)
            if message.decoded:
                message.forget()
            yield message


def row(sent: Sequence[bytes], words: Words) -> Row | None:
    """
    Messages that have *words*; None where anything may be wrong with one, malformed ones included.

    Raises DecodeError where one is known to be malformed.
    """
    seen = pb.Row.FromString(_MARKED.join([*sent, b""]))
    if seen.marks[:].count(_MARK) < len(sent):
        raise DecodeError("a message ends before its last field does")
    if seen.words or not words.are_plain:
        return None
    # Each once, as most are sent again and again.
    texts = [_TEXT(one) for one in {*seen.strings[:]}]
    maps = [_MAP(one) for one in {*seen.string_maps[:]}]
    indices = {"strings": {one.key for one in texts}, "string_maps": {one.key for one in maps}}
    for name in SCALARS:
        indices[name] = {*getattr(seen, name)}
    kinds = {index: name for name, own in indices.items() for index in own}
    right = (
        len(kinds) == sum(map(len, indices.values()))
        and words.have(kinds)
        and words.have([one.value for one in texts])
        and words.fit([one.value for one in maps])
    )
    return Row(sent, words, kinds) if right else None


def _nothing() -> bytes:
    """An entry in each map: protobuf may forget what it gave for an empty one (decision 0021)."""
    made = pb.CompressedAttributes(
        strings={NOBODY: ABSENT},
        int64s={NOBODY: 0},
        doubles={NOBODY: 0},
        bools={NOBODY: False},
        bytes={NOBODY: b""},
        string_maps={NOBODY: b""},
    )
    made.timestamps.get_or_create(NOBODY)
    made.durations.get_or_create(NOBODY)
    return made.SerializeToString()


_NOTHING = _nothing()
# Behind a message that is cut off, a mark is part of the field that was cut. Nobody can send one.
_MARK = token_bytes(8)
_MARKED = b"\x7a\x08" + _MARK  # field 15, 8 bytes
_TEXT, _MAP = pb.StringsEntry.FromString, pb.StringMapsEntry.FromString


def updated(sent: Iterable[pb.CompressedAttributes], defaults: Words) -> Iterator[Source | str]:
    """The same of any messages; a text says what is wrong with one."""
    state: State | None = None
    for attributes in sent:
        words = Words(own) if (own := attributes.words) else defaults
        if state is None:
            state = State(attributes, words)
        elif errors := state.set(attributes, words):
            yield f"request could not be processed due to invalid attributes: {', '.join(errors)}"
            continue
        yield state


class State(Message):
    """A first message, and what others set."""

    __slots__ = ()

    def set(self, attributes: pb.CompressedAttributes, words: Words) -> Sequence[str]:
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
                self.decoded[name] = value
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
