"""Adapters of others, with templates that were made by protoc (spec: out-of-process)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mixer.adapter import Code, QuotaArgs
from mixer.answers import HeaderChange, HeaderVerb
from mixer.errors import RpcError
from tests.dispatch.conftest import Mixer, Start
from tests.remote.foreign import HEAD, Foreign, compiled, packed

EVERYTHING = (
    HEAD.format(package="everything", name="everything", variety="CHECK")
    + """
enum Color { RED = 0; GREEN = 1; BLUE = 7; }
message ShapeMsg { string kind = 1; repeated double sides = 2; }
message InstanceMsg {
  string text = 1;
  int32 small = 2;
  uint64 large = 3;
  double ratio = 4;
  bool good = 5;
  Color color = 6;
  istio.policy.v1beta1.Value any = 7;
  istio.policy.v1beta1.DNSName host = 8;
  istio.policy.v1beta1.Uri uri = 9;
  istio.policy.v1beta1.TimeStamp at = 10;
  istio.policy.v1beta1.Duration took = 11;
  map<string, istio.policy.v1beta1.Value> tags = 12;
  map<string, int64> counts = 13;
  ShapeMsg shape = 14;
  repeated ShapeMsg shapes = 15;
  map<string, ShapeMsg> named = 16;
  repeated string words = 17;
  bool class = 18;
  istio.policy.v1beta1.IPAddress ip = 19;
  istio.policy.v1beta1.EmailAddress mail = 20;
  string name = 72295727;
}
message HandleEverythingRequest {
  InstanceMsg instance = 1;
  google.protobuf.Any adapter_config = 2;
  string dedup_id = 3;
}
service HandleEverythingService {
  rpc HandleEverything(HandleEverythingRequest)
    returns (istio.mixer.adapter.model.v1beta1.CheckResult);
}
"""
)
FINDS = (
    HEAD.format(package="finds", name="finds", variety="ATTRIBUTE_GENERATOR")
    + """
message InstanceMsg { string key = 1; string name = 72295727; }
message OutputMsg {
  string user = 1;
  istio.policy.v1beta1.IPAddress ip = 2;
  map<string, string> labels = 3;
  istio.policy.v1beta1.DNSName host = 4;
  repeated string unread = 5;
}
message HandleFindsRequest {
  InstanceMsg instance = 1;
  google.protobuf.Any adapter_config = 2;
  string dedup_id = 3;
}
service HandleFindsService { rpc HandleFinds(HandleFindsRequest) returns (OutputMsg); }
"""
)
LOGIN = (
    HEAD.format(package="login", name="login", variety="CHECK_WITH_OUTPUT")
    + """
message InstanceMsg { string token = 1; string name = 72295727; }
message OutputMsg { string user = 1; int32 level = 2; }
message HandleLoginRequest {
  InstanceMsg instance = 1;
  google.protobuf.Any adapter_config = 2;
  string dedup_id = 3;
}
message HandleLoginResponse {
  istio.mixer.adapter.model.v1beta1.CheckResult result = 1;
  OutputMsg output = 2;
}
service HandleLoginService { rpc HandleLogin(HandleLoginRequest) returns (HandleLoginResponse); }
"""
)
RATION = (
    HEAD.format(package="ration", name="ration", variety="QUOTA")
    + """
message InstanceMsg { string who = 1; string name = 72295727; }
message HandleRationRequest {
  InstanceMsg instance = 1;
  google.protobuf.Any adapter_config = 2;
  string dedup_id = 3;
  istio.mixer.adapter.model.v1beta1.QuotaRequest quota_request = 4;
}
service HandleRationService {
  rpc HandleRation(HandleRationRequest) returns (istio.mixer.adapter.model.v1beta1.QuotaResult);
}
"""
)
NOTE = (
    HEAD.format(package="note", name="note", variety="REPORT")
    + """
message InstanceMsg { string text = 1; string name = 72295727; }
message HandleNoteRequest {
  repeated InstanceMsg instances = 1;
  google.protobuf.Any adapter_config = 2;
  string dedup_id = 3;
}
service HandleNoteService {
  rpc HandleNote(HandleNoteRequest) returns (istio.mixer.adapter.model.v1beta1.ReportResult);
}
"""
)
PARAMS = """
syntax = "proto3";
package acme.config;
import "google/protobuf/duration.proto";
message Params {
  enum Mode { LAX = 0; STRICT = 1; }
  message Limit { string name = 1; int32 most = 2; }
  string file_path = 1;
  google.protobuf.Duration wait = 2;
  repeated Limit limits = 3;
  Mode mode = 4;
}
"""
SETS = {
    name: compiled(text)
    for name, text in {
        "everything": EVERYTHING, "finds": FINDS, "login": LOGIN, "ration": RATION, "note": NOTE,
    }.items()
}  # fmt: skip


@pytest.fixture
async def foreign() -> AsyncIterator[Foreign]:
    """Somebody else's adapter, in service."""
    found, server = Foreign(*SETS.values()), grpc.aio.server()
    server.add_generic_rpc_handlers([found])
    found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield found
    await server.stop(None)


def resources(
    template: str,
    address: str,
    params: str = "{}",
    *,
    config: FileDescriptorSet | None = None,
    handler: str = "{}",
    rest: str = "",
    more: str = "",
) -> str:
    """Istio's resources for one template and one rule."""
    return f"""
apiVersion: config.istio.io/v1alpha2
kind: template
metadata: {{name: {template}, namespace: istio-system}}
spec: {{descriptor: "{packed(SETS[template])}"}}
---
apiVersion: config.istio.io/v1alpha2
kind: adapter
metadata: {{name: acme, namespace: istio-system}}
spec:
  description: somebody's adapter
  session_based: false
  templates: [{template}]
  config: "{packed(config) if config else ""}"
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: h, namespace: istio-system}}
spec:
  adapter: acme
  connection: {{address: '{address}'}}
  params: {handler}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: i, namespace: istio-system}}
spec:
  template: {template}
  params: {params}
  {rest}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: r, namespace: istio-system}}
spec:
  actions:
  - name: act
    handler: h
    instances: [i]
  {more}
"""


async def sent(start: Start, foreign: Foreign, params: str, **attributes: Any) -> Any:
    """The instance that arrives."""
    mixer = await start(resources("everything", foreign.address, params))
    await mixer.check({name.replace("_", "."): value for name, value in attributes.items()})
    return foreign.asked[-1].instance


async def test_every_kind_of_field_arrives_as_its_expression_says(
    start: Start, foreign: Foreign
) -> None:
    got = await sent(
        start,
        foreign,
        """
    text: source.user
    small: '7'
    large: '8'
    ratio: '0.5'
    good: 'true'
    color: source.name
    any: source.ip
    host: 'dnsName("a.example")'
    uri: 'uri("http://a.example")'
    mail: 'email("a@a.example")'
    at: timestamp("1970-01-01T00:00:01.5Z")
    took: '"1m" | "2m"'
    tags: {user: source.user, ip: source.ip, where: 'dnsName("b.example")', count: '3'}
    counts: {a: '1'}
    shape: {kind: source.user, sides: ['1.5', '2.5']}
    shapes: [{kind: source.user}, {kind: source.name}]
    named: {one: {kind: source.name}}
    words: [source.user, source.name]
    class: 'false | true'
    ip: source.ip
""",
        source_user="ann",
        source_name="BLUE",
        source_ip=bytes([10, 0, 0, 1]),
    )
    assert (got.text, got.small, got.large, got.ratio, got.good) == ("ann", 7, 8, 0.5, True)
    assert got.color == 7
    assert got.any.ip_address_value.value == got.ip.value == bytes([10, 0, 0, 1])
    assert (got.host.value, got.uri.value) == ("a.example", "http://a.example")
    assert got.mail.value == "a@a.example"
    assert (got.at.value.seconds, got.at.value.nanos) == (1, 500_000_000)
    assert got.took.value.seconds == 60
    assert got.tags["user"].string_value == "ann"
    assert got.tags["where"].dns_name_value.value == "b.example"
    assert got.tags["count"].int64_value == 3
    assert dict(got.counts) == {"a": 1}
    assert (got.shape.kind, list(got.shape.sides)) == ("ann", [1.5, 2.5])
    assert [one.kind for one in got.shapes] == ["ann", "BLUE"]
    assert got.named["one"].kind == "BLUE"
    assert list(got.words) == ["ann", "BLUE"]
    assert got.name == "i.instance.istio-system"


async def test_bare_numbers_and_texts_in_quotes_are_constants(
    start: Start, foreign: Foreign
) -> None:
    got = await sent(
        start,
        foreign,
        """
    text: '"60s"'
    small: 7
    ratio: 2
    good: true
    color: GREEN
    any: 5
    tags: {a: "'x\\\\n'", b: 1.5, c: true}
    words: ['"a" | "b"']
""",
    )
    assert (got.text, got.small, got.ratio, got.good, got.color) == ("60s", 7, 2.0, True, 1)
    assert got.any.int64_value == 5
    assert got.tags["a"].string_value == "x\\n"
    assert (got.tags["b"].double_value, got.tags["c"].bool_value) == (1.5, True)
    assert list(got.words) == ["a"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ("{small: '3000000000'}", "can't be sent: Value out of range"),
        ("{color: source.user}", "can't be sent: 'ann' is none of RED, GREEN, BLUE"),
    ],
)
async def test_what_does_not_fit_is_the_handlers_failure(
    start: Start, foreign: Foreign, params: str, reason: str
) -> None:
    with pytest.raises(RpcError, match=reason):
        await sent(start, foreign, params, source_user="ann")
    assert foreign.asked == []


async def test_params_are_encoded_as_their_message_and_go_with_each_call(
    start: Start, foreign: Foreign
) -> None:
    config = compiled(PARAMS)
    said = "{filePath: /tmp/x, wait: 1500ms, limits: [{name: a, most: 3}, {name: b}], mode: STRICT}"
    mixer = await start(resources("everything", foreign.address, config=config, handler=said))
    await mixer.check()
    got = foreign.asked[-1].adapter_config
    assert got.type_url == "type.googleapis.com/acme.config.Params"
    assert got.value == (
        b"\n\x06/tmp/x\x12\x08\x08\x01\x10\x80\xca\xb5\xee\x01"
        b"\x1a\x05\n\x01a\x10\x03\x1a\x03\n\x01b\x20\x01"
    )


async def test_without_a_message_for_params_none_are_sent(start: Start, foreign: Foreign) -> None:
    mixer = await start(resources("everything", foreign.address))
    await mixer.check()
    await mixer.check()
    first, second = foreign.asked
    assert not first.HasField("adapter_config")
    assert int(second.dedup_id) == int(first.dedup_id) + 1


async def test_attributes_are_bound_from_what_is_found(start: Start, foreign: Foreign) -> None:
    def answer(request: Any, response: Any) -> Any:
        assert request.instance.key == "k"
        response.user, response.ip.value = "ann", bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 9])
        response.labels["app"] = "web"
        response.host.value = "a.example"
        return response

    foreign.answer = answer
    bindings = """attributeBindings:
      source.user: $out.user
      source.ip: output.ip
      source.labels: $out.labels
      source.name: 'conditional($out.host == dnsName("a.example"), "there", "not there")'
"""
    mixer = await start(
        resources("finds", foreign.address, "{key: '\"k\"'}", rest=bindings)
        + """
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: deny}
spec:
  match: |
    source.user == "ann" && source.ip == ip("10.0.0.9") && source.labels["app"] == "web"
      && source.name == "there"
  actions:
  - handler: {adapter: denier}
    instances: [{template: checknothing}]
"""
    )
    assert (await mixer.check()).precondition.code == Code.FAILED_PRECONDITION


async def test_header_operations_read_what_was_found_with_a_verdict(
    start: Start, foreign: Foreign
) -> None:
    def answer(request: Any, response: Any) -> Any:
        if request.instance.token == "secret":
            response.output.user, response.output.level = "ann", 3
        else:
            response.result.status.code = 16
            response.result.status.message = "who"
        return response

    foreign.answer = answer
    mixer = await start(
        resources(
            "login",
            foreign.address,
            "{token: source.user}",
            more="requestHeaderOperations: [{name: x-user, values: [act.output.user]}]",
        )
    )
    directive = (await mixer.check({"source.user": "secret"})).precondition.directive
    assert directive is not None
    assert directive.request_headers == (HeaderChange("x-user", "ann", HeaderVerb.REPLACE),)
    denied = (await mixer.check({"source.user": "eve"})).precondition
    assert (denied.code, denied.message) == (16, "h.istio-system:who")


async def test_quota_is_asked_under_the_full_name(start: Start, foreign: Foreign) -> None:
    def answer(request: Any, response: Any) -> Any:
        asked = request.quota_request.quotas["i.instance.istio-system"]
        granted = response.quotas["i.instance.istio-system"]
        granted.granted_amount = asked.amount - 1
        granted.valid_duration.seconds = 9
        return response

    foreign.answer = answer
    mixer = await start(resources("ration", foreign.address, "{who: source.user}"))
    found = (await mixer.check({"source.user": "a"}, {"i": QuotaArgs(5)}, "id")).quotas["i"]
    assert (found.granted, found.valid_for) == (4, 9.0)
    assert foreign.asked[-1].dedup_id.startswith("id")
    assert foreign.asked[-1].instance.who == "a"


async def test_reports_wait_in_a_queue_and_arrive_in_batches(
    start: Start, foreign: Foreign
) -> None:
    mixer = await start(resources("note", foreign.address, "{text: source.user}"))
    await mixer.report(*({"source.user": str(number)} for number in range(5)))
    await mixer.runtime.close()
    arrived = [one.text for request in foreign.asked for one in request.instances]
    assert sorted(arrived) == ["0", "1", "2", "3", "4"]
    assert len(foreign.asked) == 1


async def test_what_can_not_be_sent_is_lost_alone_and_counted(
    start: Start, foreign: Foreign
) -> None:
    mixer = await start(resources("note", foreign.address, "{text: source.user}"))
    await mixer.report({"source.user": "a"}, {"source.user": "\udcff"}, {"source.user": "b"})
    await mixer.runtime.close()
    assert [one.text for request in foreign.asked for one in request.instances] == ["a", "b"]
    told = {"handler": "h.istio-system", "meshFunction": "note"}
    counted = [
        mixer.metric("mixer_delivery_instances_total", outcome=outcome, **told)
        for outcome in ("delivered", "refused")
    ]
    assert counted == [2, 1]


async def test_an_adapter_that_is_away_fails_calls_and_no_configuration(start: Start) -> None:
    # Port 1 of loopback has no listener, and nothing but root could make it one.
    mixer = await start(resources("everything", "127.0.0.1:1"))
    with pytest.raises(RpcError, match=r"'127\.0\.0\.1:1' failed with UNAVAILABLE"):
        await mixer.check()


async def test_a_reload_keeps_the_handler(start: Start, foreign: Foreign, tmp_path: Any) -> None:
    mixer: Mixer = await start(resources("everything", foreign.address))
    before = mixer.runtime.snapshot
    file = tmp_path / "config.yaml"
    file.write_text(file.read_text().replace("name: r,", "name: other,"))
    await mixer.runtime.reload()
    after = mixer.runtime.snapshot
    assert before is not None
    assert after is not None
    assert before is not after
    (old,), (new,) = before.handlers.values(), after.handlers.values()
    assert old is new
