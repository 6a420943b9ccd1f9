"""Both transports: whatever handlers and callers do, there is an answer or a status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
import pytest
import structlog
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mixer._pb.pool import POOL
from mixer.errors import Code, RpcError, StartError
from mixer.transport.calls import MAX_STATUS_BYTES, Handler, Limits, fitting
from mixer.transport.grpcio import GrpcioServer
from mixer.transport.listener import Tls
from mixer.transport.native import NativeServer

CHECK = "istio.mixer.v1.Mixer/Check"
LOG: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


Transport: TypeAlias = type[GrpcioServer | NativeServer]


@pytest.fixture(params=[GrpcioServer, NativeServer], ids=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Who speaks HTTP/2."""
    found: Transport = request.param
    return found


@asynccontextmanager
async def serving(
    transport: Transport, handler: Handler, limits: Limits | None = None, log: Any = LOG
) -> AsyncIterator[tuple[GrpcioServer | NativeServer, grpc.aio.Channel]]:
    server = transport({CHECK: handler}, POOL, log, limits)
    address = server.bind("tcp://127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield server, channel
    await server.drain(0)


async def call(channel: grpc.aio.Channel, raw: bytes = b"") -> bytes:
    answer: bytes = await channel.unary_unary(f"/{CHECK}")(raw, timeout=20)
    return answer


def printed(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What came out on stderr, but for what the client of an earlier test still had to say."""
    said = capfd.readouterr().err.splitlines()
    return [line for line in said if "chttp2_transport" not in line]


async def echo(raw: bytes) -> bytes:
    return raw


@pytest.mark.parametrize("code", [code for code in Code if code], ids=lambda code: code.name)
async def test_a_status_reaches_the_caller(transport: Transport, code: Code) -> None:
    async def refuse(raw: bytes) -> bytes:
        raise RpcError(code, "1 error occurred:\n\t* größer als 100%\n\n")

    async with serving(transport, refuse) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel)
    assert refused.value.code().name == code.name
    assert refused.value.details() == "1 error occurred:\n\t* größer als 100%\n\n"


async def test_a_status_with_a_long_message_reaches_the_caller_too(transport: Transport) -> None:
    async def refuse(raw: bytes) -> bytes:
        raise RpcError(Code.UNKNOWN, "ärger " * 100_000)

    async with serving(transport, refuse) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel)
    assert refused.value.code() is grpc.StatusCode.UNKNOWN
    assert str(refused.value.details()).startswith("ärger ärger ")
    assert str(refused.value.details()).endswith(" more characters)")


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("", 0),
        ("x" * MAX_STATUS_BYTES, MAX_STATUS_BYTES),
        ("x" * (MAX_STATUS_BYTES + 1), MAX_STATUS_BYTES),
        ("%" * MAX_STATUS_BYTES, MAX_STATUS_BYTES // 3),
        ("€" * MAX_STATUS_BYTES, MAX_STATUS_BYTES // 9),
    ],
    ids=["empty", "fits", "one-too-many", "escaped", "three-bytes"],
)
def test_a_message_is_cut_where_its_escaped_form_is_full(message: str, kept: int) -> None:
    left = len(message) - kept
    expected = f"{message[:kept]}... ({left} more characters)" if left else message
    assert fitting(message) == expected


async def test_a_defect_is_internal_and_logged_and_the_server_lives(transport: Transport) -> None:
    events: list[Any] = []

    async def once(raw: bytes) -> bytes:
        if raw:
            raise ZeroDivisionError("secret of the mixer")
        return b"fine"

    def note(_: Any, method: str, event: Any) -> Any:
        events.append((method, event["event"], event["exc_info"]))
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        None, processors=[note], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    async with serving(transport, once, log=log) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, b"x")
        assert await call(channel) == b"fine"
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(refused.value.details())
    assert [(method, shown) for method, _, shown in events] == [("error", True)]


async def test_a_message_at_the_limit_passes_and_a_longer_one_does_not(
    transport: Transport,
) -> None:
    async with serving(transport, echo, Limits(max_message_bytes=1000)) as (_, channel):
        assert len(await call(channel, bytes(1000))) == 1000
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, bytes(1001))
        assert await call(channel, b"again") == b"again"
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_connection_has_no_more_calls_at_once_than_it_may(transport: Transport) -> None:
    inside: list[bytes] = []
    entered, release = asyncio.Event(), asyncio.Event()

    async def hold(raw: bytes) -> bytes:
        inside.append(raw)
        entered.set()
        await release.wait()
        return raw

    async with serving(transport, hold, Limits(max_concurrent_streams=1)) as (_, channel):
        calls = [asyncio.create_task(call(channel, word)) for word in (b"a", b"b")]
        await entered.wait()
        health = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            # It waits behind the call inside, on the same connection.
            await health.Check(health_pb2.HealthCheckRequest(), timeout=0.2)
        assert len(inside) == 1
        release.set()
        assert await asyncio.gather(*calls) == [b"a", b"b"]


async def test_a_drain_finishes_calls_in_flight_and_tells_those_who_watch(
    transport: Transport,
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def hold(raw: bytes) -> bytes:
        entered.set()
        await release.wait()
        return b"finished"

    async with serving(transport, hold) as (server, channel):
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        held = asyncio.create_task(call(channel))
        await entered.wait()
        draining = asyncio.create_task(server.drain(20))
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watching.cancel()
        assert not held.done()
        release.set()
        assert await held == b"finished"
        await draining


async def test_a_drain_cuts_off_what_takes_longer(transport: Transport) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(raw: bytes) -> bytes:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    async with serving(transport, hang) as (server, channel):
        held = asyncio.create_task(call(channel))
        await entered.wait()
        await server.drain(0.05)
        await cancelled.wait()
        with pytest.raises(grpc.aio.AioRpcError):
            await held


async def test_draining_what_never_started_returns(transport: Transport) -> None:
    await transport({CHECK: echo}, POOL, LOG).drain(10)


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("tcp://127.0.0.1:99999", "not of the form"),
        ("tcp://127.0.0.1:http", "not of the form"),
        ("127.0.0.1", "not of the form"),
        ("unix:///no/such/folder/socket", "No such file or directory"),
    ],
)
async def test_an_address_that_can_not_be_had_is_one_line(
    transport: Transport, address: str, part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StartError, match=part) as refused:
        transport({CHECK: echo}, POOL, LOG).bind(address)
    assert address in str(refused.value)
    assert "\n" not in str(refused.value)
    assert printed(capfd) == []


async def test_a_file_that_is_no_socket_is_left_alone(transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("data")
    with pytest.raises(StartError, match="in use"):
        transport({CHECK: echo}, POOL, LOG).bind(f"unix://{file}")
    assert file.read_text() == "data"


async def test_files_that_are_no_certificates_are_named_in_one_line(
    transport: Transport, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    authority = trustme.CA()
    issued, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    certificate, key, garbage = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "garbage"
    certificate.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    (tmp_path / "other.pem").write_bytes(other.private_key_pem.bytes())
    garbage.write_text("garbage")
    for tls, name in (
        (Tls(garbage, key), "garbage"),
        (Tls(certificate, garbage), "garbage"),
        (Tls(certificate, tmp_path / "other.pem"), "other.pem"),
        (Tls(certificate, key, garbage), "garbage"),
        (Tls(certificate, tmp_path / "absent"), "absent"),
    ):
        with pytest.raises(StartError, match=name) as refused:
            transport({CHECK: echo}, POOL, LOG).bind("tcp://127.0.0.1:0", tls)
        assert "\n" not in str(refused.value)
    assert printed(capfd) == []
