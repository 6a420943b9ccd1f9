"""
Frames on their way in: bytes are cut where frames end, and header blocks come in one piece.

Law: the preface comes first, then SETTINGS; and between HEADERS and the CONTINUATION that ends
their block there is nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, TypeAlias

from mixer.transport.http2 import frames
from mixer.transport.http2.frames import END_STREAM, HEAD_BYTES, HEADERS, ConnectionFault, Reason

Frame: TypeAlias = tuple[int, int, int, bytes]
"""Kind, flags, stream, payload."""

_LARGEST: Final = frames.MAX_PAYLOAD << 8 | 0xFF
"""Of the first number in a frame's head."""

_NUMBER: Final = 2**31 - 1
"""Of the second, without the reserved bit."""

_WHOLE: Final = frames.END_HEADERS | END_STREAM
_GREETING: Final = (frames.SETTINGS, 0)
_MAX_PARTS: Final = 64
_FOR_LIST: Final = 4
"""A block of so many times the bytes of the largest list is still read, as its table is needed."""


class Reader:
    """What comes on one connection."""

    def __init__(self, max_list_bytes: int) -> None:
        """A header block may have some times *max_list_bytes*."""
        self._max_block = _FOR_LIST * max_list_bytes
        self._preface = frames.PREFACE
        """What of it has still to come."""
        self._rest = b""
        """The beginning of a frame that is not whole."""
        self._due: tuple[int, int] | None = _GREETING
        """Kind and stream of the next frame; None where it may be any."""
        self._ends = 0
        self._parts: list[bytes] = []
        """Of the header block that is not whole, and whether it ends its stream."""

    def read(self, data: bytes) -> Iterator[Frame]:
        """
        The frames that *data* makes whole. Raises ConnectionFault.

        HEADERS are those of a whole block, without padding and priority; of their flags only
        END_STREAM says something.
        """
        buffer, at = self._rest + data, 0
        if self._preface:
            if not buffer.startswith(self._preface[: len(buffer)]):
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "this is not HTTP/2")
            at = min(len(buffer), len(self._preface))
            self._preface = self._preface[at:]
        start, end = at + HEAD_BYTES, len(buffer)
        while start <= end:
            head, flags, stream = frames.read_head(buffer, at)
            if head > _LARGEST:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "a frame longer than allowed")
            stop = start + (head >> 8)
            if stop > end:
                break
            kind, payload = head & 0xFF, buffer[start:stop]
            at, start = stop, stop + HEAD_BYTES
            if self._due is None and (kind != HEADERS or flags | END_STREAM == _WHOLE):
                yield kind, flags, stream & _NUMBER, payload
            else:
                yield from self._part(kind, flags, stream & _NUMBER, payload)
        self._rest = buffer[at:]

    def _part(self, kind: int, flags: int, stream: int, payload: bytes) -> Iterator[Frame]:
        """The frame that is due, or begins a header block."""
        is_ack = kind == frames.SETTINGS and flags & frames.ACK
        if is_ack or self._due not in (None, (kind, stream)):
            raise ConnectionFault(
                Reason.PROTOCOL_ERROR, "SETTINGS must come first, and header blocks in one piece"
            )
        if kind == frames.SETTINGS:
            self._due = None
            yield kind, flags, stream, payload
            return
        if kind == HEADERS:
            payload = _block(flags, stream, payload)
            self._ends = flags & END_STREAM
        self._parts.append(payload)
        if len(self._parts) > _MAX_PARTS or sum(map(len, self._parts)) > self._max_block:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "an endless header block")
        self._due = (frames.CONTINUATION, stream)
        if flags & frames.END_HEADERS:
            block, self._due, self._parts = b"".join(self._parts), None, []
            yield HEADERS, self._ends, stream, block

    @property
    def stalled(self) -> set[Hashable]:
        """What must come; two that are equal at different times are the same, still waited for."""
        return {what for what in (self._rest[:HEAD_BYTES], self._due) if what}


def _block(flags: int, stream: int, payload: bytes) -> bytes:
    """What HEADERS bring of a block."""
    data = frames.unpadded(payload, flags)
    if not flags & frames.HAS_PRIORITY:
        return data
    if len(data) < 5:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "HEADERS without its priority")
    frames.check_dependency(stream, data)
    return data[5:]
