"""What Envoy's access log tells becomes attributes (spec: envoy, mapping)."""

from __future__ import annotations

from typing import Any

import pytest

from attributes import Timestamp, Value, ValueType, Vocabulary, parse_ip
from attributes.values import NANOS
from mixer._pb import envoy_accesslog_data_pb2 as pb
from mixer._pb import envoy_core_pb2 as core
from mixer.server.envoy.logged import Logged, Proxy
from mixer.server.envoy.named import Named, pairs_of
from mixer.server.envoy.outcomes import FLAGS
from tests.server.envoy.conftest import CLASSES

VOCABULARY = Vocabulary.of().extended(
    {"destination.service.host": ValueType.STRING, "source.labels": ValueType.STRING_MAP}
)
REQUEST: dict[str, Any] = {
    "request_method": 3,
    "scheme": "https",
    "authority": "shop.example.com:8443",
    "path": "/rewritten",
    "original_path": "/a?x=1",
    "user_agent": "curl",
    "request_id": "id-1",
    "request_headers_bytes": 100,
    "request_body_bytes": 11,
    "request_headers": {"content-type": "application/grpc", "x-user": "u"},
}
RESPONSE: dict[str, Any] = {
    "response_code": {"value": 200},
    "response_headers_bytes": 50,
    "response_body_bytes": 7,
    "response_headers": {"a": "b", "grpc-status": "1"},
    "response_trailers": {"grpc-status": "5", "grpc-message": "no"},
    "response_code_details": "via_upstream",
}
COMMON: dict[str, Any] = {
    "downstream_remote_address": {"socket_address": {"address": "10.0.0.7", "port_value": 41}},
    "downstream_local_address": {"socket_address": {"address": "10.0.0.8", "port_value": 80}},
    "upstream_remote_address": {"socket_address": {"address": "10.0.0.9", "port_value": 90}},
    "upstream_cluster": "outbound|80||items.shop.svc.cluster.local",
    "tls_properties": {
        "tls_sni_hostname": "shop",
        "peer_certificate_properties": {
            "subject_alt_name": [{"dns": "a"}, {"uri": "spiffe://td/ns/front/sa/web"}],
            "subject": "CN=other",
        },
        "local_certificate_properties": {
            "subject_alt_name": [{"uri": "spiffe://td/ns/shop/sa/items"}]
        },
    },
    "start_time": {"seconds": 7},
    "duration": {"nanos": 500},
    "stream_id": "stream-1",
}
METADATA = {
    "envoy.filters.http.ext_authz": {"decision_id": "d-1", "rule": "r.shop", "code": 7,
                                     "message": "h:no"},
}  # fmt: skip
VERSION = {"version": {"major_number": 1, "minor_number": 40}}
NODE = core.Node(id="proxy-1", user_agent_build_version=VERSION)
NODE.metadata.update(
    {"NAME": "items-1", "NAMESPACE": "shop", "LABELS": {"app": "items"}, "WORKLOAD_NAME": "items"}
)


def http(log: str = "inbound", joined: bool = False, **changes: Any) -> Logged:
    common = {**COMMON, **changes.pop("common", {})}
    response = {**RESPONSE, **changes.pop("response", {})}
    entry = pb.HTTPAccessLogEntry(common_properties=common, request=REQUEST, response=response)
    if joined:
        for name, fields in METADATA.items():
            entry.common_properties.metadata.filter_metadata[name].update(fields)
    return logged(entry, log)


def tcp(since: tuple[int, int] = (0, 0), **changes: Any) -> Logged:
    moved = {"received_bytes": 10, "sent_bytes": 20}
    common = {**COMMON, **changes}
    entry = pb.TCPAccessLogEntry(common_properties=common, connection_properties=moved)
    return logged(entry, "inbound", since)


def logged(
    entry: pb.HTTPAccessLogEntry | pb.TCPAccessLogEntry,
    log: str,
    since: tuple[int, int] = (0, 0),
) -> Logged:
    tags = pairs_of(entry.common_properties.custom_tags)
    read = Named(VOCABULARY, [].append).read
    return Logged(entry, Proxy.of(NODE, log), tags, read, "inbound", since)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source.ip", parse_ip("10.0.0.7")),
        ("origin.ip", parse_ip("10.0.0.7")),
        ("source.principal", "td/ns/front/sa/web"),
        ("source.namespace", "front"),
        ("source.serviceAccount", "web"),
        ("source.labels", None),
        ("destination.ip", parse_ip("10.0.0.8")),
        ("destination.port", 80),
        ("destination.principal", "td/ns/shop/sa/items"),
        ("destination.namespace", "shop"),
        ("destination.serviceAccount", "items"),
        ("destination.labels", {"app": "items"}),
        ("destination.name", "items-1"),
        ("destination.workload.name", "items"),
        ("destination.service.host", "items.shop.svc.cluster.local"),
        ("destination.service.name", "items"),
        ("request.id", "id-1"),
        ("request.path", "/a?x=1"),
        ("request.url_path", "/a"),
        ("request.query_params", {"x": "1"}),
        ("request.host", "shop.example.com:8443"),
        ("request.method", "POST"),
        ("request.size", 11),
        ("request.total_size", 111),
        ("request.time", Timestamp(7 * NANOS)),
        ("response.code", 200),
        ("response.duration", 500),
        ("response.time", Timestamp(7 * NANOS + 500)),
        ("response.size", 7),
        ("response.total_size", 57),
        ("response.headers", {"a": "b", "grpc-status": "1"}),
        ("response.grpc_status", "5"),
        ("response.grpc_message", "no"),
        ("connection.id", None),
        ("connection.event", None),
        ("connection.sent.bytes", None),
        ("connection.mtls", True),
        ("connection.requested_server_name", "shop"),
        ("context.protocol", "grpc"),
        ("context.time", Timestamp(7 * NANOS + 500)),
        ("context.reporter.kind", "inbound"),
        ("context.reporter.uid", "proxy-1"),
        ("context.proxy_error_code", "-"),
        ("context.proxy_version", "1.40.0"),
        ("check.error_code", 0),
        ("check.error_message", None),
        ("check.cache_hit", False),
        ("decision.id", None),
    ],
)
def test_what_is_told_of_a_request(name: str, value: Value | None) -> None:
    found = http().get(name)
    assert found == value
    assert found.__class__ in CLASSES


def test_the_headers_of_a_request_are_those_that_are_logged_and_those_that_always_are() -> None:
    assert http().get("request.headers") == {
        ":method": "POST", ":path": "/a?x=1", ":authority": "shop.example.com:8443",
        ":scheme": "https", "content-type": "application/grpc", "user-agent": "curl",
        "x-request-id": "id-1", "x-user": "u",
    }  # fmt: skip


def test_a_proxy_beside_the_caller_tells_of_both_ends_otherwise() -> None:
    bag = http(log="outbound")
    assert bag.get("destination.ip") == parse_ip("10.0.0.9")
    assert bag.get("destination.principal") is None
    assert bag.get("destination.labels") is None
    assert bag.get("source.labels") == {"app": "items"}
    assert bag.get("source.workload.name") == "items"


def test_a_decision_is_told_with_what_came_of_it() -> None:
    bag = http(joined=True)
    assert [
        bag.get(name)
        for name in ("decision.id", "decision.rule", "check.error_code", "check.error_message")
    ] == ["d-1", "r.shop", 7, "h:no"]


@pytest.mark.parametrize(
    ("flags", "response", "code", "text"),
    [
        ({"unauthorized_details": {}}, {"response_code_details": "ext_authz_error"}, 14, "UAEX"),
        ({"unauthorized_details": {}}, {"response_code": {"value": 401}}, 16, "UAEX"),
        ({"unauthorized_details": {}}, {"response_code": {"value": 418}}, 9, "UAEX"),
        ({"unauthorized_details": {}}, {"response_code": {"value": 502}}, 13, "UAEX"),
        ({"rate_limited": True}, {"response_code": {"value": 429}}, 8, "RL"),
        ({"rate_limit_service_error": True, "local_reset": True}, {}, 14, "LR,RLSE"),
        ({"no_healthy_upstream": True}, {"response_code": {"value": 503}}, 0, "UH"),
    ],
)
def test_without_a_decision_flags_say_what_happened(
    flags: dict[str, Any], response: dict[str, Any], code: int, text: str
) -> None:
    bag = http(common={"response_flags": flags}, response=response)
    assert bag.get("check.error_code") == code
    assert bag.get("context.proxy_error_code") == text
    assert (bag.get("check.error_message") is None) == (code == 0)


def test_there_is_a_text_for_each_flag() -> None:
    assert [field.name for field in pb.ResponseFlags.DESCRIPTOR.fields] == list(FLAGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connection.id", "stream-1"),
        ("connection.received.bytes_total", 10),
        ("connection.sent.bytes_total", 20),
        ("connection.received.bytes", 7),
        ("connection.sent.bytes", 16),
        ("connection.duration", 500),
        ("context.protocol", "tcp"),
        ("request.headers", None),
        ("request.method", None),
        ("response.code", None),
        ("response.size", None),
    ],
)
def test_what_is_told_of_a_connection(name: str, value: Value | None) -> None:
    assert tcp((3, 4)).get(name) == value


@pytest.mark.parametrize(
    ("type_", "event"), [(14, "open"), (1, "open"), (2, "continue"), (3, "close"), (0, "close")]
)
def test_connections_open_go_on_and_close(type_: int, event: str) -> None:
    assert tcp(access_log_type=type_).get("connection.event") == event


def test_tags_give_attributes_by_name() -> None:
    tags = {"destination.service.host": "by.name", "source.labels.app": "web"}
    bag = http(common={"custom_tags": tags})
    assert bag.get("destination.service.host") == "by.name"
    assert bag.get("source.labels") == {"app": "web"}


def test_a_port_of_the_host_is_no_part_of_it() -> None:
    bag = http(common={"upstream_cluster": "app"})
    assert bag.get("destination.service.host") == "shop.example.com"
