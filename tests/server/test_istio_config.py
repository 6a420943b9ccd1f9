"""Istio's own rule files answer the bodies of real sidecars as the specification says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from attributes.dictionary import GLOBAL_WORDS
from mixer._pb import mixer_pb2 as pb

from .conftest import SHARED, Server, body, logging_to

ROUTING = {"context.reporter.kind": "EXACT", "destination.namespace": "EXACT"}


def references(sent: pb.ReferencedAttributes) -> dict[str, str]:
    """References by name, with ``[key]`` for maps."""

    def word(index: int) -> str:
        return sent.words[-1 - index] if index < 0 else GLOBAL_WORDS[index]

    return {
        word(match.name) + (f"[{word(match.map_key)}]" if match.map_key else ""): (
            pb.ReferencedAttributes.Condition.Name(match.condition)
        )
        for match in sent.attribute_matches
    }


@pytest.mark.parametrize(
    ("name", "code", "message", "seconds", "uses", "clnt"),
    [
        ("check", 0, "", 300, 10000, "ABSENCE"),
        ("check-quota", 0, "", 300, 10000, "ABSENCE"),
        ("check-denied", 7, "denyall.istio-system:Not allowed", 5, 1000, "EXACT"),
        (
            "check-notlisted",
            7,
            "staticversion.istio-system:v99 is not whitelisted",
            300,
            10000,
            "ABSENCE",
        ),
    ],
)
def test_the_check_configuration_answers(
    serve: Callable[..., Server],
    name: str,
    code: int,
    message: str,
    seconds: int,
    uses: int,
    clnt: str,
) -> None:
    answer = serve(SHARED / "istio-config" / "check").check(body(name))
    found = answer.precondition
    assert (found.status.code, found.status.message) == (code, message)
    assert (found.valid_duration.seconds, found.valid_duration.nanos) == (seconds, 0)
    assert found.valid_use_count == uses
    assert references(found.referenced_attributes) == ROUTING | {
        "request.headers[clnt]": clnt,
        "destination.labels[app]": "EXACT",
        "source.labels[version]": "EXACT",
    }
    assert list(answer.quotas) == (["requestcount"] if name == "check-quota" else [])
    if answer.quotas:
        quota = answer.quotas["requestcount"]
        assert (quota.granted_amount, quota.valid_duration.seconds) == (1, 1)
        assert references(quota.referenced_attributes) == ROUTING | {
            "source.labels[app]": "EXACT",
            "source.labels[version]": "EXACT",
            "destination.labels[app]": "EXACT",
            "destination.labels[version]": "EXACT",
        }


def test_without_rules_everything_passes(serve: Callable[..., Server]) -> None:
    found = serve(SHARED / "istio-config" / "norule").check(body("check")).precondition
    assert (found.status.code, found.valid_use_count) == (0, 10000)
    assert found.valid_duration.seconds == 60
    assert references(found.referenced_attributes) == ROUTING


def test_every_reported_bag_is_counted_whatever_its_encoding(serve: Callable[..., Server]) -> None:
    server = serve(SHARED / "istio-config" / "telemetry")
    for name in ("report-1", "report-100-independent", "report-100-delta"):
        assert server.call("Report", body(name)) == b""
    totals = {"istio_requests_total": 0.0, "istio_request_duration_seconds_count": 0.0}
    series = 0
    for family in text_string_to_metric_families(server.scrape()):
        for sample in family.samples:
            if sample.name in totals:
                totals[sample.name] += sample.value
                series += sample.name == "istio_requests_total"
    assert totals == {"istio_requests_total": 201, "istio_request_duration_seconds_count": 201}
    assert series == 6


def test_every_reported_bag_is_a_line_of_the_access_log(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve(logging_to(log))
    server.call("Report", body("report-100-independent"))
    server.call("Report", body("report-100-delta"))
    assert server.stop() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 200
    assert lines[:100] == lines[100:]
    first = lines[0]
    assert list(first)[:3] == ["level", "time", "instance"]
    assert first["instance"] == "accesslog.instance.istio-system"
    assert first["level"] == "info"
    assert first["destinationServiceHost"] == "reviews.default.svc.cluster.local"
    assert first["sourceIp"] == "10.44.1.17"
    assert list(first)[3:] == sorted(list(first)[3:])


@pytest.mark.parametrize(
    ("method", "raw", "code", "text"),
    [
        ("Check", b"\xff\xff\xff", grpc.StatusCode.INTERNAL, "error unmarshalling request"),
        ("Report", b"\x0a\xff", grpc.StatusCode.INTERNAL, "error unmarshalling request"),
        (
            "Check",
            pb.CheckRequest(global_word_count=223).SerializeToString(),
            grpc.StatusCode.INTERNAL,
            "inconsistent global dictionary versions used: mixer knows 222 words, caller knows 223",
        ),
        (
            "Report",
            pb.ReportRequest(global_word_count=500).SerializeToString(),
            grpc.StatusCode.INTERNAL,
            "mixer knows 222 words, caller knows 500",
        ),
        ("Check", bytes(2 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED, ""),
        ("NoSuch", b"", grpc.StatusCode.UNIMPLEMENTED, ""),
    ],
    ids=["not-protobuf", "cut-short", "check-overrun", "report-overrun", "2-MiB", "no-method"],
)
def test_bad_input_gets_a_status_and_the_server_lives(
    serve: Callable[..., Server], method: str, raw: bytes, code: grpc.StatusCode, text: str
) -> None:
    server = serve(SHARED / "istio-config" / "check")
    with pytest.raises(grpc.RpcError) as refused:
        server.call(method, raw)
    assert refused.value.code() is code
    assert text in refused.value.details()
    assert server.check(body("check")).precondition.status.code == 0


def test_a_duplicate_attribute_of_a_delta_report_is_told_and_the_rest_is_counted(
    serve: Callable[..., Server],
) -> None:
    request = pb.ReportRequest.FromString(body("report-100-delta"))
    spoiled = request.attributes[50]
    name = next(iter(spoiled.timestamps))
    spoiled.int64s[name] = 1
    server = serve(SHARED / "istio-config" / "telemetry")
    with pytest.raises(grpc.RpcError) as refused:
        server.call("Report", request.SerializeToString())
    assert refused.value.code() is grpc.StatusCode.UNKNOWN
    assert "duplicate attribute" in refused.value.details()
    counted = sum(
        sample.value
        for family in text_string_to_metric_families(server.scrape())
        for sample in family.samples
        if sample.name == "istio_requests_total"
    )
    assert counted == 99
