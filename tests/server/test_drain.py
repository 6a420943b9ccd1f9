"""Signals while a call is in flight: the first lets it end, the second does not."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.peers import wait_for

from .conftest import Server, body

RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: ask, namespace: istio-system}}
spec:
  actions:
  - handler: {{adapter: bypass, timeout: 60s, params: {{backendAddress: '{address}'}}}}
    instances: [{{template: checknothing}}]
"""


class SlowPeer(grpc.GenericRpcHandler):
    """An adapter in another process that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.left, self.release = (threading.Event() for _ in range(3))
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(request: bytes, context: Any) -> bytes:
            context.add_callback(self.left.set)
            self.asked.set()
            self.release.wait(60)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)

    def close(self) -> None:
        self.release.set()
        self._server.stop(None).wait()


@pytest.fixture
def peer() -> Iterator[SlowPeer]:
    started = SlowPeer()
    yield started
    started.close()


@pytest.fixture
def start(
    peer: SlowPeer, serve: Callable[..., Server], tmp_path: Path
) -> Iterator[Callable[..., tuple[Server, Future[Any]]]]:
    """Start a server with a Check in flight."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "ask.yaml").write_text(RULE.format(address=peer.address))
    with ThreadPoolExecutor(1) as pool:

        def started(*flags: str) -> tuple[Server, Future[Any]]:
            server = serve(config, *flags)
            call = pool.submit(server.check, body("check"))
            assert peer.asked.wait(20)
            return server, call

        yield started
        peer.release.set()


def nobody_listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_call_in_flight_is_finished_and_new_ones_are_refused(
    start: Callable[..., tuple[Server, Future[Any]]], peer: SlowPeer
) -> None:
    server, call = start("--drainTimeout=60s")
    server.process.send_signal(signal.SIGINT)
    wait_for(lambda: nobody_listens(server.address))  # who comes before that is answered
    with grpc.insecure_channel(server.address) as late, pytest.raises(grpc.RpcError) as refused:
        late.unary_unary("/istio.mixer.v1.Mixer/Check")(body("check"), timeout=20)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not call.done()
    peer.release.set()
    assert call.result(20).precondition.status.code == 0
    assert server.process.wait(20) == 0
    assert server.log()[-1]["event"] == "mixer stopped"


def test_a_call_that_outlives_the_drain_is_cut_off(
    start: Callable[..., tuple[Server, Future[Any]]],
) -> None:
    server, call = start("--drainTimeout=50ms")
    assert server.stop() == 0
    with pytest.raises(grpc.RpcError) as cut:
        call.result(20)
    assert cut.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_a_second_signal_ends_the_process_at_once(
    start: Callable[..., tuple[Server, Future[Any]]],
) -> None:
    server, call = start("--drainTimeout=60s")
    server.process.send_signal(signal.SIGTERM)
    server.await_log("mixer drains")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 130
    with pytest.raises(grpc.RpcError):
        call.result(20)
