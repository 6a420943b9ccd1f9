"""Attributes are decoded as they are asked for, in whatever way; what they are never changes."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings

from attributes import Bag, Duration, Timestamp
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from attributes.values import NANOS
from mixer._pb import mixer_pb2 as pb
from mixer.wire import decode
from tests.property.expressions import VOCABULARY
from tests.property.requests import checks, reports

KEYS = ["a", "b", "x-request-id", ":path", "no"]
SCALARS = ["int64s", "doubles", "bools", "timestamps", "durations", "bytes"]


class Words(list[str]):
    """The words of a message, looked up the long way."""

    def at(self, index: int) -> str | None:
        own, shared = -1 - index, index
        if index < 0:
            return self[own] if own < len(self) else None
        return GLOBAL_WORDS[shared] if shared < len(GLOBAL_WORDS) else None

    def index(self, word: str) -> int | None:  # type: ignore[override]
        found = [-1 - at for at, own in enumerate(self) if own == word]
        return found[-1] if found else next(iter(all_of(GLOBAL_WORDS, word)), None)


def all_of(words: tuple[str, ...] | list[str], word: str) -> list[int]:
    return [at for at, one in enumerate(words) if one == word]


def scalar(kind: str, value: Any) -> Any:
    """A value as expressions have it."""
    match kind:
        case "timestamps":
            return Timestamp(value.seconds * NANOS + value.nanos)
        case "durations":
            return Duration(value.seconds * NANOS + value.nanos)
    return value


def whole(sent: pb.CompressedAttributes, words: Words) -> dict[str, Any]:
    """All attributes of the vocabulary that a message has, in the first of its maps."""
    found: dict[str, Any] = {}
    for name in VOCABULARY:
        index = words.index(name)
        if index is None:
            continue
        if index in sent.strings:
            found[name] = words.at(sent.strings[index])
        elif index in sent.string_maps:
            entries = sent.string_maps[index].entries
            pairs = [(words.at(key), words.at(entries[key])) for key in entries]
            bad = any(None in pair for pair in pairs)
            found[name] = None if bad else dict(pairs)
        else:
            values = [
                scalar(kind, getattr(sent, kind)[index])
                for kind in SCALARS
                if index in getattr(sent, kind)
            ]
            if values:
                found[name] = values[0]
    return {name: value for name, value in found.items() if value is not None}


def updated(
    state: dict[str, Any], sent: pb.CompressedAttributes, words: Words
) -> tuple[dict[str, Any], bool]:
    """The attributes after a delta message, by name; and whether nothing was wrong with it."""
    state, fine, seen = dict(state), True, set()
    for kind in ["strings", *SCALARS, "string_maps"]:
        values = getattr(sent, kind)
        for index in sorted(values):
            name = words.at(index)
            fine = fine and name is not None
            name = name or ""
            if name in seen and kind != "strings":
                return state, False
            seen.add(name)
            value: Any
            if kind == "strings":
                value = words.at(values[index])
                fine = fine and value is not None
                state[name] = value or ""
            elif kind == "string_maps":
                entries = values[index].entries
                pairs = {key: (words.at(key), words.at(entries[key])) for key in sorted(entries)}
                fine = fine and not any(None in pair for pair in pairs.values())
                state[name] = {pair[0] or "": pair[1] or "" for pair in pairs.values()}
            else:
                state[name] = scalar(kind, values[index])
    return state, fine


def read(source: Any) -> dict[str, str]:
    """What a bag reads of the vocabulary, whole and by key."""
    bag = Bag(source)
    found: dict[str, str] = {}
    for name in VOCABULARY:
        value = bag.read(name)
        # A map has no order: that of protobuf's table depends on how it came to be.
        found[name] = repr(sorted(value.items()) if isinstance(value, dict) else value)
        if isinstance(value, dict):
            found |= {f"{name}[{key}]": repr(value.get(key)) for key in KEYS}
    return found


@settings(max_examples=200, deadline=None)
@given(checks())
def test_a_check_reads_what_was_sent(raw: bytes) -> None:
    request = pb.CheckRequest.FromString(raw)
    expected = whole(request.attributes, Words(request.attributes.words))
    assert read(decode.check_request(raw).source) == read(expected)


CODE = GLOBAL_INDEX["response.code"]


def delta(*messages: dict[str, Any]) -> bytes:
    """A report of delta messages, each given by its type maps and, maybe, words of its own."""
    made = [pb.CompressedAttributes(**maps) for maps in messages]
    return pb.ReportRequest(attributes=made).SerializeToString()


@example(delta({"int64s": {-9: 1}}, {"int64s": {-9: 1}}))
@example(delta({"int64s": {CODE: 1}}, {"int64s": {-9: 1}}))
@example(delta({"strings": {CODE: 0}, "int64s": {CODE: 1}}, {"int64s": {CODE: 2}}))
@example(
    delta({"int64s": {CODE: 1}}, {"words": ["own"], "int64s": {CODE: 2}}, {"int64s": {CODE: 3}})
)
@settings(max_examples=200, deadline=None)
@given(reports())
def test_a_report_reads_what_was_sent(raw: bytes) -> None:
    request = pb.ReportRequest.FromString(raw)
    independent = request.repeated_attributes_semantics == pb.ReportRequest.INDEPENDENT_ENCODING
    state: dict[str, Any] = {}
    messages = zip(request.attributes, decode.report_request(raw).bags().sources, strict=True)
    for number, (sent, source) in enumerate(messages):
        words, fine = Words(sent.words or request.default_words), True
        if independent or not number:
            state = whole(sent, words)
        else:
            state, fine = updated(state, sent, words)
        if fine:
            assert not isinstance(source, str)
            assert read(source) == read(state)
        else:
            assert isinstance(source, str)
