"""
One HTTP/2 connection of a server, without I/O: bytes in, events and bytes out.

Law: everything that affects the state of streams lives here; whatever the peer sends, the answer
is an event, a RST_STREAM, or a GOAWAY after which nothing more is read.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from mixer.transport.http2 import frames
from mixer.transport.http2.compression import Decoder, Headers, encode
from mixer.transport.http2.flow import INITIAL_WINDOW, MAX_WINDOW, ReceiveWindow, SendWindow
from mixer.transport.http2.frames import ConnectionFault, Reason, Setting, StreamFault
from mixer.transport.http2.requests import Request, request, trailers


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may ask for."""

    body_bytes: int = (1 << 20) + 5
    """Of one request."""

    concurrent_streams: int = 1024
    header_list_bytes: int = 64 * 1024
    stream_window: int = 1 << 20
    connection_window: int = 16 << 20
    nuisances: int = 1000
    """Frames that do nothing for a request, or undo one, more than requests that were answered."""


@dataclass(slots=True)
class Stream:
    """A request that is not answered yet."""

    id: int
    request: Request
    window: SendWindow
    inbound: ReceiveWindow
    body: list[bytes] = field(default_factory=list)
    received: int = 0
    is_open: bool = True
    """Whether the peer may send more of it."""

    is_too_large: bool = False
    unsent: deque[bytes] = field(default_factory=deque)
    """What waits for the peer's windows."""

    end: bytes = b""
    """The trailers that follow what is unsent, as a block; empty where more is to come."""


@dataclass(frozen=True, slots=True)
class Received:
    """A whole request."""

    stream: int
    request: Request
    body: bytes


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A request whose body is larger than may be; the rest of it is not kept."""

    stream: int
    request: Request


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The peer does not want the answer any longer."""

    stream: int


Event: TypeAlias = Received | TooLarge | Cancelled


class Connection:
    """A server's side of one connection."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits = limits or Limits()
        self._buffer = b""
        self._has_preface = False
        self._has_settings = False
        self._out: list[bytes] = []
        self._streams: dict[int, Stream] = {}
        self._last = 0
        """The highest stream of the peer so far."""
        self._decoder = Decoder(limits.header_list_bytes)
        self._block: tuple[int, int, list[bytes], int] | None = None
        """Stream, flags, parts and size of a header block that CONTINUATION goes on with."""
        self._window = SendWindow(INITIAL_WINDOW)
        self._inbound = ReceiveWindow(limits.connection_window)
        self._initial_window = INITIAL_WINDOW
        self._max_payload = frames.MAX_PAYLOAD
        self._waiting: deque[int] = deque()
        """Streams that have something unsent, in turn."""
        self._nuisances = 0
        self._draining = False
        self.closed = False
        """Whether the connection is to be closed when the output is written."""

        self._out.append(
            frames.settings(
                [
                    (Setting.MAX_CONCURRENT_STREAMS, limits.concurrent_streams),
                    (Setting.INITIAL_WINDOW_SIZE, limits.stream_window),
                    (Setting.MAX_HEADER_LIST_SIZE, limits.header_list_bytes),
                ]
            )
            + frames.window_update(0, limits.connection_window - INITIAL_WINDOW)
        )

    # -- in

    def receive(self, data: bytes) -> list[Event]:
        """Take what the peer sent; the events that follow from it, in order."""
        events: list[Event] = []
        if self.closed:
            return events
        self._buffer += data
        try:
            self._read(events)
        except ConnectionFault as fault:
            self._out.append(frames.go_away(self._last, fault.reason, str(fault)))
            self._buffer = b""
            self.closed = True
        return events

    def _read(self, events: list[Event]) -> None:
        if not self._has_preface and not self._read_preface():
            return
        buffer, at, end = self._buffer, 0, len(self._buffer)
        while end - at >= frames.HEAD_BYTES:
            length, kind, flags, stream = frames.head(buffer, at)
            if length > frames.MAX_PAYLOAD:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "a frame longer than allowed")
            stop = at + frames.HEAD_BYTES + length
            if stop > end:
                break
            try:
                self._frame(kind, flags, stream, buffer[at + frames.HEAD_BYTES : stop], events)
            except StreamFault as fault:
                self._reset(stream, fault.reason, events)
            at = stop
        self._buffer = buffer[at:]

    def _read_preface(self) -> bool:
        sent = self._buffer[: len(frames.PREFACE)]
        if not frames.PREFACE.startswith(sent):
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "this is not HTTP/2")
        if len(sent) < len(frames.PREFACE):
            return False
        self._buffer = self._buffer[len(sent) :]
        self._has_preface = True
        return True

    def _frame(
        self, kind: int, flags: int, stream: int, payload: bytes, events: list[Event]
    ) -> None:
        if not self._has_settings and (kind != frames.SETTINGS or flags & frames.ACK):
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        if self._block and (kind != frames.CONTINUATION or stream != self._block[0]):
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "a header block was left unfinished")
        match kind:
            case frames.DATA:
                self._data(flags, stream, payload, events)
            case frames.HEADERS:
                self._headers(flags, stream, payload, events)
            case frames.CONTINUATION:
                self._continuation(flags, stream, payload, events)
            case frames.WINDOW_UPDATE:
                self._window_update(stream, payload)
            case frames.SETTINGS:
                self._settings(flags, stream, payload)
            case frames.PING:
                self._ping(flags, stream, payload)
            case frames.RST_STREAM:
                self._rst_stream(stream, payload, events)
            case frames.PRIORITY:
                self._priority(stream, payload)
            case frames.GOAWAY:
                _on_connection(stream)
                if len(payload) < 8:
                    raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "GOAWAY is too short")
            case frames.PUSH_PROMISE:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "a client can't push")
            case _:
                self._annoy()  # kinds of frames that nobody knows are passed over

    def _data(self, flags: int, stream: int, payload: bytes, events: list[Event]) -> None:
        found = self._known(stream)
        if not self._inbound.use(len(payload)):
            raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "more data than the window allows")
        if grant := self._inbound.take(len(payload)):
            self._out.append(frames.window_update(0, grant))
        if found is None or not found.is_open:
            raise StreamFault(Reason.STREAM_CLOSED, "data on a closed stream")
        if not found.inbound.use(len(payload)):
            raise StreamFault(Reason.FLOW_CONTROL_ERROR, "more data than the window allows")
        ends = bool(flags & frames.END_STREAM)
        if not payload and not ends:
            self._annoy()
        data = frames.unpadded(payload, flags)
        found.received += len(data)
        if found.received > self._limits.body_bytes and not found.is_too_large:
            found.is_too_large = True
            found.body.clear()
        if not found.is_too_large:
            found.body.append(data)
        if ends:
            self._complete(found, events)
        elif grant := found.inbound.take(len(payload)):
            self._out.append(frames.window_update(stream, grant))

    def _known(self, stream: int) -> Stream | None:
        """The stream, None where it is closed. Raises ConnectionFault where it never was open."""
        if stream == 0 or stream % 2 == 0 or stream > self._last:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"stream {stream} is not open")
        return self._streams.get(stream)

    def _complete(self, stream: Stream, events: list[Event]) -> None:
        expected = stream.request.content_length
        if expected is not None and expected != stream.received:
            raise StreamFault(Reason.PROTOCOL_ERROR, "the body is not as long as content-length")
        stream.is_open = False
        if stream.is_too_large:
            events.append(TooLarge(stream.id, stream.request))
        else:
            body = stream.body[0] if len(stream.body) == 1 else b"".join(stream.body)
            stream.body = []
            events.append(Received(stream.id, stream.request, body))

    def _headers(self, flags: int, stream: int, payload: bytes, events: list[Event]) -> None:
        if stream % 2 == 0:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"stream {stream} is not a client's")
        block = frames.unpadded(payload, flags)
        if flags & frames.HAS_PRIORITY:
            if len(block) < 5:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "HEADERS without its priority")
            self._depends(stream, block)
            block = block[5:]
        if flags & frames.END_HEADERS:
            self._whole_block(stream, flags, block, events)
        else:
            self._block = stream, flags, [block], len(block)

    def _continuation(self, flags: int, stream: int, payload: bytes, events: list[Event]) -> None:
        if self._block is None:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "CONTINUATION of nothing")
        _, first, parts, size = self._block
        if not payload:
            self._annoy()
        parts.append(payload)
        size += len(payload)
        if size > self._limits.header_list_bytes or len(parts) > 64:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "an endless header block")
        if flags & frames.END_HEADERS:
            self._block = None
            self._whole_block(stream, first, b"".join(parts), events)
        else:
            self._block = stream, first, parts, size

    def _whole_block(self, stream: int, flags: int, block: bytes, events: list[Event]) -> None:
        is_new = stream > self._last
        if is_new:
            self._last = stream
        headers = self._decoder.decode(block)
        ends = bool(flags & frames.END_STREAM)
        if is_new:
            self._open(stream, headers, ends, events)
            return
        found = self._streams.get(stream)
        if found is None or not found.is_open:
            raise ConnectionFault(Reason.STREAM_CLOSED, "headers on a closed stream")
        if not ends:
            raise StreamFault(Reason.PROTOCOL_ERROR, "trailers must end the stream")
        trailers(headers)
        self._complete(found, events)

    def _open(self, stream: int, headers: Headers, ends: bool, events: list[Event]) -> None:
        if self._draining:
            raise StreamFault(Reason.REFUSED_STREAM, "the server is going away")
        if len(self._streams) >= self._limits.concurrent_streams:
            self._annoy()
            raise StreamFault(Reason.REFUSED_STREAM, "too many streams at once")
        opened = self._streams[stream] = Stream(
            stream,
            request(headers),
            SendWindow(self._initial_window),
            ReceiveWindow(self._limits.stream_window),
        )
        if ends:
            self._complete(opened, events)

    def _window_update(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        increment = int.from_bytes(payload, "big") & MAX_WINDOW
        if stream == 0:
            if increment == 0:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "a window update of 0")
            if not self._window.widen(increment):
                raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
        elif found := self._known(stream):
            if increment == 0:
                raise StreamFault(Reason.PROTOCOL_ERROR, "a window update of 0")
            if not found.window.widen(increment):
                raise StreamFault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
        self._send_waiting()

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        _on_connection(stream)
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "an ACK has no payload")
            return
        self._annoy(self._has_settings)
        self._has_settings = True
        for number, value in frames.read_settings(payload):
            self._setting(number, value)
        self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._send_waiting()

    def _setting(self, number: int, value: int) -> None:
        match number:
            case Setting.ENABLE_PUSH if value > 1:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
            case Setting.INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
                for stream in self._streams.values():
                    if not stream.window.widen(value - self._initial_window):
                        raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "a window is too large")
                self._initial_window = value
            case Setting.MAX_FRAME_SIZE if not frames.MAX_PAYLOAD <= value < 1 << 24:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        _on_connection(stream)
        if len(payload) != 8:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "PING has 8 bytes")
        if not flags & frames.ACK:
            self._annoy()
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _rst_stream(self, stream: int, payload: bytes, events: list[Event]) -> None:
        found = self._known(stream)
        if len(payload) != 4:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
        self._annoy()
        if found is not None:
            self._forget(found, events)

    def _priority(self, stream: int, payload: bytes) -> None:
        if stream == 0:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "PRIORITY is for a stream")
        self._annoy()
        if len(payload) != 5:
            raise StreamFault(Reason.FRAME_SIZE_ERROR, "PRIORITY has 5 bytes")
        self._depends(stream, payload)

    def _depends(self, stream: int, payload: bytes) -> None:
        if int.from_bytes(payload[:4], "big") & MAX_WINDOW == stream:
            raise StreamFault(Reason.PROTOCOL_ERROR, "a stream can't depend on itself")

    def _annoy(self, counts: bool = True) -> None:
        """Count a frame that costs us work and gets the peer nothing."""
        self._nuisances += counts
        if self._nuisances > self._limits.nuisances:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "too many frames without requests")

    def _reset(self, stream: int, reason: Reason, events: list[Event]) -> None:
        self._annoy()
        self._out.append(frames.reset(stream, reason))
        if found := self._streams.get(stream):
            self._forget(found, events)

    def _forget(self, stream: Stream, events: list[Event]) -> None:
        del self._streams[stream.id]
        if not stream.is_open:
            events.append(Cancelled(stream.id))

    # -- out

    def respond(self, stream: int, head: Headers, body: bytes, end: Headers) -> None:
        """Answer a request whole: headers, a body, and the trailers that end it."""
        if self.begin(stream, head):
            self.send(stream, body)
            self.finish(stream, end)

    def begin(self, stream: int, head: Headers) -> bool:
        """Send the headers of an answer; False where nobody waits for it any longer."""
        if stream not in self._streams:
            return False
        self._send_headers(stream, encode(head), 0)
        return True

    def send(self, stream: int, data: bytes) -> None:
        """Send a part of an answer's body, as soon as the peer's windows allow."""
        if (found := self._streams.get(stream)) is None:
            return
        if data:
            found.unsent.append(data)
        if stream not in self._waiting:
            self._waiting.append(stream)
        self._send_waiting()

    def finish(self, stream: int, end: Headers) -> None:
        """End an answer by *end*: after its body as trailers, without one as its only headers."""
        if (found := self._streams.get(stream)) is None:
            return
        found.end = encode(end)
        if stream not in self._waiting:
            self._waiting.append(stream)
        self._send_waiting()

    def _send_waiting(self) -> None:
        """Send what the windows allow, a frame of each stream in turn."""
        stuck = 0
        while self._waiting and stuck < len(self._waiting):
            number = self._waiting.popleft()
            stream = self._streams.get(number)
            if stream is None:
                continue
            if self._send_frame(stream):
                stuck = 0
                if not stream.unsent and stream.end:
                    self._end(stream)
                elif stream.unsent:
                    self._waiting.append(number)
            else:
                self._waiting.append(number)
                stuck += 1

    def _send_frame(self, stream: Stream) -> bool:
        """Send one frame of data; False where a window is closed."""
        if not stream.unsent:
            return True
        room = min(self._window.bytes, stream.window.bytes, self._max_payload)
        if room <= 0:
            return False
        data = stream.unsent.popleft()
        if len(data) > room:
            stream.unsent.appendleft(data[room:])
            data = data[:room]
        self._window.bytes -= len(data)
        stream.window.bytes -= len(data)
        self._out.append(frames.frame(frames.DATA, 0, stream.id, data))
        return True

    def _end(self, stream: Stream) -> None:
        self._send_headers(stream.id, stream.end, frames.END_STREAM)
        if stream.is_open:  # the peer need not send the rest
            self._out.append(frames.reset(stream.id, Reason.NO_ERROR))
        del self._streams[stream.id]
        self._nuisances = max(0, self._nuisances - 1)

    def _send_headers(self, stream: int, block: bytes, flags: int) -> None:
        kind = frames.HEADERS
        while len(block) > self._max_payload:
            self._out.append(frames.frame(kind, flags, stream, block[: self._max_payload]))
            block, kind, flags = block[self._max_payload :], frames.CONTINUATION, 0
        self._out.append(frames.frame(kind, flags | frames.END_HEADERS, stream, block))

    def drain(self) -> None:
        """Take no new streams; those that are open are answered."""
        if not self._draining and not self.closed:
            self._draining = True
            self._out.append(frames.go_away(self._last, Reason.NO_ERROR))

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for an answer."""
        return not self._streams

    def output(self) -> bytes:
        """What is to be written to the peer now."""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data


def _on_connection(stream: int) -> None:
    if stream:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "a frame of the connection on a stream")
