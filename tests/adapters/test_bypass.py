"""bypass against a real adapter in a gRPC server (spec: adapters, bypass; out-of-process)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from adapters.bypass import Bypass, BypassConfig, Packed
from mixer._pb import (
    adapter_model_pb2,
    check_nothing_pb2,
    metric_pb2,
    policy_pb2,
    quota_pb2,
    report_nothing_pb2,
)
from mixer.adapter import (
    CheckNothing,
    Code,
    DirectResponse,
    Duration,
    Grant,
    Metric,
    Quota,
    QuotaArgs,
    Refused,
    ReportNothing,
    Shape,
    Timestamp,
    Unavailable,
    Value,
    ValueType,
    Verdict,
)
from mixer.adapter.testing import Rejected, running

INFRASTRUCTURE = "istio.mixer.adapter.model.v1beta1.InfrastructureBackend"
REQUESTS: dict[str, Any] = {
    "checkNothing.HandleCheckNothingService/HandleCheckNothing": (
        check_nothing_pb2.HandleCheckNothingRequest
    ),
    "reportNothing.HandleReportNothingService/HandleReportNothing": (
        report_nothing_pb2.HandleReportNothingRequest
    ),
    "metric.HandleMetricService/HandleMetric": metric_pb2.HandleMetricRequest,
    "quota.HandleQuotaService/HandleQuota": quota_pb2.HandleQuotaRequest,
    f"{INFRASTRUCTURE}/Validate": adapter_model_pb2.ValidateRequest,
    f"{INFRASTRUCTURE}/CreateSession": adapter_model_pb2.CreateSessionRequest,
    f"{INFRASTRUCTURE}/CloseSession": adapter_model_pb2.CloseSessionRequest,
}
PARAMS = Packed(type_url="type.googleapis.com/test.Params", value="CgRmaWxl")


class Outside(grpc.GenericRpcHandler):
    """An adapter elsewhere: notes what it is asked, answers what it was told to."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {
            "HandleCheckNothing": adapter_model_pb2.CheckResult(),
            "HandleReportNothing": adapter_model_pb2.ReportResult(),
            "HandleMetric": adapter_model_pb2.ReportResult(),
            "HandleQuota": adapter_model_pb2.QuotaResult(),
            "Validate": adapter_model_pb2.ValidateResponse(),
            "CreateSession": adapter_model_pb2.CreateSessionResponse(session_id="s1"),
            "CloseSession": adapter_model_pb2.CloseSessionResponse(),
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        path = details.method.lstrip("/")
        method = path.rpartition("/")[2]

        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self.asked.append((method, request))
            reply = self.answers[method]
            if isinstance(reply, grpc.StatusCode):
                await context.abort(reply, "not today")
            return reply

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=REQUESTS[path].FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )

    @property
    def request(self) -> Any:
        """The only request so far."""
        ((_, request),) = self.asked
        return request

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    adapter, server = Outside(), grpc.aio.server()
    server.add_generic_rpc_handlers([adapter])
    adapter.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield adapter
    await server.stop(None)


@asynccontextmanager
async def bypassing(
    outside: Outside, shapes: Sequence[Shape] = (), **config: Any
) -> AsyncIterator[Bypass]:
    params = BypassConfig(backend_address=outside.address, **config)
    async with running(Bypass, params, shapes=shapes) as bypass:
        yield bypass


async def test_a_check_is_passed_on_and_its_answer_back(outside: Outside) -> None:
    outside.answers["HandleCheckNothing"] = adapter_model_pb2.CheckResult(
        status={"code": 16, "message": "who are you"},
        valid_duration={"seconds": 1, "nanos": 500_000_000},
        valid_use_count=3,
    )
    async with bypassing(outside, params=PARAMS) as bypass:
        verdict = await bypass.check(CheckNothing(name="n.instance.ns"))
    assert verdict == Verdict(Code.UNAUTHENTICATED, "who are you", 1.5, 3)
    assert outside.request.instance.name == "n.instance.ns"
    assert outside.request.adapter_config.type_url == "type.googleapis.com/test.Params"
    assert outside.request.adapter_config.value == b"\n\x04file"


async def test_an_empty_answer_is_ok_without_a_say(outside: Outside) -> None:
    async with bypassing(outside) as bypass:
        assert await bypass.check(CheckNothing()) == Verdict(Code.OK, "", 0.0, 0)
    assert not outside.request.HasField("adapter_config")


async def test_a_direct_response_in_the_details_is_kept(outside: Outside) -> None:
    response = policy_pb2.DirectHttpResponse(code=302, body="moved", headers={"location": "/"})
    answer = adapter_model_pb2.CheckResult(status={"code": 7})
    answer.status.details.add(type_url="type.googleapis.com/google.rpc.Help", value=b"?")
    answer.status.details.add(
        type_url="type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse",
        value=response.SerializeToString(),
    )
    outside.answers["HandleCheckNothing"] = answer
    async with bypassing(outside) as bypass:
        verdict = await bypass.check(CheckNothing())
    assert verdict.direct == DirectResponse(302, "moved", {"location": "/"})


async def test_calls_without_an_id_get_different_ones(outside: Outside) -> None:
    async with bypassing(outside) as bypass:
        await bypass.check(CheckNothing())
        await bypass.check(CheckNothing())
    first, second = (request.dedup_id for _, request in outside.asked)
    assert first.isdecimal()
    assert first != second


@pytest.mark.parametrize(
    ("value", "kind", "encoded"),
    [
        pytest.param("a", "string_value", "a", id="text"),
        pytest.param(7, "int64_value", 7, id="int"),
        pytest.param(1.5, "double_value", 1.5, id="double"),
        pytest.param(True, "bool_value", True, id="bool"),
        pytest.param(b"\x0a\0\0\1", "ip_address_value", {"value": b"\x0a\0\0\1"}, id="ip"),
        pytest.param(
            Timestamp(1_500_000_000),
            "timestamp_value",
            {"value": {"seconds": 1, "nanos": 500_000_000}},
            id="time",
        ),
        pytest.param(
            Duration(-1_500_000_000),
            "duration_value",
            {"value": {"seconds": -1, "nanos": -500_000_000}},
            id="duration",
        ),
        pytest.param({"a": "b"}, "string_map_value", {"value": {"a": "b"}}, id="map"),
        pytest.param(None, None, None, id="nothing"),
    ],
)
async def test_a_metric_keeps_its_typed_values(
    outside: Outside, value: Value | None, kind: str | None, encoded: Any
) -> None:
    expected = policy_pb2.Value(**{kind: encoded}) if kind else policy_pb2.Value()
    sent = Metric(
        name="m.instance.ns",
        value=value,
        dimensions={"to": "ratings"} if value is None else {"to": value},
        monitored_resource_type="mesh",
        monitored_resource_dimensions={"zone": "eu"},
    )
    async with bypassing(outside) as bypass:
        await bypass.report([sent, Metric(name="other")])
    got, other = outside.request.instances
    assert got.value == expected
    if value is not None:
        assert got.dimensions["to"] == expected
    assert (got.name, got.monitored_resource_type) == ("m.instance.ns", "mesh")
    assert got.monitored_resource_dimensions["zone"].string_value == "eu"
    assert other.name == "other"


async def test_reports_without_data_go_to_their_own_service(outside: Outside) -> None:
    async with bypassing(outside) as bypass:
        await bypass.report([ReportNothing(name="a"), ReportNothing(name="b")])
    assert outside.methods == ["HandleReportNothing"]
    assert [instance.name for instance in outside.request.instances] == ["a", "b"]


async def test_quota_is_asked_for_under_the_name_of_the_instance(outside: Outside) -> None:
    outside.answers["HandleQuota"] = adapter_model_pb2.QuotaResult(
        quotas={
            "q.instance.ns": adapter_model_pb2.QuotaResult.Result(
                granted_amount=3, valid_duration={"seconds": 2}
            )
        }
    )
    async with bypassing(outside) as bypass:
        grant = await bypass.allocate(
            Quota(name="q.instance.ns", dimensions={"to": "ratings"}),
            QuotaArgs(5, best_effort=True, deduplication_id="id7"),
        )
    assert grant == Grant(3, 2.0)
    assert outside.request.dedup_id == "id7"
    assert outside.request.instance.dimensions["to"].string_value == "ratings"
    asked = outside.request.quota_request.quotas["q.instance.ns"]
    assert (asked.amount, asked.best_effort) == (5, True)


async def test_an_answer_without_the_quota_is_an_error(outside: Outside) -> None:
    async with bypassing(outside) as bypass:
        with pytest.raises(Refused, match="no quota 'q'"):
            await bypass.allocate(Quota(name="q"), QuotaArgs())


async def test_a_failing_call_is_an_error_that_names_the_back_end(outside: Outside) -> None:
    outside.answers["HandleCheckNothing"] = grpc.StatusCode.RESOURCE_EXHAUSTED
    async with bypassing(outside) as bypass:
        with pytest.raises(
            Unavailable, match=r"127\.0\.0\.1:\d+' failed with RESOURCE_EXHAUSTED: not today"
        ):
            await bypass.check(CheckNothing())


async def test_without_a_session_an_absent_back_end_fails_calls_only() -> None:
    # Port 1 of loopback has no listener, and nothing but root could make it one.
    async with running(Bypass, BypassConfig(backend_address="127.0.0.1:1")) as bypass:
        with pytest.raises(Unavailable, match="UNAVAILABLE"):
            await bypass.check(CheckNothing())


async def test_a_session_is_begun_with_params_and_types_and_ended(outside: Outside) -> None:
    shapes = [
        Shape("c.instance.ns", CheckNothing),
        Shape(
            "m.instance.ns",
            Metric,
            {"value": ValueType.INT64, "dimensions.to": ValueType.STRING},
        ),
        Shape("q.instance.ns", Quota, {"dimensions.ip": ValueType.IP_ADDRESS}),
        Shape("r.instance.ns", ReportNothing),
    ]
    async with bypassing(outside, shapes, params=PARAMS, session_based=True) as bypass:
        assert outside.methods == ["Validate", "CreateSession"]
        await bypass.close()
    assert outside.methods == ["Validate", "CreateSession", "CloseSession"]
    assert outside.asked[-1][1].session_id == "s1"
    for _, request in outside.asked[:2]:
        assert request.adapter_config.value == b"\n\x04file"
        types = request.inferred_types
        assert {name: types[name].type_url for name in types} == {
            "c.instance.ns": "checkNothing.Type",
            "m.instance.ns": "metric.Type",
            "q.instance.ns": "quota.Type",
            "r.instance.ns": "reportNothing.Type",
        }
        assert metric_pb2.Type.FromString(types["m.instance.ns"].value) == metric_pb2.Type(
            value="INT64", dimensions={"to": "STRING"}
        )
        assert quota_pb2.Type.FromString(types["q.instance.ns"].value) == quota_pb2.Type(
            dimensions={"ip": "IP_ADDRESS"}
        )


async def test_without_session_based_there_is_no_session(outside: Outside) -> None:
    async with bypassing(outside, params=PARAMS):
        pass
    assert outside.asked == []


@pytest.mark.parametrize("method", ["Validate", "CreateSession"])
async def test_a_refused_session_keeps_the_handler_from_opening(
    outside: Outside, method: str
) -> None:
    outside.answers[method].status.code = 3
    outside.answers[method].status.message = "bad params"
    with pytest.raises(Refused, match=f"refused {method} with code 3: bad params"):
        async with bypassing(outside, session_based=True):
            pass


async def test_a_session_that_can_not_be_ended_does_not_fail_the_close(outside: Outside) -> None:
    outside.answers["CloseSession"] = grpc.StatusCode.INTERNAL
    async with bypassing(outside, session_based=True):
        pass
    assert outside.methods[-1] == "CloseSession"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"backend_address": ""}, "backend_address: empty connection", id="address"),
        pytest.param({"params": Packed(value="")}, "params.@type: .* missing", id="no-type"),
        pytest.param(
            {"params": Packed(type_url="x", value="?")}, "params.value: '\\?' is not", id="base64"
        ),
    ],
)
async def test_it_refuses(config: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        async with running(Bypass, BypassConfig(**{"backend_address": "a:1"} | config)):
            pass
