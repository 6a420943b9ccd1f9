"""What Envoy asks about becomes attributes (spec: envoy, mapping)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from attributes import Timestamp, Value, ValueType, Vocabulary, parse_ip
from mixer._pb import envoy_auth_pb2 as pb
from mixer.server.envoy.asked import Asked
from mixer.server.envoy.named import Named, pairs_of
from tests.server.envoy.conftest import CLASSES

TYPES = {
    "source.ip": ValueType.IP_ADDRESS,
    "source.uid": ValueType.STRING,
    "source.labels": ValueType.STRING_MAP,
    "request.headers": ValueType.STRING_MAP,
    "request.size": ValueType.INT64,
    "connection.mtls": ValueType.BOOL,
    "response.duration": ValueType.DURATION,
    "destination.namespace": ValueType.STRING,
    "destination.service.host": ValueType.STRING,
    "context.reporter.kind": ValueType.STRING,
}
NOW = Timestamp(1_700_000_000_000_000_000)
HTTP: dict[str, Any] = {
    "id": "8",
    "method": "GET",
    "path": "/a/b?x=1&y=a%20b&x=2&z",
    "host": "items.shop.svc.cluster.local:8080",
    "scheme": "http",
    "size": -1,
    "protocol": "HTTP/1.1",
    "headers": {
        ":method": "GET",
        "x-request-id": "id-1",
        "user-agent": "curl",
        "referer": "there",
        "content-type": "application/grpc+proto",
        "content-length": "12",
    },
}
PEER = {
    "address": {"socket_address": {"address": "10.0.0.7", "port_value": 4321}},
    "principal": "spiffe://cluster.local/ns/shop/sa/web",
    "labels": {"app": "web"},
    "service": "front",
}
CLAIMS = {"iss": "me", "sub": "you", "aud": ["a", "b"], "azp": "p", "n": 3, "more": {"x": True}}
CONTEXT: dict[str, Any] = {
    "source": PEER,
    "destination": {**PEER, "principal": "plain"},
    "request": {"time": {"seconds": 7, "nanos": 5}, "http": HTTP},
    "tls_session": {"sni": "shop.example.com"},
}
METADATA = {
    "envoy.filters.http.jwt_authn": {"token": CLAIMS, "failed": {"why": "other"}},
    "envoy.filters.http.rbac": {"shadow_engine_result": "denied"},
}


def asked(
    context: dict[str, Any],
    misfits: list[str] | None = None,
    metadata: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> Asked:
    vocabulary = Vocabulary.of().extended(TYPES)
    message = pb.AttributeContext(**context)
    for name, fields in metadata.items():
        message.metadata_context.filter_metadata[name].update(fields)
    told = [] if misfits is None else misfits
    named = Named(vocabulary, told.append).read(pairs_of(message.context_extensions))
    return Asked(message, named, "inbound", NOW)


def named(**texts: str) -> dict[str, Any]:
    return {"context_extensions": {name.replace("__", "."): text for name, text in texts.items()}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source.ip", parse_ip("10.0.0.7")),
        ("origin.ip", parse_ip("10.0.0.7")),
        ("source.port", 4321),
        ("source.principal", "cluster.local/ns/shop/sa/web"),
        ("source.user", "cluster.local/ns/shop/sa/web"),
        ("source.namespace", "shop"),
        ("source.serviceAccount", "web"),
        ("source.labels", {"app": "web"}),
        ("source.service", "front"),
        ("source.uid", None),
        ("destination.principal", "plain"),
        ("destination.namespace", None),
        ("destination.service.host", "items.shop.svc.cluster.local"),
        ("destination.service.name", "items"),
        ("destination.service.namespace", "shop"),
        ("destination.service.uid", "istio://shop/services/items"),
        ("request.headers", HTTP["headers"]),
        ("request.id", "id-1"),
        ("request.path", HTTP["path"]),
        ("request.url_path", "/a/b"),
        ("request.query_params", {"x": "1", "y": "a b", "z": ""}),
        ("request.host", "items.shop.svc.cluster.local:8080"),
        ("request.method", "GET"),
        ("request.scheme", "http"),
        ("request.referer", "there"),
        ("request.useragent", "curl"),
        ("request.size", 12),
        ("request.time", Timestamp(7_000_000_005)),
        ("request.auth.principal", "me/you"),
        ("request.auth.audiences", "a,b"),
        ("request.auth.presenter", "p"),
        (
            "request.auth.claims",
            {"iss": "me", "sub": "you", "aud": "a,b", "azp": "p", "n": "3", "more": '{"x":true}'},
        ),
        ("connection.mtls", True),
        ("connection.event", None),
        ("connection.requested_server_name", "shop.example.com"),
        ("context.protocol", "grpc"),
        ("context.time", Timestamp(7_000_000_005)),
        ("context.reporter.kind", "inbound"),
        ("rbac.permissive.response_code", "denied"),
        ("rbac.permissive.effective_policy_id", None),
        ("response.code", None),
        ("no.such", None),
    ],
)
def test_what_the_proxy_saw(name: str, value: Value | None) -> None:
    found = asked(CONTEXT, metadata=METADATA).get(name)
    assert found == value
    assert found.__class__ in CLASSES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source.ip", None),
        ("source.principal", None),
        ("source.labels", None),
        ("request.headers", None),
        ("request.method", None),
        ("request.size", None),
        ("request.time", None),
        ("request.query_params", None),
        ("request.auth.claims", None),
        ("connection.mtls", False),
        ("connection.event", "open"),
        ("context.protocol", "tcp"),
        ("context.time", NOW),
        ("destination.service.host", None),
    ],
)
def test_of_a_bare_connection_little_is_known(name: str, value: Value | None) -> None:
    assert asked({"tls_session": {}, "metadata_context": {}}).get(name) == value


def test_what_the_proxy_saw_goes_before_what_it_was_told() -> None:
    told = named(
        source__ip="10.9.9.9",
        source__uid="kubernetes://a.b",
        source__labels__app="other",
        source__labels__tier="gold",
        request__headers__x_more="1",
        destination__service__host="by.name",
        destination__namespace="told",
        undeclared__name="1",
    )
    bag = asked({**CONTEXT, **told})
    assert bag.get("source.ip") == parse_ip("10.0.0.7")
    assert bag.get("source.uid") == "kubernetes://a.b"
    assert bag.get("source.labels") == {"app": "web", "tier": "gold"}
    assert bag.get("request.headers") == {**HTTP["headers"], "x_more": "1"}
    assert bag.get("destination.service.host") == "by.name"
    assert bag.get("destination.namespace") == "told"
    assert bag.get("undeclared.name") is None


def test_texts_become_values_of_the_declared_type() -> None:
    misfits: list[str] = []
    told = named(source__ip="::1", request__size="12", response__duration="1.5s")
    bag = asked(told, misfits)
    assert bag.get("source.ip") == parse_ip("::1")
    assert bag.get("request.size") == 12
    assert bag.get("response.duration") == 1_500_000_000
    assert misfits == []
    wrong = asked(named(source__ip="here", request__size="1_0", response__duration=""), misfits)
    assert [wrong.get(name) for name in ("source.ip", "request.size", "response.duration")] == [
        None
    ] * 3
    assert sorted(misfits) == ["request.size", "source.ip"]


def test_headers_as_they_were_sent() -> None:
    lines = [("X-A", b"1"), ("x-a", b"2"), ("x-b", b"\xff!")]
    sent = [{"key": name, "raw_value": value} for name, value in lines]
    bag = asked({"request": {"http": {"header_map": {"headers": sent}}}})
    assert bag.get("request.headers") == {"x-a": "1,2", "x-b": "\ufffd!"}


def test_an_address_in_brackets_is_a_host() -> None:
    for host, found in (("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a", "a"), ("a:1", "a")):
        bag = asked({"request": {"http": {"host": host}}})
        assert bag.get("destination.service.host") == found
