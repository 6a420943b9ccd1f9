"""
Maps of texts as they were sent, bytes of a `StringMap`, looked into without being decoded.

A regular expression knows those that are right, and written as everybody writes them: entry by
entry, the key first. What does not match may be right all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from google.protobuf.message import DecodeError

from attributes.dictionary import GLOBAL_WORDS
from mixer._pb.mixer_pb2 import StringMap

_BITS = 7
"""Counts of words are rounded down to so many bits, so that patterns are few."""

_MOST = 8192
"""Indices of more words than that take three bytes."""


def fits(sent: bytes, own: int) -> bool:
    """
    Whether *sent* is a map, and each index in it a global word or one of *own* others.

    It is decoded for that, so ask a `matcher` first.
    """
    try:
        entries = StringMap.FromString(sent).entries
    except DecodeError:
        return False
    indices = [*entries, *[entries[key] for key in entries]]
    return not indices or (min(indices) >= -own and max(indices) < len(GLOBAL_WORDS))


def matcher(own: int) -> Callable[[bytes], object]:
    """What tells of a map, True for sure, that it fits in with *own* words and can be searched."""
    shift = max(own.bit_length() - _BITS, 0)
    return _pattern(min(own >> shift << shift, _MOST)).fullmatch


def finder(key: int | None) -> Callable[[bytes], int | None]:
    """What finds the value of *key* in a map that a `matcher` knows; both are indices of words."""
    if key is None or key < -_MOST:  # a matcher knows no map that has such an index
        return lambda sent: None
    number = 2 * key if key >= 0 else -2 * key - 1
    name = bytes([number]) if number < 128 else bytes([number % 128 + 128, number // 128 % 128])
    one, two = (b"\n" + bytes([2 + len(name) + size]) + b"\x08" + name + b"\x10" for size in (1, 2))
    begin = len(one)

    def find(sent: bytes) -> int | None:
        short, long = sent.rfind(one), sent.rfind(two)
        if short > long:  # of a key that is there twice the last one counts
            value = sent[short + begin]
        elif long >= 0:
            value = sent[long + begin] % 128 + sent[long + begin + 1] * 128
        else:
            return None
        return -(value // 2) - 1 if value % 2 else value // 2

    return find


@cache
def _pattern(own: int) -> re.Pattern[bytes]:
    """
    Matches maps with words of a message that brings *own* of them.

    An index is sent as a varint, 0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ...: a first byte with the
    top bit set says that a second one counts 128s.
    """
    last_shared, last_own = 2 * len(GLOBAL_WORDS) - 2, 2 * own - 1
    one = _any(z for z in range(128) if z <= (last_own if z % 2 else last_shared))
    two = b"(?:" + b"|".join([*_two_bytes(0, last_shared), *_two_bytes(1, last_own)]) + b")"
    entry = b"|".join(
        bytes([2 + len_key + len_value]) + rb"\x08" + key + rb"\x10" + value
        for len_key, key in ((1, one), (2, two))
        for len_value, value in ((1, one), (2, two))
    )
    # Possessive: nothing is tried again, which takes less than half of the time.
    return re.compile(rb"(?:\n(?:" + entry + rb"))*+", re.DOTALL)


def _two_bytes(first: int, last: int) -> Iterator[bytes]:
    """Expressions for every second number from *first* to *last*, of those that take two bytes."""
    lows = range(first, 128, 2)
    highs = last // 128
    if highs > 1:
        yield _any(128 + low for low in lows) + _any(range(1, highs))
    if highs > 0:
        yield _any(128 + low for low in lows if low <= last % 128) + _any([highs])


def _any(of: Iterable[int]) -> bytes:
    """A class of bytes."""
    return b"[" + b"".join(re.escape(bytes([one])) for one in of) + b"]"
