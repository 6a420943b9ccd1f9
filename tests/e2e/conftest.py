"""An Envoy on the way to a server: none of the headers it sends is the same twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
import pytest

from bench.envoy import Envoy, proxy
from mixer._pb import mixer_pb2 as pb
from tests.e2e.sidecar import App, app
from tests.peers import envoy
from tests.server.conftest import SHARED, Server, serve
from tests.server.test_drain import RULE, SlowPeer, peer
from tests.server.test_tls import authority

__all__ = ["authority", "peer", "serve"]

CHECK = SHARED / "istio-config" / "check"
SAYING = {
    "check": "",
    "check-denied": "denyall.istio-system:Not allowed",
    "check-notlisted": "staticversion.istio-system:v99 is not whitelisted",
}
PATIENCE = 60.0

FAULTS = (
    "http2.header_overflow",
    "http2.headers_cb_no_stream",
    "http2.inbound_empty_frames_flood",
    "http2.inbound_window_update_frames_flood",
    "http2.outbound_control_flood",
    "http2.outbound_flood",
    "http2.rx_messaging_error",
    "http2.rx_reset",
    "http2.stream_refused_errors",
    "http2.tx_reset",
    "ssl.connection_error",
    "upstream_cx_connect_fail",
    "upstream_cx_destroy_local_with_active_rq",
    "upstream_cx_destroy_remote_with_active_rq",
    "upstream_cx_protocol_error",
    "upstream_rq_retry",
    "upstream_rq_timeout",
)
"""What Envoy counts where a server, or a call, did not do as it should."""

CLOSED_BY_ENVOY = "Error dispatching received data: Connection was closed while dispatching frames"

Front: TypeAlias = Callable[..., Envoy]
Call: TypeAlias = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Start an Envoy before some servers, with more words on how to speak to them."""
    with ExitStack() as running:

        def start(*servers: Server, **words: Any) -> Envoy:
            ports = [port_of(server) for server in servers]
            started = running.enter_context(envoy(proxy(ports, **words), tmp_path))
            started.tell("/logging?client=debug")  # so that `faults` finds what it looks for
            return started

        yield start


@pytest.fixture
def service() -> Iterator[App]:
    """What stands behind a proxy."""
    with app() as running:
        yield running


@pytest.fixture(params=["native", "grpcio"])
def transport(request: pytest.FixtureRequest) -> str:
    """The flag for one of the transports."""
    return f"--transport={request.param}"


def port_of(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


def seen(envoy: Envoy) -> dict[str, int]:
    """What Envoy has counted on its way to the servers."""
    return envoy.counters("cluster.mixer.")


def faults(envoy: Envoy) -> dict[str, int]:
    """
    What went wrong on the way to the servers.

    Envoy counts as a fault of the protocol, of any server, that it closes a connection itself
    while it reads the last answer. That is left out here.
    """
    found = Counter({name: count for name, count in seen(envoy).items() if name in FAULTS})
    found["upstream_cx_protocol_error"] -= envoy.log.read_text().count(CLOSED_BY_ENVOY)
    return dict(+found)


def many_connections(streams: int) -> dict[str, Any]:
    """Words that let Envoy have so many *streams*, and no more, on a connection to a server."""
    options = {"http2_protocol_options": {"max_concurrent_streams": streams}}
    return {"http": {"explicit_http_config": options}}


@asynccontextmanager
async def calling(
    envoy: Envoy, connections: int = 1, method: str = "Check"
) -> AsyncIterator[Sequence[Call]]:
    """A method of the server behind *envoy*, by several connections."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with asyncio.timeout(PATIENCE):
        channels = [
            grpc.aio.insecure_channel(f"127.0.0.1:{envoy.port}", options=own)
            for _ in range(connections)
        ]
        try:
            yield [channel.unary_unary(f"/istio.mixer.v1.Mixer/{method}") for channel in channels]
        finally:
            for channel in channels:
                await channel.close()


def said(answer: bytes) -> str:
    """Why a Check was denied; nothing where it was allowed."""
    return pb.CheckResponse.FromString(answer).precondition.status.message


@pytest.fixture
def slow(serve: Callable[..., Server], peer: SlowPeer, tmp_path: Path) -> Server:
    """A server whose Checks wait until *peer* lets them go on."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "ask.yaml").write_text(RULE.format(address=peer.address))
    return serve(config)
