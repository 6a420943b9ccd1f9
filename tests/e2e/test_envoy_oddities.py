"""What real requests, and mixers, have beside the usual: a real Envoy between them."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.envoy import Envoy
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, asking, configured, sidecar
from tests.e2e.test_envoy_authorization import get
from tests.peers import envoy
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: denied, namespace: shop}
spec:
  match: request.url_path == "/shop.Items/Get" && context.protocol == "grpc"
  actions:
  - handler:
      adapter: denier
      params: {status: {code: FAILED_PRECONDITION, message: "not at night, 100 % sure"}}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: calls, namespace: shop}
spec:
  match: request.url_path == "/shop.Items/List"
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: calls, maxAmount: 0, validDuration: 1h}]}
    instances: [{name: calls, template: quota}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: seen, namespace: shop}
spec:
  match: request.method != "NONE"
  requestHeaderOperations:
  - {name: x-seen, values: ['string(request.headers["x-odd"].size()) | "0"'], operation: REPLACE}
  - name: x-cut
    values: ['request.headers["x-envoy-auth-partial-body"] | "unknown"']
    operation: REPLACE
"""

Start = Callable[..., Envoy]


@pytest.fixture
def server(serve: Callable[..., Server], tmp_path: Path) -> Server:
    return serve(configured(tmp_path, RULES))


@pytest.fixture
def start(server: Server, service: App, tmp_path: Path) -> Iterator[Start]:
    """Start an Envoy whose filter has some words of its own."""
    started = []

    def begin(**words: Any) -> Envoy:
        config = sidecar(port_of(server), service.port, [asking(**words)])
        (listener,) = config["static_resources"]["listeners"]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["max_request_headers_kb"] = 96
        context = envoy(config, tmp_path)
        running = context.__enter__()
        started.append(context)
        return running

    yield begin
    for context in started:
        context.__exit__(None, None, None)


def test_calls_of_grpc_are_denied_with_their_own_code_and_message(start: Start) -> None:
    proxy = start()
    with grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
        with pytest.raises(grpc.RpcError) as denied:
            channel.unary_unary("/shop.Items/Get")(b"", timeout=20)
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/shop.Items/List")(b"", timeout=20)
    assert denied.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert denied.value.details().endswith("not at night, 100 % sure")
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("allows", [False, True])
def test_a_mixer_that_does_not_answer_in_time_has_no_say(
    server: Server, start: Start, service: App, *, allows: bool
) -> None:
    words = {"grpc_service": {"envoy_grpc": {"cluster_name": "policy"}, "timeout": "0.3s"}}
    proxy = start(**words, failure_mode_allow=allows, status_on_error={"code": 503})
    assert get(proxy.port, "/")[0].status == 200
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert get(proxy.port, "/")[0].status == (200 if allows else 503)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert proxy.counters("http.web.ext_authz.")["error"] == 1
    assert server.wait_for(lambda: get(proxy.port, "/")[0].headers["x-served"]) == "app"
    assert service.asked[-1][1]["x-cut"] == "unknown"


def test_headers_of_64_kib_are_rules_to_read(start: Start, service: App) -> None:
    proxy = start()
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    long = {"x-odd": "x" * (40 << 10), "x-more": "y" * (30 << 10)}
    connection.request("GET", "/", headers=long)
    assert connection.getresponse().status == 200
    connection.close()
    assert service.asked[0][1]["x-seen"] == str(40 << 10)


@pytest.mark.parametrize("raw", [False, True], ids=["as text", "raw"])
def test_headers_that_are_no_utf_8_are_rules_to_read(
    start: Start, service: App, *, raw: bool
) -> None:
    proxy = start(encode_raw_headers=raw)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Odd: \xff\xfea\r\nConnection: close\r\n\r\n"
        )
        answer = b""
        while more := connection.recv(4096):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200")
    assert service.asked[0][1]["x-seen"] == "3"


@pytest.mark.parametrize("as_bytes", [False, True], ids=["as text", "as bytes"])
def test_bodies_that_are_cut_do_no_harm(start: Start, service: App, *, as_bytes: bool) -> None:
    body = {"max_request_bytes": 16, "allow_partial_message": True, "pack_as_bytes": as_bytes}
    proxy = start(with_request_body=body)
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    connection.request("GET", "/", body=b"\xff\xfe" * 5000)
    assert connection.getresponse().status == 200
    connection.close()
    assert service.asked[0][1]["x-cut"] == "true"
