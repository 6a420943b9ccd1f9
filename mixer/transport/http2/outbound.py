"""
Answers on their way out: what the peer's windows allow goes at once, the rest waits its turn.

Law: after the end of an answer nothing is sent on its stream; what a peer says about one window
costs work for the streams that it moves, not for all that wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import INITIAL_WINDOW, MAX_WINDOW
from mixer.transport.http2.frames import Block, ConnectionFault, Reason, StreamFault
from mixer.transport.http2.streams import Stream


class Outbound(ABC):
    """The half of a connection that sends."""

    def __init__(self) -> None:
        self._out: list[bytes] = []
        """What is to be written."""
        self._streams: dict[int, Stream] = {}
        """By number, all streams whose answer has not ended."""
        self._initial_window = self.window = INITIAL_WINDOW
        self._turns: OrderedDict[int, Stream] = OrderedDict()
        """Those of them that wait for nothing but the window of the connection."""

    def respond(self, number: int, head: Block, body: bytes, end: Block) -> None:
        """Answer a request whole, where anybody still waits for it."""
        stream = self._streams.get(number)
        if stream is None or stream.end is not None:
            return
        size = len(body)
        if size <= stream.window and size <= self.window and size <= frames.MAX_PAYLOAD:
            # Fast path: all of it passes at once.
            self.window -= size
            del self._streams[number]
            data = frames.head(frames.DATA, 0, number, size)
            to = data[-4:]
            self._out += head.opens, to, head.block, data, body, end.ends, to, end.block
            self._answered(stream)
        else:
            self.begin(number, head)
            self.send(number, body)
            self.finish(number, end)

    def _open(self, number: int) -> Stream | None:
        """The stream of an answer that can be given, or gone on with."""
        stream = self._streams.get(number)
        return stream if stream is not None and stream.end is None else None

    def begin(self, number: int, head: Block) -> None:
        """Send the headers of an answer, where anybody still waits for it."""
        if self._open(number):
            self._out.append(head.opens + number.to_bytes(4, "big") + head.block)

    def send(self, number: int, data: bytes) -> None:
        """Send a part of an answer's body, as soon as the peer's windows allow."""
        if data and (stream := self._open(number)):
            stream.unsent = memoryview(bytes(stream.unsent) + data)
            self._ready(stream)
            self._go_on()

    def finish(self, number: int, end: Block) -> None:
        """End an answer by *end*: after its body as trailers, without one as its only headers."""
        if stream := self._open(number):
            stream.end = end
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        """End an answer of which nothing is left but the end, if that is known."""
        if stream.end is not None and not stream.unsent:
            del self._streams[stream.number]
            self._out.append(stream.end.ends + stream.number.to_bytes(4, "big") + stream.end.block)
            self._answered(stream)

    def _ready(self, stream: Stream) -> None:
        """Give a stream a turn, if its window lets something pass and it has none yet."""
        if stream.unsent and stream.window > 0:
            self._turns.setdefault(stream.number, stream)

    def _go_on(self) -> None:
        """Send what the windows allow, a frame of each stream in turn."""
        while self.window > 0 and self._turns:
            number, stream = self._turns.popitem(last=False)
            room = min(self.window, stream.window, frames.MAX_PAYLOAD)
            if room <= 0:
                continue  # new settings took what it had
            data, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self.window -= len(data)
            stream.window -= len(data)
            self._out.append(frames.frame(frames.DATA, 0, number, data))
            self._ready(stream)
            self._end(stream)

    def is_blocked(self, number: int) -> bool:
        """Whether what was sent on a stream waits for its peer."""
        stream = self._streams.get(number)
        return stream is not None and len(stream.unsent) > 0

    @abstractmethod
    def _answered(self, stream: Stream) -> None:
        """Take note of an answer that is sent to its end."""

    def output(self) -> bytes:
        """What is to be written to the peer now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _widen(self, number: int, increment: int) -> None:
        """Take a WINDOW_UPDATE of a stream, if it is open, or of the connection, as 0."""
        fault = StreamFault if number else ConnectionFault
        widened = self._streams.get(number) if number else self
        if widened is None:
            return
        if not increment:
            raise fault(Reason.PROTOCOL_ERROR, "a window update of 0")
        if widened.window + increment > MAX_WINDOW:
            raise fault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
        widened.window += increment
        if isinstance(widened, Stream):
            self._ready(widened)
        self._go_on()

    def _resize(self, initial_window: int) -> None:
        """Take another initial window, which changes the windows of all streams (section 6.9.2)."""
        change = initial_window - self._initial_window
        self._initial_window = initial_window
        for stream in self._streams.values():
            stream.window += change
            if stream.window > MAX_WINDOW:
                raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "a window is too large")
            self._ready(stream)
        self._go_on()
