"""Maps are told right or wrong without being decoded, exactly as if they were."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from attributes.dictionary import GLOBAL_WORDS
from mixer._pb.mixer_pb2 import StringMap
from mixer.wire import maps
from mixer.wire.maps import finder, matcher
from mixer.wire.words import Words

SHARED = len(GLOBAL_WORDS)
OWN = st.one_of(
    st.integers(0, 130), st.sampled_from([191, 192, 640, 686, 8190, 8191, 8192, 8193, 9000])
)
INDICES = st.one_of(
    st.integers(-70, 70),
    st.sampled_from([SHARED - 1, SHARED, -127, -128, -129, -640, -641, -686, -8191, -8192, -8193]),
    st.integers(-(2**31), 2**31 - 1),
)


def fits(sent: bytes, own: int) -> bool:
    return Words(["word"] * own).fit([sent])


def plain(sent: bytes, own: int) -> bool:
    try:
        entries = StringMap.FromString(sent).entries
    except DecodeError:
        return False
    return all(-own <= index < SHARED for entry in entries.items() for index in entry)


@given(st.dictionaries(INDICES, INDICES, max_size=5), OWN)
@example({-64: 0}, 64)
@example({-65: 0}, 64)
@example({0: SHARED - 1}, 0)
@example({0: SHARED}, 0)
def test_a_map_fits_if_there_is_a_word_for_each_index(entries: dict[int, int], own: int) -> None:
    sent = StringMap(entries=entries).SerializeToString()
    assert fits(sent, own) is plain(sent, own)


@given(st.dictionaries(st.integers(-64, 63), st.integers(-64, 63), max_size=3), st.data())
def test_whatever_the_bytes_they_are_read_as_protobuf_reads_them(
    entries: dict[int, int], data: st.DataObject
) -> None:
    sent = bytearray(StringMap(entries=entries).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(sent)))
        sent[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=2))
    assert fits(bytes(sent), 64) is plain(bytes(sent), 64)


def test_maps_as_everybody_writes_them_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = StringMap(entries={-1: 3, 200: -54, 221: 64, -33: -2}).SerializeToString()
    monkeypatch.setattr(maps, "StringMap", None)
    assert fits(sent, 54)


@given(st.dictionaries(INDICES, INDICES, max_size=5), OWN, INDICES)
def test_an_entry_is_found_in_what_can_be_searched(
    entries: dict[int, int], own: int, other: int
) -> None:
    sent = StringMap(entries=entries).SerializeToString()
    if matcher(own)(sent):
        for key in [*entries, other]:
            assert finder(key)(sent) == entries.get(key)
        assert finder(None)(sent) is None


def test_of_a_key_that_is_there_twice_the_last_one_is_found() -> None:
    first, last = (StringMap(entries={5: value}).SerializeToString() for value in (7, 200))
    assert (finder(5)(first + last), finder(5)(last + first)) == (200, 7)


def test_a_key_with_a_number_too_high_for_such_maps_is_not_taken_for_another() -> None:
    sent = StringMap(entries={-2: 7, -200: 8}).SerializeToString()
    assert finder(-2 - 8192)(sent) is None
    assert finder(-200 - 8192)(sent) is None
