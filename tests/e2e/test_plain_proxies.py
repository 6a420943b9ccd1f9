"""Real proxies that speak no gRPC ask before they let requests pass, as the page on them says."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml

from bench.server import free_port
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, configured, sidecar
from tests.e2e.test_envoy_authorization import get
from tests.peers import caddy, envoy, nginx
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

PAGE = (Path(__file__).parents[2] / "docs" / "proxies.md").read_text()
RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: no-admins, namespace: shop}
spec:
  match: request.url_path == "/admin" && request.method == "GET" && source.ip == ip("127.0.0.1")
  actions:
  - handler: {adapter: denier, params: {status: {code: PERMISSION_DENIED, message: not you}}}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: headers, namespace: shop}
spec:
  match: destination.service.host.startsWith("shop.") || request.host.startsWith("127.0.0.1")
  requestHeaderOperations:
  - {name: x-policy, values: ['"checked " + request.query_params["q"]'], operation: REPLACE}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: calls, namespace: shop}
spec:
  match: request.url_path == "/limited"
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: calls, maxAmount: 1, validDuration: 1h}]}
    instances:
    - {name: calls, template: quota, params: {dimensions: {user: 'request.headers["x-user"]'}}}
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

Start: TypeAlias = Callable[[str, Path, int], AbstractContextManager[None]]


@pytest.fixture
def server(serve: Callable[..., Server], tmp_path: Path) -> Server:
    return serve(configured(tmp_path, RULES))


def block(language: str) -> str:
    """The code of a language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def between(config: str, server: Server, service: App, port: int) -> str:
    """A configuration of the page for these ports."""
    for written, real in (("8000", port), ("8080", service.port), ("9091", port_of(server))):
        assert f"127.0.0.1:{written}" in config
        config = config.replace(f"127.0.0.1:{written}", f"127.0.0.1:{real}")
    return config


@pytest.mark.parametrize(("language", "start"), [("nginx", nginx), ("caddyfile", caddy)])
def test_the_page_is_true(
    language: str, start: Start, server: Server, service: App, tmp_path: Path
) -> None:
    port = free_port()
    with start(between(block(language), server, service, port), tmp_path, port):
        spoofed = {"x_forwarded_uri": "/", "x_forwarded_method": "PUT", "x_forwarded_for": "::1"}
        for lies in ({}, spoofed):
            response, said = get(port, "/admin", **lies)
            assert response.status == 403
            if language == "caddyfile":
                assert said == "PERMISSION_DENIED:no-admins.shop:not you"
                assert response.headers["x-mixer-decision-id"]
        assert service.asked == []

        response, _ = get(port, "/any?q=hot", x_policy="made up")
        assert response.status == 200
        assert [headers["x-policy"] for _, headers in service.asked] == ["checked hot"]

        statuses = [get(port, "/limited?q=1", x_user="ada")[0] for _ in range(2)]
        assert [response.status for response in statuses] == [200, 429]
        assert 0 < int(statuses[1].headers["retry-after"]) <= 3600
        assert get(port, "/limited?q=1", x_user="bob")[0].status == 200

        assert get(port, "/broken", x_user="no number")[0].status == 500

        server.process.terminate()
        server.process.wait(15)
        assert get(port, "/any?q=hot")[0].status in (500, 502)


def test_envoy_asks_over_http_as_the_page_says(
    server: Server, service: App, tmp_path: Path
) -> None:
    filter_ = yaml.safe_load(block("yaml").replace("9091", str(port_of(server))))
    config = sidecar(port_of(server), service.port, [filter_])
    route = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    del route["typed_config"]["route_config"]["virtual_hosts"][0]["routes"][0][
        "typed_per_filter_config"
    ]
    policy = config["static_resources"]["clusters"][1]
    del policy["typed_extension_protocol_options"]  # HTTP/1.1 then
    del route["typed_config"]["access_log"]  # which is gRPC
    with envoy(config, tmp_path) as running:
        response, said = get(running.port, "/admin", x_real_ip="9.9.9.9")
        assert (response.status, said) == (403, "PERMISSION_DENIED:no-admins.shop:not you")
        assert get(running.port, "/any?q=hot", x_policy="made up")[0].status == 200
        assert [headers["x-policy"] for _, headers in service.asked] == ["checked hot"]
        statuses = [get(running.port, "/limited?q=1", x_user="ada")[0] for _ in range(2)]
        assert [response.status for response in statuses] == [200, 429]
        assert int(statuses[1].headers["retry-after"]) > 0
        assert get(running.port, "/broken", x_user="no number")[0].status == 503
        assert running.counters("http.web.ext_authz.")["error"] == 1
