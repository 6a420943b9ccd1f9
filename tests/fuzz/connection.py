"""
A connection between a client and a server that both do whatever they are told, and a judge.

The judge knows the protocol from the client's side: what it may be sent, on which streams, and how
much of it; it shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Iterator

import hpack

from mixer.transport.http2.compression import encode
from mixer.transport.http2.connection import Connection
from mixer.transport.http2.frames import Block, Reason
from mixer.transport.http2.limits import Limits
from mixer.transport.http2.streams import Cancelled, Ended, Opened, Part, Received, TooLarge

from .script import Script

LIMITS = Limits(
    body_bytes=300,
    held_bytes=600,
    concurrent_streams=8,
    header_list_bytes=2000,
    stream_window=400,
    connection_window=65_535 + 1000,
    nuisances=60,
)
"""So small that all of them are met."""

_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MAX_FRAME = 16_384
_MAX_WINDOW = 2**31 - 1
_HEAD = Block(encode(((b":status", b"200"), (b"content-type", b"application/grpc"))))
_END = Block(encode(((b"grpc-status", b"0"),)))
_ASKED = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/whole"), (b"a", b"b"))
_HEADS = (
    _ASKED,
    (*_ASKED[:2], (b":path", b"/parts")),
    (*_ASKED, (b"content-length", b"4")),
    (*_ASKED, (b"connection", b"close")),
    (*_ASKED, (b"x", b"y" * 900)),
    (*_ASKED, *[(b"x", b"y")] * 70),
    ((b"x", b"y"),),
    (),
)


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def _is_streamed(path: bytes) -> bool:
    return path == b"/parts"


class Judge:
    """What a client knows of the server, and may expect of it."""

    def __init__(self) -> None:
        self.window = self.initial = 65_535
        self.windows: dict[int, int] = {}
        self.opened: set[int] = set()
        self.begun: set[int] = set()
        self.ended: set[int] = set()
        """Streams on which the server must say nothing more."""
        self.bodies: dict[int, bytes] = {}
        self._sent = self._controls = 0
        self._unfinished = b""
        self._has_preface = False
        self._decoder = hpack.Decoder()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the client sends, cut where its frames end, each noted before the server sees it."""
        self._sent += len(data)
        while data:
            need = 24 if not self._has_preface else 9
            if self._has_preface and len(self._unfinished) >= 9:
                need += int.from_bytes(self._unfinished[:3], "big")
            piece, data = data[: need - len(self._unfinished)], data[need - len(self._unfinished) :]
            self._unfinished += piece
            if len(self._unfinished) == need and not self._has_preface:
                self._has_preface, self._unfinished = True, b""
            elif self._is_whole:
                self._notes(self._unfinished)
                self._unfinished = b""
            yield piece

    @property
    def _is_whole(self) -> bool:
        begun = self._unfinished
        return len(begun) >= 9 and len(begun) == 9 + int.from_bytes(begun[:3], "big")

    def _notes(self, frame: bytes) -> None:
        kind, flags, payload = frame[3], frame[4], frame[9:]
        stream = int.from_bytes(frame[5:9], "big") & _MAX_WINDOW
        match kind:
            case 0:
                if flags & 8:
                    payload = payload[1 : max(1, len(payload) - (payload or b"\0")[0])]
                self.bodies[stream] = self.bodies.get(stream, b"") + payload
            case 1 if stream not in self.opened:
                self.opened.add(stream)
                self.windows[stream] = self.initial
            case 3:
                self.ended.add(stream)
            case 4 if not flags & 1 and len(payload) % 6 == 0:
                for at in range(0, len(payload), 6):
                    value = int.from_bytes(payload[at + 2 : at + 6], "big")
                    if payload[at : at + 2] == b"\0\4":
                        change, self.initial = value - self.initial, value
                        for one in self.windows:
                            self.windows[one] += change
            case 8 if len(payload) == 4:
                increment = int.from_bytes(payload, "big") & _MAX_WINDOW
                if stream == 0:
                    self.window += increment
                elif stream in self.windows:
                    self.windows[stream] += increment

    def hears(self, said: bytes, is_over: bool) -> None:
        """Judge what the server says; when all *is over*, streams are nobody's concern."""
        while said:
            size, kind, flags = int.from_bytes(said[:3], "big"), said[3], said[4]
            stream, payload = int.from_bytes(said[5:9], "big"), said[9 : 9 + size]
            assert len(payload) == size <= _MAX_FRAME, "a frame is cut, or too long"
            said = said[9 + size :]
            if not is_over:
                self._hears(kind, flags, stream, payload)
        assert self._controls <= 1000 + 3 * self._sent, "more is said than was asked"

    def _hears(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == 3:
            assert 0 < stream <= max(self.opened), f"stream {stream} is idle"
        if kind in (0, 1):
            assert stream in self.opened, f"stream {stream} was never opened"
            assert stream not in self.ended, f"stream {stream} has ended"
        else:
            self._controls += 9 + len(payload)
        match kind:
            case 0:
                assert stream in self.begun, "a body before its headers"
                self.window -= len(payload)
                self.windows[stream] -= len(payload)
                assert self.window >= 0, "past the window of the connection"
                assert self.windows[stream] >= 0, f"past the window of stream {stream}"
            case 1:
                self._decoder.decode(payload)
                assert flags & 4, "headers in parts"
                self.begun.add(stream)
            case 3:
                assert len(payload) == 4
                self.ended.add(stream)
            case 4:
                assert len(payload) % 6 == 0 or flags & 1
            case 6 | 7:
                assert len(payload) >= 8
            case 8:
                assert 0 < int.from_bytes(payload, "big") <= _MAX_WINDOW
            case _:
                raise AssertionError(f"a frame of kind {kind} is not for a client")
        if kind in (0, 1) and flags & 1:
            self.ended.add(stream)


class Story:
    """A client and a server that follow a script."""

    def __init__(self, data: bytes) -> None:
        self._script = Script(data)
        self._judge = Judge()
        self._ours = Connection(LIMITS, _is_streamed)
        self._encoder = hpack.Encoder()
        self._next = 1
        self._waiting: list[int] = []
        """Streams that the server has still to answer."""
        self._told: set[int] = set()
        self._parts: dict[int, int] = {}
        """By stream, bytes of parts that are not used yet."""

    def run(self) -> None:
        """Follow the script to its end."""
        self._receive(_GREETING)
        if self._script.number(32) != 1:
            self._send(4, 0, 0, self._settings())
        while not self._script.is_over:
            match self._script.number(32):
                case kind if kind < 20:
                    self._client(kind)
                case kind:
                    self._server(kind)

    # -- the client

    def _client(self, kind: int) -> None:
        script = self._script
        match kind:
            case 0:
                self._send(1, 4, self._next, encode(_ASKED))
                self._send(0, 1, self._next, script.some(20))
                self._next += 2
            case 1 | 2 | 3:
                self._open()
            case 4 | 5 | 6 | 7:
                flags = script.choice((0, 1, 1, 8, 9, 1, 0, script.number(256)))
                payload = script.some()
                if flags & 8 and self._is_sane:
                    payload = bytes([len(payload) // 2]) + payload
                self._send(0, flags, self._stream(), payload)
            case 8 | 9 | 10:
                increment = script.choice((1, 7, 100, 10_000))
                if not self._is_sane:
                    increment = script.choice((0, script.number(1 << 32)))
                stream = script.choice((0, self._stream()))
                self._send(8, 0, stream, increment.to_bytes(4, "big"))
            case 11:
                self._send(4, 0, 0, self._settings())
            case 12:
                self._send(3, 0, self._stream(), bytes(4))
            case 13:
                self._send(6, script.choice((0, 1)), 0, script.choice((b"12345678", b"going it")))
            case 14:
                depends = script.number(20) * 2
                self._send(2, 0, self._stream(), depends.to_bytes(4, "big") + b"\0")
            case 15:
                block = bytes(self._encoder.encode([(b"t", b"u")]))
                flags = 5 if self._is_sane else 4
                self._send(1, flags, self._stream(), block)
            case 16:
                self._send(4, 1, 0)
            case _ if self._is_sane:
                self._send(0, 1, max(self._next - 2, 1), script.some(20))
            case 17:
                self._send(9, script.choice((4, 0)), self._stream(), script.some(20))
            case 18:
                self._send(script.number(12), script.number(256), self._stream(), script.some())
            case _:
                self._receive(script.some(40))

    @property
    def _is_sane(self) -> bool:
        """Whether to do what does not end the connection at once, which is mostly so."""
        return self._script.number(16) != 1

    def _stream(self) -> int:
        if self._is_sane:
            return 1 + 2 * self._script.number(max(self._next // 2, 1))
        return self._script.number(64)

    def _open(self) -> None:
        script = self._script
        stream = self._next
        self._next += 2 if self._is_sane else 4
        if not self._is_sane:
            block = script.some(60)
        elif script.number(2):
            block = bytes(self._encoder.encode(list(script.choice(_HEADS))))
        else:
            block = encode(script.choice(_HEADS))
        flags = script.choice((4, 4, 4, 4, 4, 5, 4 | 0x20, 4 | 8))
        if flags & 0x20:
            block = (2 * script.number(8)).to_bytes(4, "big") + b"\x0f" + block
        if flags & 8:
            block = b"\2" + block + bytes(2)
        if script.number(4) == 1:
            at = script.number(len(block) + 1)
            self._send(1, flags & ~4, stream, block[:at])
            self._send(9, 4, stream, block[at:])
        else:
            self._send(1, flags, stream, block)

    def _settings(self) -> bytes:
        script = self._script
        said = b""
        for _ in range(script.number(4)):
            value = script.choice((0, 1, 10, 1000, 16_384, 65_535))
            number = script.choice((4, 4, 1, 3, 6, 9))
            if not self._is_sane:
                number, value = script.choice((2, 4, 5)), script.number(1 << 32)
            said += number.to_bytes(2, "big") + value.to_bytes(4, "big")
        return said

    def _send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self._receive(_frame(kind, flags, stream, payload))

    def _receive(self, data: bytes) -> None:
        for piece in self._judge.pieces(data):
            was_closed = self._ours.closed
            events = self._ours.receive(piece)
            assert not (was_closed and events), "something is read after the end"
            for event in events:
                self._take(event)
            self._check()

    def _take(self, event: object) -> None:
        match event:
            case Received(stream, request, body):
                assert len(body) <= LIMITS.body_bytes
                assert request.content_length in (None, len(body))
                assert body == self._judge.bodies.get(stream, b"")
                self._tell(stream)
            case Opened(stream):
                self._parts[stream] = 0
                self._tell(stream)
            case Part(stream, part):
                self._parts[stream] += len(part)
                assert self._parts[stream] <= LIMITS.stream_window
            case TooLarge(stream):
                self._tell(stream)
            case Cancelled(stream):
                assert stream in self._told
                self._done(stream)
            case Ended(stream):
                assert stream in self._parts

    def _tell(self, stream: int) -> None:
        assert stream not in self._told, f"stream {stream} comes twice"
        self._told.add(stream)
        self._waiting.append(stream)

    # -- the server

    def _server(self, kind: int) -> None:
        script, ours = self._script, self._ours
        stream = script.choice(self._waiting or [1])
        match kind:
            case 20 | 21 | 22 | 23 if stream not in self._parts:
                ours.respond(stream, _HEAD, bytes(script.number(40_000)), _END)
                self._done(stream)
            case 20 | 21 | 22 if stream not in self._judge.begun:
                ours.begin(stream, _HEAD)
                ours.send(stream, script.some())
            case 20 | 21 | 22:
                ours.send(stream, bytes(script.number(20_000)))
            case 23 | 24 | 25:
                ours.finish(stream, _END)
                self._done(stream)
            case 26 | 27:
                if used := self._parts.get(stream, 0):
                    used = script.number(used) + 1
                    self._parts[stream] -= used
                    ours.used(stream, used)
            case 28:
                for event in ours.cut(stream, Reason.CANCEL):
                    self._take(event)
            case 29 if script.number(8) == 1:
                ours.drain()
            case _:
                assert ours.is_idle or not ours.is_drained
                assert ours.is_idle or ours.stalled is not None
        self._check()

    def _done(self, stream: int) -> None:
        if stream in self._waiting:
            self._waiting.remove(stream)

    def _check(self) -> None:
        self._judge.hears(self._ours.output(), self._ours.closed)
        ours = self._ours
        streams = ours._streams
        assert len(streams) <= LIMITS.concurrent_streams
        assert ours._turns.items() <= streams.items()
        assert all(stream.unsent for stream in ours._turns.values())
        assert sum(stream.held for stream in streams.values()) == ours._held <= LIMITS.held_bytes
        assert len(ours._decoder.blocks) <= 64
        assert len(ours._decoder.said) <= 64
        assert len(ours._reader._rest) < 9 + _MAX_FRAME
        if ours._turns:
            assert ours.window <= 0, "what could be sent waits"


def run(data: bytes) -> None:
    """Tell the story that *data* is the script of."""
    Story(data).run()
