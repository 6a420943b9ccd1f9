"""Log records of OpenTelemetry: what is reported of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer._pb import otlp_collector_pb2 as pb
from mixer.errors import Code, RpcError
from tests.server.envoy.conftest import Mixer, Start

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: count}
spec:
  actions:
  - handler:
      adapter: prometheus
      params:
        address: 127.0.0.1:0
        metrics:
        - {name: told, instanceName: told, kind: COUNTER, labelNames: [said]}
    instances:
    - name: told
      template: metric
      params:
        value: '1'
        dimensions: {said: 'EXPRESSION'}
"""


def value(of: Any) -> dict[str, Any]:
    """An AnyValue."""
    match of:
        case bool():
            return {"bool_value": of}
        case int():
            return {"int_value": of}
        case float():
            return {"double_value": of}
        case list():
            return {"array_value": {"values": [value(one) for one in of]}}
        case dict():
            return {"kvlist_value": {"values": pairs(of)}}
        case str():
            return {"string_value": of.encode()}
    return {}


def pairs(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(one)} for key, one in of.items()]


def message(
    record: dict[str, Any], resource: dict[str, Any] | None = None, times: int = 1, time: int = 0
) -> bytes:
    logs = {"attributes": pairs(record), "time_unix_nano": time}
    whole = {"resource": {"attributes": pairs(resource or {})}}
    request = pb.ExportLogsServiceRequest(
        resource_logs=[{**whole, "scope_logs": [{"log_records": [logs] * times}]}]
    )
    return request.SerializeToString()


async def said(start: Start, expression: str, raw: bytes) -> dict[str, float]:
    """The values of an *expression* for the records of a message, and how often they came."""
    mixer = await start(RULES.replace("EXPRESSION", expression))
    assert await mixer.records.export(raw) == b""
    found = mixer.series("told")
    return {label.removeprefix('said="').removesuffix('"'): count for label, count in found.items()}


@pytest.mark.parametrize(
    ("record", "expression", "expected"),
    [
        ({"response.code": 404}, "response.code + 1", "405"),
        ({"response.code": "404"}, "response.code + 1", "405"),
        ({"response.code": 404.0}, "response.code + 1", "405"),
        ({"source.ip": "10.0.0.7"}, 'source.ip == ip("10.0.0.7")', "true"),
        ({"connection.mtls": True}, "connection.mtls", "true"),
        ({"response.duration": "15ms"}, 'response.duration == duration("15ms")', "true"),
        ({"request.headers.x-user": "ada"}, 'request.headers["x-user"]', "ada"),
        ({"request.headers": {"x-user": "ada"}}, 'request.headers["x-user"]', "ada"),
        ({"http.request.header.x-user": ["a", "b"]}, 'request.headers["x-user"]', "a,b"),
        ({"http.request.method": "PUT"}, "request.method", "PUT"),
        ({"http.request.method": "_OTHER", "request.method": "PUT"}, "request.method", "PUT"),
        ({"url.path": "/a", "url.query": "b=c"}, 'request.query_params["b"]', "c"),
        ({"url.path": "/a"}, "request.path + request.url_path", "/a/a"),
        ({"request.path": "-"}, 'request.path | "none"', "none"),
        ({"context.proxy_error_code": "-"}, "context.proxy_error_code", "-"),
        ({"decision.id": "d-1"}, "decision.id", "d-1"),
        ({"nobody.knows": "this"}, 'request.path | "none"', "none"),
    ],
)
async def test_attributes_are_given_by_name(
    start: Start, record: dict[str, Any], expression: str, expected: str
) -> None:
    assert await said(start, expression, message(record)) == {expected: 1}


async def test_a_resource_speaks_for_all_its_records_and_a_record_for_itself(start: Start) -> None:
    resource = {"log_name": "outbound", "request.method": "GET", "request.host": "a"}
    raw = message({"request.host": "b"}, resource, times=3)
    expression = 'context.reporter.kind + " " + request.method + " " + request.host'
    assert await said(start, expression, raw) == {"outbound GET b": 3}


async def test_a_record_has_its_own_time(start: Start) -> None:
    raw = message({}, time=1_700_000_000_000_000_000)
    assert await said(start, "int(context.time)", raw) == {"1700000000": 1}


async def test_records_are_counted_and_misfits_told(start: Start) -> None:
    mixer = await start(RULES.replace("EXPRESSION", "response.code | 0"))
    await mixer.records.export(message({"response.code": "many"}, times=2))
    await mixer.records.export(b"")
    cells = mixer.metrics.cells.families["mixer_log_records_total"].cells()
    assert [cell.value for _, cell in cells] == [2]
    assert "response.code" in [call.kwargs.get("attribute") for call in mixer.log.calls]
    assert mixer.series("told") == {'said="0"': 2}


async def test_what_is_no_request_is_refused(start: Start) -> None:
    mixer = await start(RULES.replace("EXPRESSION", "1"))
    with pytest.raises(RpcError, match="can't be read") as caught:
        await mixer.records.export(b"\xff")
    assert caught.value.code == Code.INVALID_ARGUMENT


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_KEYS = st.text() | st.sampled_from(
    ["request.headers", "request.headers.a", "source.ip", "response.code", "url.path", "url.query"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
async def test_whatever_a_record_says_it_is_reported(
    anything: Mixer, record: dict[str, Any]
) -> None:
    assert await anything.records.export(message(record)) == b""


@pytest.fixture
async def anything(start: Start) -> Mixer:
    return await start(RULES.replace("EXPRESSION", 'request.path | "none"'))
