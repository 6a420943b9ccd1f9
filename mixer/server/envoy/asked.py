"""
What Envoy asks about, as attributes (spec: envoy, mapping, column of ext_authz).

What the proxy saw goes before what its configuration says by name, and that before what can be
derived from other attributes. An empty text is an absent attribute.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

from attributes import Timestamp, Value
from attributes.values import NANOS
from mixer._pb import envoy_auth_pb2 as pb
from mixer.server.envoy.identities import (
    address,
    namespace,
    principal,
    service,
    service_account,
)
from mixer.server.envoy.named import Named

_JWT = "envoy.filters.http.jwt_authn"
_RBAC = "envoy.filters.http.rbac"

_GRPC = "application/grpc"


class Asked(dict[str, Value | None]):
    """
    A source over one question of Envoy; works out what is asked for, once.

    It is a dictionary so that what was read before, present or not, is found at the speed of one.
    """

    __slots__ = ("context", "http", "named", "received", "reporter")

    def __init__(
        self, context: pb.AttributeContext, named: Named, reporter: str, received: Timestamp
    ) -> None:
        """*reporter* is the kind of proxy where nobody says another, *received* the time now."""
        self.context = context
        self.http = context.request.http if context.request.HasField("http") else None
        self.named = named
        self.reporter = reporter
        self.received = received

    @property
    def get(self) -> Callable[[str], Value | None]:  # type: ignore[override]
        """Reads the value of a name, None where there is none."""
        return self.__getitem__

    def __missing__(self, name: str) -> Value | None:
        seen, derive = _SEEN.get(name), _DERIVED.get(name)
        value = _some(seen(self)) if seen else None
        if value is None or isinstance(value, Mapping):
            given = self.named.get(name)
            if isinstance(value, Mapping) and isinstance(given, Mapping):
                value = {**given, **value}
            elif value is None:
                value = given
        if value is None and derive:
            value = _some(derive(self))
        self[name] = value
        return value

    def text(self, name: str) -> str:
        """The value of an attribute that is a text; empty where there is none."""
        value = self[name]
        return value if isinstance(value, str) else ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the request, with names in lower case."""
        found = self["request.headers"]
        return found if isinstance(found, Mapping) else {}

    @property
    def is_grpc(self) -> bool:
        """Whether the request is a call of gRPC."""
        return self.headers.get("content-type", "").startswith(_GRPC)


Read: TypeAlias = Callable[[Asked], Value | None]


def _some(value: Value | None) -> Value | None:
    """A *value*, None for an empty text or map: nobody says that."""
    return None if value in ("", {}) else value


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


def _query(asked: Asked) -> dict[str, str]:
    _, _, query = asked.text("request.path").partition("?")
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        found.setdefault(unquote_plus(name), unquote_plus(value))
    return found


def _host(asked: Asked) -> str:
    host = asked.text("request.host")
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not host.endswith("]") else host


def _service(asked: Asked) -> tuple[str, str]:
    return service(asked.text("destination.service.host")) or ("", "")


def _service_uid(asked: Asked) -> str:
    name, space = _service(asked)
    return name and f"istio://{space}/services/{name}"


def _metadata(asked: Asked, of: str) -> Mapping[str, Any]:
    found = asked.context.metadata_context.filter_metadata
    return found[of].fields if of in found else {}


def _claims(asked: Asked) -> Mapping[str, Any]:
    """The claims of a token that Envoy has looked at; of several tokens the first by key."""
    found = _metadata(asked, _JWT)
    for key in sorted(found):
        fields = found[key].struct_value.fields
        if "iss" in fields or "sub" in fields:
            return {name: _plain(fields[name]) for name in fields}
    return {}


def _plain(value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: _plain(inner) for name, inner in value.struct_value.fields.items()}
        case "list_value":
            return [_plain(inner) for inner in value.list_value.values]
        case "null_value" | None:
            return None
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case kind:
            return getattr(value, kind)


def _text(claim: Any) -> str:
    """A claim as text: a list joined by commas, all else as JSON."""
    match claim:
        case str():
            return claim
        case list():
            return ",".join(map(_text, claim))
        case _:
            return json.dumps(claim, separators=(",", ":"))


def _token_principal(asked: Asked) -> str:
    claims = _claims(asked)
    issuer, subject = claims.get("iss"), claims.get("sub")
    return f"{issuer}/{subject}" if issuer and subject else ""


def _claim(name: str) -> Read:
    def read(asked: Asked) -> str:
        found = _claims(asked).get(name)
        return "" if found is None else _text(found)

    return read


def _shadow(name: str) -> Read:
    def read(asked: Asked) -> str:
        found = _metadata(asked, _RBAC)
        return found[name].string_value if name in found else ""

    return read


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
    **_peer("source"),
    **_peer("destination"),
    "source.namespace": lambda asked: namespace(asked.context.source.principal),
    "source.serviceAccount": lambda asked: service_account(asked.context.source.principal),
    "source.service": lambda asked: asked.context.source.service,
    "origin.ip": lambda asked: asked["source.ip"],
    "request.headers": _headers,
    "request.id": _header("x-request-id"),
    "request.path": _http("path"),
    "request.url_path": lambda asked: asked.text("request.path").partition("?")[0],
    "request.query_params": _query,
    "request.host": _http("host"),
    "request.method": _http("method"),
    "request.scheme": _http("scheme"),
    "request.referer": _header("referer"),
    "request.useragent": _header("user-agent"),
    "request.size": _size,
    "request.time": _time,
    "request.auth.principal": _token_principal,
    "request.auth.audiences": _claim("aud"),
    "request.auth.presenter": _claim("azp"),
    "request.auth.claims": lambda a: {key: _text(claim) for key, claim in _claims(a).items()},
    "request.auth.raw_claims": lambda a: json.dumps(claims) if (claims := _claims(a)) else "",
    "connection.event": lambda asked: "open" if asked.http is None else None,
    "connection.mtls": lambda a: bool(a.context.source.principal or a.context.source.certificate),
    "connection.requested_server_name": lambda asked: asked.context.tls_session.sni,
    "context.protocol": _protocol,
    "context.time": lambda asked: asked["request.time"] or asked.received,
    "context.timestamp": lambda asked: asked["request.time"] or asked.received,
    "rbac.permissive.response_code": _shadow("shadow_engine_result"),
    "rbac.permissive.effective_policy_id": _shadow("shadow_effective_policy_id"),
}
"""What the proxy saw, by attribute; what is false is absent."""

_DERIVED: Mapping[str, Read] = {
    "destination.namespace": lambda asked: namespace(asked.context.destination.principal),
    "destination.serviceAccount": lambda a: service_account(a.context.destination.principal),
    "destination.service": _host,
    "destination.service.host": _host,
    "destination.service.name": lambda asked: _service(asked)[0],
    "destination.service.namespace": lambda asked: _service(asked)[1],
    "destination.service.uid": _service_uid,
    "context.reporter.kind": lambda asked: asked.reporter,
}
"""What follows from other attributes, where nobody says anything else."""
