"""grpcio's client on both transports: all that it can ask of a server is answered the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
import pytest
import structlog
import trustme
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from mixer._pb.pool import POOL
from mixer.transport.calls import Handler
from mixer.transport.grpcio import GrpcioServer
from mixer.transport.listener import Tls
from mixer.transport.native import NativeServer

MIXER = "istio.mixer.v1.Mixer"
CHECK = f"{MIXER}/Check"
REPORT = f"{MIXER}/Report"
LARGE = 1 << 20
LOG: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))
HEALTH = health_pb2.HealthCheckResponse

Transport: TypeAlias = type[GrpcioServer | NativeServer]
Server: TypeAlias = GrpcioServer | NativeServer


@pytest.fixture(params=[GrpcioServer, NativeServer], ids=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Who speaks HTTP/2."""
    found: Transport = request.param
    return found


async def echo(raw: bytes) -> bytes:
    return raw


async def waiting_echo(raw: bytes) -> bytes:
    await asyncio.sleep(0)
    return raw


@asynccontextmanager
async def serving(
    transport: Transport, methods: Mapping[str, Handler], tls: Tls | None = None
) -> AsyncIterator[tuple[Server, str]]:
    server = transport(methods, POOL, LOG)
    address = server.bind("tcp://127.0.0.1:0", tls)
    await server.start()
    try:
        yield server, address
    finally:
        await server.drain(0)


@asynccontextmanager
async def calling(
    transport: Transport, *handlers: Handler, **options: Any
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that has *handlers* as Check and Report."""
    methods = dict(zip((CHECK, REPORT), handlers, strict=False))
    async with (
        serving(transport, methods) as (_, address),
        grpc.aio.insecure_channel(address, **options) as channel,
    ):
        yield channel


async def call(channel: grpc.aio.Channel, raw: bytes, method: str = CHECK, **more: Any) -> bytes:
    answer: bytes = await channel.unary_unary(f"/{method}")(raw, **{"timeout": 20, **more})
    return answer


@pytest.mark.parametrize("handler", [echo, waiting_echo], ids=["at once", "later"])
@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 65_530, 65_531, LARGE], ids=str)
async def test_messages_of_any_size_pass_both_ways(
    transport: Transport, handler: Handler, size: int
) -> None:
    async with calling(transport, handler) as channel:
        raw = bytes(at % 251 for at in range(size))
        assert await call(channel, raw) == raw


async def test_hundreds_of_calls_at_once_get_their_own_answers(transport: Transport) -> None:
    async with calling(transport, echo, waiting_echo) as channel:
        sent = [at.to_bytes(2, "big") * (at * 7 % 5000) for at in range(600)]
        answers = await asyncio.gather(
            *(call(channel, raw, (CHECK, REPORT)[at % 2]) for at, raw in enumerate(sent))
        )
        assert answers == sent


@pytest.mark.parametrize(
    "compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression], ids=["gzip", "none"]
)
async def test_a_message_may_be_compressed(
    transport: Transport, compression: grpc.Compression
) -> None:
    async with calling(transport, echo, compression=compression) as channel:
        raw = b"the same again, " * 10_000
        assert await call(channel, raw) == raw


async def test_what_can_not_be_unpacked_here_is_unimplemented(transport: Transport) -> None:
    async with calling(transport, echo, compression=grpc.Compression.Deflate) as channel:
        try:
            found = await call(channel, b"x" * 1000)
        except grpc.aio.AioRpcError as refused:
            assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
        else:
            assert transport is GrpcioServer  # it reads deflate as well
            assert found == b"x" * 1000


async def test_a_deadline_that_passes_ends_the_call_and_its_handler(transport: Transport) -> None:
    cancelled = asyncio.Event()

    async def hang(raw: bytes) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return raw

    async with calling(transport, hang, echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, b"", timeout=0.05)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await cancelled.wait()
        assert await call(channel, b"next", REPORT) == b"next"


async def test_a_call_that_is_given_up_ends_its_handler(transport: Transport) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(raw: bytes) -> bytes:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return raw

    async with calling(transport, hang, echo) as channel:
        held = channel.unary_unary(f"/{CHECK}")(b"")
        await entered.wait()
        held.cancel()
        await cancelled.wait()
        assert await call(channel, b"next", REPORT) == b"next"


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
async def test_a_handler_that_is_cancelled_from_within_gives_a_status(
    transport: Transport, waits: bool
) -> None:
    async def fail(raw: bytes) -> bytes:
        if waits:
            await asyncio.sleep(0)
        raise asyncio.CancelledError

    async with calling(transport, fail, echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, b"", timeout=5)
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert await call(channel, b"next", REPORT) == b"next"


async def test_metadata_of_all_kinds_is_taken(transport: Transport) -> None:
    async with calling(transport, echo) as channel:
        metadata = (("x-text", "a, b; c"), ("x-text", "twice"), ("x-bytes-bin", bytes(range(256))))
        for _ in range(3):  # the second time the client refers to its table
            assert await call(channel, b"x", metadata=metadata) == b"x"


async def test_more_metadata_than_may_be_is_refused_and_the_connection_lives(
    transport: Transport,
) -> None:
    async with calling(transport, echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, b"x", metadata=[("x-long", "y" * 100_000)])
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await call(channel, b"x") == b"x"


async def test_a_method_that_is_not_there_is_unimplemented(transport: Transport) -> None:
    async with calling(transport, echo) as channel:
        for method in (f"{MIXER}/Nothing", "no.such.Service/Check"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(channel, b"", method)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_that_asks_often_whether_we_live_is_told_so(transport: Transport) -> None:
    options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_permit_without_calls", 1)]
    async with calling(transport, echo, options=options) as channel:
        assert await call(channel, b"x") == b"x"


async def test_health_is_told_by_service_and_unknown_services_are_not_found(
    transport: Transport,
) -> None:
    async with (
        serving(transport, {CHECK: echo}) as (server, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        for serving_now in (True, False, True):
            await server.set_serving(serving_now)
            for service in ("", MIXER):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == (HEALTH.SERVING if serving_now else HEALTH.NOT_SERVING)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_whoever_watches_health_hears_each_change(transport: Transport) -> None:
    async with (
        serving(transport, {CHECK: echo}) as (server, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(service=MIXER))
        unknown = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
        assert (await watching.read()).status == HEALTH.SERVING
        assert (await unknown.read()).status == HEALTH.SERVICE_UNKNOWN
        for serving_now in (False, True, False):
            await server.set_serving(serving_now)
            expected = HEALTH.SERVING if serving_now else HEALTH.NOT_SERVING
            assert (await watching.read()).status == expected
        watching.cancel()
        unknown.cancel()


async def test_reflection_tells_all_that_a_client_needs_to_call(transport: Transport) -> None:
    def look(address: str) -> tuple[list[str], list[str], str]:
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            service = DescriptorPool(database).FindServiceByName(MIXER)
            inputs = [method.input_type.full_name for method in service.methods]
            with pytest.raises(KeyError):
                database.FindFileContainingSymbol("no.such.Message")
            return sorted(database.get_services()), inputs, service.file.name

    async with serving(transport, {CHECK: echo}) as (_, address):
        services, inputs, file = await asyncio.to_thread(look, address)
    assert services == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        MIXER,
    ]
    assert inputs == ["istio.mixer.v1.CheckRequest", "istio.mixer.v1.ReportRequest"]
    assert file


class Authority:
    """A certificate authority with one server."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        issued = self._authority.issue_cert("localhost")
        self.tls = Tls(folder / "cert.pem", folder / "key.pem")
        self.mutual = Tls(self.tls.certificate, self.tls.key, folder / "ca.pem")
        self.tls.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.tls.key.write_bytes(issued.private_key_pem.bytes())
        (folder / "ca.pem").write_bytes(self._authority.cert_pem.bytes())

    def credentials(self, issuer: trustme.CA | None = None) -> grpc.ChannelCredentials:
        """Those of a client with a certificate of *issuer*, or else of the authority."""
        issued = (issuer or self._authority).issue_cert("sidecar")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        root = self._authority.cert_pem.bytes()
        return grpc.ssl_channel_credentials(root, issued.private_key_pem.bytes(), chain)

    @property
    def anonymous(self) -> grpc.ChannelCredentials:
        """Those of a client without a certificate."""
        return grpc.ssl_channel_credentials(self._authority.cert_pem.bytes())


def by_name(address: str) -> str:
    return f"localhost:{address.rpartition(':')[2]}"


async def test_tls_carries_calls_of_all_sizes(transport: Transport, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        serving(transport, {CHECK: echo}, authority.tls) as (_, address),
        grpc.aio.secure_channel(by_name(address), authority.anonymous) as channel,
    ):
        for size in (0, 100, 20_000, LARGE):
            assert len(await call(channel, bytes(size))) == size


async def test_mutual_tls_lets_in_whom_the_authority_knows(
    transport: Transport, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with serving(transport, {CHECK: echo}, authority.mutual) as (_, address):
        async with grpc.aio.secure_channel(by_name(address), authority.credentials()) as channel:
            assert await call(channel, b"x") == b"x"
        for stranger in (authority.credentials(trustme.CA()), authority.anonymous):
            async with grpc.aio.secure_channel(by_name(address), stranger) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call(channel, b"x", timeout=5)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_who_does_not_speak_tls_is_not_answered(transport: Transport, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        serving(transport, {CHECK: echo}, authority.tls) as (_, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, b"x", timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
