"""
Answers on their way out: what the peer's windows allow goes at once, the rest waits its turn.

Law: after the end of an answer nothing is sent on its stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import KeysView

from mixer.transport.http2 import frames
from mixer.transport.http2.flow import INITIAL_WINDOW, MAX_WINDOW
from mixer.transport.http2.frames import Block, ConnectionFault, Reason, StreamFault


class Unsent:
    """What of one answer the windows have not let pass yet."""

    __slots__ = ("end", "parts")

    def __init__(self) -> None:
        self.parts: deque[bytes] = deque()
        self.end: Block | None = None
        """The trailers that follow; None where more is to come."""


class Outbound:
    """The answers of one connection; its *out* is what is to be written."""

    __slots__ = ("_turns", "_unsent", "_window", "initial_window", "out", "windows")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.windows: dict[int, int] = {}
        """The windows of all streams whose answer has not ended; negative after some changes."""
        self.initial_window = INITIAL_WINDOW
        self._window = INITIAL_WINDOW
        self._unsent: dict[int, Unsent] = {}
        self._turns: deque[int] = deque()

    @property
    def blocked(self) -> KeysView[int]:
        """The streams whose peer must widen a window before they can go on."""
        return self._unsent.keys()

    def respond(self, stream: int, head: Block, body: bytes, end: Block) -> None:
        """Send a whole answer on a stream that is open."""
        size = len(body)
        if (
            size <= self.windows[stream]
            and size <= self._window
            and size <= frames.MAX_PAYLOAD
            and not self._unsent
        ):
            # Fast path: all of it passes, as one piece of bytes.
            self._window -= size
            del self.windows[stream]
            number = stream.to_bytes(4, "big")
            opens = size.to_bytes(3, "big") + b"\0\0"
            whole = (
                head.opens,
                number,
                head.block,
                opens,
                number,
                body,
                end.ends,
                number,
                end.block,
            )
            self.out.append(b"".join(whole))
        else:
            self.begin(stream, head)
            self.send(stream, body)
            self.finish(stream, end)

    def begin(self, stream: int, head: Block) -> None:
        """Send the headers of an answer."""
        self.out.append(head.opens + stream.to_bytes(4, "big") + head.block)

    def send(self, stream: int, data: bytes) -> None:
        """Send a part of an answer's body, as soon as windows allow."""
        if data:
            self._waiting(stream).parts.append(data)
            self.go_on()

    def finish(self, stream: int, end: Block) -> None:
        """End an answer by *end*: after its body as trailers, without one as its only headers."""
        self._waiting(stream).end = end
        self.go_on()

    def _waiting(self, stream: int) -> Unsent:
        found = self._unsent.get(stream)
        if found is None:
            found = self._unsent[stream] = Unsent()
            self._turns.append(stream)
        return found

    def go_on(self) -> None:
        """Send what the windows allow, a frame of each stream in turn."""
        stuck = 0
        while stuck < len(self._turns):
            stream = self._turns.popleft()
            unsent = self._unsent.get(stream)
            if unsent is None:
                continue
            stuck = 0 if self._send_frame(stream, unsent) else stuck + 1
            if unsent.parts:
                self._turns.append(stream)
                continue
            del self._unsent[stream]
            if unsent.end:
                del self.windows[stream]
                self.out.append(unsent.end.ends + stream.to_bytes(4, "big") + unsent.end.block)

    def _send_frame(self, stream: int, unsent: Unsent) -> bool:
        """Send one frame of data, if there is any; False where a window is closed."""
        if not unsent.parts:
            return True
        room = min(self._window, self.windows[stream], frames.MAX_PAYLOAD)
        if room <= 0:
            return False
        data = unsent.parts.popleft()
        if len(data) > room:
            unsent.parts.appendleft(data[room:])
            data = data[:room]
        self._window -= len(data)
        self.windows[stream] -= len(data)
        self.out.append(frames.frame(frames.DATA, 0, stream, data))
        return True

    def forget(self, stream: int) -> None:
        """Send nothing more on a stream."""
        self.windows.pop(stream, None)
        self._unsent.pop(stream, None)

    def widen(self, stream: int, increment: int) -> None:
        """Take a WINDOW_UPDATE of a live stream or, as 0, of the connection."""
        fault = StreamFault if stream else ConnectionFault
        if not increment:
            raise fault(Reason.PROTOCOL_ERROR, "a window update of 0")
        window = (self.windows[stream] if stream else self._window) + increment
        if window > MAX_WINDOW:
            raise fault(Reason.FLOW_CONTROL_ERROR, "the window is too large")
        if stream:
            self.windows[stream] = window
        else:
            self._window = window
        self.go_on()

    def resize(self, initial_window: int) -> None:
        """Take another initial window, which changes the windows of all streams (section 6.9.2)."""
        change = initial_window - self.initial_window
        self.initial_window = initial_window
        for stream, window in self.windows.items():
            if window + change > MAX_WINDOW:
                raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "a window is too large")
            self.windows[stream] = window + change
        self.go_on()
