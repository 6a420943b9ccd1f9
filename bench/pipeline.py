"""
A client whose every message differs, and which costs little: as h2load, one answer, one request.

It knows as much of HTTP/2 as that takes, on a server that is known to behave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

from hpack import Encoder

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER = 9
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_WINDOW = 1 << 30
_MAX_PAYLOAD = 16_384


class Refused(Exception):
    """The server ended a stream or the connection."""


def requests(port: int, method: str, messages: Iterable[bytes]) -> Iterator[bytes]:
    """
    What one connection sends: a request for each of *messages*, in order.

    Who makes all of it before the first is sent leaves the processor to the server.
    """
    encoder = Encoder()
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", f"127.0.0.1:{port}"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    for number, message in enumerate(messages):
        if number < 2:  # the second block refers to what the first put into the table
            block = encoder.encode(fields)
        stream = 2 * number + 1
        body = b"\0" + len(message).to_bytes(4, "big") + message
        frames = [_frame(_HEADERS, _END_HEADERS, stream, block)]
        for start in range(0, len(body), _MAX_PAYLOAD):
            part = body[start : start + _MAX_PAYLOAD]
            is_last = start + _MAX_PAYLOAD >= len(body)
            frames.append(_frame(_DATA, _END_STREAM * is_last, stream, part))
        yield b"".join(frames)


async def send(port: int, requests: Iterable[bytes], streams: int) -> None:
    """Send all *requests* on a connection, *streams* at a time; raises Refused, OSError."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    transport, _ = await loop.create_connection(
        lambda: _Connection(iter(requests), streams, done), "127.0.0.1", port
    )
    try:
        await done
    finally:
        transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], streams: int, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._unanswered = 0
        self._streams = streams
        self._buffer = b""
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        hello = [_PREFACE, _frame(_SETTINGS, 0, 0, b"")]
        hello.append(_frame(_WINDOW_UPDATE, 0, 0, _WINDOW.to_bytes(4, "big")))
        transport.write(b"".join(hello) + self._more(self._streams))

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
        if more := replies + self._more(answered):
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

    def _more(self, count: int) -> bytes:
        more = list(islice(self._requests, count))
        self._unanswered += len(more)
        return b"".join(more)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return b"".join(
        (len(body).to_bytes(3, "big"), bytes((kind, flags)), stream.to_bytes(4, "big"), body)
    )
