"""
Maps of texts as they were sent, bytes of a `StringMap`: are all indices in them those of words?

A regular expression answers that without decoding them, at a third of the cost. It knows maps as
everybody writes them; what does not match may be right all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from google.protobuf.message import DecodeError

from attributes.dictionary import GLOBAL_WORDS
from mixer._pb.mixer_pb2 import StringMap

_STEP = 64
"""Counts of words from here on are rounded down to a multiple, so that patterns are few."""

_MOST = 128 * _STEP
"""Indices of more words than that take three bytes."""


def fits(sent: bytes, own: int) -> bool:
    """Whether *sent* is a map, and each index in it a global word or one of *own* others."""
    least = own if own < _STEP else min(own // _STEP * _STEP, _MOST)
    if _pattern(least).fullmatch(sent):
        return True
    try:
        entries = StringMap.FromString(sent).entries
    except DecodeError:
        return False
    indices = [*entries, *[entries[key] for key in entries]]
    return not indices or (min(indices) >= -own and max(indices) < len(GLOBAL_WORDS))


@cache
def _pattern(own: int) -> re.Pattern[bytes]:
    """
    Matches maps with words of a message that brings *own* of them.

    An index is sent as a varint, 0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ...: a first byte with the
    top bit set says that a second one counts 128s.
    """
    last_shared, last_own = 2 * len(GLOBAL_WORDS) - 2, 2 * own - 1
    one = _any(z for z in range(128) if z <= (last_own if z % 2 else last_shared))
    wide: dict[tuple[int, ...], list[int]] = {}
    for high in range(1, 128):
        numbers = range(high * 128, high * 128 + 128)
        lows = tuple(z % 128 for z in numbers if z <= (last_own if z % 2 else last_shared))
        wide.setdefault(lows, []).append(high)
    two = b"|".join(
        _any(128 + low for low in lows) + _any(highs) for lows, highs in wide.items() if lows
    )
    two = b"(?:" + (two or b"(?!)") + b")"
    entry = b"|".join(
        bytes([2 + len_key + len_value]) + rb"\x08" + key + rb"\x10" + value
        for len_key, key in ((1, one), (2, two))
        for len_value, value in ((1, one), (2, two))
    )
    return re.compile(rb"(?:\n(?:" + entry + rb"))*", re.DOTALL)


def _any(of: Iterable[int]) -> bytes:
    """A class of bytes."""
    return b"[" + b"".join(re.escape(bytes([one])) for one in of) + b"]"
