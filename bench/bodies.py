"""Request bodies: those of shared/, and what Envoy asks, which is made here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mixer._pb import envoy_auth_pb2 as envoy

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
_files: TemporaryDirectory[str] | None = None


def body(folder: Path, name: str) -> Path:
    """The file of a body with gRPC's prefix: below *folder*, or made here."""
    return _made() if name == "ext-authz" else folder / f"{name}.grpc"


@cache
def _made() -> Path:
    global _files
    _files = TemporaryDirectory()  # goes with the process
    message = envoy.CheckRequest(attributes=_context()).SerializeToString()
    file = Path(_files.name) / "ext-authz.grpc"
    file.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return file


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
        "address": {"socket_address": {"address": address, "port_value": port}},
        "principal": f"spiffe://cluster.local/ns/default/sa/{account}",
    }
