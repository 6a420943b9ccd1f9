"""Request bodies: those of shared/, and what Envoy asks and tells, which is made here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mixer._pb import envoy_accesslog_pb2 as logs
from mixer._pb import envoy_auth_pb2 as auth

_HEADERS = {
    ":authority": "productpage:9080",
    ":method": "GET",
    ":path": "/productpage?u=test",
    ":scheme": "http",
    "accept": "*/*",
    "clnt": "abc",
    "cookie": "session=abcdef; user=jason",
    "user-agent": "curl/7.88",
    "x-b3-sampled": "1",
    "x-b3-spanid": "e457b5a2e4d86bd1",
    "x-b3-traceid": "80f198ee56343ba8e457b5a2e4d86bd1",
    "x-envoy-internal": "true",
    "x-forwarded-for": "10.2.3.4",
    "x-forwarded-proto": "http",
    "x-request-id": "7a1f3c52-0b6e-4d09-9c3e-5e1f00000000",
}
_EXTENSIONS = {
    "destination.labels.app": "productpage",
    "destination.namespace": "default",
    "destination.service.host": "productpage.default.svc.cluster.local",
    "source.labels.app": "sleep",
    "source.labels.version": "v2",
}
_DECISION: dict[str, Any] = {
    "decision": "allow",
    "decision_id": "5f3a",
    "code": 0,
    "revision": "8c1e",
}
_files: TemporaryDirectory[str] | None = None


def body(folder: Path, name: str) -> Path:
    """The file of a body with gRPC's prefix: below *folder*, or made here."""
    return _made(name) if name in _MAKERS else folder / f"{name}.grpc"


@cache
def _made(name: str) -> Path:
    global _files
    _files = _files or TemporaryDirectory()  # goes with the process
    message = _MAKERS[name]().SerializeToString()
    file = Path(_files.name) / f"{name}.grpc"
    file.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return file


def _question() -> auth.CheckRequest:
    return auth.CheckRequest(attributes=_context())


def _context() -> dict[str, Any]:
    return {
        "source": _peer("10.0.0.7", 41234, "sleep"),
        "destination": _peer("10.0.0.8", 9080, "bookinfo"),
        "request": {
            "time": {"seconds": 1_700_000_000},
            "http": {
                "id": "8071829",
                "method": "GET",
                "headers": _HEADERS,
                "path": "/productpage?u=test",
                "host": "productpage:9080",
                "scheme": "http",
                "size": -1,
                "protocol": "HTTP/1.1",
            },
        },
        "context_extensions": _EXTENSIONS,
    }


def _peer(address: str, port: int, account: str) -> dict[str, Any]:
    return {
        "address": _socket(address, port),
        "principal": f"spiffe://cluster.local/ns/default/sa/{account}",
    }


def _entries() -> logs.StreamAccessLogsMessage:
    """A hundred requests of six callers, of which each seventh failed."""
    message = logs.StreamAccessLogsMessage(http_logs={"log_entry": map(_entry, range(100))})
    message.identifier.log_name = "inbound"
    for entry in message.http_logs.log_entry:
        known = entry.common_properties.metadata.filter_metadata
        known["envoy.filters.http.ext_authz"].update(_DECISION)
    return message


def _entry(number: int) -> dict[str, Any]:
    caller, callee = (
        {"subject_alt_name": [{"uri": f"spiffe://cluster.local/ns/default/sa/{name}"}]}
        for name in (f"caller-{number % 3}", "bookinfo")
    )
    return {
        "common_properties": {
            "downstream_remote_address": _socket(f"10.0.0.{number % 6}", 40_000 + number),
            "downstream_local_address": _socket("10.0.0.8", 9080),
            "tls_properties": {
                "tls_sni_hostname": "productpage",
                "peer_certificate_properties": caller,
                "local_certificate_properties": callee,
            },
            "start_time": {"seconds": 1_700_000_000 + number},
            "duration": {"nanos": 1_000_000 + number * 1000},
            "upstream_cluster": "inbound|9080||productpage.default.svc.cluster.local",
            "response_flags": {},
            "stream_id": f"stream-{number}",
            "access_log_type": 6,
            "custom_tags": _EXTENSIONS,
        },
        "request": {
            "request_method": 1,
            "scheme": "http",
            "authority": "productpage:9080",
            "path": f"/productpage?u={number}",
            "user_agent": "curl/7.88",
            "request_id": f"7a1f3c52-{number}",
            "request_headers_bytes": 300 + number,
            "request_body_bytes": number,
            "request_headers": {"content-type": "text/html", "x-user": f"user-{number}"},
        },
        "response": {
            "response_code": {"value": 200 if number % 7 else 503},
            "response_headers_bytes": 120,
            "response_body_bytes": 1000 + number,
            "response_headers": {"content-type": "text/html"},
            "response_code_details": "via_upstream",
        },
    }


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


_MAKERS: Mapping[str, Callable[[], auth.CheckRequest | logs.StreamAccessLogsMessage]] = {
    "ext-authz": _question,
    "access-log-100": _entries,
}
