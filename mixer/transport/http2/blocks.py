"""
Header blocks on their way in: what HEADERS begins and CONTINUATION goes on with.

Law: a block is given only as a whole, and between its frames there is nothing else.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import MAX_WINDOW
from mixer.transport.http2.frames import ConnectionFault, Reason

_MAX_PARTS: Final = 64
_FOR_LIST: Final = 4
"""A block of so many times the bytes of the largest list is still read, as its table is needed."""


class HeaderBlock(NamedTuple):
    """The whole headers, or trailers, of a stream; compressed."""

    stream: int
    ends: bool
    """Whether nothing follows on the stream."""

    data: bytes


class Blocks:
    """The header blocks of one connection, of which one at most is unfinished."""

    __slots__ = ("_ends", "_max_bytes", "_parts", "_size", "open")

    def __init__(self, max_list_bytes: int) -> None:
        """A block may have some times *max_list_bytes*."""
        self._max_bytes = _FOR_LIST * max_list_bytes
        self.open: int | None = None
        """The stream whose block is unfinished."""
        self._ends = False
        self._parts: list[bytes] = []
        self._size = 0

    def begin(self, flags: int, stream: int, payload: bytes) -> HeaderBlock | None:
        """Take HEADERS; the block if that is all of it. Raises ConnectionFault."""
        if stream % 2 == 0:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"stream {stream} is not a client's")
        data = frames.unpadded(payload, flags)
        if flags & frames.HAS_PRIORITY:
            if len(data) < 5:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "HEADERS without its priority")
            check_dependency(stream, data)
            data = data[5:]
        ends = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            return HeaderBlock(stream, ends, data)
        self.open, self._ends, self._parts, self._size = stream, ends, [data], len(data)
        return None

    def go_on(self, flags: int, payload: bytes) -> HeaderBlock | None:
        """Take CONTINUATION; the block if that ends it. Raises ConnectionFault."""
        if self.open is None:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > self._max_bytes or len(self._parts) > _MAX_PARTS:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "an endless header block")
        if not flags & frames.END_HEADERS:
            return None
        whole = HeaderBlock(self.open, self._ends, b"".join(self._parts))
        self.open, self._parts = None, []
        return whole


def check_dependency(stream: int, priority: bytes) -> None:
    """
    Refuse a stream that depends on itself.

    It could be an error of the stream alone, but that may be one that is not open, or one whose
    headers are not read yet.
    """
    if int.from_bytes(priority[:4], "big") & MAX_WINDOW == stream:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "a stream can't depend on itself")
