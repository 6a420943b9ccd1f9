"""
Huffman's code of HPACK (RFC 7541, section 5.2), read by zlib.

The code is canonical, as those of deflate are (RFC 1951, section 3.2.2), which have up to 15 bits.
What headers are made of has no more than that here, but for tabs, backslashes and all that is not
ASCII. One code of 15 bits is left over: fifteen ones, with which all longer ones begin. Deflate is
told that it ends a block; so a text is a block that ends where it is filled up with ones.
"""

from __future__ import annotations

import zlib
from typing import Final

from hpack.huffman_constants import REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman

_LONGEST: Final = 15
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""By byte; deflate begins one at the other end."""

_END: Final = int("1" * _LONGEST, 2).to_bytes(2, "little")
"""Fifteen ones: with a sixteenth, a text whose last code is cut could still come to its end."""


def _head() -> bytes:
    """The code as deflate is told of it (RFC 1951, sections 3.2.6 and 3.2.7), bit by bit."""
    empty_block = "010" + "0000000"
    begin = "101" + "00000" + "00000" + "1111"  # the last block, of so many codes
    lengths = [length if length <= _LONGEST else 0 for length in REQUEST_CODES_LENGTH[:256]]
    # Lengths are written as numbers of four bits: those of bytes, the end, and a distance.
    numbers = 3 * "000" + 16 * "001"
    codes = "".join(f"{length:04b}" for length in (*lengths, _LONGEST, 1))
    bits = 3 * empty_block + begin + numbers + codes  # so many that the text begins with a byte
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")


_READER: Final = zlib.decompressobj(-zlib.MAX_WBITS)
_READER.decompress(_head())


def decode(text: bytes) -> bytes:
    """What an encoded *text* says. Raises HPACKDecodingError where it is not in the code."""
    reader = _READER.copy()
    read = reader.decompress(text.translate(_MIRRORED) + _END)
    if reader.eof:
        left = len(reader.unused_data)
        # With up to six ones in the text the end is in the second byte, with more in the first.
        if not left or (left == 1 and _has_seven(text)):
            return read
    return decode_huffman(text)  # a longer code, or none


def _has_seven(text: bytes) -> bool:
    """Whether a *text* that is filled up with seven ones, or more, has no more."""
    if not text.endswith(b"\xff"):
        return True
    # Of eight the first must belong to a code, and that is no code without it.
    reader = _READER.copy()
    reader.decompress(text[:-1].translate(_MIRRORED) + _END)
    return not reader.eof
