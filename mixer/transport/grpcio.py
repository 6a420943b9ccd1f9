"""
The grpcio transport: handlers of bytes behind a gRPC server, with health and reflection.

Law: whatever a handler does, the caller gets an answer or a status, and the server lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from mixer.errors import RpcError, StartError
from mixer.transport.calls import (
    DEFECT,
    INTERNAL,
    Handler,
    Limits,
    StreamHandler,
    fitting,
    is_cancelled,
)
from mixer.transport.listener import Tls, cant_listen, read, server_context, target

_STANDARD = (health.SERVICE_NAME, reflection.SERVICE_NAME)
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


class GrpcioServer:
    """One gRPC server with one listener."""

    def __init__(
        self,
        methods: Mapping[str, Handler],
        pool: DescriptorPool,
        log: FilteringBoundLogger,
        limits: Limits | None = None,
        streams: Mapping[str, StreamHandler] | None = None,
    ) -> None:
        """
        Serve *methods* and *streams*, by ``package.Service/Method``, with descriptors in *pool*.
        """
        limits, streams = limits or Limits(), streams or {}
        self._log = log
        self._draining = asyncio.Event()
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.max_message_bytes),
                ("grpc.max_concurrent_streams", limits.max_concurrent_streams),
                ("grpc.so_reuseport", 0),
            ]
        )
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(self._guarded(handler))
            for name, handler in methods.items()
        } | {
            name: grpc.stream_stream_rpc_method_handler(self._streamed(handler))
            for name, handler in streams.items()
        }
        services = sorted({name.rpartition("/")[0] for name in handlers})
        for service in services:
            of_service = {
                name.rpartition("/")[2]: handler
                for name, handler in handlers.items()
                if name.startswith(service + "/")
            }
            generic = grpc.method_handlers_generic_handler(service, of_service)
            self._server.add_generic_rpc_handlers((generic,))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services = ("", *services)
        self._started = False
        _reflect([*services, *_STANDARD], pool, self._server)

    def _guarded(self, handler: Handler) -> Any:
        async def guarded(request: bytes, context: Any) -> bytes:
            answer: bytes = await self._ended(handler(request), context)
            return answer

        return guarded

    def _streamed(self, handler: StreamHandler) -> Any:
        async def streamed(requests: AsyncIterator[bytes], context: Any) -> None:
            await self._ended(handler(self._until_drained(requests), context.write), context)

        return streamed

    async def _ended(self, call: Awaitable[Any], context: Any) -> Any:
        """What a *call* gives, or its end by a status."""
        try:
            return await call
        except RpcError as error:
            await context.abort(_STATUS[error.code], fitting(error.message))
        except (Exception, asyncio.CancelledError):
            if is_cancelled():
                raise
            self._log.exception(DEFECT)
            await context.abort(grpc.StatusCode.INTERNAL, INTERNAL)
        raise AssertionError("abort raises")

    async def _until_drained(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Those of *requests* that come before the server is drained."""
        draining = asyncio.create_task(self._draining.wait())
        try:
            while True:
                coming = asyncio.ensure_future(anext(requests, None))
                await asyncio.wait((coming, draining), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                if (request := coming.result()) is None:
                    return
                yield request
        finally:
            draining.cancel()

    def bind(self, address: str, tls: Tls | None = None) -> str:
        """
        Take ``tcp://HOST:PORT`` or ``unix:///PATH``; return the address in use.

        Port 0 takes a free one; an existing socket file is removed. Raises StartError where the
        address can't be had.
        """
        place = target(address)
        try:
            if tls is None:
                port = self._server.add_insecure_port(place)
            else:
                port = self._server.add_secure_port(place, _credentials(tls))
        except (RuntimeError, ValueError) as error:
            raise StartError(cant_listen(address, error, "--address")) from None
        return address if place.startswith("unix:") else f"{place.rpartition(':')[0]}:{port}"

    async def start(self) -> None:
        """Answer calls; until now they have waited at the door."""
        await self._server.start()
        self._started = True
        await self.set_serving(True)

    async def set_serving(self, serving: bool) -> None:
        """Say whether calls are welcome, to whoever asks or watches the health service."""
        status = health_pb2.HealthCheckResponse
        for service in self._services:
            await self._health.set(service, status.SERVING if serving else status.NOT_SERVING)

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, give those in flight so many *seconds*, then cut them off."""
        if self._started:  # grpcio never returns from stopping what was not started
            await self.set_serving(False)
            self._draining.set()
            await self._server.stop(seconds)


def _reflect(services: Sequence[str], pool: DescriptorPool, server: grpc.aio.Server) -> None:
    """Tell curious clients what is served; our own descriptors are in a pool of their own."""
    joined = DescriptorPool()
    copied: set[str] = set()
    for service in services:
        source = default_pool() if service in _STANDARD else pool
        _copy(source.FindServiceByName(service).file, joined, copied)
    reflection.enable_server_reflection(services, server, pool=joined)


def _copy(file: FileDescriptor, into: DescriptorPool, copied: set[str]) -> None:
    """Copy *file* after the files it needs; *copied* are those that are there already."""
    if file.name in copied:
        return
    copied.add(file.name)
    for needed in file.dependencies:
        _copy(needed, into, copied)
    own = FileDescriptorProto()
    file.CopyToProto(own)
    into.Add(own)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    server_context(tls)  # grpcio says to stderr, if anything, what it can't load
    key, certificate, roots = read(tls)
    return grpc.ssl_server_credentials([(key, certificate)], roots, roots is not None)
