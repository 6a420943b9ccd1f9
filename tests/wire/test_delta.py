"""Rows of delta messages: what they leave behind, and which of them have nothing wrong in them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError

from attributes import Duration
from attributes.dictionary import GLOBAL_INDEX, GLOBAL_WORDS
from mixer._pb import mixer_pb2 as pb
from mixer.wire.delta import Row, row
from mixer.wire.words import Words

CODE, SIZE, USER, HEADERS, TOOK = (
    GLOBAL_INDEX[name]
    for name in (
        "response.code", "response.size", "source.user", "request.headers", "response.duration",
    )
)  # fmt: skip
WORDS = Words(["ann", "bob"])


def sent(**maps: Any) -> bytes:
    return pb.CompressedAttributes(**maps).SerializeToString()


def row_of(*messages: bytes, words: Words = WORDS) -> Row:
    found = row(messages, words)
    assert found is not None
    return found


def left(*messages: bytes) -> list[dict[str, Any]]:
    """What each message of a row leaves behind."""
    names = ("response.code", "source.user", "request.headers", "response.duration")
    return [{name: source.get(name) for name in names} for source in row_of(*messages)]


def test_each_message_is_set_on_top_of_those_before_it() -> None:
    headers = {HEADERS: pb.StringMap(entries={-1: -2})}
    assert left(
        sent(int64s={CODE: 200}, string_maps=headers),
        sent(strings={USER: -1}),
        sent(int64s={CODE: 404}, string_maps={HEADERS: pb.StringMap()}),
    ) == [
        {"response.code": code, "source.user": user, "request.headers": headers,
         "response.duration": None}
        for code, user, headers in (
            (200, None, {"ann": "bob"}), (200, "ann", {"ann": "bob"}), (404, "ann", {}),
        )
    ]  # fmt: skip


def test_a_duration_is_replaced_and_not_merged() -> None:
    values = ({"seconds": 1}, {"nanos": 5})
    found = left(*[sent(durations={TOOK: value}) for value in values])
    assert [bag["response.duration"] for bag in found] == [Duration(10**9), Duration(5)]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    "wrong",
    [
        {"strings": {USER: -3}},
        {"strings": {USER: len(GLOBAL_WORDS)}},
        {"strings": {-3: 0}},
        {"bools": {-3: True}},
        {"int64s": {USER: 1}},
        {"int64s": {SIZE: 1}, "bools": {SIZE: True}},
        {"string_maps": {HEADERS: pb.StringMap(entries={-3: 0})}},
        {"string_maps": {HEADERS: pb.StringMap(entries={0: -3})}},
        {"string_maps": {USER: pb.StringMap()}},
        {"words": ["eve"]},
    ],
    ids=str,
)
def test_a_row_with_anything_wrong_is_none(wrong: dict[str, Any], at: int) -> None:
    messages = [sent(strings={USER: -1}), sent(int64s={CODE: 1})]
    assert row(messages, WORDS) is not None
    messages.insert(at, sent(**wrong))
    assert row(messages, WORDS) is None


@pytest.mark.parametrize("words", [["ann", "ann"], ["source.user", "ann"]])
def test_words_that_are_there_twice_make_no_row(words: list[str]) -> None:
    assert row([sent(), sent()], Words(words)) is None


def test_it_is_told_which_type_map_has_an_attribute() -> None:
    found = row_of(sent(strings={USER: -1}), sent(int64s={CODE: 1}))
    assert found.has_only(USER, "strings")
    assert found.has_only(CODE, "int64s")
    assert not found.has_only(CODE, "strings")
    assert found.has_only(SIZE, "bools")  # which is not there at all
    assert found.has_only(None, "bools")


def test_messages_that_are_whole_only_together_are_malformed() -> None:
    whole = sent(int64s={CODE: 1}, bools={SIZE: True})
    assert row([whole, whole], WORDS) is not None
    for at in range(1, len(whole)):
        if at != whole.index(b"*"):  # where the second field begins
            with pytest.raises(DecodeError):
                row([whole[:at], whole[at:]], WORDS)


def test_a_time_that_is_none_is_malformed_even_if_another_comes_later() -> None:
    fine = sent(durations={TOOK: {"seconds": 1}})
    assert row([fine, fine], WORDS) is not None
    wrong = fine.replace(b"\x08\x01", b"\x08\x80")
    with pytest.raises(DecodeError):
        row([wrong, fine], WORDS)


def test_a_field_that_nobody_knows_is_no_mark() -> None:
    for unknown in (b"\x78\x00", b"\x79" + bytes(8), b"\x7a\x08" + bytes(8), b"\x7a\x00"):
        assert row([sent(int64s={CODE: 1}) + unknown, unknown], WORDS) is not None


def test_maps_that_somebody_held_before_are_filled() -> None:
    """Protobuf 7.36 forgets every other one that it gave while it was empty."""
    maps: dict[str, Any] = {
        "strings": {0: -1}, "int64s": {1: 1}, "doubles": {2: 0.5}, "bools": {3: True},
        "timestamps": {4: {}}, "durations": {5: {}}, "bytes": {6: b"b"}, "string_maps": {7: {}},
    }  # fmt: skip
    found = row_of(sent(**maps))
    held = {name: getattr(found.message.attributes, name) for name in maps}
    next(iter(found))
    for name, entries in maps.items():
        assert all(index in held[name] for index in entries), name
