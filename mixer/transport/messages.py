"""
What gRPC puts around a call in HTTP/2: who is called, for how long, messages, a status.

Facts are those of gRPC's own description of its protocol over HTTP/2.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from mixer.errors import Code, RpcError
from mixer.transport.calls import escaped
from mixer.transport.http2.compression import encode
from mixer.transport.http2.frames import Block, Headers
from mixer.transport.http2.requests import Request

PREFIX_BYTES: Final = 5
_COMPRESSED: Final = 1
_CONTENT_TYPE: Final = re.compile(rb"application/grpc(?:[+;].*)?")
_TIMEOUT: Final = re.compile(rb"(\d{1,8})([HMSmun])")
_SECONDS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_ENCODINGS: Final = b"identity,gzip"
_GZIP_WINDOW: Final = 31
_ANSWER: Headers = ((b":status", b"200"), (b"content-type", b"application/grpc"))

HEAD: Final = Block(encode(_ANSWER))
"""What every answer with a body begins with."""

OK: Final = Block(encode(((b"grpc-status", b"0"),)))
"""What ends one that went well."""


class NoCall(Exception):
    """A request that is none of gRPC; *answer* is what it gets, without a body."""

    def __init__(self, status: bytes, *more: tuple[bytes, bytes]) -> None:
        super().__init__(status.decode())
        self.answer = Block(encode(((b":status", status), *more)))


class Call(msgspec.Struct, frozen=True):
    """What the headers of a request say."""

    method: str
    """``package.Service/Method``"""

    timeout: float | None
    """Seconds."""

    encoding: bytes


def read_call(request: Request) -> Call:
    """Read the headers of a *request*. Raises `NoCall`, and RpcError where gRPC's own are wrong."""
    if request.method != b"POST":
        raise NoCall(b"405", (b"allow", b"POST"))
    if not _CONTENT_TYPE.fullmatch(request.headers.get(b"content-type", b"")):
        raise NoCall(b"415", (b"accept-post", b"application/grpc"))
    timeout = None
    if (said := request.headers.get(b"grpc-timeout")) is not None:
        parts = _TIMEOUT.fullmatch(said)
        if parts is None:
            raise RpcError(Code.INTERNAL, f"malformed grpc-timeout {said.decode('latin-1')!r}")
        timeout = int(parts[1]) * _SECONDS[parts[2]]
    encoding = request.headers.get(b"grpc-encoding", b"identity")
    return Call(method_of(request.path), timeout, encoding)


def method_of(path: bytes) -> str:
    """The ``package.Service/Method`` that a *path* names."""
    return path.decode("utf-8", "replace").removeprefix("/")


def framed(message: bytes) -> bytes:
    """A *message* as it is sent, uncompressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def only_message(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The one message of a request's whole *body*. Raises RpcError."""
    # Fast path: one that is not compressed has a prefix that is its length, read as one number.
    if int.from_bytes(body[:PREFIX_BYTES], "big") == len(body) - PREFIX_BYTES <= limit:
        return body[PREFIX_BYTES:]
    message, taken = first_message(body, encoding, limit)
    if taken != len(body) or not taken:
        raise RpcError(Code.INTERNAL, "the request is not one whole message")
    return message


def first_message(data: bytes | bytearray, encoding: bytes, limit: int) -> tuple[bytes, int]:
    """The first message and the bytes it takes of *data*, 0 if it isn't whole. Raises RpcError."""
    length = int.from_bytes(data[1:PREFIX_BYTES], "big")
    if length > limit and len(data) >= PREFIX_BYTES:
        raise too_large(limit)
    end = PREFIX_BYTES + length
    if len(data) < end:
        return b"", 0
    message = bytes(data[PREFIX_BYTES:end])
    return (unpacked(message, data[0], encoding, limit) if data[0] else message), end


def unpacked(message: bytes, flag: int, encoding: bytes, limit: int) -> bytes:
    """A *message* that has a *flag*, as it was before it was compressed. Raises RpcError."""
    if flag != _COMPRESSED or encoding == b"identity":
        raise RpcError(Code.INTERNAL, "a message that is compressed without an encoding")
    if encoding != b"gzip":
        raise RpcError(
            Code.UNIMPLEMENTED,
            f"messages in {encoding.decode('latin-1')!r} can't be read here; send gzip or identity",
        )
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        message = unpacker.decompress(message, limit + 1)
    except zlib.error as error:
        raise RpcError(Code.INTERNAL, f"a message is not what gzip makes: {error}") from None
    if len(message) > limit:
        raise too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise RpcError(Code.INTERNAL, "a message is not what gzip makes: it is cut or goes on")
    return message


def too_large(limit: int) -> RpcError:
    """The answer to a message of more than *limit* bytes."""
    return RpcError(
        Code.RESOURCE_EXHAUSTED, f"the message is larger than {limit} bytes, the most taken here"
    )


def status(error: RpcError, alone: bool) -> Block:
    """The trailers that say *error*, and *alone* with the headers before them."""
    trailers = [(b"grpc-status", str(int(error.code)).encode())]
    if error.message:
        trailers.append((b"grpc-message", escaped(error.message).encode()))
    if error.code is Code.UNIMPLEMENTED:
        trailers.append((b"grpc-accept-encoding", _ENCODINGS))
    return Block(encode((*_ANSWER, *trailers) if alone else tuple(trailers)))


class Messages:
    """The messages of a streamed request, as they come; held back while nobody takes them."""

    def __init__(self, encoding: bytes, limit: int, used: Callable[[int], None]) -> None:
        """*used* is told how many bytes of it were dealt with."""
        self._encoding = encoding
        self._limit = limit
        self._used = used
        self._data = bytearray()
        self._ended = self._stopped = False
        self._more = asyncio.Event()

    def add(self, data: bytes) -> None:
        """Take in what came."""
        if not self._stopped:
            self._data += data
        self._more.set()

    def end(self) -> None:
        """Take in that no more comes."""
        self._ended = True
        self._more.set()

    def stop(self) -> None:
        """End the request here, after the messages that have come whole."""
        self._stopped = True
        self.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            message, taken = first_message(self._data, self._encoding, self._limit)
            if taken:
                del self._data[:taken]
                self._used(taken)
                yield message
                continue
            if self._ended:
                if self._data and not self._stopped:
                    raise RpcError(Code.INTERNAL, "the request ends within a message")
                return
            self._more.clear()
            await self._more.wait()
