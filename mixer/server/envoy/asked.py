"""What Envoy's ext_authz asks about, as attributes (spec: envoy, mapping)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attributes import Timestamp, Value
from attributes.values import NANOS
from mixer._pb import envoy_auth_pb2 as pb
from mixer.server.envoy.identities import address, namespace, principal, service_account
from mixer.server.envoy.source import DERIVED, SEEN, EnvoySource, Read, reads


class Asked(EnvoySource):
    """One question: a request of HTTP, or a connection."""

    __slots__ = ("context", "http", "named", "received")
    named: Mapping[str, Value]

    def __init__(
        self,
        context: pb.AttributeContext,
        named: Mapping[str, Value],
        reporter: str,
        received: Timestamp,
    ) -> None:
        """*received* is the time now."""
        super().__init__(reporter)
        self.named = named
        self.context = context
        self.http = context.request.http if context.request.HasField("http") else None
        self.received = received

    def metadata(self, of: str) -> Mapping[str, Any]:
        found = self.context.metadata_context.filter_metadata
        return found[of].fields if of in found else {}


def _headers(asked: Asked) -> dict[str, str]:
    http = asked.http
    if http is None:
        return {}
    sent = http.headers
    found = {name.lower(): sent[name] for name in sent}  # items() of protobuf are slower
    for header in http.header_map.headers:
        name = header.key.lower()
        value = header.raw_value.decode(errors="replace") if header.raw_value else header.value
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _size(asked: Asked) -> int | None:
    if asked.http is None:
        return None
    length = asked.headers.get("content-length", "")
    said = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
    return asked.http.size if asked.http.size > 0 else said


def _time(asked: Asked) -> Timestamp | None:
    if not asked.context.request.HasField("time"):
        return None
    sent = asked.context.request.time
    return Timestamp(sent.seconds * NANOS + sent.nanos)


def _protocol(asked: Asked) -> str:
    if asked.http is None:
        return "tcp"
    return "grpc" if asked.is_grpc else "http"


def _peer(end: str) -> dict[str, Read]:
    """What the proxy saw of one *end* of the connection."""

    def peer(asked: Asked) -> pb.AttributeContext.Peer:
        found: pb.AttributeContext.Peer = getattr(asked.context, end)
        return found

    return {
        f"{end}.ip": lambda asked: address(peer(asked).address.socket_address.address),
        f"{end}.port": lambda asked: peer(asked).address.socket_address.port_value or None,
        f"{end}.principal": lambda asked: principal(peer(asked).principal),
        f"{end}.user": lambda asked: principal(peer(asked).principal),
        f"{end}.labels": lambda asked: dict(peer(asked).labels),
    }


def _header(name: str) -> Read:
    return lambda asked: asked.headers.get(name)


def _http(name: str) -> Read:
    return lambda asked: getattr(asked.http, name) if asked.http is not None else None


_SEEN: Mapping[str, Read] = {
    **SEEN,
    **_peer("source"),
    **_peer("destination"),
    "source.namespace": lambda asked: namespace(asked.context.source.principal),
    "source.serviceAccount": lambda asked: service_account(asked.context.source.principal),
    "source.service": lambda asked: asked.context.source.service,
    "request.headers": _headers,
    "request.id": _header("x-request-id"),
    "request.path": _http("path"),
    "request.host": _http("host"),
    "request.method": _http("method"),
    "request.scheme": _http("scheme"),
    "request.referer": _header("referer"),
    "request.useragent": _header("user-agent"),
    "request.size": _size,
    "request.time": _time,
    "connection.event": lambda asked: "open" if asked.http is None else None,
    "connection.mtls": lambda a: bool(a.context.source.principal or a.context.source.certificate),
    "connection.requested_server_name": lambda asked: asked.context.tls_session.sni,
    "context.protocol": _protocol,
    "context.time": lambda asked: asked["request.time"] or asked.received,
    "context.timestamp": lambda asked: asked["request.time"] or asked.received,
}
_DERIVED: Mapping[str, Read] = {
    **DERIVED,
    "destination.namespace": lambda asked: namespace(asked.context.destination.principal),
    "destination.serviceAccount": lambda a: service_account(a.context.destination.principal),
}
Asked.reads = reads(_SEEN, _DERIVED)
