"""Header compression against an independent implementation, the package hpack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer.transport.http2.compression import Decoder, encode
from mixer.transport.http2.frames import ConnectionFault, StreamFault
from mixer.transport.http2.huffman import decode

TEXTS = st.binary(min_size=1, max_size=40)
LISTS = st.lists(st.tuples(TEXTS, st.binary(max_size=300)), max_size=12)
LARGE = 1 << 20
CALL = [
    (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"),
    ("content-type", "application/grpc"),
]  # fmt: skip
TE = ("te", "trailers")
TIMEOUT = ("grpc-timeout", "1S")


def read(decoder: Decoder, block: bytes) -> list[tuple[bytes, bytes]]:
    return [(field.name, field.value) for field in decoder.decode(block)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(LISTS, st.booleans()), max_size=8), st.integers(0, 4096))
def test_what_another_encoder_writes_is_read(
    lists: list[tuple[list[tuple[bytes, bytes]], bool]], table: int
) -> None:
    theirs, ours = hpack.Encoder(), Decoder(LARGE)
    for at, (headers, huffman) in enumerate(lists):
        if at == len(lists) // 2:
            theirs.header_table_size = table
        for _ in range(2):  # the second block is short, and may be one that is remembered
            block = bytes(theirs.encode(headers, huffman=huffman))
            assert read(ours, block) == headers


@given(LISTS)
def test_what_is_written_another_decoder_reads(headers: list[tuple[bytes, bytes]]) -> None:
    found = hpack.Decoder(max_header_list_size=LARGE).decode(encode(tuple(headers)), raw=True)
    assert [(name, value) for name, value in found] == headers


def read_by(reader: Callable[[bytes], bytes], text: bytes) -> bytes | None:
    """What a text in Huffman's code says; None where it is not in it."""
    try:
        return reader(text)
    except hpack.HPACKDecodingError:
        return None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=4))
def test_huffmans_code_and_what_is_not_are_read_as_another_reads_them(
    text: bytes, more: bytes
) -> None:
    encoded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)
    for some in (encoded, encoded + more, more, more + encoded):
        assert read_by(decode, some) == read_by(decode_huffman, some)


ASKED = encode(((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/")))


def test_an_equal_block_gives_the_same_request_while_the_table_stays() -> None:
    ours = Decoder(LARGE)
    known = ours.read(ASKED)
    assert ours.read(ASKED) is known
    assert ours.blocks == {ASKED: known}


def test_a_block_that_fills_the_table_is_not_remembered_and_ends_what_was() -> None:
    ours = Decoder(LARGE)
    ours.read(ASKED)
    filling = ASKED + b"\x40\x0ccontent-type\x01b"
    assert ours.read(filling).headers == {b"content-type": b"b"}
    assert ours.blocks == {}


def test_requests_that_say_the_same_are_the_same_whatever_else_they_say() -> None:
    theirs, ours = hpack.Encoder(), Decoder(LARGE)
    first = ours.read(bytes(theirs.encode([*CALL, ("x-request-id", "1"), ("te", "trailers")])))
    for at in range(200):
        known = ours.read(bytes(theirs.encode([*CALL, ("x-request-id", f"{at}" * 20), TE])))
        assert known is first
    assert known.headers == {b"content-type": b"application/grpc"}
    other = ours.read(bytes(theirs.encode([*CALL, ("x-request-id", "1"), TE, TIMEOUT])))
    assert other.headers == {**known.headers, b"grpc-timeout": b"1S"}


def test_what_nobody_reads_is_checked_all_the_same() -> None:
    for name, value in [("X", "a"), ("x", "a\0"), ("x", " a"), ("x", "a\t"), ("x y", "a")]:
        ours = Decoder(LARGE)
        call = encode(tuple((one.encode(), said.encode()) for one, said in CALL))
        filling = call + encode(((name.encode(), value.encode()),)).replace(b"\0", b"\x40", 1)
        for block in (filling, call + b"\xbe", filling):
            with pytest.raises(StreamFault, match="a header that none may be"):
                ours.read(block)


def test_a_pseudo_header_after_one_that_nobody_reads_is_refused() -> None:
    with pytest.raises(StreamFault, match="after other headers"):
        Decoder(LARGE).read(ASKED + encode(((b"x", b"y"), (b":authority", b"z"))))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.binary(max_size=300)), max_size=200))
def test_what_is_remembered_has_bounds(headers: list[tuple[bytes, bytes]]) -> None:
    theirs, ours = hpack.Encoder(), Decoder(LARGE)
    for at, (name, value) in enumerate(headers * 3):
        call = [*CALL, (b"grpc-timeout", b"%dS" % at), (b":authority" + name, value)]
        for block in (bytes(theirs.encode(call[:-1])), encode(tuple(headers[at : at + 40]))):
            with suppress(StreamFault):
                ours.read(block)
            for memory in (ours.blocks, ours.said, ours._literals):
                assert len(memory) <= 64
        assert all(len(block) <= 4096 for block in ours.blocks)
        assert all(len(literal) <= 4096 for literal in ours._literals)
        for said in ours.said:
            assert sum(len(part) for one in said if one for part in one) <= 4096


def test_large_headers_that_nobody_reads_do_not_keep_a_request_from_being_remembered() -> None:
    theirs, ours = hpack.Encoder(), Decoder(LARGE)
    calls = [[*CALL, ("cookie", "x" * 5000), ("x-request-id", f"{at}")] for at in range(3)]
    first, *others = (ours.read(bytes(theirs.encode(call))) for call in calls)
    assert all(other is first for other in others)


def test_a_small_block_that_makes_a_large_request_is_not_remembered() -> None:
    ours = Decoder(LARGE)
    ours.read(ASKED + encode(((b"grpc-encoding", b"x" * 4000),)).replace(b"\0", b"\x40", 1))
    large = ASKED + b"\xbe" * 10
    assert len(ours.read(large).headers[b"grpc-encoding"]) == 40_018
    assert (ours.blocks, ours.said) == ({}, {})


def test_a_literal_that_is_long_as_it_was_sent_is_not_remembered() -> None:
    ours = Decoder(LARGE)
    ours.decode(hpack.Encoder().encode([(b"x", b"\x01" * 1500)]))  # 23 bits of each byte
    assert not ours._literals
    ours.decode(encode(((b"x", b"y"),)))
    assert len(ours._literals) == 1


def test_a_literal_whose_name_is_in_the_peers_table_is_read_anew() -> None:
    ours = Decoder(LARGE)
    by_newest = b"\x0f\x2f\x01v"
    for name in (b"a", b"b"):
        block = encode(((name, b"1"),)).replace(b"\0", b"\x40", 1) + by_newest
        assert read(ours, block)[-1] == (name, b"v")


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_block_gives_headers_or_a_fault(block: bytes) -> None:
    try:
        Decoder(LARGE).decode(block)
    except ConnectionFault as fault:
        assert str(fault) == "a malformed header block"


def test_a_list_too_large_leaves_the_table_right() -> None:
    theirs, ours = hpack.Encoder(), Decoder(200)
    with pytest.raises(StreamFault, match="too large"):
        ours.decode(bytes(theirs.encode([(b"a", b"b" * 100), (b"c", b"d" * 100)])))
    assert read(ours, bytes(theirs.encode([(b"a", b"b" * 100)]))) == [(b"a", b"b" * 100)]


def test_a_small_block_can_not_become_a_large_list() -> None:
    bomb = encode(((b"a", b"x" * 4000),)).replace(b"\0", b"\x40", 1) + b"\xbe" * 10_000
    with pytest.raises(StreamFault, match="too large"):
        Decoder(64 * 1024).decode(bomb)
