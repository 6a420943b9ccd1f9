"""
Header compression of HTTP/2 (RFC 7541): blocks to headers, and headers to blocks.

The standard's table and Huffman's code come from the package hpack. What is ours is a decoder that
remembers whole blocks: a sidecar sends the same block for each call, once its table is filled.

Law: any block gives headers or a fault, in time and memory linear in its length.
"""

from __future__ import annotations

from typing import Final

from hpack import HPACKDecodingError
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

from mixer.transport.http2 import huffman
from mixer.transport.http2.frames import ConnectionFault, Header, Headers, Reason, StreamFault
from mixer.transport.http2.requests import Request, request

TABLE_BYTES: Final = 4096
"""The size of the table that a peer may fill, the default of the standard."""

ENTRY_OVERHEAD: Final = 32
"""What an entry of a table, or of a header list, counts beside its bytes."""

_STATIC: Final = dict(enumerate(HeaderTable.STATIC_TABLE, 1))
_LAST_STATIC: Final = len(_STATIC)
_MAX_INTEGER: Final = 1 << 24
_MAX_REMEMBERED: Final = 64
_MAX_REMEMBERED_BYTES: Final = 4096


class Decoder:
    """One direction of one connection; blocks must come in the order they were sent."""

    __slots__ = ("_changed", "_free", "_max_list", "_sent", "_table_bytes", "remembered")

    def __init__(self, max_list_bytes: int) -> None:
        """A list of more than *max_list_bytes* (RFC 9113, section 6.5.2) is refused."""
        self._max_list = max_list_bytes
        self._sent: list[Header] = []
        """The headers that the peer has put into its table, the newest last."""
        self._table_bytes = self._free = TABLE_BYTES
        self._changed = False
        self.remembered: dict[bytes, Request] = {}
        """What whole blocks said that left the table as it is, as long as that does not change."""

    def decode(self, block: bytes) -> Headers:
        """
        The headers of a whole *block*.

        Raises ConnectionFault where the block is wrong, and StreamFault where the list is too
        large, which leaves the table right for the blocks that follow.
        """
        try:
            return self._decode(block)
        except (LookupError, HPACKDecodingError):
            raise ConnectionFault(Reason.COMPRESSION_ERROR, "a malformed header block") from None

    def read(self, block: bytes) -> Request:
        """The request that a *block* makes. Raises as `decode`, and StreamFault as `request`."""
        known = self.remembered.get(block)
        if known is not None:
            return known
        self._changed = False
        known = request(self.decode(block))
        if (
            not self._changed
            and len(self.remembered) < _MAX_REMEMBERED
            and len(block) <= _MAX_REMEMBERED_BYTES
        ):
            self.remembered[block] = known
        return known

    def _decode(self, block: bytes) -> Headers:
        headers: list[Header] = []
        at, room = 0, self._max_list
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = (first & 0x7F, at + 1) if first < 0xFF else _integer(block, at, 7)
                header = self._known(index)
            elif first & 0x40:
                header, at = self._literal(block, at, 6)
                self._add(header)
            elif first & 0x20:
                if room < self._max_list:
                    raise HPACKDecodingError("a table size after the first header")
                size, at = _integer(block, at, 5)
                self._resize(size)
                continue
            else:
                header, at = self._literal(block, at, 4)
            room -= len(header[0]) + len(header[1]) + ENTRY_OVERHEAD
            if room >= 0:
                headers.append(header)
        if room < 0:
            raise StreamFault(Reason.ENHANCE_YOUR_CALM, "the header list is too large")
        return tuple(headers)

    def _literal(self, block: bytes, at: int, bits: int) -> tuple[Header, int]:
        index, at = _integer(block, at, bits)
        if index:
            name = self._known(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        return (name, value), at

    def _known(self, index: int) -> Header:
        """The header that has an *index* (section 2.3.3). Raises LookupError."""
        return self._sent[_LAST_STATIC - index] if index > _LAST_STATIC else _STATIC[index]

    def _add(self, header: Header) -> None:
        """Put a header into the table; the oldest make room (section 4.4)."""
        self._changes()
        self._sent.append(header)
        self._free -= len(header[0]) + len(header[1]) + ENTRY_OVERHEAD
        self._evict()

    def _resize(self, size: int) -> None:
        if size > TABLE_BYTES:
            raise HPACKDecodingError("a table larger than allowed")
        self._changes()
        self._free += size - self._table_bytes
        self._table_bytes = size
        self._evict()

    def _evict(self) -> None:
        while self._free < 0:
            name, value = self._sent.pop(0)
            self._free += len(name) + len(value) + ENTRY_OVERHEAD

    def _changes(self) -> None:
        """Forget what was said of blocks, as the table is about to be another."""
        self._changed = True
        self.remembered.clear()


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """An integer with a prefix of so many *bits* (section 5.1), and the place after it."""
    full = (1 << bits) - 1
    value = block[at] & full
    at += 1
    if value < full:
        return value, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if value > _MAX_INTEGER or shift > 35:
            raise HPACKDecodingError("an integer out of bounds")
        if byte < 0x80:
            return value, at


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """A text (section 5.2), and the place after it."""
    is_huffman = block[at] & 0x80
    length, at = _integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise HPACKDecodingError("a text longer than its block")
    text = block[at:end]
    return (huffman.decode(text) if is_huffman else text), end


def encode(headers: Headers) -> bytes:
    """A block of literals that leave the peer's table as it is."""
    return b"".join(b"\0" + _literal(name) + _literal(value) for name, value in headers)


def _literal(text: bytes) -> bytes:
    """A text that is not in Huffman's code."""
    return bytes(encode_integer(len(text), 7)) + text
