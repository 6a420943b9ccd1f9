"""Requests on their way in: what a stream has brought so far."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import ReceiveWindow
from mixer.transport.http2.frames import Reason, StreamFault
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
    request: Request


class Cancelled(NamedTuple):
    """The peer does not want the answer any longer."""

    stream: int


Event: TypeAlias = Received | Opened | Part | Ended | TooLarge | Cancelled


class Inbound:
    """A request that has not ended yet."""

    __slots__ = (
        "_body", "_limit", "_received", "_stream", "_window", "held", "is_streamed", "request"
    )  # fmt: skip

    def __init__(
        self, stream: int, request: Request, is_streamed: bool, window: int, limit: int
    ) -> None:
        self._stream = stream
        self.request = request
        self.is_streamed = is_streamed
        """Whether its parts are passed on as they come; how much it brings is then not limited."""
        self._window = ReceiveWindow(window)
        self._limit = limit
        self._body: bytearray | None = bytearray()
        """None where it became too large."""
        self._received = 0
        self.held = 0
        """Bytes that are kept, here or by whoever takes the parts."""

    def take(self, payload: bytes, flags: int, events: list[Event]) -> int:
        """
        Take the payload of a DATA frame; the increment to grant on the stream, 0 for none yet.

        Raises StreamFault and ConnectionFault.
        """
        if not self._window.use(len(payload)):
            raise StreamFault(Reason.FLOW_CONTROL_ERROR, "more data than the window allows")
        data = frames.unpadded(payload, flags)
        self._received += len(data)
        if self.is_streamed:
            if data:
                self.held += len(data)
                events.append(Part(self._stream, data))
            return self._window.take(len(payload) - len(data))
        if self._received > self._limit:
            self._body = None
            self.held = 0
        elif self._body is not None:
            self._body += data
            self.held += len(data)
        return self._window.take(len(payload))

    def used(self, count: int) -> int:
        """Let go of *count* bytes of parts; the increment to grant now, 0 for none yet."""
        self.held -= count
        return self._window.take(count)

    def end(self, events: list[Event]) -> None:
        """Take the end of the request. Raises StreamFault."""
        if self.request.content_length not in (None, self._received):
            raise StreamFault(Reason.PROTOCOL_ERROR, "the body is not as long as content-length")
        if self.is_streamed:
            events.append(Ended(self._stream))
        elif self._body is None:
            events.append(TooLarge(self._stream, self.request))
        else:
            events.append(Received(self._stream, self.request, bytes(self._body)))
