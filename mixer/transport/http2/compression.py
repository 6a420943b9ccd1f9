"""
Header compression of HTTP/2 (RFC 7541): blocks to headers, and headers to blocks.

The standard's table and Huffman's code come from the package hpack. What is ours is a decoder that
remembers. Many clients send the same block for each call, once their table is filled. A proxy that
puts the number of each call into the table sends the same only of what says something to a server:
what a header says is found out when it comes into the table, and what all of them say is known.

Law: any block gives headers or a fault, in time and memory linear in its length; what is remembered
has bounds in number and bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from hpack import HPACKDecodingError
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

from mixer.transport.http2 import huffman, requests
from mixer.transport.http2.frames import ConnectionFault, Headers, Reason, StreamFault
from mixer.transport.http2.requests import Field, Request, Said, looked_at

TABLE_BYTES: Final = 4096
"""The size of the table that a peer may fill, the default of the standard."""

_MAX_INTEGER: Final = 1 << 24
_MAX_REMEMBERED: Final = 64
_MAX_REMEMBERED_BYTES: Final = 4096
_Key = TypeVar("_Key")
_Known = TypeVar("_Known")

_STATIC: Final = [looked_at(*header) for header in ((b"", b""), *HeaderTable.STATIC_TABLE)]
"""By index; there is no index 0."""


class Memory(dict[_Key, _Known], Generic[_Key, _Known]):
    """What may come again; the memory begins anew when it is full."""

    def keep(self, key: _Key, known: _Known, size: int) -> None:
        """Remember what is *known*, if its *size* in bytes allows."""
        if size <= _MAX_REMEMBERED_BYTES:
            if len(self) >= _MAX_REMEMBERED:
                self.clear()
            self[key] = known


class Decoder:
    """One direction of one connection; blocks must come in the order they were sent."""

    def __init__(
        self, max_list_bytes: int, is_streamed: Callable[[bytes], bool] = requests.never
    ) -> None:
        """
        A list of more than *max_list_bytes* (RFC 9113, section 6.5.2) is refused.

        Whether a request *is_streamed* depends on its path.
        """
        self._max_list = max_list_bytes
        self._is_streamed = is_streamed
        self._table = _STATIC.copy()
        """By index, the newest that the peer has put in behind those of the standard."""
        self._table_bytes = self._free = TABLE_BYTES
        self._changed = False
        self.blocks: Memory[bytes, Request] = Memory()
        """What whole blocks said that left the table as it is, as long as that does not change."""
        self.said: Memory[Said, Request] = Memory()
        """By what their headers say."""
        self._literals: Memory[bytes, Field] = Memory()
        """By their bytes, headers that came as such and do not depend on the table."""

    def read(self, block: bytes) -> Request:
        """The request that a *block* makes. Raises as `decode`, and StreamFault as `request`."""
        known = self.blocks.get(block)
        if known is not None:
            return known
        self._changed = False
        fields = self.decode(block)
        says = tuple([field.says for field in fields])
        known = self.said.get(says)
        if known is None:
            known = requests.request(says, self._is_streamed)
            self.said.keep(says, known, _said_bytes(fields))
        if not self._changed:
            self.blocks.keep(block, known, len(block) + _said_bytes(fields))
        return known

    def decode(self, block: bytes) -> list[Field]:
        """
        The headers of a whole *block*.

        Raises ConnectionFault where the block is wrong, and StreamFault where the list is too
        large, which leaves the table right for the blocks that follow.
        """
        try:
            return self._decode(block)
        except (LookupError, HPACKDecodingError):
            raise ConnectionFault(Reason.COMPRESSION_ERROR, "a malformed header block") from None

    def _decode(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        table, at, end, room = self._table, 0, len(block), self._max_list
        while at < end:
            first = block[at]
            at += 1
            if first > 0x80:
                index = first & 0x7F
                if index == 0x7F:
                    index, at = _longer(block, at, index)
                field = table[index]
            elif first == 0x80:
                raise LookupError("there is no index 0")
            elif first >= 0x40:
                field, at = self._literal(block, at, first & 0x3F, 0x3F)
                self._add(field)
            elif first >= 0x20:
                if fields:
                    raise HPACKDecodingError("a table size after the first header")
                size = first & 0x1F
                if size == 0x1F:
                    size, at = _longer(block, at, size)
                self._resize(size)
                continue
            else:
                field, at = self._literal(block, at, first & 0x0F, 0x0F)
            room -= field.size
            fields.append(field)
        if room < 0:
            raise StreamFault(Reason.ENHANCE_YOUR_CALM, "the header list is too large")
        return fields

    def _literal(self, block: bytes, at: int, index: int, full: int) -> tuple[Field, int]:
        """A header whose name has an *index*, longer if that is *full*, or is a text if it is 0."""
        start = at - 1
        if index == full:
            index, at = _longer(block, at, index)
        if index >= len(_STATIC):
            value, at = _text(block, at)
            return looked_at(self._table[index].name, value), at
        _, end = _ends(block, at if index else _ends(block, at)[1])
        literal = block[start:end]
        known = self._literals.get(literal)
        if known is None:
            name, at = (self._table[index].name, at) if index else _text(block, at)
            value, _ = _text(block, at)
            known = looked_at(name, value)
            self._literals.keep(literal, known, len(literal) + known.size)
        return known, end

    def _add(self, field: Field) -> None:
        """Put a header into the table (section 4.4)."""
        self._table.insert(len(_STATIC), field)
        self._free -= field.size
        self._evict()

    def _resize(self, size: int) -> None:
        if size > TABLE_BYTES:
            raise HPACKDecodingError("a table larger than allowed")
        self._free += size - self._table_bytes
        self._table_bytes = size
        self._evict()

    def _evict(self) -> None:
        """Have the oldest make room, now that the table is another than the one blocks knew."""
        self._changed = True
        self.blocks.clear()
        while self._free < 0:
            self._free += self._table.pop().size


def _said_bytes(fields: list[Field]) -> int:
    """What it takes to remember what headers say."""
    return sum(field.size if field.says else requests.ENTRY_OVERHEAD for field in fields)


def _longer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """An integer that is no less than *value*, its prefix (section 5.1), and the place after it."""
    if block[at] < 0x80:  # fast path: as most are
        return value + block[at], at + 1
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


def _ends(block: bytes, at: int) -> tuple[int, int]:
    """Where the text of a string begins and ends (section 5.2)."""
    length = block[at] & 0x7F
    at += 1
    if length == 0x7F:
        length, at = _longer(block, at, length)
    if at + length > len(block):
        raise HPACKDecodingError("a text longer than its block")
    return at, at + length


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    """The text of a string, and the place after it."""
    start, end = _ends(block, at)
    text = block[start:end]
    return (huffman.decode(text) if block[at] & 0x80 else text), end


def encode(headers: Headers) -> bytes:
    """A block of literals that leave the peer's table as it is."""
    return b"".join(b"\0" + _plain(name) + _plain(value) for name, value in headers)


def _plain(text: bytes) -> bytes:
    """A text that is not in Huffman's code."""
    return bytes(encode_integer(len(text), 7)) + text
