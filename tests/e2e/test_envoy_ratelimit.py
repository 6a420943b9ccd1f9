"""A real Envoy asks whether there is enough left for a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.envoy import Envoy
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, configured, sidecar, typed
from tests.e2e.test_envoy_authorization import get
from tests.peers import envoy
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: by-user}
spec:
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: shop, maxAmount: 2, validDuration: 5m}]}
    instances:
    - name: shop
      template: quota
      params:
        dimensions: {user: 'request.headers["x-user"]', peer: 'source.ip | ip("0.0.0.0")'}
"""
ACTIONS = [
    {"request_headers": {"header_name": "x-user", "descriptor_key": "request.headers.x-user"}},
    {"remote_address": {}},
]


@pytest.fixture(params=["native", "grpcio"])
def server(request: pytest.FixtureRequest, serve: Callable[..., Server], tmp_path: Path) -> Server:
    config = configured(tmp_path, RULES)
    return serve(config, f"--transport={request.param}")


@pytest.fixture
def front(server: Server, service: App, tmp_path: Path) -> Iterator[Envoy]:
    words: dict[str, Any] = {
        "domain": "shop",
        "timeout": "5s",
        "failure_mode_deny": True,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "policy"}},
        },
    }
    asking = typed("http", "ratelimit", "RateLimit", **words)
    config = sidecar(port_of(server), service.port, [asking], rate_limits=[{"actions": ACTIONS}])
    with envoy(config, tmp_path) as running:
        yield running


def test_a_limit_is_kept_and_told(front: Envoy, server: Server, service: App) -> None:
    calls = [get(front.port, "/", x_user="ann") for _ in range(3)]
    assert [response.status for response, _ in calls] == [200, 200, 429]
    shown = [response.getheader("x-ratelimit-remaining") for response, _ in calls]
    assert shown == ["1", "0", "0"]
    refused, said = calls[-1]
    assert said == "RESOURCE_EXHAUSTED:quota shop is exhausted"
    limit = refused.getheader("x-ratelimit-limit")
    assert limit is not None
    assert limit.startswith("2, 2;w=300")
    assert 290 < int(refused.getheader("retry-after") or 0) <= 300
    assert 290 < int(refused.getheader("x-ratelimit-reset") or 0) <= 300
    assert get(front.port, "/", x_user="bob")[0].status == 200
    assert get(front.port, "/")[0].status == 200  # no descriptor, as there is no such header
    assert len(service.asked) == 4
    server.stop()
    assert get(front.port, "/", x_user="eve")[0].status == 500
