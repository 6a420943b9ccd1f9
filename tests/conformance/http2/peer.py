"""A client of HTTP/2 that sends whatever bytes a case wants, and reads what the server says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MARKS = (b"and now?", b"and then")
PATIENCE = 10.0
"""Seconds until a server that says nothing counts as one that never will."""


class Kind(IntEnum):
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(IntEnum):
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame, whether it is right or not."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def data(stream: int, payload: bytes = b"", flags: int = END_STREAM) -> bytes:
    return frame(Kind.DATA, flags, stream, payload)


def headers(stream: int, block: bytes, flags: int = END_HEADERS) -> bytes:
    return frame(Kind.HEADERS, flags, stream, block)


def continuation(stream: int, block: bytes, flags: int = END_HEADERS) -> bytes:
    return frame(Kind.CONTINUATION, flags, stream, block)


def settings(*values: tuple[int, int], flags: int = 0, stream: int = 0) -> bytes:
    payload = b"".join(
        number.to_bytes(2, "big") + value.to_bytes(4, "big") for number, value in values
    )
    return frame(Kind.SETTINGS, flags, stream, payload)


def window_update(stream: int, increment: int) -> bytes:
    return frame(Kind.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def reset(stream: int, code: int = Code.CANCEL) -> bytes:
    return frame(Kind.RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def ping(payload: bytes = b"anything", flags: int = 0) -> bytes:
    return frame(Kind.PING, flags, 0, payload)


def priority(stream: int, depends: int = 0, weight: int = 15) -> bytes:
    return frame(Kind.PRIORITY, 0, stream, depends.to_bytes(4, "big") + bytes([weight]))


def literal(name: str, value: str) -> bytes:
    """A header as a literal that leaves the table alone; texts are short."""
    parts = (name.encode(), value.encode())
    return b"\0" + b"".join(bytes([len(part)]) + part for part in parts)


def block(*pairs: tuple[str, str]) -> bytes:
    return b"".join(literal(*pair) for pair in pairs)


ECHO = "/istio.mixer.v1.Mixer/Check"
WATCH = "/grpc.health.v1.Health/Watch"
PSEUDO = {":method": "POST", ":scheme": "http", ":path": ECHO, ":authority": "mixer"}
PLAIN = {"te": "trailers", "content-type": "application/grpc"}
ASKED = block(*PSEUDO.items(), *PLAIN.items())
"""The headers of a call that is answered by its own message."""

WATCHED = block(*(PSEUDO | {":path": WATCH}).items(), *PLAIN.items())
"""Those of a call that is answered for ever."""

EMPTY = b"\0\0\0\0\0"
"""A message of no bytes."""

GREETING = PREFACE + settings()


def ask(stream: int, message: bytes = EMPTY, asked: bytes = ASKED) -> bytes:
    """A whole call."""
    return headers(stream, asked) + body(stream, message)


def body(stream: int, message: bytes) -> bytes:
    """All of a body, in frames of the size that every server takes."""
    parts = [message[at : at + 16_384] for at in range(0, len(message), 16_384)] or [b""]
    return b"".join(
        data(stream, part, END_STREAM if at == len(parts) else 0)
        for at, part in enumerate(parts, 1)
    )


def head(**instead: str | None) -> bytes:
    """The headers of a right call, with some others instead; None takes one away."""
    asked = {**PSEUDO, **PLAIN, **instead}
    return block(*((name, value) for name, value in asked.items() if value is not None))


@dataclass(frozen=True, slots=True)
class Goes:
    """The server says GOAWAY with one of these codes and closes the connection."""

    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Resets:
    """The server resets a stream with one of these codes, and the connection lives."""

    stream: int
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """The server answers these streams with success, all the rest is passed over."""

    streams: tuple[int, ...]


class Case(NamedTuple):
    """What a client sends after its greeting, and what must follow."""

    section: str
    """Of the RFC that says so: 9113 where nothing else is said."""

    name: str
    sent: bytes
    reaction: Goes | Resets | Answers
    before: bytes = b""
    """What is sent, and dealt with, before that."""


def goes(*codes: Code) -> Goes:
    return Goes(codes)


def resets(stream: int, *codes: Code) -> Resets:
    return Resets(stream, codes)


def answers(*streams: int) -> Answers:
    return Answers(streams)


class Frame(NamedTuple):
    """What the server said."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of a RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == 3 else self.payload[4:8], "big")


def parse(said: bytes) -> Iterator[Frame]:
    """The whole frames that begin *said*."""
    while len(said) >= 9 and len(said) >= 9 + (size := int.from_bytes(said[:3], "big")):
        stream = int.from_bytes(said[5:9], "big")
        yield Frame(said[3], said[4], stream, said[9 : 9 + size])
        said = said[9 + size :]


class Peer:
    """One connection to a server."""

    def __init__(self, address: str, greeting: bytes = GREETING) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._said = b""
        self._decoder = hpack.Decoder()
        self.closed = False
        self.frames: list[Frame] = []
        """All that the server said so far."""
        self.headers: dict[int, list[tuple[str, str]]] = {}
        """By stream, headers and trailers."""
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.send(greeting)

    def hang_up(self) -> None:
        """Say that nothing more comes, and hear the rest."""
        self._socket.shutdown(socket.SHUT_WR)
        self.until_close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, sent: bytes) -> None:
        """Send bytes; a server that has gone may not hear them."""
        try:
            self._socket.sendall(sent)
        except ConnectionError:
            self.closed = True

    def hear(self) -> list[Frame]:
        """Wait for more frames and return them, none where the server has closed."""
        while not self.closed:
            found = list(parse(self._said))
            if found:
                self._said = self._said[sum(9 + len(frame.payload) for frame in found) :]
                for one in found:
                    self._note(one)
                return found
            try:
                more = self._socket.recv(1 << 16)
            except ConnectionError:
                more = b""
            self.closed = not more
            self._said += more
        return []

    def _note(self, one: Frame) -> None:
        self.frames.append(one)
        if one.kind == Kind.HEADERS:
            assert one.flags & END_HEADERS
            decoded = self._decoder.decode(one.payload)
            self.headers.setdefault(one.stream, []).extend(
                (str(name), str(value)) for name, value in decoded
            )
        elif one.kind == Kind.DATA:
            self.bodies[one.stream] = self.bodies.get(one.stream, b"") + one.payload
        if one.kind in (Kind.HEADERS, Kind.DATA) and one.flags & END_STREAM:
            assert one.stream not in self.ended
            self.ended.add(one.stream)

    def until_close(self) -> None:
        """Hear the server out."""
        while not self.closed:
            self.hear()

    def until_end(self, stream: int) -> None:
        """Wait for the end of an answer."""
        while stream not in self.ended and not self.closed:
            self.hear()

    def until_marked(self) -> None:
        """
        Wait until the server has dealt with all that was sent, which it says by a ping.

        It takes two: the first may be answered before calls that came together with it.
        """
        for mark in MARKS:
            self.send(ping(mark))
            while not self.closed and not any(
                one.kind == Kind.PING and one.payload == mark for one in self.hear()
            ):
                pass

    def faults(self) -> list[tuple[int, int]]:
        """Stream, 0 for the connection, and code of each fault that the server found."""
        return [
            (one.stream, one.code)
            for one in self.frames
            if one.kind in (Kind.RST_STREAM, Kind.GOAWAY)
        ]
