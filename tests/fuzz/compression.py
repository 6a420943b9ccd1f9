"""The decoder of header blocks beside the package hpack: the same headers, or two faults."""

from __future__ import annotations

import hpack
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from mixer.transport.http2.compression import TABLE_BYTES, Decoder
from mixer.transport.http2.frames import ConnectionFault
from mixer.transport.http2.requests import ENTRY_OVERHEAD, Field, looked_at

from .script import Script

LARGE = 1 << 30
_HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def run(data: bytes) -> None:
    """Decode the blocks that *data* tells of, on one connection, until one is wrong."""
    script = Script(data)
    ours, theirs = Decoder(LARGE), hpack.Decoder(max_header_list_size=LARGE)
    while not script.is_over:
        block = _block(script)
        expected = _theirs(theirs, block)
        try:
            found = ours.decode(block)
        except ConnectionFault:
            assert expected is None, f"{block!r} is {expected}"
            return
        assert expected == _pairs(found), f"{block!r} is {expected}, not {found}"
        sent = _pairs(ours._table[len(HeaderTable.STATIC_TABLE) + 1 :])
        assert sent == tuple(theirs.header_table.dynamic_entries)
        sizes = [len(name) + len(value) + ENTRY_OVERHEAD for name, value in sent]
        assert sum(sizes) <= TABLE_BYTES
        for field in found:
            assert field == looked_at(field.name, field.value), "what was found out has changed"
        assert len(ours._literals) <= 64


def _pairs(fields: list[Field]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((field.name, field.value) for field in fields)


def _theirs(decoder: hpack.Decoder, block: bytes) -> tuple[tuple[bytes, bytes], ...] | None:
    try:
        found = decoder.decode(block, raw=True)
    except hpack.HPACKError:
        return None
    return tuple((bytes(name), bytes(value)) for name, value in found)


def _block(script: Script) -> bytes:
    block = b""
    for _ in range(script.number(12)):
        match script.number(8):
            case 0:
                block += _integer(script, 0x80, 7)
            case 1 | 2 | 3 as kind:
                mark, bits = ((0x40, 6), (0, 4), (0x10, 4))[kind - 1]
                indexed = _integer(script, mark, bits)
                block += indexed
                if indexed == bytes([mark]):
                    block += _text(script)
                block += _text(script)
            case 4:
                block += _integer(script, 0x20, 5)
            case 5:
                block += script.some(20)
            case 6:
                block += b"\x82\x86\x84"
            case 7:
                block += bytes([0xBE + script.number(8)])
    return block


def _integer(script: Script, mark: int, bits: int) -> bytes:
    value = script.choice((script.number(256), script.number(1 << 13), 0, 1 << script.number(64)))
    full = (1 << bits) - 1
    if value < full:
        return bytes([mark | value])
    value -= full
    found = bytes([mark | full])
    while value >= 0x80:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    if script.number(16) == 1:  # longer than need be
        return found + bytes([value | 0x80]) + b"\x80" * script.number(6) + b"\0"
    return found + bytes([value])


def _text(script: Script) -> bytes:
    text = script.some(script.choice((8, 40, 255)))
    mark = 0
    if script.number(2):
        mark = 0x80
        text = bytes(_HUFFMAN.encode(text))
        if script.number(8) == 1:
            text += script.take(2)
    length = len(text) + script.choice((0, 0, 0, 0, 0, 0, 0, 1))
    if length < 0x7F:
        return bytes([mark | length]) + text
    length -= 0x7F
    head = bytes([mark | 0x7F])
    while length >= 0x80:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + text
