"""A real Envoy asks before it lets requests and connections pass."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml

from bench.envoy import Config, Envoy
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, asking, configured, listening, sidecar, typed
from tests.peers import envoy
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: no-admins, namespace: shop}
spec:
  match: request.url_path == "/admin"
  actions:
  - handler: {adapter: denier, params: {status: {code: PERMISSION_DENIED, message: not you}}}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: login, namespace: shop}
spec:
  match: request.url_path == "/login"
  actions:
  - handler:
      adapter: denier
      params:
        status:
          code: UNAUTHENTICATED
          details:
          - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
            code: Found
            body: over there
            headers: {location: "https://login.example.com", set-cookie: "a=1,b=2"}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: headers, namespace: shop}
spec:
  match: request.url_path == "/headers"
  requestHeaderOperations:
  - {name: x-path, values: [request.url_path], operation: REPLACE}
  - {name: x-via, values: ['"mixer"'], operation: APPEND}
  - {name: x-new, values: ['"new"'], operation: APPEND}
  - {name: cookie, operation: REMOVE}
  responseHeaderOperations:
  - {name: x-served, values: ['"mixer"'], operation: REPLACE}
  - {name: x-more, values: ['"1"'], operation: APPEND}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: calls, namespace: shop}
spec:
  match: request.url_path == "/limited"
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: calls, maxAmount: 2, validDuration: 1h}]}
    instances:
    - {name: calls, template: quota, params: {dimensions: {user: 'request.headers["x-user"]'}}}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: no-connections}
spec:
  match: context.protocol == "tcp"
  actions:
  - handler: {adapter: denier, params: {status: {code: PERMISSION_DENIED}}}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: broken, namespace: shop}
spec:
  onError: fail
  match: request.url_path == "/broken" && int(request.headers["x-user"]) > 1
  actions:
  - handler: {adapter: denier}
    instances: [{template: checknothing}]
"""
ROOT = Path(__file__).parents[2]

Front: TypeAlias = Callable[..., Envoy]


@pytest.fixture(params=["native", "grpcio"])
def server(request: pytest.FixtureRequest, serve: Callable[..., Server], tmp_path: Path) -> Server:
    config = configured(tmp_path, RULES)
    return serve(config, f"--transport={request.param}")


@pytest.fixture
def front(server: Server, service: App, tmp_path: Path) -> Iterator[Envoy]:
    with envoy(sidecar(port_of(server), service.port, [asking()]), tmp_path) as running:
        yield running


def get(port: int, path: str, **headers: str) -> tuple[HTTPResponse, str]:
    """What is answered to a request; ``_`` in names of headers is ``-``."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def test_the_page_on_envoy_is_true(
    serve: Callable[..., Server], service: App, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "envoy.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    rules, bootstrap, denials, *_ = blocks
    config = configured(tmp_path, f"{rules}---\n{denials}")
    server = serve(config)
    ports = {"8000": 0, "8080": service.port, "9091": port_of(server)}
    for written, port in ports.items():
        assert f"port_value: {written}" in bootstrap
        bootstrap = bootstrap.replace(f"port_value: {written}", f"port_value: {port}")
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    with envoy({**yaml.safe_load(bootstrap), "admin": admin}, tmp_path) as running:
        response, said = get(running.port, "/admin")
        assert (response.status, said.rpartition(":")[2]) == (403, "not from here")
        assert [get(running.port, "/buy")[0].status for _ in range(3)] == [200, 200, 429]
        limited = 'istio_denied{rule="calls-per-user.shop"} 1'
        server.wait_for(lambda: limited in server.scrape())
    assert 'istio_denied{rule="no-admins.shop"} 1' in server.scrape()
    assert [headers["x-policy"] for _, headers in service.asked] == ["checked"] * 2


def counted(envoy: Envoy) -> dict[str, int]:
    return envoy.counters("http.web.ext_authz.")


def test_requests_pass_or_are_turned_away(front: Envoy, service: App) -> None:
    assert get(front.port, "/")[0].status == 200
    response, said = get(front.port, "/admin?x=1")
    assert response.status == 403
    assert said.startswith("PERMISSION_DENIED:")
    assert said.endswith(":not you")
    assert response.getheader("content-type") == "text/plain"
    response, said = get(front.port, "/login")
    assert (response.status, said) == (302, "over there")
    assert response.getheader("location") == "https://login.example.com"
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert [path for path, _ in service.asked] == ["/"]
    assert counted(front) == {"ok": 1, "denied": 2}


def test_headers_are_changed_both_ways(front: Envoy, service: App) -> None:
    response, _ = get(front.port, "/headers", cookie="a=1", x_via="edge")
    assert response.headers.get_all("x-served") == ["mixer"]
    assert response.getheader("x-more") == "1"
    ((_, headers),) = service.asked
    assert headers["x-path"] == "/headers"
    assert headers["x-via"] == "edge,mixer"
    assert headers["x-new"] == "new"
    assert "cookie" not in headers


def test_quotas_are_taken_in_the_same_call(front: Envoy) -> None:
    calls = [get(front.port, "/limited", x_user="a") for _ in range(3)]
    assert [response.status for response, _ in calls] == [200, 200, 429]
    assert get(front.port, "/limited", x_user="b")[0].status == 200
    assert calls[-1][1].startswith("RESOURCE_EXHAUSTED:")


@pytest.mark.parametrize("allows", [False, True])
def test_a_failure_is_no_denial(
    server: Server, service: App, tmp_path: Path, *, allows: bool
) -> None:
    words = {"failure_mode_allow": allows, "status_on_error": {"code": 503}}
    with envoy(sidecar(port_of(server), service.port, [asking(**words)]), tmp_path) as running:
        assert get(running.port, "/admin")[0].status == 403
        assert get(running.port, "/broken", x_user="a")[0].status == (200 if allows else 500)
        server.stop()
        assert get(running.port, "/admin")[0].status == (200 if allows else 503)
        assert counted(running)["error"] == 2


def test_a_connection_is_turned_away(server: Server, service: App, tmp_path: Path) -> None:
    proxy = typed("network", "tcp_proxy", "TcpProxy", stat_prefix="tcp", cluster="app")
    config: Config = listening(port_of(server), service.port, [asking("network"), proxy])
    with envoy(config, tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert connection.recv(100) == b""
        assert running.counters("ext_authz.tcp.")["denied"] == 1
    assert service.asked == []
