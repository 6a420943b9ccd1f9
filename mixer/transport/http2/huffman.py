"""
Huffman's code of HPACK (RFC 7541, section 5.2), read by whole bytes.

The package hpack has the code as a table of states that goes by halves of bytes. Two of its steps
are one here, worked out for all bytes when a text first comes to a state.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from hpack import HPACKDecodingError
from hpack import huffman_table as halves

_Row: TypeAlias = list[tuple[Any, bytes]]
"""One state: by byte the row that follows, and what was read; empty until a text comes to it."""

_STATES: Final = 256
_WRONG: Final = _STATES
"""The state after what the code does not have; nothing leads out of it."""

_ROWS: Final[list[_Row]] = [[] for _ in range(2 * (_STATES + 1))]
"""Of each state two: where a text may not end, and where it may."""

_PLACES: Final = {id(row): place for place, row in enumerate(_ROWS)}

_START: Final = _ROWS[1]


def _fill(row: _Row) -> None:
    row += [_step(_PLACES[id(row)] // 2, byte) for byte in range(256)]


def _step(state: int, byte: int) -> tuple[_Row, bytes]:
    may_end, read = False, b""
    for half in (byte >> 4, byte & 0x0F):
        if state == _WRONG:
            break
        state, flags, symbol = halves.HUFFMAN_TABLE[state << 4 | half]
        may_end = bool(flags & halves.HUFFMAN_COMPLETE)
        if flags & halves.HUFFMAN_FAIL:
            state, may_end = _WRONG, False
        elif flags & halves.HUFFMAN_EMIT_SYMBOL:
            read += bytes([symbol])
    return _ROWS[2 * state + may_end], read


def decode(text: bytes) -> bytes:
    """What an encoded *text* says. Raises HPACKDecodingError where it is not in the code."""
    row, parts = _START, []
    try:
        for byte in text:
            row, read = row[byte]
            parts.append(read)
    except IndexError:  # the first text that comes to this state
        _fill(row)
        return decode(text)
    if _PLACES[id(row)] % 2 == 0:
        raise HPACKDecodingError("a text that is not in Huffman's code")
    return b"".join(parts)
