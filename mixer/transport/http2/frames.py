"""Frames of HTTP/2 as bytes: kinds, flags, error codes, and the faults of a peer."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, TypeAlias

Header: TypeAlias = tuple[bytes, bytes]
"""Name and value."""

Headers: TypeAlias = tuple[Header, ...]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES: Final = 9
MAX_PAYLOAD: Final = 16_384
"""The longest payload of a frame that either side takes, as nobody is told otherwise."""

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20

_SIZES: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
"""Kinds of frames whose payloads have all the same size."""

_HAS_STREAM: Final = {PRIORITY: True, RST_STREAM: True, SETTINGS: False, PING: False, GOAWAY: False}
"""Whether frames of a kind are for a stream or for the connection."""

_HEAD = struct.Struct(">IBI")
"""Length and kind as one number, flags, stream with the reserved bit before it."""

_SETTING = struct.Struct(">HI")
_U32 = struct.Struct(">I")
_TWO_U32 = struct.Struct(">II")


class Setting(IntEnum):
    """Parameters of SETTINGS that say something here (RFC 9113, section 6.5.2)."""

    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Reason(IntEnum):
    """Error codes that we send (RFC 9113, section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Fault(Exception):
    """The peer broke the rules."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ConnectionFault(Fault):
    """It did so that nothing further can be trusted: GOAWAY."""


class StreamFault(Fault):
    """It broke those of one stream: RST_STREAM."""


class Block:
    """The headers or trailers of an answer as bytes, with the beginning of the frame they fill."""

    __slots__ = ("block", "ends", "opens")

    def __init__(self, block: bytes) -> None:
        """Raises ValueError where *block* does not fit into one frame."""
        if len(block) > MAX_PAYLOAD:
            raise ValueError(f"{len(block)} bytes of headers do not fit into a frame")
        self.block = block
        self.opens = frame(HEADERS, END_HEADERS, 0, block)[: HEAD_BYTES - 4]
        """All that comes before the number of the stream, where a body follows."""
        self.ends = frame(HEADERS, END_HEADERS | END_STREAM, 0, block)[: HEAD_BYTES - 4]
        """The same where nothing follows."""


def head(kind: int, flags: int, stream: int, size: int) -> bytes:
    """What comes before a payload of *size* bytes."""
    return _HEAD.pack(size << 8 | kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame; its payload has at most MAX_PAYLOAD bytes."""
    return head(kind, flags, stream, len(payload)) + payload


read_head = _HEAD.unpack_from
"""
Of a frame's head in some bytes, at a place: length << 8 | kind, flags, stream, which may have the
reserved bit before it.
"""


def check_shape(kind: int, flags: int, stream: int, payload: bytes) -> None:
    """Refuse a frame of a wrong size, or on what it is not for. Raises ConnectionFault."""
    if _HAS_STREAM.get(kind, stream > 0) != (stream > 0):
        raise ConnectionFault(Reason.PROTOCOL_ERROR, f"kind {kind} is not for stream {stream}")
    size = len(payload)
    is_ack = kind == SETTINGS and flags & ACK
    if size != (0 if is_ack else _SIZES.get(kind, size)) or (kind == GOAWAY and size < 8):
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, f"kind {kind} can't have {size} bytes")


def settings(values: Iterable[tuple[Setting, int]]) -> bytes:
    """A SETTINGS frame that says *values*."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*value) for value in values))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The parameters of a SETTINGS frame, known or not, in order. Raises ConnectionFault."""
    if len(payload) % _SETTING.size:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "SETTINGS of a length that is not 6n")
    found = list(_SETTING.iter_unpack(payload))
    for number, value in found:
        match number:
            case Setting.ENABLE_PUSH if value > 1:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
            case Setting.INITIAL_WINDOW_SIZE if value >= 1 << 31:
                raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
            case Setting.MAX_FRAME_SIZE if not MAX_PAYLOAD <= value < 1 << 24:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")
    return found


def reset(stream: int, reason: Reason) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, _U32.pack(reason))


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, _U32.pack(increment))


def go_away(last_stream: int, reason: Reason, text: str = "") -> bytes:
    """A GOAWAY frame: streams above *last_stream* were not touched."""
    return frame(GOAWAY, 0, 0, _TWO_U32.pack(last_stream, reason) + text.encode()[:256])


def unpadded(payload: bytes, flags: int) -> bytes:
    """The *payload* of DATA or HEADERS without its padding. Raises ConnectionFault."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def check_dependency(stream: int, priority: bytes) -> None:
    """
    Refuse a stream that depends on itself.

    It could be an error of the stream alone, but that may be one that is not open, or one whose
    headers are not read yet.
    """
    if int.from_bytes(priority[:4], "big") & 0x7FFF_FFFF == stream:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "a stream can't depend on itself")
