"""
A client whose every message differs, and which costs little: as h2load, one answer, one request.

It knows as much of HTTP/2 as that takes, on a server that is known to behave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hpack import Encoder

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER = 9
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_WINDOW = 1 << 30
_MAX_PAYLOAD = 16_384


class Refused(Exception):
    """The server ended a stream or the connection."""


async def send(
    port: int, method: str, message: Callable[[], bytes], requests: int, streams: int
) -> None:
    """Send *requests* on a connection, *streams* at a time; raises Refused, OSError."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    transport, _ = await loop.create_connection(
        lambda: _Connection(port, method, message, requests, streams, done), "127.0.0.1", port
    )
    try:
        await done
    finally:
        transport.close()


class _Connection(asyncio.Protocol):
    def __init__(
        self,
        port: int,
        method: str,
        message: Callable[[], bytes],
        requests: int,
        streams: int,
        done: asyncio.Future[None],
    ) -> None:
        encoder = Encoder()
        fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", f"127.0.0.1:{port}"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        self._first, self._block = encoder.encode(fields), encoder.encode(fields)
        self._message = message
        self._unsent = self._unanswered = requests
        self._streams = streams
        self._stream = 1
        self._buffer = b""
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        hello = [_PREFACE, _frame(_SETTINGS, 0, 0, b"")]
        hello.append(_frame(_WINDOW_UPDATE, 0, 0, _WINDOW.to_bytes(4, "big")))
        transport.write(b"".join(hello) + self._requests(self._streams))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at, answered, replies = 0, 0, b""
        while len(data) >= at + _HEADER:
            end = at + _HEADER + int.from_bytes(data[at : at + 3], "big")
            if len(data) < end:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind == _HEADERS and flags & _END_STREAM:
                answered += 1
            elif kind in (_SETTINGS, _PING) and not flags & _ACK:
                body = data[at + _HEADER : end] if kind == _PING else b""
                replies += _frame(kind, _ACK, 0, body)
            elif kind in (_RST_STREAM, _GOAWAY):
                self._end(Refused(f"frame of type {kind} while requests were under way"))
            at = end
        self._buffer = data[at:]
        self._unanswered -= answered
        if more := replies + self._requests(answered):
            self._transport.write(more)
        if not self._unanswered:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or Refused("the connection ended"))

    def _end(self, error: Exception | None) -> None:
        if not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)

    def _requests(self, count: int) -> bytes:
        frames = []
        for _ in range(min(count, self._unsent)):
            block, self._first = self._first or self._block, b""
            message = self._message()
            body = b"\0" + len(message).to_bytes(4, "big") + message
            frames.append(_frame(_HEADERS, _END_HEADERS, self._stream, block))
            for start in range(0, len(body), _MAX_PAYLOAD):
                part = body[start : start + _MAX_PAYLOAD]
                is_last = start + _MAX_PAYLOAD >= len(body)
                frames.append(_frame(_DATA, _END_STREAM * is_last, self._stream, part))
            self._stream += 2
            self._unsent -= 1
        return b"".join(frames)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return b"".join(
        (len(body).to_bytes(3, "big"), bytes((kind, flags)), stream.to_bytes(4, "big"), body)
    )
