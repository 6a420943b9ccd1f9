"""The client of an adapter in another process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from secrets import randbits
from typing import Any

import grpc
import grpc.aio

from mixer._pb import adapter_model_pb2 as model
from mixer.adapter.base import Env
from mixer.adapter.outages import PartlyRefused, Refused, Unavailable
from mixer.adapter.results import Grant, QuotaArgs, Verdict
from mixer.adapter.template import Instance, Output, Shape
from mixer.remote import answers
from mixer.remote.codec import Fill, Read, fill_types, filler, reader
from mixer.remote.connection import SESSION, Connection, Packed
from mixer.remote.credentials import Nothing, Shown, roots, shown
from mixer.remote.descriptors import Wire
from mixer.remote.tunnel import Tunnel

SESSION_SECONDS = 5.0
"""For each call that begins or ends a session, where the connection has no time-out."""

_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
_INFRASTRUCTURE = "/istio.mixer.adapter.model.v1beta1.InfrastructureBackend"
_OPTIONS = (
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.max_reconnect_backoff_ms", 5000),
)


@dataclass(frozen=True, slots=True)
class Route:
    """How instances of one shape are asked about."""

    wire: Wire
    method: Any
    fill: Fill
    read: Read | None
    """Reads the output, where there is one."""


class Peer:
    """One adapter elsewhere; connects with the first call, and again after a loss."""

    def __init__(
        self,
        connection: Connection,
        params: Packed | None,
        shapes: Iterable[Shape],
        wires: Callable[[type[Instance]], Wire],
        *,
        sessions: bool,
        channel: grpc.aio.Channel,
        tunnel: Tunnel | None = None,
        credentials: Shown | None = None,
    ) -> None:
        """With *sessions*, the params are told once, and not with each call."""
        self._address = connection.address
        self._timeout = connection.timeout.seconds if connection.timeout else None
        self._params = params
        self._shapes = tuple(shapes)
        self._wires = wires
        self._sessions = sessions
        self._session: str | None = None
        self._beginning = asyncio.Lock()
        self._ids = count(randbits(62))
        self._channel, self._tunnel = channel, tunnel
        self._credentials = credentials or Nothing()
        self._routes = {shape.name: self._made(shape) for shape in self._shapes}

    async def check(self, instance: Instance) -> Verdict:
        """Ask for a verdict."""
        route, request = self._request(instance)
        return answers.verdict(await self._ask(route, request))

    async def check_with_output(self, instance: Instance) -> tuple[Verdict, Output]:
        """Ask for a verdict and what goes with it."""
        route, request = self._request(instance)
        answer = await self._ask(route, request)
        assert route.read is not None  # the variety says so
        return answers.verdict(answer.result), route.read(answer.output, {}, "")

    async def generate(self, instance: Instance) -> Output:
        """Ask for further attributes."""
        route, request = self._request(instance)
        assert route.read is not None  # the variety says so
        found: Output = route.read(await self._ask(route, request), {}, "")
        return found

    async def allocate(self, instance: Instance, args: QuotaArgs) -> Grant:
        """Ask for quota."""
        route, request = self._request(instance, args.deduplication_id)
        answers.fill_asked(request.quota_request, instance.name, args)
        answer = await self._ask(route, request)
        try:
            return answers.grant(answer, instance.name)
        except ValueError as error:
            raise Refused(f"{self._address!r}: {error}") from None

    async def report(self, batch: Sequence[Instance]) -> None:
        """Pass on a batch of one template; what can't be sent is told as lost."""
        route = self._route(batch[0])
        request = route.wire.request()
        lost: list[Refused] = []
        for instance in batch:
            try:
                self._fill(self._route(instance), request.instances.add(), instance)
            except Refused as error:
                del request.instances[-1]
                lost.append(error)
        if request.instances:
            self._address_to(request, "")
            await self._ask(route, request)
        if lost:
            raise PartlyRefused(str(lost[0]), lost=len(lost))

    async def begin(self) -> None:
        """
        Let the other adapter validate its params, and begin a session.

        An adapter that knows no sessions is called without. Raises `Refused` where it refuses.
        """
        types = {shape.name: self._types(shape) for shape in self._shapes}
        for name, request, answer in (
            ("Validate", model.ValidateRequest(), model.ValidateResponse),
            ("CreateSession", model.CreateSessionRequest(), model.CreateSessionResponse),
        ):
            self._pack(request)
            for instance, (type_name, encoded) in types.items():
                request.inferred_types[instance].type_url = type_name
                request.inferred_types[instance].value = encoded
            found = await self._infrastructure(name, request, answer)
        self._session = found.session_id

    async def close(self) -> None:
        """End the session, if there is one, and the connection, in any case."""
        session, self._session = self._session, None
        try:
            if session:
                request = model.CloseSessionRequest(session_id=session)
                await self._infrastructure("CloseSession", request, model.CloseSessionResponse)
        finally:
            await self._channel.close()
            await self._credentials.close()
            if self._tunnel is not None:
                await self._tunnel.close()

    def _route(self, instance: Instance) -> Route:
        route = self._routes.get(instance.name)
        if route is None:  # nobody told of it beforehand
            route = self._routes[instance.name] = self._made(Shape(instance.name, type(instance)))
        return route

    def _made(self, shape: Shape) -> Route:
        wire = self._wires(shape.template)
        output = shape.template.output
        read = reader(wire.output, output) if wire.output is not None and output else None
        fill = filler(wire.instance, shape.template, shape.types)
        return Route(wire, self._method(wire.path, wire.response), fill, read)

    def _method(self, path: str, answer: type[Any]) -> Any:
        return self._channel.unary_unary(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def _request(self, instance: Instance, deduplication_id: str = "") -> tuple[Route, Any]:
        route = self._route(instance)
        request = route.wire.request()
        self._fill(route, request.instance, instance)
        self._address_to(request, deduplication_id)
        return route, request

    def _fill(self, route: Route, message: Any, instance: Instance) -> None:
        try:
            message.SetInParent()
            route.fill(message, instance)
        except ValueError as error:
            raise Refused(f"{instance.name} can't be sent: {error}") from None

    def _address_to(self, request: Any, deduplication_id: str) -> None:
        if not self._sessions:
            self._pack(request)
        request.dedup_id = deduplication_id or str(next(self._ids))

    def _name_session(self, request: Any) -> None:
        # Istio says nowhere which session a call is of (spec: out-of-process, the quirk).
        if self._session:
            request.adapter_config.type_url = SESSION
            request.adapter_config.value = self._session.encode()

    def _pack(self, request: Any) -> None:
        if self._params is not None:
            request.adapter_config.type_url = self._params.type_url
            request.adapter_config.value = self._params.value

    def _types(self, shape: Shape) -> tuple[str, bytes]:
        """Name and encoding of the template's message ``Type`` for *shape*."""
        types = self._wires(shape.template).types
        if types is None:
            return "", b""
        message = types()
        fill_types(message, shape.types)
        # Deterministic, so that the same configuration opens the same session.
        return message.DESCRIPTOR.full_name, message.SerializeToString(deterministic=True)

    async def _ask(self, route: Route, request: Any) -> Any:
        if not self._sessions:
            return await self._call(route.method, request)
        if self._session is None:
            await self._begin_once(None)
        session = self._session
        self._name_session(request)
        try:
            return await self._call(route.method, request)
        except _UnknownSession:
            await self._begin_once(session)  # the other process has begun anew
            self._name_session(request)
            return await self._call(route.method, request)

    async def _begin_once(self, old: str | None) -> None:
        """Begin a session in place of the *old* one, unless somebody has while we waited."""
        async with self._beginning:
            if self._session == old:
                await self.begin()

    async def _infrastructure(self, name: str, request: Any, answer: type[Any]) -> Any:
        method = self._method(f"{_INFRASTRUCTURE}/{name}", answer)
        try:
            found = await self._call(method, request, self._timeout or SESSION_SECONDS)
        except _Unimplemented:
            return answer()
        if found.status.code:
            raise Refused(
                f"{self._address!r} refused {name} with code {found.status.code}: "
                f"{found.status.message}"
            )
        return found

    async def _call(self, method: Any, request: Any, timeout: float | None = None) -> Any:
        headers = await self._credentials.headers()
        try:
            return await method(request, timeout=timeout or self._timeout, metadata=headers)
        except grpc.aio.AioRpcError as error:
            raise self._fault(error) from None

    def _fault(self, error: grpc.aio.AioRpcError) -> Exception:
        code = error.code()
        why = f"{self._address!r} failed with {code.name}: {error.details()}"
        if self._tunnel is not None and self._tunnel.fault:
            why = f"{self._address!r}: {self._tunnel.fault}"
        if code in _PASSING:
            return Unavailable(why)
        if code is grpc.StatusCode.FAILED_PRECONDITION and self._session:
            return _UnknownSession(why)
        return (_Unimplemented if code is grpc.StatusCode.UNIMPLEMENTED else Refused)(why)


class _Unimplemented(Refused):
    """The other process does not know the method."""


class _UnknownSession(Refused):
    """The other process does not know the session, or not any more."""


async def connected(
    connection: Connection,
    params: Packed | None,
    env: Env,
    wires: Callable[[type[Instance]], Wire],
    *,
    sessions: bool,
) -> Peer:
    """
    A client of the adapter at *connection*; nothing is sent yet.

    Raises OSError or ValueError where a certificate or token can't be read.
    """
    proof = connection.authentication
    tls = proof.tls if proof else None
    credentials = await shown(tls, env)
    tunnel = None
    if tls is not None:
        options = [*_OPTIONS]
        if tls.server_name:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        secure = grpc.ssl_channel_credentials(await env.work(roots, tls))
        channel = grpc.aio.secure_channel(connection.address, secure, options)
    elif proof is not None and proof.mutual is not None:
        tunnel = Tunnel(connection.address, proof.mutual, env)
        try:
            await tunnel.open()
        except BaseException:
            await tunnel.close()
            raise
        channel = grpc.aio.insecure_channel(tunnel.target, _OPTIONS)
    else:
        channel = grpc.aio.insecure_channel(connection.address, _OPTIONS)
    return Peer(
        connection,
        params,
        env.shapes,
        wires,
        sessions=sessions,
        channel=channel,
        tunnel=tunnel,
        credentials=credentials,
    )
