"""
Streams: a request on its way in, its answer on its way out, and what there is to tell of them.

Law: what of a request is held, here or by whoever was given its parts, is known at any time.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import ReceiveWindow
from mixer.transport.http2.frames import Block, Reason, StreamFault
from mixer.transport.http2.limits import Limits
from mixer.transport.http2.requests import Request


class Received(NamedTuple):
    """A whole request."""

    stream: int
    request: Request
    body: bytes


class Opened(NamedTuple):
    """The head of a request whose body comes in parts."""

    stream: int
    request: Request


class Part(NamedTuple):
    """A part of the body of such a request."""

    stream: int
    data: bytes


class Ended(NamedTuple):
    """The end of the body of such a request."""

    stream: int


class TooLarge(NamedTuple):
    """A request whose body is larger than may be; the rest of it is not kept."""

    stream: int


class Cancelled(NamedTuple):
    """The peer does not want the answer any longer."""

    stream: int


Event: TypeAlias = Received | Opened | Part | Ended | TooLarge | Cancelled


class Stream(msgspec.Struct, eq=False):
    """A request and its answer, until the answer has ended."""

    number: int
    request: Request
    window: int
    """How much of the answer the peer takes; negative after some changes of its settings."""

    is_fresh: bool
    """Whether nothing but the head of the request has come, and the body is wanted whole."""

    has_ended: bool = False
    """Whether all of the request has come."""

    held: int = 0
    """Bytes of the request that are kept, here or by whoever takes the parts."""

    unsent: memoryview = memoryview(b"")
    """What of the answer the windows have not let pass yet."""

    end: Block | None = None
    """The trailers of the answer; None where more of it is to come."""

    _received: int = 0
    _body: bytes | bytearray = b""
    _window: ReceiveWindow | None = None

    @property
    def waits_for_peer(self) -> bool:
        """Whether the peer must send the rest of the request, or let pass that of the answer."""
        return len(self.unsent) > 0 or not (self.has_ended or self.request.is_streamed)

    def take(self, payload: bytes, flags: int, limits: Limits, events: list[Event]) -> int:
        """
        Take the payload of a DATA frame; the increment to grant on the stream, 0 for none yet.

        Raises StreamFault and ConnectionFault.
        """
        if self._window is None:
            self.is_fresh = False
            self._window, self._body = ReceiveWindow(limits.stream_window), bytearray()
        if not self._window.use(len(payload)):
            raise StreamFault(Reason.FLOW_CONTROL_ERROR, "more data than the window allows")
        data = frames.unpadded(payload, flags)
        self._received += len(data)
        if self.request.is_streamed:
            self.held += len(data)
            if data:
                events.append(Part(self.number, data))
            return self._window.take(len(payload) - len(data))
        if self._received <= limits.body_bytes:
            self._body += data
        else:
            self._body = b""
        self.held = len(self._body)
        return self._window.take(len(payload))

    def used(self, count: int) -> int:
        """Let go of *count* bytes of parts; the increment to grant now, 0 for none yet."""
        self.held -= count
        return self._window.take(count) if self._window else 0

    def finish(self, limits: Limits) -> Event:
        """Take the end of the request; what there is to tell of it. Raises StreamFault."""
        if self.request.content_length not in (None, self._received):
            raise StreamFault(Reason.PROTOCOL_ERROR, "the body is not as long as content-length")
        self.is_fresh, self.has_ended = False, True
        if self.request.is_streamed:
            return Ended(self.number)
        if self._received > limits.body_bytes:
            return TooLarge(self.number)
        return Received(self.number, self.request, bytes(self._body))
