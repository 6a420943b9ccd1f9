"""What is sent is OTLP, as the messages that OpenTelemetry publishes read it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
import structlog
from aiohttp import web
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.common.v1 import common_pb2

from adapters.opentelemetry import Opentelemetry, OpentelemetryConfig, encoding
from adapters.opentelemetry.config import Kind, MetricInfo, Protocol, Temporality
from adapters.opentelemetry.records import severity_number
from attributes import Duration, Timestamp, ValueType
from mixer.adapter import LogEntry, Metric, PartlyRefused, Refused, Shape, TraceSpan, Unavailable
from mixer.adapter import config as kit_config
from mixer.adapter.testing import running
from tests.http_service import service

NOON = 1_700_000_000_000_000_000
REQUESTS = {
    "logs": logs.ExportLogsServiceRequest,
    "traces": traces.ExportTraceServiceRequest,
    "metrics": metrics.ExportMetricsServiceRequest,
}
ANSWERS = {
    "logs": logs.ExportLogsServiceResponse,
    "traces": traces.ExportTraceServiceResponse,
    "metrics": metrics.ExportMetricsServiceResponse,
}


class Peer:
    """A collector, over gRPC or HTTP, made of the published messages."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, str]] = []
        self.failures: list[Any] = []
        """Codes or statuses, or rejected counts, for the next requests."""

    def of(self, signal: str) -> list[Any]:
        return [request for kind, request in self.got if kind == signal]

    def _answer(self, signal: str, body: bytes) -> tuple[Any, bytes]:
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or isinstance(failure, dict):
            self.got.append((signal, REQUESTS[signal].FromString(body)))
        partial = {"partial_success": failure} if isinstance(failure, dict) else {}
        return failure, ANSWERS[signal](**partial).SerializeToString()

    def http(self, seen: Any) -> web.Response:
        body = seen.body
        self.metadata.append(dict(seen.headers))
        failure, answer = self._answer(seen.path.removeprefix("/v1/"), body)
        if isinstance(failure, int):
            return web.Response(status=failure, text="no")
        return web.Response(body=answer)

    def grpc(self, signal: str) -> Any:
        async def export(request: bytes, context: Any) -> bytes:
            self.metadata.append(dict(context.invocation_metadata()))
            failure, answer = self._answer(signal, request)
            if isinstance(failure, grpc.StatusCode):
                await context.abort(failure, "no")
            return answer

        return grpc.unary_unary_rpc_method_handler(export)


@asynccontextmanager
async def collector(protocol: Protocol) -> AsyncIterator[Peer]:
    peer = Peer()
    if protocol is Protocol.HTTP:
        async with service() as found:
            found.usual = peer.http
            peer.url = found.url
            yield peer
        return
    server = grpc.aio.server()
    for signal, name in (("logs", "logs"), ("traces", "trace"), ("metrics", "metrics")):
        path = f"opentelemetry.proto.collector.{name}.v1.{name.capitalize()}Service"
        methods = {"Export": peer.grpc(signal)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(path, methods),))
    peer.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield peer
    finally:
        await server.stop(None)


@pytest.fixture(params=list(Protocol), ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return request.param  # type: ignore[no-any-return]  # a param is of any type


def attributes_of(found: Any) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values()), None) for one in as_dict(found)}


def as_dict(found: Any) -> Any:
    return [MessageToDict(one, preserving_proto_field_name=True) for one in found]


def entry(**variables: Any) -> LogEntry:
    return LogEntry(
        name="access.logentry.ns", timestamp=Timestamp(NOON), severity="Warning",
        variables=variables,
    )  # fmt: skip


async def test_log_entries_become_log_records(protocol: Protocol) -> None:
    async with collector(protocol) as peer:
        config = OpentelemetryConfig(
            url=peer.url, protocol=protocol, service_name="edge", resource={"zone": "a"},
            headers={"x-scope": "shop"},
        )  # fmt: skip
        async with running(Opentelemetry, config, now=lambda: NOON + 5) as handler:
            await handler.report(
                [
                    entry(
                        message="hello", code=200, ok=True, share=0.5, took=Duration.of(1.5),
                        ip=b"\x0a\0\0\1", headers={"Cookie": "x", "host": "shop"},
                        trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331",
                        cookie="secret", negative=-1,
                    ),
                    entry(trace_id="nonsense"),
                ]
            )  # fmt: skip
    assert peer.metadata[0]["x-scope"] == "shop"
    ((resource,),) = [request.resource_logs for request in peer.of("logs")]
    about = attributes_of(resource.resource.attributes)
    assert (about["service.name"], about["zone"]) == ("edge", "a")
    assert len(about["service.instance.id"]) == 36
    (scope,) = resource.scope_logs
    first, second = scope.log_records
    assert scope.scope.name == "meshmixer"
    assert (first.time_unix_nano, first.observed_time_unix_nano) == (NOON, NOON + 5)
    assert (first.severity_number, first.severity_text) == (13, "Warning")
    assert first.body.string_value == "hello"
    assert first.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert first.span_id.hex() == "b7ad6b7169203331"
    found = attributes_of(first.attributes)
    headers = found.pop("headers")
    assert found == {
        "log.instance": "access.logentry.ns", "code": "200", "ok": True, "share": 0.5,
        "took": "1.5s", "ip": "10.0.0.1", "cookie": "***", "negative": "-1",
    }  # fmt: skip
    assert {one["key"]: one["value"]["string_value"] for one in headers["values"]} == {
        "Cookie": "***",
        "host": "shop",
    }
    assert attributes_of(second.attributes)["trace_id"] == "nonsense"
    assert second.trace_id == b""


async def test_spans_become_spans(protocol: Protocol) -> None:
    instance = TraceSpan(
        trace_id="48485A3953BB6124", span_id="a2fb4a1d1a96d312", parent_span_id="0020000000000001",
        span_name="/reviews", start_time=Timestamp(NOON), end_time=Timestamp(NOON + 7),
        span_tags={"http.method": "GET"}, http_status_code=404, client_span=True,
        source_name="productpage", destination_name="reviews", destination_ip=b"\x0a\0\0\1",
        response_total_size=9,
    )  # fmt: skip
    async with collector(protocol) as peer:
        config = OpentelemetryConfig(url=peer.url, protocol=protocol)
        async with running(Opentelemetry, config) as handler:
            await handler.report([instance, TraceSpan()])
            await handler.report([TraceSpan()])  # nothing to send
    (request,) = peer.of("traces")
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert span.trace_id.hex() == "000000000000000048485a3953bb6124"
    assert (span.span_id.hex(), span.parent_span_id.hex()) == (
        "a2fb4a1d1a96d312",
        "0020000000000001",
    )
    assert (span.name, span.kind, span.status.code) == ("/reviews", span.SPAN_KIND_CLIENT, 2)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (NOON, NOON + 7)
    assert attributes_of(span.attributes) == {
        "http.method": "GET", "http.response.status_code": "404", "http.response.size": "9",
        "service.name": "productpage", "peer.service": "reviews",
        "network.peer.address": "10.0.0.1",
    }  # fmt: skip


SHAPES = tuple(
    Shape(f"{name}.metric.ns", Metric, {"value": type_})
    for name, type_ in (
        ("count", ValueType.INT64), ("level", ValueType.DOUBLE), ("size", ValueType.INT64),
        ("took", ValueType.DURATION),
    )
)  # fmt: skip


def metric(name: str, value: Any, **dimensions: Any) -> Metric:
    return Metric(name=f"{name}.metric.ns", value=value, dimensions=dimensions)


METRICS = (
    MetricInfo(
        instance_name="count", name="http.requests", unit="{request}", description="How many"
    ),
    MetricInfo(instance_name="level.metric.ns", kind=Kind.GAUGE),
    MetricInfo(instance_name="size", kind=Kind.DISTRIBUTION, bounds=(10, 100), unit="By"),
)


async def test_metrics_are_added_up_by_dimensions(protocol: Protocol) -> None:
    async with collector(protocol) as peer:
        config = OpentelemetryConfig(url=peer.url, protocol=protocol, metrics=METRICS)
        async with running(Opentelemetry, config, shapes=SHAPES, now=lambda: NOON) as handler:
            await handler.report([metric("count", 1, user="ann"), metric("count", 2, user="bob")])
            await handler.report([metric("count", 3, user="ann"), metric("level", 1.5)])
            await handler.report([metric("level", -2.5), metric("took", Duration.of(0.03))])
            await handler.report([metric("size", size) for size in (10, 11, 1000)])
            with pytest.raises(PartlyRefused) as refused:
                await handler.report([metric("count", x) for x in ("text", -1)])
            assert refused.value.lost == 2
    (request,) = peer.of("metrics")  # as it closed
    found = {one.name: one for one in request.resource_metrics[0].scope_metrics[0].metrics}
    count = found["http.requests"]
    assert (count.unit, count.description) == ("{request}", "How many")
    assert (count.sum.is_monotonic, count.sum.aggregation_temporality) == (True, 2)
    assert [(attributes_of(p.attributes), p.as_int) for p in count.sum.data_points] == [
        ({"user": "ann"}, 4),
        ({"user": "bob"}, 2),
    ]
    assert [point.as_double for point in found["level"].gauge.data_points] == [-2.5]
    (size,) = found["size"].histogram.data_points
    assert (size.count, size.sum) == (3, 1021)
    assert (list(size.bucket_counts), list(size.explicit_bounds)) == ([1, 1, 1], [10, 100])
    (took,) = found["took"].histogram.data_points
    assert (found["took"].unit, took.sum, took.bucket_counts[3]) == ("s", 0.03, 1)


@pytest.mark.parametrize(
    ("temporality", "sums"), [(Temporality.CUMULATIVE, [1, 3]), (Temporality.DELTA, [1, 2])]
)
async def test_what_was_sent_is_told_again_or_not_and_what_was_not_taken_is(
    temporality: Temporality, sums: list[int]
) -> None:
    async with collector(Protocol.GRPC) as peer:
        config = OpentelemetryConfig(url=peer.url, temporality=temporality)
        with structlog.testing.capture_logs() as log:
            async with running(Opentelemetry, config, shapes=SHAPES) as handler:
                await handler.report([metric("count", 1)])
                await handler.flush()
                await handler.report([metric("count", 2)])
                peer.failures = [grpc.StatusCode.UNAVAILABLE]
                await handler.flush()  # fails, and is sent as the handler closes
    points = [
        request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
        for request in peer.of("metrics")
    ]
    assert [[point.as_int for point in some] for some in points] == [[sums[0]], [sums[1]]]
    assert [line["event"] for line in log] == ["metrics were not sent"]


async def test_too_many_series_fall_into_one() -> None:
    async with collector(Protocol.GRPC) as peer:
        config = OpentelemetryConfig(url=peer.url, max_series=2)
        async with running(Opentelemetry, config, shapes=SHAPES) as handler:
            await handler.report([metric("count", 1, user=str(user)) for user in range(5)])
    (request,) = peer.of("metrics")
    points = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert [(attributes_of(point.attributes), point.as_int) for point in points] == [
        ({"user": "0"}, 1),
        ({"user": "1"}, 1),
        ({"otel.metric.overflow": True}, 3),
    ]


FAILURES = [
    (Protocol.GRPC, grpc.StatusCode.UNAVAILABLE, Unavailable),
    (Protocol.GRPC, grpc.StatusCode.RESOURCE_EXHAUSTED, Unavailable),
    (Protocol.GRPC, grpc.StatusCode.INVALID_ARGUMENT, Refused),
    (Protocol.HTTP, 503, Unavailable),
    (Protocol.HTTP, 400, Refused),
    (Protocol.GRPC, {"rejected_log_records": 1, "error_message": "too old"}, PartlyRefused),
    (Protocol.HTTP, {"rejected_log_records": 1, "error_message": "too old"}, PartlyRefused),
]


@pytest.mark.parametrize(("protocol", "failure", "error"), FAILURES)
async def test_what_the_collector_does_not_take_is_told_to_the_host(
    protocol: Protocol, failure: Any, error: type[Exception]
) -> None:
    async with collector(protocol) as peer:
        peer.failures = [failure]
        config = OpentelemetryConfig(url=peer.url, protocol=protocol)
        async with running(Opentelemetry, config) as handler:
            with pytest.raises(error) as failed:
                await handler.report([entry(n=1)])
    if isinstance(failed.value, PartlyRefused):
        assert (failed.value.lost, "too old" in str(failed.value)) == (1, True)


async def test_a_collector_that_is_away_is_told() -> None:
    async with collector(Protocol.HTTP) as peer:
        url = peer.url
    for protocol in Protocol:
        config = OpentelemetryConfig(url=url, protocol=protocol)
        async with running(Opentelemetry, config) as handler:
            with pytest.raises(Unavailable):
                await handler.report([entry(n=1)])


async def test_requests_may_be_compressed() -> None:
    async with service() as found:
        config = OpentelemetryConfig(url=found.url, protocol=Protocol.HTTP, compress=True)
        async with running(Opentelemetry, config) as handler:
            await handler.report([entry(n=1)])
    (seen,) = found.seen
    assert seen.headers["content-encoding"] == "gzip"
    body = seen.body if seen.body[:2] != b"\x1f\x8b" else gzip.decompress(seen.body)
    request = logs.ExportLogsServiceRequest.FromString(body)
    assert len(request.resource_logs[0].scope_logs[0].log_records) == 1


TEXTS = st.one_of(st.text(), st.text(min_size=100, max_size=300))
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False)
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_attributes_are_what_the_published_messages_read(values: dict[str, Any]) -> None:
    content = encoding.Attributes(1, frozenset()).of(values)
    found = common_pb2.KeyValueList.FromString(content)
    read = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in found.values}
    assert read == values
    nested = common_pb2.KeyValueList.FromString(
        encoding.Attributes(1, frozenset()).of({"m": values})
    )
    assert nested.values[0].value.kvlist_value == found


@given(st.binary(max_size=200))
def test_answers_that_are_none_are_found_out(content: bytes) -> None:
    try:
        assert isinstance(encoding.fields(content), dict)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("severity", "number"),
    [("info", 9), ("INFORMATIONAL", 9), ("Warning", 13), ("error", 17), ("FATAL", 21), ("?", 0)],
)
def test_severities_are_known_by_how_they_begin(severity: str, number: int) -> None:
    assert severity_number(severity) == number


def test_what_is_wrong_is_told() -> None:
    shape = Shape("count.metric.ns", Metric, {"value": ValueType.INT64})
    config = OpentelemetryConfig(
        metrics=(
            MetricInfo(instance_name="cuont", bounds=(2, 1)),
            MetricInfo(),
        )
    )
    assert [(one.field, one.reason) for one in Opentelemetry.problems(config, [shape])] == [
        ("metrics[0].bounds", "the bounds do not ascend"),
        ("metrics[0].instance_name", "no rule sends an instance 'cuont'"),
        ("metrics[1].instance_name", "the instance is not named"),
    ]


def test_over_grpc_it_needs_no_http_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_config, "find_spec", lambda name: None)
    found = [
        [one.reason for one in Opentelemetry.problems(OpentelemetryConfig(protocol=protocol), [])]
        for protocol in Protocol
    ]
    assert found == [[], ["opentelemetry needs the package aiohttp"]]
