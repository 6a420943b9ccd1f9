"""gRPC over HTTP/2 as its protocol describes it: requests that are none, and what they get."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from mixer._pb.pool import POOL
from mixer.errors import Code, RpcError
from mixer.transport.calls import Limits, Send
from mixer.transport.native import NativeServer

from .conftest import LOG, serving
from .peer import (
    ECHO,
    EMPTY,
    END_HEADERS,
    END_STREAM,
    PREFACE,
    Peer,
    ask,
    block,
    data,
    head,
    headers,
    settings,
    window_update,
)

HELLO = b"\0\0\0\0\5hello"
CALL = head(**{":path": "/a.B/C"})
STREAM = head(**{":path": "/a.B/Stream"})
ZIPPED = gzip.compress(b"hello", mtime=0)


def compressed(packed: bytes, flag: int = 1) -> bytes:
    return bytes([flag]) + len(packed).to_bytes(4, "big") + packed


class Ask(NamedTuple):
    """A request that differs from a right one, and its answer."""

    name: str
    headers: dict[str, str | None]
    """Beside, or instead of, those of a right one; None takes one away."""

    body: bytes
    http: str
    grpc: Code | None
    """None where the answer is none of gRPC's."""


TYPE = "content-type"
ZIP = {"grpc-encoding": "gzip"}
RIGHT = ("200", Code.OK)
ASKS = [
    Ask("as it should be", {}, HELLO, *RIGHT),
    Ask("of no bytes", {}, EMPTY, *RIGHT),
    Ask("with the type of protobuf", {TYPE: "application/grpc+proto"}, HELLO, *RIGHT),
    Ask("with a parameter of the type", {TYPE: "application/grpc;charset=x"}, HELLO, *RIGHT),
    Ask("with another type", {TYPE: "application/json"}, HELLO, "415", None),
    Ask("with a type that only begins so", {TYPE: "application/grpc-web"}, HELLO, "415", None),
    Ask("without a type", {TYPE: None}, HELLO, "415", None),
    Ask("with another method", {":method": "GET"}, HELLO, "405", None),
    Ask("without te", {"te": None}, HELLO, *RIGHT),
    Ask("with a user agent", {"user-agent": "grpc-go/1.68.0"}, HELLO, *RIGHT),
    Ask("with metadata", {"x-many": "words, and more", "x-bin": "AAEC"}, HELLO, *RIGHT),
    Ask("of no method", {":path": "/"}, HELLO, "200", Code.UNIMPLEMENTED),
    Ask("of an unknown method", {":path": ECHO + "s"}, HELLO, "200", Code.UNIMPLEMENTED),
    Ask("of a path that is no path", {":path": "*"}, HELLO, "200", Code.UNIMPLEMENTED),
    *(
        Ask(f"with the timeout {said}", {"grpc-timeout": said}, HELLO, *RIGHT)
        for said in ("1H", "2M", "30S", "99999999m", "9999999u", "99999999n")
    ),
    *(
        Ask(f"with the timeout {said!r}", {"grpc-timeout": said}, HELLO, "200", Code.INTERNAL)
        for said in ("", "1", "S", "1s", "-1S", "1.5S", "100000000S", "1 S")
    ),
    Ask("that is compressed", ZIP, compressed(ZIPPED), *RIGHT),
    Ask("that could be compressed", ZIP, HELLO, *RIGHT),
    Ask("compressed without an encoding", {}, compressed(ZIPPED), "200", Code.INTERNAL),
    Ask("compressed as identity", {"grpc-encoding": "identity"}, compressed(ZIPPED), "200",
        Code.INTERNAL),
    Ask("in an encoding that is not known", {"grpc-encoding": "snappy"}, compressed(ZIPPED), "200",
        Code.UNIMPLEMENTED),
    Ask("with flags that nobody knows", ZIP, compressed(ZIPPED, 3), "200", Code.INTERNAL),
    Ask("compressed, but cut", ZIP, compressed(ZIPPED[:-1]), "200", Code.INTERNAL),
    Ask("compressed, with more behind", ZIP, compressed(ZIPPED + b"x"), "200", Code.INTERNAL),
    Ask("compressed wrongly", ZIP, compressed(b"hello"), "200", Code.INTERNAL),
    Ask("that unpacks to more than may be", ZIP, compressed(gzip.compress(bytes(1 << 20 | 1))),
        "200", Code.RESOURCE_EXHAUSTED),
    Ask("without a message", {}, b"", "200", Code.INTERNAL),
    Ask("with half a prefix", {}, b"\0\0", "200", Code.INTERNAL),
    Ask("with half a message", {}, HELLO[:-1], "200", Code.INTERNAL),
    Ask("with two messages", {}, HELLO * 2, "200", Code.INTERNAL),
    Ask("that says it is larger than may be", {}, b"\0\xff\xff\xff\xff", "200",
        Code.RESOURCE_EXHAUSTED),
    Ask("of the largest size", {}, b"\0\0\x10\0\0" + bytes(1 << 20), *RIGHT),
    Ask("of one byte more", {}, b"\0\0\x10\0\1" + bytes(1 << 20 | 1), "200",
        Code.RESOURCE_EXHAUSTED),
]  # fmt: skip


@pytest.mark.parametrize("case", ASKS, ids=[case.name for case in ASKS])
def test_a_request(address: str, case: Ask) -> None:
    with Peer(address, PREFACE + settings((4, 1 << 21)) + window_update(0, 1 << 21)) as peer:
        peer.send(ask(1, case.body, head(**case.headers)))
        peer.until_end(1)
        said = dict(peer.headers[1])
        assert said[":status"] == case.http
        assert said.get("grpc-status") == (None if case.grpc is None else str(int(case.grpc)))
        if case.grpc is Code.OK:
            assert peer.bodies[1][5:] == (b"hello" if case.body[:1] == b"\1" else case.body[5:])
            assert said[TYPE] == "application/grpc"
        else:
            assert 1 not in peer.bodies
        if case.grpc not in (None, Code.OK):
            assert said["grpc-message"]
        peer.send(ask(3, HELLO))
        peer.until_end(3)
        assert peer.faults() == []


def test_an_unknown_encoding_is_told_which_are_known(address: str) -> None:
    with Peer(address) as peer:
        peer.send(ask(1, compressed(ZIPPED), head(**{"grpc-encoding": "snappy"})))
        peer.until_end(1)
        assert ("grpc-accept-encoding", "identity,gzip") in peer.headers[1]


def test_a_message_of_a_status_is_percent_encoded() -> None:
    said = "größer als 100%\n\t~ \x7f"

    async def refuse(raw: bytes) -> bytes:
        raise RpcError(Code.ABORTED, said)

    with serving({"a.B/C": refuse}) as address, Peer(address) as peer:
        peer.send(ask(1, EMPTY, CALL))
        peer.until_end(1)
        message = dict(peer.headers[1])["grpc-message"]
        assert unquote(message) == said
        assert all(" " <= character <= "~" for character in message)
        assert message == "gr%C3%B6%C3%9Fer als 100%25%0A%09~ %7F"


LARGE = bytes(1000)


def streaming(taken: list[bytes], limits: Limits | None = None) -> NativeServer:
    """A server that answers each message of a stream with a large one."""

    async def answer(requests: AsyncIterator[bytes], send: Send) -> None:
        async for raw in requests:
            taken.append(raw)
            await send(LARGE)

    async def unused(raw: bytes) -> bytes:
        return raw

    return NativeServer({"a.B/C": unused}, POOL, LOG, limits, {"a.B/Stream": answer})


def test_no_more_of_a_stream_is_answered_than_is_read() -> None:
    taken: list[bytes] = []
    greeting = PREFACE + settings((4, 0))
    with serving(server=streaming(taken)) as address, Peer(address, greeting) as peer:
        peer.send(headers(1, STREAM) + data(1, EMPTY * 500, 0) + data(1, EMPTY * 500))
        peer.until_marked()
        assert len(taken) == 1
        peer.send(settings((4, 1 << 24)) + window_update(0, 1 << 24))
        peer.until_end(1)
        assert len(taken) == 1000
        assert len(peer.bodies[1]) == 1000 * (5 + len(LARGE))


def test_a_message_of_a_stream_may_be_as_large_as_any() -> None:
    taken: list[bytes] = []
    message = bytes(3 << 20)
    server = streaming(taken, Limits(max_message_bytes=len(message)))
    with serving(server=server) as address, Peer(address) as peer:
        peer.send(ask(1, b"\0" + len(message).to_bytes(4, "big") + message, STREAM))
        peer.until_end(1)
        assert taken == [message]


def test_a_stream_ends_with_a_status_where_a_message_is_wrong() -> None:
    taken: list[bytes] = []
    with serving(server=streaming(taken)) as address, Peer(address) as peer:
        peer.send(headers(1, STREAM) + data(1, HELLO + b"\7\0\0\0\0", 0))
        peer.until_end(1)
        assert taken == [b"hello"]
        assert ("grpc-status", str(int(Code.INTERNAL))) in peer.headers[1]
        peer.send(headers(3, STREAM) + data(3, HELLO[:-1]))
        peer.until_end(3)
        assert ("grpc-status", str(int(Code.INTERNAL))) in peer.headers[3]


def test_a_call_whose_client_goes_is_cancelled() -> None:
    entered, cancelled = threading.Event(), threading.Event()

    async def hang(raw: bytes) -> bytes:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return raw

    with serving({"a.B/C": hang}) as address:
        with Peer(address) as peer:
            peer.send(ask(1, EMPTY, CALL))
            assert entered.wait(10)
        assert cancelled.wait(10)


@pytest.mark.parametrize("flags", [END_HEADERS, END_HEADERS | END_STREAM], ids=["open", "ended"])
def test_a_deadline_passes_for_a_handler_that_waits(flags: int) -> None:
    async def hang(raw: bytes) -> bytes:
        await asyncio.Event().wait()
        return raw

    async def hang_on(requests: AsyncIterator[bytes], send: Send) -> None:
        await asyncio.Event().wait()

    methods = {"a.B/C": hang}
    server = NativeServer(methods, POOL, LOG, None, {"a.B/Stream": hang_on})
    with serving(server=server) as address, Peer(address) as peer:
        peer.send(headers(1, STREAM + block(("grpc-timeout", "1m")), flags))
        peer.until_end(1)
        assert ("grpc-status", str(int(Code.DEADLINE_EXCEEDED))) in peer.headers[1]
        peer.until_marked()
        resets = [] if flags & END_STREAM else [(1, 0)]
        assert peer.faults() == resets
