"""
The grpcio transport: handlers of bytes behind a gRPC server, with health and reflection.

Law: whatever a handler does, the caller gets an answer or a status, and the server lives.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from mixer.errors import Code, RpcError, StartError

Handler: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Answers a request; raises RpcError for a status."""

_STATUS = {status.value[0]: status for status in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a TLS listener, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Where given, clients must show a certificate that it signed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may ask of the server."""

    max_message_bytes: int = 1 << 20
    max_concurrent_streams: int = 1024


class GrpcioServer:
    """One gRPC server with one listener."""

    def __init__(
        self,
        methods: Mapping[str, Handler],
        pool: DescriptorPool,
        log: FilteringBoundLogger,
        limits: Limits | None = None,
    ) -> None:
        """
        Serve *methods*, by ``package.Service/Method``, whose descriptors are in *pool*.
        """
        limits = limits or Limits()
        self._log = log
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.max_message_bytes),
                ("grpc.max_concurrent_streams", limits.max_concurrent_streams),
                ("grpc.so_reuseport", 0),
            ]
        )
        services = sorted({name.rpartition("/")[0] for name in methods})
        for service in services:
            self._server.add_generic_rpc_handlers((self._service(service, methods),))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services = ("", *services)
        self._started = False
        reflected = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]
        _reflect(reflected, pool, self._server)

    def _service(self, service: str, methods: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            service,
            {
                name.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(self._guarded(handler))
                for name, handler in methods.items()
                if name.startswith(service + "/")
            },
        )

    def _guarded(self, handler: Handler) -> Any:
        async def guarded(request: bytes, context: Any) -> bytes:
            try:
                return await handler(request)
            except RpcError as error:
                await context.abort(_STATUS[error.code], error.message)
            except Exception:
                self._log.exception("a call failed for a reason that is a defect of the mixer")
                await context.abort(grpc.StatusCode.INTERNAL, "internal error of the mixer")
            raise AssertionError("abort raises")

        return guarded

    def bind(self, address: str, tls: Tls | None = None) -> str:
        """
        Take ``tcp://HOST:PORT`` or ``unix:///PATH``; return the address in use.

        Port 0 takes a free one; an existing socket file is removed. Raises StartError where the
        address can't be had.
        """
        target = _target(address)
        try:
            _try_bind(target)
            if tls is None:
                port = self._server.add_insecure_port(target)
            else:
                port = self._server.add_secure_port(target, _credentials(tls))
        except (RuntimeError, OSError, ValueError) as error:
            raise StartError(
                f"can't listen on {address}: {_reason(error)}; "
                "is another process using it? choose another with --address"
            ) from None
        return address if target.startswith("unix:") else f"{target.rpartition(':')[0]}:{port}"

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
            await self._server.stop(seconds)


def _reflect(services: Sequence[str], pool: DescriptorPool, server: grpc.aio.Server) -> None:
    """Tell curious clients what is served; our own descriptors are in a pool of their own."""
    from google.protobuf import descriptor_pb2

    joined = DescriptorPool()
    for file in (health_pb2.DESCRIPTOR, reflection._reflection_pb2.DESCRIPTOR):
        own = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(own)
        joined.Add(own)
    _copy(services[0], pool, joined)
    reflection.enable_server_reflection(services, server, pool=joined)


def _copy(service: str, source: DescriptorPool, target: DescriptorPool) -> None:
    from google.protobuf import descriptor_pb2

    def copy(file: Any, seen: set[str]) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            copy(dependency, seen)
        own = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(own)
        target.Add(own)

    copy(source.FindServiceByName(service).file, set())


def _target(address: str) -> str:
    """gRPC's own form of *address*."""
    if address.startswith("unix://"):
        path = Path(address.removeprefix("unix://"))
        if path.is_socket():
            path.unlink()
        return f"unix:{path}"
    host_port = address.removeprefix("tcp://")
    host, colon, port = host_port.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise StartError(f"{address!r} is not of the form tcp://HOST:PORT or unix:///PATH")
    return f"{host or '0.0.0.0'}:{port}"


def _try_bind(target: str) -> None:
    """Raise OSError where a TCP address can't be had; grpcio would also print to stderr."""
    host, _, port = target.rpartition(":")
    if target.startswith("unix:"):
        return
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    family, kind, protocol, _, bound = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(bound)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    try:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        roots = tls.client_ca.read_bytes() if tls.client_ca else None
    except OSError as error:
        raise StartError(f"can't read {error.filename}: {error.strerror}") from None
    return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0]


__all__ = ["Code", "GrpcioServer", "Handler", "Limits", "Tls"]
