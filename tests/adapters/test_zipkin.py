"""Spans are what Zipkin's version 2 wants, sampled by trace."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.zipkin import Zipkin, ZipkinConfig, span
from attributes import Timestamp
from mixer.adapter import TraceSpan, Unavailable
from mixer.adapter.testing import running
from mixer.adapter.traces import rewritten, sampled
from tests.http_service import service

SERVER = TraceSpan(
    name="t.tracespan.ns",
    trace_id="463AC35C9F6413AD48485A3953BB6124",
    span_id="a2fb4a1d1a96d312",
    parent_span_id="0020000000000001",
    span_name="/reviews",
    start_time=Timestamp(1_700_000_000_000_001_000),
    end_time=Timestamp(1_700_000_000_020_001_000),
    span_tags={"http.method": "GET", "size": 3},
    http_status_code=503,
    source_name="productpage",
    source_ip=b"\x0a\0\0\1",
    destination_name="reviews",
    destination_ip=bytes(15) + b"\1",
    request_total_size=100,
)


def change(**words: Any) -> TraceSpan:
    fields = {name: getattr(SERVER, name) for name in SERVER.__struct_fields__}
    return TraceSpan(**{**fields, **words})


def shown(instance: TraceSpan) -> dict[str, Any]:
    found = span(instance, 1.0)
    assert found is not None
    return found


async def test_spans_are_posted_as_json() -> None:
    async with service() as peer:
        config = ZipkinConfig(url=peer.url + "/api/v2/spans", sample_probability=1.0)
        async with running(Zipkin, config) as handler:
            await handler.report([SERVER, change(trace_id="nonsense")])
    (seen,) = peer.seen
    assert (seen.path, seen.headers["content-type"]) == ("/api/v2/spans", "application/json")
    assert json.loads(seen.body) == [
        {
            "traceId": "463ac35c9f6413ad48485a3953bb6124",
            "id": "a2fb4a1d1a96d312",
            "parentId": "0020000000000001",
            "name": "/reviews",
            "kind": "SERVER",
            "timestamp": 1_700_000_000_000_001,
            "duration": 20_000,
            "localEndpoint": {"serviceName": "reviews", "ipv6": "::1"},
            "remoteEndpoint": {"serviceName": "productpage", "ipv4": "10.0.0.1"},
            "tags": {
                "http.method": "GET",
                "size": "3",
                "http.status_code": "503",
                "error": "503",
                "request.total_size": "100",
            },
        }
    ]


async def test_an_outage_is_told_so_that_the_host_tries_again() -> None:
    async with service() as peer:
        config = ZipkinConfig(url=peer.url, sample_probability=1.0)
        async with running(Zipkin, config) as handler:
            peer.answers = [web.Response(status=503)]
            with pytest.raises(Unavailable):
                await handler.report([SERVER])


async def test_nothing_is_posted_where_nothing_is_sampled() -> None:
    async with service() as peer, running(Zipkin, ZipkinConfig(url=peer.url)) as handler:
        await handler.report([SERVER])
    assert peer.seen == []


def test_a_clients_span_ends_at_its_own_side() -> None:
    found = shown(change(client_span=True, source_name="", source_ip=bytes(4)))
    assert (found["kind"], found["localEndpoint"]) == ("CLIENT", {"serviceName": "default"})
    assert found["remoteEndpoint"]["serviceName"] == "reviews"


def test_a_shared_span_id_is_rewritten_on_the_clients_side() -> None:
    client = shown(change(client_span=True, rewrite_client_span_id=True))
    server = shown(change(rewrite_client_span_id=True, parent_span_id="a2fb4a1d1a96d312"))
    assert client["id"] == server["parentId"] == rewritten("a2fb4a1d1a96d312")
    assert rewritten(client["id"]) == "a2fb4a1d1a96d312"


@pytest.mark.parametrize(
    "words",
    [{"trace_id": ""}, {"trace_id": "12"}, {"span_id": "xyz"}, {"span_id": "0" * 17}],
)
def test_spans_without_valid_ids_are_passed_over(words: dict[str, str]) -> None:
    assert span(change(**words), 1.0) is None


def test_a_parent_that_is_none_is_left_out_and_a_span_lasts_at_least_a_microsecond() -> None:
    found = shown(change(parent_span_id="", end_time=SERVER.start_time))
    assert "parentId" not in found
    assert found["duration"] == 1


@given(st.integers(0, (1 << 128) - 1), st.floats(0, 1), st.floats(0, 1))
def test_a_trace_is_sampled_by_the_half_of_its_id_that_short_ids_have(
    number: int, some: float, more: float
) -> None:
    trace = f"{number:032x}"
    assert sampled(trace, 1.0)
    assert not sampled(trace, 0.0)
    assert sampled(trace, some) == sampled(trace[16:], some)
    if some <= more and sampled(trace, some):
        assert sampled(trace, more)


def test_a_tenth_of_traces_is_about_a_tenth() -> None:
    random = Random(1)
    assert 900 < sum(sampled(f"{random.getrandbits(128):032x}", 0.1) for _ in range(10_000)) < 1100
