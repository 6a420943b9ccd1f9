"""
Requests on their way in: what their streams have brought so far.

Law: what is held of requests that are not whole is counted, and bounded, over all of them.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import ReceiveWindow
from mixer.transport.http2.frames import Reason, StreamFault
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
    request: Request


class Cancelled(NamedTuple):
    """The peer does not want the answer any longer."""

    stream: int


Event: TypeAlias = Received | Opened | Part | Ended | TooLarge | Cancelled


class Unfinished:
    """A request that has brought something, and not ended yet."""

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


class Inbound:
    """The requests of one connection that have not ended."""

    __slots__ = ("_held", "_limits", "_max_held", "requests")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._max_held = max(limits.held_bytes, limits.body_bytes)
        self._held = 0
        self.requests: dict[int, Unfinished | Request] = {}
        """By stream; as such, those that have brought nothing yet."""

    def begin(self, stream: int, request: Request, is_streamed: bool) -> None:
        """Expect the body of a request."""
        limits = self._limits
        self.requests[stream] = Unfinished(
            stream, request, is_streamed, limits.stream_window, limits.body_bytes
        )

    def find(self, stream: int) -> Unfinished | None:
        """What a stream has brought so far, None where its request has ended."""
        found = self.requests.get(stream)
        if isinstance(found, Request):
            self.begin(stream, found, is_streamed=False)
            return self.find(stream)
        return found

    def take(
        self, stream: int, found: Unfinished, payload: bytes, flags: int, events: list[Event]
    ) -> int:
        """
        Take the payload of a DATA frame; the increment to grant on the stream, 0 for none.

        Raises StreamFault and ConnectionFault.
        """
        ends = flags & frames.END_STREAM
        held = found.held
        grant = found.take(payload, flags, events)
        self._held += found.held - held
        if ends:
            self.end(stream, found, events)
            return 0
        if self._held > self._max_held:
            raise StreamFault(Reason.ENHANCE_YOUR_CALM, "too much of requests that are not whole")
        return grant

    def end(self, stream: int, found: Unfinished, events: list[Event]) -> None:
        """Take the end of a request. Raises StreamFault."""
        found.end(events)
        self.let_go(stream)

    def used(self, stream: int, count: int) -> int:
        """Let go of so many bytes of parts that were passed on; the increment to grant, or 0."""
        found = self.find(stream)
        if found is None:
            return 0
        self._held -= count
        return found.used(count)

    def let_go(self, stream: int) -> None:
        """Keep nothing more of a request."""
        found = self.requests.pop(stream, None)
        if isinstance(found, Unfinished):
            self._held -= found.held

    @property
    def stalled(self) -> set[int]:
        """The streams whose peer must send the rest."""
        return {
            stream
            for stream, found in self.requests.items()
            if isinstance(found, Request) or not found.is_streamed
        }
