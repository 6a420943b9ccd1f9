"""What Envoy's access log tells, as attributes (spec: envoy, mapping)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

from attributes import Duration, Timestamp, Value
from attributes.values import NANOS
from mixer._pb import envoy_accesslog_data_pb2 as pb
from mixer._pb import envoy_core_pb2 as core
from mixer.server.envoy.identities import address, namespace, principal, service_account
from mixer.server.envoy.named import Texts
from mixer.server.envoy.outcomes import code_of, texts_of
from mixer.server.envoy.source import DERIVED, KINDS, SEEN, EnvoySource, Read, plain, reads

JOINED = ("envoy.filters.http.ext_authz", "envoy.filters.network.ext_authz")
"""Where the metadata of our decisions comes back."""

_METHODS = (
    "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
)  # fmt: skip

_EVENTS = {14: "open", 1: "open", 2: "continue", 3: "close", 0: "close"}
"""Of connections, by type of entry."""

_OURS = {
    "labels": "LABELS",
    "name": "NAME",
    "namespace": "NAMESPACE",
    "owner": "OWNER",
    "serviceAccount": "SERVICE_ACCOUNT",
    "workload.name": "WORKLOAD_NAME",
    "workload.namespace": "NAMESPACE",
}
"""What the metadata of a proxy says of the end it stands at."""

Entry: TypeAlias = pb.HTTPAccessLogEntry | pb.TCPAccessLogEntry


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who sends a stream of entries."""

    log: str = ""
    id: str = ""
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    serial: int = field(default_factory=count().__next__)
    """Of each that introduces itself, another."""

    @classmethod
    def of(cls, node: core.Node, log: str) -> Proxy:
        """The proxy that has introduced itself as *node* for a *log*."""
        version = node.user_agent_build_version.version
        numbers = (version.major_number, version.minor_number, version.patch)
        fields = node.metadata.fields
        metadata = {name: plain(fields[name]) for name in fields}
        return cls(log, node.id, ".".join(map(str, numbers)) if any(numbers) else "", metadata)


class Logged(EnvoySource):
    """One entry: a request of HTTP, or a connection."""

    __slots__ = ("_named", "_read", "common", "entry", "http", "proxy", "since", "tags")

    def __init__(
        self,
        entry: Entry,
        proxy: Proxy,
        tags: Texts,
        read: Callable[[Texts], Mapping[str, Value]],
        reporter: str,
        since: tuple[int, int] = (0, 0),
    ) -> None:
        """
        *tags* are what *read* has attributes by name of; *since* are the bytes of a connection
        that were told of before: received, sent.
        """
        super().__init__(reporter)
        self.tags = tags
        self._read = read
        self._named: Mapping[str, Value] | None = None
        self.entry = entry
        self.common = entry.common_properties
        self.http = entry if entry.__class__ is pb.HTTPAccessLogEntry else None
        self.proxy = proxy
        self.since = since

    @property
    def named(self) -> Mapping[str, Value]:
        if self._named is None:
            self._named = self._read(self.tags)
        return self._named

    def metadata(self, of: str) -> Mapping[str, Any]:
        found = self.common.metadata.filter_metadata
        return found[of].fields if of in found else {}

    @property
    def is_outbound(self) -> bool:
        """Whether the proxy stands beside the caller."""
        return self["context.reporter.kind"] == "outbound"

    def joined(self, key: str) -> Any:
        """What our decision on the request said under *key*; None where it said nothing."""
        for filter_ in JOINED:
            if key in (found := self.metadata(filter_)):
                return plain(found[key])
        return None


def _time(message: Any, of: str) -> int | None:
    """The nanoseconds of a time or a duration."""
    if not message.HasField(of):
        return None
    value = getattr(message, of)
    nanos: int = value.seconds * NANOS + value.nanos
    return nanos


def _start(logged: Logged) -> Timestamp | None:
    start = _time(logged.common, "start_time")
    return None if start is None else Timestamp(start)


def _took(logged: Logged) -> Duration | None:
    took = _time(logged.common, "duration")
    return None if took is None else Duration(took)


def _end(logged: Logged) -> Timestamp | None:
    start = _time(logged.common, "start_time")
    return None if start is None else Timestamp(start + (_time(logged.common, "duration") or 0))


def _of_http(read: Read) -> Read:
    return lambda logged: None if logged.http is None else read(logged)


def _of_tcp(read: Read) -> Read:
    return lambda logged: None if logged.http is not None else read(logged)


def _request(field: str) -> Read:
    return _of_http(lambda logged: getattr(logged.http.request, field))


def _headers(logged: Logged) -> dict[str, str]:
    if logged.http is None:
        return {}
    request = logged.http.request
    sent = request.request_headers
    own = {
        ":method": _method(logged),
        ":path": request.original_path or request.path,
        ":authority": request.authority,
        ":scheme": request.scheme,
        "user-agent": request.user_agent,
        "referer": request.referer,
        "x-forwarded-for": request.forwarded_for,
        "x-request-id": request.request_id,
    }
    return {name: sent[name] for name in sent} | {
        name: value for name, value in own.items() if value
    }


def _method(logged: Logged) -> str:
    number = logged.http.request.request_method if logged.http else 0
    return _METHODS[number] if 0 <= number < len(_METHODS) else ""


def _response_headers(logged: Logged) -> dict[str, str]:
    sent = logged.http.response.response_headers if logged.http else {}
    return {name: sent[name] for name in sent}


def _grpc(name: str) -> Read:
    def read(logged: Logged) -> str:
        if logged.http is None:
            return ""
        response = logged.http.response
        for sent in (response.response_trailers, response.response_headers):
            if name in sent:
                return str(sent[name])
        return ""

    return read


def own_name(certificate: pb.TLSProperties.CertificateProperties) -> str:
    """Who the proxy itself is by a *certificate*: its first URI."""
    for name in certificate.subject_alt_name:
        if uri := name.uri:
            return uri
    return ""


def peer_name(certificate: pb.TLSProperties.CertificateProperties) -> str:
    """Who shows a *certificate*: its first URI, or its subject."""
    return own_name(certificate) or certificate.subject


def _source_identity(logged: Logged) -> str:
    return peer_name(logged.common.tls_properties.peer_certificate_properties)


def _destination_identity(logged: Logged) -> str:
    if logged.is_outbound:
        return ""
    return own_name(logged.common.tls_properties.local_certificate_properties)


def _destination(logged: Logged) -> core.SocketAddress:
    common = logged.common
    if logged.is_outbound and common.upstream_remote_address.socket_address.address:
        return common.upstream_remote_address.socket_address
    return common.downstream_local_address.socket_address


def _host(logged: Logged) -> str:
    parts = logged.common.upstream_cluster.split("|")
    if len(parts) == 4 and parts[3]:
        return parts[3]
    host = DERIVED["destination.service.host"](logged)
    return host if isinstance(host, str) else ""


def _ours(end: str, key: str) -> Read:
    def read(logged: Logged) -> Value | None:
        if (end == "source") is not logged.is_outbound:
            return None
        found = logged.proxy.metadata.get(key)
        if isinstance(found, dict):
            return {name: str(value) for name, value in found.items()}
        return None if found is None else str(found)

    return read


def _first(*reads: Read) -> Read:
    def read(logged: Logged) -> Value | None:
        return next((found for one in reads if (found := one(logged))), None)

    return read


def _protocol(logged: Logged) -> str:
    if logged.http is None:
        return "tcp"
    return "grpc" if logged.is_grpc else "http"


def _error_code(logged: Logged) -> int:
    said = logged.joined("code")
    if isinstance(said, int):
        return said
    response = None if logged.http is None else logged.http.response
    return int(code_of(logged.common.response_flags, response))


def _error_message(logged: Logged) -> str:
    said = logged.joined("message")
    if isinstance(said, str):
        return said
    if logged.http is not None and logged["check.error_code"]:
        return logged.http.response.response_code_details
    return ""


def _counted(which: int, *, new: bool) -> Read:
    def read(logged: Logged) -> int | None:
        entry = logged.entry
        if isinstance(entry, pb.HTTPAccessLogEntry):
            return None
        connection = entry.connection_properties
        total = (connection.received_bytes, connection.sent_bytes)[which]
        return max(0, total - logged.since[which]) if new else total

    return read


def _joined(key: str, default: Value | None = None) -> Read:
    def read(logged: Logged) -> Value | None:
        said: Value | None = logged.joined(key)
        return default if said is None else said

    return read


_SEEN: Mapping[str, Read] = {
    **SEEN,
    "source.ip": lambda a: address(a.common.downstream_remote_address.socket_address.address),
    "source.port": lambda a: a.common.downstream_remote_address.socket_address.port_value or None,
    "source.principal": lambda a: principal(_source_identity(a)),
    "source.user": lambda a: principal(_source_identity(a)),
    "source.namespace": lambda a: namespace(_source_identity(a)),
    "source.serviceAccount": lambda a: service_account(_source_identity(a)),
    "source.service": lambda a: a.headers.get("x-envoy-downstream-service-cluster"),
    "destination.ip": lambda a: address(_destination(a).address),
    "destination.port": lambda a: _destination(a).port_value or None,
    "destination.principal": lambda a: principal(_destination_identity(a)),
    "destination.user": lambda a: principal(_destination_identity(a)),
    "request.headers": _headers,
    "request.id": _of_http(lambda a: a.http.request.request_id or a.common.stream_id),
    "request.path": _of_http(lambda a: a.http.request.original_path or a.http.request.path),
    "request.host": _request("authority"),
    "request.method": _method,
    "request.scheme": _request("scheme"),
    "request.referer": _request("referer"),
    "request.useragent": _request("user_agent"),
    "request.size": _request("request_body_bytes"),
    "request.total_size": _of_http(
        lambda a: a.http.request.request_headers_bytes + a.http.request.request_body_bytes
    ),
    "request.time": _of_http(_start),
    "response.code": _of_http(lambda a: a.http.response.response_code.value or None),
    "response.duration": _of_http(_took),
    "response.time": _of_http(_end),
    "response.size": _of_http(lambda a: a.http.response.response_body_bytes),
    "response.total_size": _of_http(
        lambda a: a.http.response.response_headers_bytes + a.http.response.response_body_bytes
    ),
    "response.headers": _response_headers,
    "response.grpc_status": _grpc("grpc-status"),
    "response.grpc_message": _grpc("grpc-message"),
    "connection.id": _of_tcp(lambda a: a.common.stream_id),
    "connection.event": _of_tcp(lambda a: _EVENTS.get(a.common.access_log_type)),
    "connection.received.bytes": _counted(0, new=True),
    "connection.received.bytes_total": _counted(0, new=False),
    "connection.sent.bytes": _counted(1, new=True),
    "connection.sent.bytes_total": _counted(1, new=False),
    "connection.duration": _of_tcp(_took),
    "connection.mtls": lambda a: bool(_source_identity(a)),
    "connection.requested_server_name": lambda a: a.common.tls_properties.tls_sni_hostname,
    "context.protocol": _protocol,
    "context.time": _end,
    "context.timestamp": _end,
    "context.reporter.kind": lambda a: a.proxy.log if a.proxy.log in KINDS else None,
    "context.proxy_error_code": lambda a: texts_of(a.common.response_flags),
    "context.proxy_version": lambda a: a.proxy.version,
    "check.error_code": _error_code,
    "check.error_message": _error_message,
    "check.cache_hit": _joined("cache_hit", False),
    "quota.cache_hit": _joined("quota_cache_hit", False),
    "decision.id": _joined("decision_id"),
    "decision.rule": _joined("rule"),
}
_DERIVED: Mapping[str, Read] = {
    **DERIVED,
    **{
        f"{end}.{name}": _ours(end, key)
        for end in ("source", "destination")
        for name, key in _OURS.items()
    },
    "destination.namespace": _first(
        lambda a: namespace(_destination_identity(a)), _ours("destination", "NAMESPACE")
    ),
    "destination.serviceAccount": _first(
        lambda a: service_account(_destination_identity(a)),
        _ours("destination", "SERVICE_ACCOUNT"),
    ),
    "destination.service": _host,
    "destination.service.host": _host,
    "context.reporter.uid": lambda a: a.proxy.id,
}
Logged.reads = reads(_SEEN, _DERIVED)
