"""What a row of delta messages leaves behind, whoever asks for it and when."""

from __future__ import annotations

from typing import Any

from attributes.dictionary import GLOBAL_INDEX
from mixer._pb import inbound_pb2 as pb
from mixer.wire.delta import State
from mixer.wire.message import ABSENT
from mixer.wire.words import Words

CODE, SIZE, USER = (
    GLOBAL_INDEX[name] for name in ("response.code", "response.size", "source.user")
)
WORDS = Words(["ann", "bob"])
WATCH = (("int64s", CODE), ("strings", USER), ("int64s", None))


def sent(**maps: Any) -> pb.CompressedAttributes:
    return pb.CompressedAttributes(**maps)


def test_values_are_read_anew_after_somebody_saw_all_messages_as_one() -> None:
    state = State(sent(int64s={CODE: 1}), WORDS)
    assert state.get("response.code") == 1
    for code in (2, 3):
        assert state.update(sent(int64s={CODE: code}), WORDS) == ()
        assert state.attributes.int64s == {CODE: code}
        assert state.get("response.code") == code


def test_what_is_watched_is_what_was_sent_last() -> None:
    state = State(sent(int64s={CODE: 1, SIZE: 9}), WORDS)
    row = state.watched(WATCH)
    assert row[1:] == [1, ABSENT, None]
    state.update(sent(strings={USER: -1}, int64s={SIZE: 8}), WORDS)
    state.update(sent(strings={USER: -2}, int64s={CODE: 2}), WORDS)
    assert state.watched(WATCH) is row
    assert row[1:] == [2, -2, None]
    assert not state.strange


def test_what_is_watched_and_of_another_type_is_told() -> None:
    first = State(sent(int64s={USER: 1}), WORDS)
    first.watched(WATCH)
    assert first.strange
    later = State(sent(int64s={CODE: 1}), WORDS)
    later.watched(WATCH)
    assert not later.strange
    later.update(sent(bools={USER: True}), WORDS)
    assert later.strange


def test_a_message_that_is_wrong_leaves_those_before_it_as_they_were() -> None:
    for wrong in (
        {"strings": {USER: -3}},
        {"strings": {-3: 0}},
        {"int64s": {USER: 1}},
        {"int64s": {SIZE: 1}, "bools": {SIZE: True}},
        {"string_maps": {SIZE: b"\n"}},
    ):
        state = State(sent(strings={USER: -1}, int64s={CODE: 1}), WORDS)
        state.watched(WATCH)
        state.update(sent(**({"int64s": {CODE: 2}} | wrong)), WORDS)
        assert state.words is None
        assert state.attributes.strings == {USER: -1}
        assert state.attributes.int64s == {CODE: 1}
