"""Header compression against an independent implementation, the package hpack."""

from __future__ import annotations

from collections.abc import Callable

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
            assert ours.decode(block) == tuple(headers)


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
    assert ours.remembered == {ASKED: known}


def test_a_block_that_fills_the_table_is_not_remembered_and_ends_what_was() -> None:
    ours = Decoder(LARGE)
    ours.read(ASKED)
    filling = ASKED + b"\x40\x01a\x01b"
    assert ours.read(filling).headers == {b"a": b"b"}
    assert ours.remembered == {}


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
    assert ours.decode(bytes(theirs.encode([(b"a", b"b" * 100)]))) == ((b"a", b"b" * 100),)


def test_a_small_block_can_not_become_a_large_list() -> None:
    bomb = encode(((b"a", b"x" * 4000),)).replace(b"\0", b"\x40", 1) + b"\xbe" * 10_000
    with pytest.raises(StreamFault, match="too large"):
        Decoder(64 * 1024).decode(bomb)
