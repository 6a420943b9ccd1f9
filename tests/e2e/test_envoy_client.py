"""A real Envoy between callers and the server: their calls, one by one and many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from mixer._pb import mixer_pb2 as pb
from tests.e2e.conftest import (
    CHECK,
    PATIENCE,
    SAYING,
    Front,
    calling,
    faults,
    many_connections,
    said,
    seen,
)
from tests.server.conftest import SHARED, Server, body
from tests.server.test_drain import SlowPeer

pytestmark = pytest.mark.e2e

TELEMETRY = SHARED / "istio-config" / "telemetry"


def asking(name: str, number: int) -> bytes:
    """A shared request body with a deduplication id of its own."""
    return body(name) + pb.CheckRequest(deduplication_id=f"call-{number}").SerializeToString()


async def test_each_of_many_calls_gets_its_own_answer(
    serve: Callable[..., Server], front: Front, transport: str
) -> None:
    between = front(serve(CHECK, transport), **many_connections(4))
    names = [list(SAYING)[number % 3] for number in range(600)]
    async with calling(between, 8) as checks:
        answers = await asyncio.gather(
            *(checks[number % 8](body(name)) for number, name in enumerate(names))
        )
    assert [said(answer) for answer in answers] == [SAYING[name] for name in names]
    assert faults(between) == {}
    assert seen(between)["upstream_cx_http2_total"] > 1
    assert seen(between)["grpc.istio.mixer.v1.Mixer.Check.success"] == 600


async def test_a_quota_is_given_out_once_whoever_asks(
    serve: Callable[..., Server], front: Front, transport: str, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for source in CHECK.glob("*.yaml"):
        text = source.read_text().replace("maxAmount: 1000000000", "maxAmount: 100")
        (config / source.name).write_text(text.replace("validDuration: 1s", "validDuration: 1h"))
    between = front(serve(config, transport), **many_connections(4))
    async with calling(between, 4) as checks:
        answers = await asyncio.gather(
            *(checks[number % 4](asking("check-quota", number)) for number in range(150))
        )
    granted = [
        pb.CheckResponse.FromString(answer).quotas["requestcount"].granted_amount
        for answer in answers
    ]
    assert sorted(granted) == [0] * 50 + [1] * 100
    assert faults(between) == {}


async def test_what_is_reported_is_counted_once(
    serve: Callable[..., Server], front: Front, transport: str
) -> None:
    server = serve(TELEMETRY, transport)
    between = front(server)
    async with calling(between, 2, "Report") as reports:
        raw = body("report-100-independent")
        await asyncio.gather(*(reports[number % 2](raw) for number in range(20)))
    lines = server.scrape().splitlines()
    counted = [line for line in lines if line.startswith("istio_requests_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == 2000
    assert faults(between) == {}


async def test_more_than_the_windows_let_pass_at_once_passes_in_turn(
    serve: Callable[..., Server], front: Front
) -> None:
    between = front(serve(CHECK))
    padding = pb.CheckRequest(deduplication_id="x" * 1_000_000).SerializeToString()
    async with calling(between, 4) as checks:
        answers = await asyncio.gather(
            *(checks[number % 4](body("check") + padding) for number in range(40))
        )
    assert {said(answer) for answer in answers} == {""}
    assert faults(between) == {}


async def test_a_request_that_is_too_large_is_refused_and_the_connection_lives(
    serve: Callable[..., Server], front: Front
) -> None:
    between = front(serve(CHECK, "--maxMessageSize=10000"))
    async with calling(between) as (check,):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await check(bytes(200_000))
        assert said(await check(body("check"))) == ""
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "10000 bytes" in str(refused.value.details())
    assert seen(between)["upstream_cx_total"] == 1
    assert faults(between) == {}


@pytest.mark.parametrize("values", [400, 5], ids=["hundreds", "a few"])
async def test_headers_come_out_right_however_many_values_there_are(
    serve: Callable[..., Server], front: Front, values: int
) -> None:
    between = front(serve(CHECK))
    names = [list(SAYING)[number % 3] for number in range(800)]

    def headers(number: int) -> list[tuple[str, str | bytes]]:
        value = f"{number % values}"
        return [
            ("x-tenant", f"tenant-{value}"),
            ("x-long", f"größe {value} ".encode().hex() * (number % 40)),
            ("authorization", f"Bearer {value}"),
            ("cookie", f"session={value}; lang=de"),
            ("x-bytes-bin", bytes(range(number % 256))),
            (f"x-name-{value}", ""),
        ]

    async with calling(between, 2) as checks:
        for first in range(0, len(names), 100):
            some = names[first : first + 100]
            answers = await asyncio.gather(
                *(
                    checks[number % 2](body(name), metadata=headers(number))
                    for number, name in enumerate(some, first)
                )
            )
            assert [said(answer) for answer in answers] == [SAYING[name] for name in some]
    assert seen(between)["upstream_cx_total"] == 1
    assert faults(between) == {}


async def test_a_deadline_that_envoy_passes_on_ends_the_call_and_what_it_waits_for(
    slow: Server, front: Front, peer: SlowPeer
) -> None:
    between = front(slow)
    async with calling(between) as (check,):
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await check(body("check"), metadata=[("x-budget", "200m")])
        assert await asyncio.to_thread(peer.left.wait, PATIENCE)
        peer.release.set()
        assert said(await check(body("check"))) == ""
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "before the answer was there" in str(late.value.details())
    assert faults(between) == {}


async def test_a_caller_that_gives_up_ends_what_its_call_waits_for(
    slow: Server, front: Front, peer: SlowPeer
) -> None:
    between = front(slow)
    async with calling(between) as (check,):
        held = check(body("check"))
        assert await asyncio.to_thread(peer.asked.wait, PATIENCE)
        held.cancel()
        assert await asyncio.to_thread(peer.left.wait, PATIENCE)
        peer.release.set()
        assert said(await check(body("check"))) == ""
    assert seen(between)["upstream_cx_total"] == 1
    assert faults(between) == {"http2.tx_reset": 1}
