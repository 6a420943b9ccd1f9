"""
One HTTP/2 connection of a server, without I/O: bytes in, events and bytes out.

Law: everything that affects the state of streams goes through here; whatever the peer sends, the
answer is an event, a RST_STREAM, or a GOAWAY after which nothing more is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from mixer.transport.http2 import frames
from mixer.transport.http2.compression import Decoder
from mixer.transport.http2.flow import INITIAL_WINDOW, MAX_WINDOW
from mixer.transport.http2.frames import ConnectionFault, Reason, Setting, StreamFault
from mixer.transport.http2.limits import Limits
from mixer.transport.http2.outbound import Outbound
from mixer.transport.http2.reading import Reader
from mixer.transport.http2.requests import never, trailers
from mixer.transport.http2.streams import Cancelled, Event, Opened, Received, Stream

_REMEMBERED_RESETS = 128
_GOING_AWAY = b"going it"
"""What a ping says to find out that the peer has read all before it."""


class Connection(Outbound):
    """A server's side of one connection."""

    def __init__(
        self, limits: Limits | None = None, is_streamed: Callable[[bytes], bool] = never
    ) -> None:
        """Requests for a path that *is_streamed* come in parts, as they are sent; others whole."""
        super().__init__()
        self._limits = limits = limits or Limits()
        self._max_held = max(limits.held_bytes, limits.body_bytes)
        self._held = 0
        """What is held of all streams together."""
        self._events: list[Event] = []
        self._reader = Reader(limits.header_list_bytes)
        self._last = -1
        """The highest stream of the peer so far, as if there had been one before the first."""
        self._left_out = False
        """Whether the peer ever passed over a stream."""
        self._resets: deque[int] = deque(maxlen=_REMEMBERED_RESETS)
        """Streams that we reset; what comes on them was sent before the peer heard of it."""
        self._decoder = Decoder(limits.header_list_bytes, is_streamed)
        self._used = 0
        """Bytes of bodies that the peer may not send again yet; they are limited by stream."""
        self._nuisances = -1  # the first SETTINGS is none
        self._draining = False
        self._max_streams = limits.concurrent_streams
        """Negative when none of new ones are taken any longer."""
        self.closed = False
        """Whether the connection is to be closed when the output is written."""

        greeting = [
            (Setting.MAX_CONCURRENT_STREAMS, limits.concurrent_streams),
            (Setting.INITIAL_WINDOW_SIZE, limits.stream_window),
            (Setting.MAX_HEADER_LIST_SIZE, limits.header_list_bytes),
        ]
        window = limits.connection_window - INITIAL_WINDOW
        self._out += frames.settings(greeting), frames.window_update(0, window)

    # -- in

    def receive(self, data: bytes) -> list[Event]:
        """Take what the peer sent; the events that follow from it, in order."""
        if self.closed:
            return []
        try:
            for kind, flags, stream, payload in self._reader.read(data):
                try:
                    if kind == frames.DATA:
                        self._data(flags, stream, payload)
                    elif kind == frames.HEADERS:
                        self._headers(flags & frames.END_STREAM, stream, payload)
                    else:
                        self._control(kind, flags, stream, payload)
                except StreamFault as fault:
                    self._annoy()
                    self._reset(stream, fault.reason)
            if self._used * 2 >= self._limits.connection_window:
                self._out.append(frames.window_update(0, self._used))
                self._used = 0
        except ConnectionFault as fault:
            self._go_away(fault.reason, str(fault))
            self.closed = True
        return self._told()

    def _told(self) -> list[Event]:
        events, self._events = self._events, []  # not kept: they hold whole requests
        return events

    def _go_away(self, reason: Reason, text: str = "") -> None:
        self._out.append(frames.go_away(max(self._last, 0), reason, text))

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Take a frame that is no part of a request."""
        frames.check_shape(kind, flags, stream, payload)
        match kind:
            case frames.WINDOW_UPDATE:
                if stream:
                    self._check_opened(stream)
                self._widen(stream, int.from_bytes(payload, "big") & MAX_WINDOW)
            case frames.PING if flags & frames.ACK:
                if self._draining and payload == _GOING_AWAY:
                    self._refuse()
            case frames.SETTINGS if not flags & frames.ACK:
                self._annoy()
                window = dict(frames.read_settings(payload)).get(Setting.INITIAL_WINDOW_SIZE)
                if window is not None:
                    # Once, whatever a frame says how often: it costs work for each stream.
                    self._resize(window)
                self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
            case frames.PING:
                self._annoy()
                self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
            case frames.RST_STREAM:
                self._check_opened(stream)
                self._annoy()
                self._forget(stream)
            case frames.PRIORITY:
                self._annoy()
                frames.check_dependency(stream, payload)
            case frames.PUSH_PROMISE | frames.CONTINUATION:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, f"kind {kind} can't come here")
            case kind if kind not in (frames.SETTINGS, frames.GOAWAY):
                self._annoy()  # kinds of frames that nobody knows are passed over

    def _check_opened(self, stream: int) -> None:
        if stream % 2 == 0 or stream > self._last:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"stream {stream} is not open")

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._used += size
        stream = self._streams.get(number)
        if (
            flags == frames.END_STREAM
            and stream is not None
            and stream.is_fresh
            and stream.request.content_length in (None, size)
            and size <= self._limits.body_bytes
        ):
            # Fast path: a body in one frame. It saves the state of a request that is half there.
            stream.is_fresh, stream.has_ended = False, True
            # As Received(...) does, for a third of the time.
            self._events.append(tuple.__new__(Received, (number, stream.request, payload)))
            return None
        self._check_opened(number)
        stream = self._unfinished(number)
        if stream is None:
            return self._pass_over(number, StreamFault(Reason.STREAM_CLOSED, "data after the end"))
        ends = flags & frames.END_STREAM
        if not payload and not ends:
            self._annoy()
        held = stream.held
        grant = stream.take(payload, flags, self._limits, self._events)
        self._held += stream.held - held
        if ends:
            self._finish(stream)
        elif self._held > self._max_held:
            raise StreamFault(Reason.ENHANCE_YOUR_CALM, "too much of requests that are not whole")
        elif grant:
            self._out.append(frames.window_update(number, grant))
        return None

    def _unfinished(self, number: int) -> Stream | None:
        """The stream of a request that has not ended."""
        stream = self._streams.get(number)
        return stream if stream is not None and not stream.has_ended else None

    def _pass_over(self, stream: int, fault: StreamFault | ConnectionFault) -> None:
        """Pass over what comes on a stream that we reset (section 5.4.2); else it is a *fault*."""
        if stream not in self._resets:
            raise fault
        self._annoy()

    def _headers(self, ends: int, number: int, block: bytes) -> None:
        if number != self._last + 2:
            if number <= self._last or number % 2 == 0:
                self._check_opened(number)
                return self._trailers(ends, number, block)
            self._left_out = True
        self._last = number
        request = self._decoder.read(block)
        if len(self._streams) >= self._max_streams:
            raise StreamFault(Reason.REFUSED_STREAM, "more streams at once than are taken now")
        stream = Stream(number, request, self._initial_window, is_fresh=not request.is_streamed)
        self._streams[number] = stream
        if request.is_streamed:
            self._events.append(Opened(number, request))
        if ends:
            self._finish(stream)
        return None

    def _trailers(self, ends: int, number: int, block: bytes) -> None:
        fields = self._decoder.decode(block)
        stream = self._unfinished(number)
        if stream is None:
            # One that was passed over counts as closed, but was never opened (section 5.1.1).
            reason = Reason.PROTOCOL_ERROR if self._left_out else Reason.STREAM_CLOSED
            return self._pass_over(number, ConnectionFault(reason, "headers after the end"))
        if not ends:
            raise StreamFault(Reason.PROTOCOL_ERROR, "trailers must end the stream")
        trailers(fields)
        return self._finish(stream)

    def _finish(self, stream: Stream) -> None:
        """Take the end of a request."""
        self._events.append(stream.finish(self._limits))
        self._let_go(stream)

    def _let_go(self, stream: Stream) -> None:
        self._held -= stream.held
        stream.held = 0

    def _annoy(self) -> None:
        """Count a frame that costs us work and gets the peer nothing."""
        self._nuisances += 1
        if self._nuisances > self._limits.nuisances:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "too many frames without requests")

    def _reset(self, stream: int, reason: Reason) -> None:
        self._resets.append(stream)
        self._out.append(frames.reset(stream, reason))
        self._forget(stream)

    def _forget(self, number: int) -> None:
        """End a stream; whoever was told of it is told so."""
        self._turns.pop(number, None)
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._let_go(stream)
            if stream.request.is_streamed or stream.has_ended:
                self._events.append(Cancelled(number))

    # -- out

    def _answered(self, stream: Stream) -> None:
        """Count an answer, and tell a peer that has not sent all of its request not to."""
        if self._nuisances:
            self._nuisances -= 1
        if not stream.has_ended:
            self._let_go(stream)
            self._reset(stream.number, Reason.NO_ERROR)

    def used(self, number: int, count: int) -> None:
        """Say that *count* bytes of a streamed request were dealt with, so that more may come."""
        if stream := self._unfinished(number):
            self._held -= count
            if grant := stream.used(count):
                self._out.append(frames.window_update(number, grant))

    def cut(self, stream: int, reason: Reason) -> list[Event]:
        """End a stream without an answer; what follows from it."""
        if stream in self._streams:
            self._reset(stream, reason)
        return self._told()

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
            ping = frames.frame(frames.PING, 0, 0, _GOING_AWAY)
            self._out += frames.go_away(MAX_WINDOW, Reason.NO_ERROR), ping

    def _refuse(self) -> None:
        if self._max_streams >= 0 and not self.closed:
            self._max_streams = -1
            self._go_away(Reason.NO_ERROR)

    @property
    def is_drained(self) -> bool:
        """Whether all is answered, and nothing more will be."""
        return self._max_streams < 0 and not self._streams

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for an answer."""
        return not self._streams

    @property
    def stalled(self) -> set[Hashable]:
        """
        What can't go on without the peer: the numbers of streams, and anything else for all.

        Two that are equal at different times are the same thing, still waiting.
        """
        numbers = {number for number, stream in self._streams.items() if stream.waits_for_peer}
        return numbers | self._reader.stalled
