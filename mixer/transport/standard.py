"""What every gRPC server should answer beside its own: health, and what there is to call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from mixer.errors import Code, RpcError
from mixer.transport.calls import Handler, Send, StreamHandler

HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
"""The same messages under the name they have had since 2023."""

_STATUS = health_pb2.HealthCheckResponse


def service_of(method: str) -> str:
    """``package.Service`` of ``package.Service/Method``."""
    return method.rpartition("/")[0]


class Health:
    """Tells whether services are served (gRPC health checking protocol)."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = {"", *services}
        self._serving = False
        self._closed = False
        self._changed = asyncio.Event()
        """Set, and replaced, at each change."""

    @property
    def methods(self) -> Mapping[str, Handler]:
        return {f"{HEALTH}/Check": self._check}

    @property
    def streams(self) -> Mapping[str, StreamHandler]:
        return {f"{HEALTH}/Watch": self._watch}

    def set_serving(self, serving: bool) -> None:
        """Say whether calls are welcome, to whoever asks or watches."""
        self._serving = serving
        self._tell()

    def close(self) -> None:
        """End all watches."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _check(self, raw: bytes) -> bytes:
        service = _read(health_pb2.HealthCheckRequest, raw).service
        if service not in self._services:
            raise RpcError(Code.NOT_FOUND, f"there is no service {service!r} here")
        return self._response(service)

    async def _watch(self, requests: AsyncIterator[bytes], send: Send) -> None:
        async for raw in requests:
            service, told = _read(health_pb2.HealthCheckRequest, raw).service, b""
            while True:
                changed, now = self._changed, self._response(service)
                if now != told:
                    told = now
                    await send(now)
                if self._closed:
                    return
                await changed.wait()

    def _response(self, service: str) -> bytes:
        status = _STATUS.SERVING if self._serving else _STATUS.NOT_SERVING
        if service not in self._services:
            status = _STATUS.SERVICE_UNKNOWN
        raw: bytes = health_pb2.HealthCheckResponse(status=status).SerializeToString()
        return raw


def _read(kind: Any, raw: bytes) -> Any:
    """The request of a *kind* that some bytes say. Raises RpcError."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise RpcError(Code.INTERNAL, f"the request can't be read: {error}") from None


class Reflection:
    """Tells what services there are and what their messages look like."""

    def __init__(self, services: Sequence[str], pools: Sequence[DescriptorPool]) -> None:
        """*services* are described by one of *pools*."""
        self._services = sorted(services)
        self._pools = (*pools, default_pool())

    @property
    def streams(self) -> Mapping[str, StreamHandler]:
        return {f"{name}/ServerReflectionInfo": self._info for name in (REFLECTION, REFLECTION_V1)}

    async def _info(self, requests: AsyncIterator[bytes], send: Send) -> None:
        async for raw in requests:
            request = _read(reflection_pb2.ServerReflectionRequest, raw)
            answer = self._answer(request)
            answer.valid_host = request.host
            answer.original_request.CopyFrom(request)
            await send(answer.SerializeToString())

    def _answer(
        self, request: reflection_pb2.ServerReflectionRequest
    ) -> reflection_pb2.ServerReflectionResponse:
        answer = reflection_pb2.ServerReflectionResponse()
        kind = request.WhichOneof("message_request")
        error = answer.error_response
        if kind == "list_services":
            for name in self._services:
                answer.list_services_response.service.add(name=name)
        elif kind not in ("file_by_filename", "file_containing_symbol"):
            error.error_code = int(Code.UNIMPLEMENTED)
            error.error_message = f"{kind} is not answered here"
        elif file := self._find(kind, asked := getattr(request, kind)):
            answer.file_descriptor_response.file_descriptor_proto.extend(_files(file).values())
        else:
            error.error_code = int(Code.NOT_FOUND)
            error.error_message = f"there is no {asked!r} here"
        return answer

    def _find(self, kind: str, asked: str) -> FileDescriptor | None:
        by_symbol = kind == "file_containing_symbol"
        for pool in self._pools:
            find = pool.FindFileContainingSymbol if by_symbol else pool.FindFileByName
            with suppress(KeyError):
                return find(asked)
        return None


def _files(file: FileDescriptor) -> dict[str, bytes]:
    """*file* and all that it needs, by name, what is needed first."""
    found: dict[str, bytes] = {}
    for needed in file.dependencies:
        found |= _files(needed)
    described = FileDescriptorProto()
    file.CopyToProto(described)
    return {**found, file.name: described.SerializeToString()}
