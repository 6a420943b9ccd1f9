"""
Huffman's code of HPACK (RFC 7541, section 5.2), read by whole bytes.

The package hpack has the code as a table of states that goes by halves of bytes. Two of its steps
are one here, worked out when a byte first comes to a state, and looked up from then on.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from hpack import HPACKDecodingError
from hpack.huffman_table import (
    HUFFMAN_COMPLETE,
    HUFFMAN_EMIT_SYMBOL,
    HUFFMAN_FAIL,
    HUFFMAN_TABLE,
)

_WRONG: Final = 256
"""The state after what the code does not have; nothing leads out of it."""


class _Row(dict[int, tuple["_Row", bytes]]):
    """One state: by byte the state that follows, and what was read."""

    __slots__ = ("_state", "may_end")

    def __init__(self, state: int, may_end: bool) -> None:
        super().__init__()
        self._state = state
        self.may_end = may_end
        """Whether a text may end here."""

    def __missing__(self, byte: int) -> tuple[_Row, bytes]:
        state, may_end, read = self._state, False, b""
        for half in (byte >> 4, byte & 0x0F):
            if state == _WRONG:
                break
            state, flags, symbol = HUFFMAN_TABLE[state << 4 | half]
            may_end = bool(flags & HUFFMAN_COMPLETE)
            if flags & HUFFMAN_FAIL:
                state, may_end = _WRONG, False
            elif flags & HUFFMAN_EMIT_SYMBOL:
                read += bytes([symbol])
        step = self[byte] = _row(state, may_end), read
        return step


_row = cache(_Row)
_START: Final = _row(0, True)


def decode(text: bytes) -> bytes:
    """What an encoded *text* says. Raises HPACKDecodingError where it is not in the code."""
    row, parts = _START, []
    for byte in text:
        row, read = row[byte]
        parts.append(read)
    if not row.may_end:
        raise HPACKDecodingError("a text that is not in Huffman's code")
    return b"".join(parts)
