"""
Answers on their way out: what the peer's windows allow goes at once, the rest waits its turn.

Law: after the end of an answer nothing is sent on its stream; what a peer says about one window
costs work for the streams that it moves, not for all that wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, KeysView

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import INITIAL_WINDOW, MAX_WINDOW
from mixer.transport.http2.frames import Block, ConnectionFault, Reason, StreamFault


class Unsent:
    """What of one answer the windows have not let pass yet."""

    __slots__ = ("end", "parts")

    def __init__(self) -> None:
        self.parts: deque[memoryview] = deque()
        self.end: Block | None = None
        """The trailers that follow; None where more is to come."""


class Outbound:
    """The answers of one connection; its *out* is what is to be written."""

    __slots__ = ("_ended", "_turns", "_unsent", "_window", "initial_window", "out", "windows")

    def __init__(self, ended: Callable[[int], object]) -> None:
        """*ended* is told of each stream whose answer is sent to its end."""
        self._ended = ended
        self.out: list[bytes] = []
        self.windows: dict[int, int] = {}
        """The windows of all streams whose answer has not ended; negative after some changes."""
        self.initial_window = INITIAL_WINDOW
        self._window = INITIAL_WINDOW
        self._unsent: dict[int, Unsent] = {}
        self._turns: OrderedDict[int, Unsent] = OrderedDict()
        """Those of them that wait for nothing but the window of the connection."""

    @property
    def blocked(self) -> KeysView[int]:
        """The streams whose peer must widen a window before they can go on."""
        return self._unsent.keys()

    def takes(self, stream: int) -> bool:
        """Whether an answer can be given on a *stream*, or gone on with."""
        if stream not in self.windows:
            return False
        unsent = self._unsent.get(stream)
        return unsent is None or unsent.end is None

    def respond(self, stream: int, head: Block, body: bytes, end: Block) -> None:
        """Send a whole answer on a stream that is open."""
        size = len(body)
        if size <= self.windows[stream] and size <= self._window and size <= frames.MAX_PAYLOAD:
            # Fast path: all of it passes, as one piece of bytes.
            self._window -= size
            del self.windows[stream]
            number = stream.to_bytes(4, "big")
            opens = size.to_bytes(3, "big") + b"\0\0"
            parts = head.opens, number, head.block, opens, number, body, end.ends, number, end.block
            self.out.append(b"".join(parts))
            self._ended(stream)
        else:
            self.begin(stream, head)
            self.send(stream, body)
            self.finish(stream, end)

    def begin(self, stream: int, head: Block) -> None:
        """Send the headers of an answer."""
        self.out.append(head.opens + stream.to_bytes(4, "big") + head.block)

    def send(self, stream: int, data: bytes) -> None:
        """Send a part of an answer's body, as soon as windows allow."""
        if not data:
            return
        unsent = self._unsent.get(stream)
        if unsent is None:
            unsent = self._unsent[stream] = Unsent()
            self._ready(stream, unsent)
        unsent.parts.append(memoryview(data))
        self._go_on()

    def finish(self, stream: int, end: Block) -> None:
        """End an answer by *end*: after its body as trailers, without one as its only headers."""
        unsent = self._unsent.get(stream)
        if unsent is None:
            self._end(stream, end)
        else:
            unsent.end = end

    def _end(self, stream: int, end: Block) -> None:
        del self.windows[stream]
        self.out.append(end.ends + stream.to_bytes(4, "big") + end.block)
        self._ended(stream)

    def _ready(self, stream: int, unsent: Unsent) -> None:
        """Give a stream a turn, if its window is open and it has none yet."""
        if self.windows[stream] > 0:
            self._turns.setdefault(stream, unsent)

    def _go_on(self) -> None:
        """Send what the windows allow, a frame of each stream in turn."""
        while self._window > 0 and self._turns:
            stream, unsent = self._turns.popitem(last=False)
            self._send_frame(stream, unsent)
            if unsent.parts:
                self._ready(stream, unsent)
                continue
            del self._unsent[stream]
            if unsent.end:
                self._end(stream, unsent.end)

    def _send_frame(self, stream: int, unsent: Unsent) -> None:
        """Send one frame of data, as large as the windows allow."""
        room = min(self._window, self.windows[stream], frames.MAX_PAYLOAD)
        if room <= 0:
            return
        data = unsent.parts.popleft()
        if len(data) > room:
            unsent.parts.appendleft(data[room:])
            data = data[:room]
        self._window -= len(data)
        self.windows[stream] -= len(data)
        self.out.append(frames.frame(frames.DATA, 0, stream, data))

    def forget(self, stream: int) -> None:
        """Send nothing more on a stream."""
        self.windows.pop(stream, None)
        self._unsent.pop(stream, None)
        self._turns.pop(stream, None)

    def widen(self, stream: int, increment: int) -> None:
        """Take a WINDOW_UPDATE of a live stream or, as 0, of the connection."""
        fault = StreamFault if stream else ConnectionFault
        if not increment:
            raise fault(Reason.PROTOCOL_ERROR, "a window update of 0")
        window = (self.windows[stream] if stream else self._window) + increment
        if window > MAX_WINDOW:
            raise fault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
        if not stream:
            self._window = window
        else:
            self.windows[stream] = window
            if unsent := self._unsent.get(stream):
                self._ready(stream, unsent)
        self._go_on()

    def resize(self, initial_window: int) -> None:
        """Take another initial window, which changes the windows of all streams (section 6.9.2)."""
        change = initial_window - self.initial_window
        self.initial_window = initial_window
        for stream, window in self.windows.items():
            if window + change > MAX_WINDOW:
                raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "a window is too large")
            self.windows[stream] = window + change
        for stream, unsent in self._unsent.items():
            self._ready(stream, unsent)
        self._go_on()
