"""An Envoy that asks a mixer before it passes requests on to a service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from bench.envoy import HTTP2, TYPES, Config

_ROOT = Path(__file__).parents[2]
_VOCABULARY = _ROOT / "config" / "attributes.yaml"
_PAGE = _ROOT / "docs" / "envoy.md"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def sidecar(
    mixer: int, app: int, filters: list[Config], log: Config | None = None, **route: Any
) -> Config:
    """
    The configuration of an Envoy before the service at port *app*, with *filters* of HTTP.

    It tells the mixer what has happened, by another *log* if there is one. *route* is what there
    is to say of the one route.
    """
    whole = {**_ROUTE, "route": {"cluster": "app", **route}}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "access_log": [log or telling("http")],
        "http_filters": [*filters, typed("http", "router", "Router")],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [whole]}]},
    }
    network = {"name": "http", "typed_config": manager}
    return listening(mixer, app, [network])


_ROUTE: Config = {
    "match": {"prefix": "/"},
    "typed_per_filter_config": {
        "envoy.filters.http.ext_authz": {
            "@type": f"{TYPES}.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            "check_settings": {"context_extensions": {"destination.namespace": "shop"}},
        }
    },
}


def listening(mixer: int, app: int, filters: list[Config]) -> Config:
    """The configuration of an Envoy with *filters* for connections."""
    listener = {
        "name": "web",
        "address": _loopback(0),
        "filter_chains": [{"filters": filters}],
    }
    http2 = {_OPTIONS: {"@type": f"type.googleapis.com/{_OPTIONS}", **HTTP2}}
    clusters = [
        _cluster("app", app),
        {**_cluster("policy", mixer), "typed_extension_protocol_options": http2},
    ]
    return {
        "node": {"id": "proxy-1", "cluster": "demo"},
        "admin": {"address": _loopback(0)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def typed(kind: str, name: str, message: str, **fields: Any) -> Config:
    """A filter with its message."""
    url = f"{TYPES}.filters.{kind}.{name}.v3.{message}"
    return {"name": f"envoy.filters.{kind}.{name}", "typed_config": {"@type": url, **fields}}


def asking(kind: str = "http", **fields: Any) -> Config:
    """The filter that asks the mixer."""
    if kind == "network":
        fields = {"stat_prefix": "tcp", **fields}
    service = {"envoy_grpc": {"cluster_name": "policy"}, "timeout": "5s"}
    words = {"transport_api_version": "V3", "grpc_service": service, **fields}
    return typed(kind, "ext_authz", "ExtAuthz", **words)


def telling(kind: str) -> Config:
    """The access log that is told to the mixer, of ``http`` or ``tcp``."""
    common = {
        "log_name": "inbound",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "policy"}},
        "buffer_flush_interval": "0.05s",
        "custom_tags": [{"tag": "destination.namespace", "literal": {"value": "shop"}}],
    }
    words: dict[str, Any] = {"common_config": common}
    if kind == "http":
        words["additional_request_headers_to_log"] = ["x-user"]
    url = f"{TYPES}.access_loggers.grpc.v3.{kind.title()}GrpcAccessLogConfig"
    return {"name": f"envoy.access_loggers.{kind}_grpc", "typed_config": {"@type": url, **words}}


def on_page(word: str) -> Any:
    """The configuration on the page on Envoy that has a *word*."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return yaml.safe_load(found)


def configured(folder: Path, rules: str) -> Path:
    """A folder, below another, with *rules* and the vocabulary that the project ships."""
    config = folder / "config"
    config.mkdir()
    (config / "rules.yaml").write_text(rules)
    (config / "attributes.yaml").write_text(_VOCABULARY.read_text())
    return config


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _loopback(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _loopback(port: int) -> Config:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@dataclass
class App:
    """A service that answers with the headers it was sent."""

    port: int = 0
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


@contextmanager
def app() -> Iterator[App]:
    """Run such a service."""
    found = App()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.asked.append((self.path, headers))
            said = json.dumps(headers).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(said)))
            self.send_header("x-served", "app")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
