"""Requests of gRPC: whatever one says, there is a message, or a status that passes."""

from __future__ import annotations

import gzip
from urllib.parse import unquote_to_bytes

import hpack

from mixer.errors import RpcError
from mixer.transport.calls import fitting
from mixer.transport.http2.frames import Block, StreamFault
from mixer.transport.http2.requests import looked_at, request
from mixer.transport.messages import (
    Messages,
    NoCall,
    framed,
    only_message,
    read_call,
    status,
)

from .script import Script

LIMIT = 500
_TIMEOUTS = (b"1S", b"99999999H", b"0n", b"-1S", b"1", b"S", b"100000000m", b"1x")
_ENCODINGS = (b"gzip", b"identity", b"deflate", b"", b"GZIP")


def run(data: bytes) -> None:
    """Read the request that *data* tells of, whole and in pieces."""
    script = Script(data)
    encoding = _call(script)
    body = _body(script)
    whole: bytes | None
    try:
        whole = only_message(body, encoding, LIMIT)
        assert len(whole) <= LIMIT
    except RpcError as error:
        whole = None
        _passes(error)
    found = _streamed(body, encoding, script)
    if whole is not None:
        assert found == [whole]


def _call(script: Script) -> bytes:
    headers = [
        (b":method", script.choice((b"POST", b"POST", b"POST", b"GET", script.some(5)))),
        (b":scheme", b"http"),
        (b":path", script.choice((b"/a.B/C", b"/", b"a\xff", script.some(20)))),
        (b"content-type", script.choice((b"application/grpc", script.some(30)))),
    ]
    if script.number(2):
        said = script.choice((*_TIMEOUTS, script.some(12)))
        headers.append((b"grpc-timeout", said))
    if script.number(2):
        headers.append((b"grpc-encoding", script.choice((*_ENCODINGS, script.some(10)))))
    headers_said = tuple(looked_at(*header).says for header in headers)
    try:
        call = read_call(request(headers_said))
    except StreamFault:
        return b"identity"
    except NoCall as refused:
        assert _read(refused.answer)[b":status"] in (b"405", b"415")
        return b"identity"
    except RpcError as error:
        _passes(error)
        return b"identity"
    assert call.timeout is None or 0 <= call.timeout < 1e12
    return call.encoding


def _body(script: Script) -> bytes:
    message = script.some(600)
    match script.number(6):
        case 0:
            return framed(message)
        case 1 | 2:
            if script.number(4) == 1:
                message = bytes(script.number(100_000))
            packed = gzip.compress(message, script.number(10), mtime=0)
            if script.number(4) == 1:
                at = script.number(len(packed))
                packed = packed[:at] + script.some(4) + packed[at + script.number(3) :]
            return b"\1" + framed(packed)[1:]
        case 3:
            return framed(message) + framed(script.some(20))
        case 4:
            return script.take(5) + message
        case _:
            return message


def _streamed(body: bytes, encoding: bytes, script: Script) -> list[bytes] | None:
    """The messages of the same body as it comes in pieces; None where one is wrong."""
    used: list[int] = []
    messages = Messages(encoding, LIMIT, used.append)
    while body:
        size = len(body) if script.is_over else 1 + script.number(len(body))
        messages.add(body[:size])
        body = body[size:]
    messages.end()
    found: list[bytes] = []
    source = aiter(messages)
    while True:
        try:
            anext(source).__await__().send(None)
        except StopIteration as one:
            found.append(one.value)
            assert len(one.value) <= LIMIT
        except StopAsyncIteration:
            return found
        except RpcError as error:
            _passes(error)
            return None
        else:
            raise AssertionError("it waits for more after the end")


def _passes(error: RpcError) -> None:
    """Judge the trailers of a status."""
    trailers = _read(status(error, alone=False))
    assert trailers[b"grpc-status"] == str(int(error.code)).encode()
    said = unquote_to_bytes(trailers.get(b"grpc-message", b"")).decode()
    assert said == fitting(error.message).strip(" ")
    alone = _read(status(error, alone=True))
    assert alone == {b":status": b"200", b"content-type": b"application/grpc"} | trailers


def _read(block: Block) -> dict[bytes, bytes]:
    found = hpack.Decoder().decode(block.block, raw=True)
    for name, value in found:
        assert value == bytes(value).strip(), name
        assert all(0x20 <= byte < 0x7F for byte in value), name
    return {bytes(name): bytes(value) for name, value in found}
