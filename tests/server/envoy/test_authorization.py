"""What Envoy's filters are answered: allowed with changes, denied, refused, or no decision."""

from __future__ import annotations

from typing import Any

import pytest

from mixer._pb import envoy_auth_pb2 as pb
from tests.server.envoy.conftest import Start

DENY = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: no-admins}}
spec:
  match: '{match}'
  actions:
  - handler: {{adapter: denier, params: {{status: {{code: {code}, message: '{message}'}}}}}}
    instances: [{{template: checknothing}}]
"""
LOGIN = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: login}
spec:
  actions:
  - handler:
      adapter: denier
      params:
        status:
          code: UNAUTHENTICATED
          details:
          - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
            code: Found
            body: over there
            headers: {location: "https://login.example.com", set-cookie: "a=1,b=2"}
    instances: [{template: checknothing}]
"""
HEADERS = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: headers}
spec:
  requestHeaderOperations:
  - {name: X-Caller, values: [source.principal], operation: REPLACE}
  - {name: x-via, values: ['"mixer"'], operation: APPEND}
  - {name: x-new, values: ['"1"', '"2"'], operation: APPEND}
  - {name: cookie, operation: REMOVE}
  - {name: x-bad, values: ['"a\\nb"'], operation: REPLACE}
  responseHeaderOperations:
  - {name: x-served, values: ['"shop"'], operation: REPLACE}
  - {name: vary, values: ['"origin"'], operation: APPEND}
  - {name: server, operation: REMOVE}
"""
QUOTA = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: quota}
spec:
  match: request.method == "GET"
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: calls, maxAmount: 3, validDuration: 1h}]}
    instances:
    - {name: calls, template: quota, params: {dimensions: {path: request.path}}}
"""


def deny(match: str = "true", code: str = "PERMISSION_DENIED", message: str = "no") -> str:
    return DENY.format(match=match, code=code, message=message)


def metadata(answer: pb.CheckResponse) -> dict[str, Any]:
    """What comes back in the access log."""
    return {
        name: value.number_value if value.HasField("number_value") else value.string_value
        for name, value in answer.dynamic_metadata.fields.items()
    }


def headers(added: Any) -> list[tuple[str, str, int]]:
    return [(one.header.key, one.header.value, one.append_action) for one in added]


async def test_what_no_rule_denies_is_allowed_with_an_id_of_its_own(start: Start) -> None:
    mixer = await start(deny('request.url_path == "/admin"'))
    answers = [await mixer.get("/"), await mixer.get("/shop?path=/admin")]
    assert [answer.status.code for answer in answers] == [0, 0]
    assert [answer.WhichOneof("http_response") for answer in answers] == [None, None]
    said = [metadata(answer) for answer in answers]
    assert said[0].pop("decision_id") != said[1].pop("decision_id")
    assert said[0] == said[1] == {"decision": "allow", "code": 0, "revision": said[0]["revision"]}
    assert len(said[0]["revision"]) == 12


async def test_a_denial_says_who_denied_and_why(start: Start) -> None:
    mixer = await start(deny('request.url_path == "/admin"'))
    answer = await mixer.get("/admin?x=1")
    assert (answer.status.code, answer.denied_response.status.code) == (7, 403)
    assert answer.denied_response.body.startswith("PERMISSION_DENIED:")
    assert answer.denied_response.body.endswith(":no")
    said = metadata(answer)
    assert said["decision"] == "deny"
    assert said["code"] == 7
    assert said["rule"] == "no-admins.istio-system"
    assert said["handler"] in said["message"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("CANCELLED", 499), ("NOT_FOUND", 404), ("FAILED_PRECONDITION", 400), ("UNAVAILABLE", 503)],
)
async def test_each_code_has_its_http_status(start: Start, code: str, status: int) -> None:
    mixer = await start(deny(code=code))
    assert (await mixer.get()).denied_response.status.code == status


async def test_a_call_of_grpc_learns_the_code_itself(start: Start) -> None:
    mixer = await start(deny(code="NOT_FOUND", message="50 % off"))
    answer = await mixer.get(content_type="application/grpc+proto")
    found = {name: value for name, value, _ in headers(answer.denied_response.headers)}
    assert found["grpc-status"] == "5"
    assert found["grpc-message"].endswith("50 %25 off")
    assert answer.denied_response.body == ""


async def test_a_direct_response_is_sent_as_it_is(start: Start) -> None:
    answer = await (await start(LOGIN)).get()
    denied = answer.denied_response
    assert (answer.status.code, denied.status.code, denied.body) == (16, 302, "over there")
    assert sorted((name, value) for name, value, _ in headers(denied.headers)) == [
        ("location", "https://login.example.com"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]


async def test_headers_are_changed_as_far_as_envoy_can(start: Start) -> None:
    mixer = await start(HEADERS)
    named = {"x-via": "edge", "cookie": "a"}
    http = {"method": "GET", "path": "/", "headers": named}
    answer = await mixer.ask(source={"principal": "spiffe://a/ns/b/sa/c"}, request={"http": http})
    ok = answer.ok_response
    assert headers(ok.headers) == [
        ("x-caller", "a/ns/b/sa/c", 0),
        ("x-via", "edge,mixer", 0),
        ("x-new", "1,2", 0),
    ]
    assert list(ok.headers_to_remove) == ["cookie"]
    assert headers(ok.response_headers_to_add) == [("x-served", "shop", 2), ("vary", "origin", 0)]
    told = [call.kwargs["header"] for call in mixer.log.calls if "header" in call.kwargs]
    assert told == ["x-bad"]  # the first of both; the tenth would be told again


async def test_quotas_are_taken_in_the_same_call(start: Start) -> None:
    mixer = await start(QUOTA)
    codes = [(await mixer.get("/a")).status.code for _ in range(4)]
    assert codes == [0, 0, 0, 8]
    assert (await mixer.get("/b")).status.code == 0
    assert (await mixer.get("/a", method="PUT")).status.code == 0
    refused = await mixer.get("/a")
    assert refused.denied_response.status.code == 429
    assert refused.denied_response.body == "RESOURCE_EXHAUSTED:quota calls is exhausted"
    assert metadata(refused)["rule"] == "quota.istio-system"
    ((name, seconds, _),) = headers(refused.denied_response.headers)
    assert name == "retry-after"
    assert 3590 < int(seconds) <= 3600


async def test_only_quotas_with_rules_for_a_request_are_asked(start: Start) -> None:
    spaces = {"calls": "shop", "others": "elsewhere", "all": "istio-system"}
    rules = [
        QUOTA.replace("{name: quota}", f"{{name: quota, namespace: {space}}}").replace(
            "calls", name
        )
        for name, space in spaces.items()
    ]
    mixer = await start("---".join(rules))
    assert mixer.runtime.snapshot is not None
    routes = mixer.runtime.snapshot.routes
    assert routes.quotas == spaces.keys()
    assert routes.quotas_of("shop") == {"calls", "all"}
    assert routes.quotas_of("unheard-of") == {"all"}
    http = {"method": "GET", "path": "/"}
    for code in (0, 0, 0, 8):
        extensions = {"destination.namespace": "shop"}
        answer = await mixer.ask(request={"http": http}, context_extensions=extensions)
        assert answer.status.code == code


async def test_a_proxy_says_which_quotas_and_how_much(start: Start) -> None:
    mixer = await start(QUOTA)
    http = {"method": "GET", "path": "/a"}

    async def taking(quotas: str) -> int:
        extensions = {"quotas": quotas}
        answer = await mixer.ask(request={"http": http}, context_extensions=extensions)
        return int(answer.status.code)

    assert [await taking(quotas) for quotas in ("", "calls=2", "calls=2", "calls", "calls")] == [
        0, 0, 8, 0, 8,
    ]  # fmt: skip
    assert await taking("calls=many") == 3


async def test_what_can_not_be_read_is_no_decision(start: Start) -> None:
    mixer = await start(deny())
    answer = pb.CheckResponse.FromString(await mixer.service.check(b"\xff\xff"))
    assert answer.status.code == 3
    assert answer.error_response.status.code == 400
    assert metadata(answer)["decision"] == "error"


async def test_a_rule_that_fails_is_no_decision(start: Start) -> None:
    rule = deny('int(request.headers["x"]) > 1').replace("spec:", "spec:\n  onError: fail")
    mixer = await start(rule)
    answer = await mixer.get(x="many")
    assert answer.WhichOneof("http_response") == "error_response"
    assert (answer.status.code, answer.error_response.status.code) == (13, 500)
    assert metadata(answer)["decision"] == "error"


async def test_a_server_that_stops_is_no_decision(start: Start) -> None:
    mixer = await start(deny())
    await mixer.runtime.close()
    answer = await mixer.get()
    assert (answer.status.code, answer.error_response.status.code) == (14, 503)


async def test_a_connection_is_asked_about_without_a_request(start: Start) -> None:
    mixer = await start(
        deny('context.protocol == "tcp" && connection.event == "open" && !connection.mtls')
    )
    assert (await mixer.ask(source={"principal": "a"})).status.code == 0
    assert (await mixer.ask(destination={"principal": "a"})).status.code == 7
    assert (await mixer.ask()).status.code == 7
