"""A real Envoy's connections to the server: how they begin, and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from bench.envoy import HTTP2, TYPES, Envoy
from tests.e2e.conftest import (
    CHECK,
    PATIENCE,
    SAYING,
    Call,
    Front,
    calling,
    faults,
    many_connections,
    said,
    seen,
)
from tests.peers import wait_for
from tests.server.conftest import Server, body
from tests.server.test_drain import SlowPeer
from tests.server.test_tls import files

pytestmark = pytest.mark.e2e


async def test_a_server_that_goes_away_still_answers_what_it_has_begun(
    slow: Server, front: Front, peer: SlowPeer
) -> None:
    between = front(slow)
    async with calling(between) as (check,):
        held = asyncio.ensure_future(check(body("check")))
        assert await asyncio.to_thread(peer.asked.wait, PATIENCE)
        slow.process.terminate()
        await asyncio.to_thread(slow.await_log, "mixer drains")
        peer.release.set()
        assert said(await held) == ""
    assert await asyncio.to_thread(slow.process.wait, PATIENCE) == 0
    assert faults(between) == {}


async def test_a_server_that_goes_away_under_load_costs_no_call(
    serve: Callable[..., Server], front: Front
) -> None:
    servers = [serve(CHECK), serve(CHECK)]
    between = front(*servers, **many_connections(8))
    gone = asyncio.Event()

    async def keep_asking(check: Call) -> list[str]:
        answers = []
        while not gone.is_set():
            answers.append(said(await check(body("check"))))
        return [*answers, said(await check(body("check")))]

    async with calling(between, 4) as checks, asyncio.TaskGroup() as callers:
        asked = [callers.create_task(keep_asking(check)) for check in checks * 8]
        await asyncio.to_thread(wait_for, lambda: min(asked_by_server(between)) > 100)
        servers[0].process.terminate()
        assert await asyncio.to_thread(servers[0].process.wait, PATIENCE) == 0
        gone.set()
    assert {answer for task in asked for answer in task.result()} == {""}
    # Calls that found nobody at home, or were refused, went to the other server.
    allowed = {"upstream_cx_connect_fail", "upstream_rq_retry", "http2.stream_refused_errors"}
    assert faults(between).keys() <= {*allowed, "http2.rx_reset"}


def asked_by_server(envoy: Envoy) -> list[int]:
    """How many calls each server got."""
    (cluster,) = json.loads(envoy.get("/clusters?format=json"))["cluster_statuses"]
    return [
        int(next(stat.get("value", 0) for stat in host["stats"] if stat["name"] == "rq_total"))
        for host in cluster["host_statuses"]
    ]


async def test_connections_that_envoy_leaves_after_some_calls_cost_none(
    serve: Callable[..., Server], front: Front, transport: str
) -> None:
    brief = {"common_http_protocol_options": {"max_requests_per_connection": 7}}
    between = front(serve(CHECK, transport), http={**HTTP2, **brief})
    async with calling(between, 4) as checks:
        answers = await asyncio.gather(
            *(checks[number % 4](body("check-denied")) for number in range(300))
        )
    assert {said(answer) for answer in answers} == {SAYING["check-denied"]}
    assert seen(between)["upstream_cx_total"] > 40
    assert faults(between) == {}


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual tls"])
async def test_envoy_and_the_server_agree_on_h2_over_tls(
    serve: Callable[..., Server],
    front: Front,
    authority: trustme.CA,
    tmp_path: Path,
    transport: str,
    mutual: bool,
) -> None:
    flags = files(authority, tmp_path)
    server = serve(CHECK, transport, *(flags if mutual else flags[:2]))
    tls = {
        "@type": f"{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "localhost",
        "common_tls_context": {
            "tls_certificates": [certificate(authority, tmp_path)] if mutual else [],
            "validation_context": {"trusted_ca": {"filename": str(tmp_path / "ca.pem")}},
        },
    }
    between = front(
        server,
        http={"auto_config": {}},  # HTTP/1.1, unless both say h2
        transport_socket={"name": "envoy.transport_sockets.tls", "typed_config": tls},
    )
    async with calling(between, 2) as checks:
        answers = await asyncio.gather(
            *(checks[number % 2](body("check-denied")) for number in range(100))
        )
    assert {said(answer) for answer in answers} == {SAYING["check-denied"]}
    assert faults(between) == {}
    assert "upstream_cx_http1_total" not in seen(between)


def certificate(authority: trustme.CA, folder: Path) -> dict[str, Any]:
    """A certificate for Envoy, as its configuration names it."""
    issued = authority.issue_cert("sidecar")
    chain, key = folder / "sidecar.pem", folder / "sidecar-key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}


@pytest.mark.parametrize("service", ["", "istio.mixer.v1.Mixer"], ids=["server", "service"])
def test_envoys_health_checks_see_a_server_that_serves_and_one_that_is_gone(
    serve: Callable[..., Server], front: Front, transport: str, service: str
) -> None:
    server = serve(CHECK, transport)
    often = {
        "timeout": "10s",
        "interval": "0.05s",
        "no_traffic_interval": "0.05s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": service},
    }
    between = front(server, health_checks=[often])
    wait_for(lambda: seen(between).get("health_check.success", 0) > 3)
    assert "health_check.failure" not in seen(between)
    assert seen(between)["membership_healthy"] == 1
    assert faults(between) == {}
    assert server.stop() == 0
    wait_for(lambda: "membership_healthy" not in seen(between))
