"""
One HTTP/2 connection of a server, without I/O: bytes in, events and bytes out.

Law: everything that affects the state of streams lives here; whatever the peer sends, the answer
is an event, a RST_STREAM, or a GOAWAY after which nothing more is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from mixer.transport.http2 import frames
from mixer.transport.http2.blocks import Blocks, HeaderBlock, check_dependency
from mixer.transport.http2.compression import Decoder
from mixer.transport.http2.flow import INITIAL_WINDOW, MAX_WINDOW, ReceiveWindow
from mixer.transport.http2.frames import Block, ConnectionFault, Reason, Setting, StreamFault
from mixer.transport.http2.inbound import Cancelled, Event, Inbound, Opened, Received
from mixer.transport.http2.limits import Limits
from mixer.transport.http2.outbound import Outbound
from mixer.transport.http2.requests import Request, trailers

_REMEMBERED_RESETS = 128
_GOING_AWAY = b"going it"
"""What a ping says to find out that the peer has read all before it."""


def _none(request: Request) -> bool:
    return False


class Connection:
    """A server's side of one connection."""

    def __init__(
        self, limits: Limits | None = None, is_streamed: Callable[[Request], bool] = _none
    ) -> None:
        """Requests that are *streamed* come in parts, as they are sent; all others whole."""
        self._limits = limits = limits or Limits()
        self._is_streamed = is_streamed
        self._buffer = b""
        self._has_preface = False
        self._has_settings = False
        self._inbound = Inbound(limits)
        self._outbound = Outbound(self._ended)
        self._live = self._outbound.windows
        """By stream, all requests whose answer has not ended."""
        self._last = -1
        """The highest stream of the peer so far, as if there had been one before the first."""
        self._left_out = False
        """Whether the peer ever passed over a stream."""
        self._resets: deque[int] = deque(maxlen=_REMEMBERED_RESETS)
        """Streams that we reset; what comes on them was sent before the peer heard of it."""
        self._decoder = Decoder(limits.header_list_bytes)
        self._blocks = Blocks(limits.header_list_bytes)
        self._window = ReceiveWindow(limits.connection_window)
        self._nuisances = 0
        self._draining = False
        self._refusing = False
        self.closed = False
        """Whether the connection is to be closed when the output is written."""

        self._out = self._outbound.out
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
        self._buffer = self._buffer + data if self._buffer else data
        try:
            self._read(events)
        except ConnectionFault as fault:
            self._go_away(fault.reason, str(fault))
            self._buffer = b""
            self.closed = True
        return events

    def _go_away(self, reason: Reason, text: str = "") -> None:
        self._out.append(frames.go_away(max(self._last, 0), reason, text))

    def _read(self, events: list[Event]) -> None:
        if not self._has_preface and not self._read_preface():
            return
        buffer, at, end = self._buffer, 0, len(self._buffer)
        read_head, remembered, live = frames.read_head, self._decoder.remembered, self._live
        limits, inbound = self._limits, self._inbound.requests
        while end - at >= frames.HEAD_BYTES:
            length, flags, stream = read_head(buffer, at)
            kind, length = length & 0xFF, length >> 8
            if length > frames.MAX_PAYLOAD:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "a frame longer than allowed")
            start = at + frames.HEAD_BYTES
            at = start + length
            if at > end:
                at = start - frames.HEAD_BYTES
                break
            payload = buffer[start:at]
            # Fast path: headers as before, then a body in one frame. It saves the state of a
            # request that is half there, and most of the cost of a call.
            if flags == frames.END_STREAM and kind == frames.DATA:
                request = inbound.get(stream)
                if request.__class__ is Request and (
                    length <= limits.body_bytes
                    and request.content_length in (None, length)
                    and self._blocks.open is None
                ):
                    del inbound[stream]
                    self._use(length)
                    events.append(Received(stream, request, payload))
                    continue
            elif flags == frames.END_HEADERS and kind == frames.HEADERS:
                request = remembered.get(payload)
                if (
                    request is not None
                    and stream == self._last + 2
                    and len(live) < limits.concurrent_streams
                    and self._is_at_ease
                ):
                    self._last = stream
                    live[stream] = self._outbound.initial_window
                    inbound[stream] = request
                    continue
            stream &= 0x7FFF_FFFF
            try:
                self._frame(kind, flags, stream, payload, events)
            except StreamFault as fault:
                self._annoy()
                self._reset(stream, fault.reason, events)
        self._buffer = buffer[at:]

    @property
    def _is_at_ease(self) -> bool:
        """Whether requests may come, and nothing is unfinished."""
        return self._has_settings and self._blocks.open is None and not self._refusing

    def _use(self, count: int) -> None:
        """Count bytes of bodies, and grant as many again; they are limited by stream."""
        self._window.use(count)  # it is never exceeded: more than a frame of it is always granted
        if grant := self._window.take(count):
            self._out.append(frames.window_update(0, grant))

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
        unfinished = self._blocks.open
        if unfinished is not None and (kind != frames.CONTINUATION or stream != unfinished):
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "a header block was left unfinished")
        match kind:
            case frames.DATA:
                self._data(flags, stream, payload, events)
            case frames.HEADERS:
                if block := self._blocks.begin(flags, stream, payload):
                    self._headers(block, events)
            case frames.CONTINUATION:
                if block := self._blocks.go_on(flags, payload):
                    self._headers(block, events)
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
        self._check_opened(stream)
        self._use(len(payload))
        found = self._inbound.find(stream)
        if found is None:
            if self._was_reset(stream):
                return
            raise StreamFault(Reason.STREAM_CLOSED, "data on a closed stream")
        if not payload and not flags & frames.END_STREAM:
            self._annoy()
        if grant := self._inbound.take(stream, found, payload, flags, events):
            self._out.append(frames.window_update(stream, grant))

    def _was_reset(self, stream: int) -> bool:
        """Whether to pass over what came on a *stream* that is closed (section 5.4.2)."""
        if stream not in self._resets:
            return False
        self._annoy()
        return True

    def _check_opened(self, stream: int) -> None:
        if stream == 0 or stream % 2 == 0 or stream > self._last:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"stream {stream} is not open")

    def _headers(self, block: HeaderBlock, events: list[Event]) -> None:
        stream, ends, data = block
        if stream > self._last:
            self._left_out |= stream != self._last + 2
            self._last = stream
            request = self._decoder.read(data)
            is_streamed = self._is_streamed(request)
            if is_streamed:
                self._decoder.remembered.pop(data, None)  # so that it comes here each time
            self._open(stream, request, is_streamed, events)
            found = self._inbound.find(stream)
        else:
            headers = self._decoder.decode(data)
            found = self._inbound.find(stream)
            if found is None and self._was_reset(stream):
                return
            if found is None:
                # One that was passed over counts as closed, but was never opened (section 5.1.1).
                reason = Reason.PROTOCOL_ERROR if self._left_out else Reason.STREAM_CLOSED
                raise ConnectionFault(reason, "headers on a closed stream")
            if not ends:
                raise StreamFault(Reason.PROTOCOL_ERROR, "trailers must end the stream")
            trailers(headers)
        if ends and found is not None:
            self._inbound.end(stream, found, events)

    def _open(self, stream: int, request: Request, is_streamed: bool, events: list[Event]) -> None:
        if self._refusing:
            raise StreamFault(Reason.REFUSED_STREAM, "the server is going away")
        if len(self._live) >= self._limits.concurrent_streams:
            raise StreamFault(Reason.REFUSED_STREAM, "too many streams at once")
        self._live[stream] = self._outbound.initial_window
        self._inbound.begin(stream, request, is_streamed)
        if is_streamed:
            events.append(Opened(stream, request))

    def _window_update(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        increment = int.from_bytes(payload, "big") & MAX_WINDOW
        if stream:
            self._check_opened(stream)
        if not stream or stream in self._live:
            self._outbound.widen(stream, increment)

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        _on_connection(stream)
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "an ACK has no payload")
            return
        self._annoy(self._has_settings)
        self._has_settings = True
        values = dict(frames.read_settings(payload))
        window = values.get(Setting.INITIAL_WINDOW_SIZE)
        if window is not None:
            # Once, whatever a frame says how often: it costs work for each stream.
            self._outbound.resize(window)
        self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        _on_connection(stream)
        if len(payload) != 8:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "PING has 8 bytes")
        if not flags & frames.ACK:
            self._annoy()
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif self._draining and payload == _GOING_AWAY:
            self._refuse()

    def _rst_stream(self, stream: int, payload: bytes, events: list[Event]) -> None:
        self._check_opened(stream)
        if len(payload) != 4:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
        self._annoy()
        self._forget(stream, events)

    def _priority(self, stream: int, payload: bytes) -> None:
        if stream == 0:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "PRIORITY is for a stream")
        self._annoy()
        if len(payload) != 5:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "PRIORITY has 5 bytes")
        check_dependency(stream, payload)

    def _annoy(self, counts: bool = True) -> None:
        """Count a frame that costs us work and gets the peer nothing."""
        self._nuisances += counts
        if self._nuisances > self._limits.nuisances:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "too many frames without requests")

    def _reset(self, stream: int, reason: Reason, events: list[Event]) -> None:
        self._send_reset(stream, reason)
        self._forget(stream, events)

    def _send_reset(self, stream: int, reason: Reason) -> None:
        self._resets.append(stream)
        self._out.append(frames.reset(stream, reason))

    def _forget(self, stream: int, events: list[Event]) -> None:
        """End a stream; whoever was told of it is told so."""
        inbound = self._inbound.find(stream)
        self._inbound.let_go(stream)
        if stream in self._live and (inbound is None or inbound.is_streamed):
            events.append(Cancelled(stream))
        self._outbound.forget(stream)

    # -- out

    def respond(self, stream: int, head: Block, body: bytes, end: Block) -> None:
        """Answer a request whole: headers, a body, and the trailers that end it."""
        if self._outbound.takes(stream):
            self._outbound.respond(stream, head, body, end)

    def begin(self, stream: int, head: Block) -> None:
        """Send the headers of an answer, where anybody still waits for it."""
        if self._outbound.takes(stream):
            self._outbound.begin(stream, head)

    def send(self, stream: int, data: bytes) -> None:
        """Send a part of an answer's body, as soon as the peer's windows allow."""
        if self._outbound.takes(stream):
            self._outbound.send(stream, data)

    def finish(self, stream: int, end: Block) -> None:
        """End an answer by *end*: after its body as trailers, without one as its only headers."""
        if self._outbound.takes(stream):
            self._outbound.finish(stream, end)

    def _ended(self, stream: int) -> None:
        """Count an answer, and tell a peer that has not sent all of its request not to."""
        if self._nuisances:
            self._nuisances -= 1
        if stream in self._inbound.requests:
            self._inbound.let_go(stream)
            self._send_reset(stream, Reason.NO_ERROR)

    def used(self, stream: int, count: int) -> None:
        """Say that *count* bytes of a streamed request were dealt with, so that more may come."""
        if grant := self._inbound.used(stream, count):
            self._out.append(frames.window_update(stream, grant))

    def cut(self, stream: int, reason: Reason) -> list[Event]:
        """End a stream without an answer; what follows from it."""
        events: list[Event] = []
        if stream in self._live:
            self._reset(stream, reason, events)
        return events

    def forgive(self, nuisances: int) -> None:
        """Forget some *nuisances*, as time passes: who pings a few times a minute is no flood."""
        self._nuisances = max(0, self._nuisances - nuisances)

    def drain(self) -> None:
        """
        Ask for no new streams; those the peer sent before it heard of that are answered.

        That it has heard it says by answering a ping (RFC 9113, section 6.8). A second time, don't
        wait for that: refuse what comes.
        """
        if self._draining:
            self._refuse()
        elif not self.closed:
            self._draining = True
            self._out.append(frames.go_away(MAX_WINDOW, Reason.NO_ERROR))
            self._out.append(frames.frame(frames.PING, 0, 0, _GOING_AWAY))

    def _refuse(self) -> None:
        if not self._refusing and not self.closed:
            self._refusing = True
            self._go_away(Reason.NO_ERROR)

    def is_blocked(self, stream: int) -> bool:
        """Whether what was sent on a stream waits for its peer."""
        return stream in self._outbound.blocked

    @property
    def is_drained(self) -> bool:
        """Whether all is answered, and nothing more will be."""
        return self._refusing and not self._live

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for an answer."""
        return not self._live

    @property
    def stalled(self) -> set[Hashable]:
        """
        What can't go on without the peer: the numbers of streams, and anything else for all.

        Two that are equal at different times are the same thing, still waiting.
        """
        waiting: set[Hashable] = {*self._outbound.blocked, *self._inbound.stalled}
        if self._buffer or not self._has_settings:
            waiting.add(self._buffer[: frames.HEAD_BYTES])
        if self._blocks.open is not None:
            waiting.add(f"the headers of stream {self._blocks.open}")
        return waiting

    def output(self) -> bytes:
        """What is to be written to the peer now."""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data


def _on_connection(stream: int) -> None:
    if stream:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "a frame of the connection on a stream")
