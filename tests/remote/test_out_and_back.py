"""Mixers ask adapters of ours in other places: what comes back is what would have, from within."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from adapters.denier import Denier
from adapters.memquota import Memquota
from adapters.staticenv import Staticenv
from mixer.adapter import (
    Adapter,
    Authorization,
    Checks,
    ChecksWithOutput,
    Code,
    Config,
    Duration,
    Instance,
    ListEntry,
    LogEntry,
    Metric,
    Output,
    QuotaArgs,
    Reports,
    Timestamp,
    TraceSpan,
    Value,
    Variety,
    Verdict,
)
from mixer.answers import HeaderChange, HeaderVerb
from mixer.errors import RpcError
from tests.dispatch.conftest import Start
from tests.remote.conftest import Serve

APIS = pytest.mark.parametrize("istio", [False, True], ids=["ours", "istio"])


class Nothing(Config, frozen=True):
    """No params."""


def handler(name: str, address: str, params: str = "{}", more: str = "") -> str:
    return f"""
---
apiVersion: meshmixer.io/v1
kind: handler
metadata: {{name: outside}}
spec:
  adapter: remote-{name}
  connection: {{address: '{address}'}}
  params: {params}
  {more}
"""


def rule(template: str, params: str = "{}", more: str = "", istio: bool = False) -> str:
    """A rule that sends instances of a template, the declared one of that name with *istio*."""
    name = f"{template}.template.istio-system" if istio else template
    return f"""
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: r}}
spec:
  onError: fail
  actions:
  - handler: outside
    instances: [{{name: i, template: {name}, params: {params}}}]
  {more}
"""


@APIS
async def test_a_denial_comes_with_all_its_words(
    start: Start, elsewhere: Serve, istio: bool
) -> None:
    outside = await elsewhere(Denier)
    mixer = await start(
        outside.resources(istio=istio)
        + handler(
            "denier",
            outside.address,
            """
              status:
                code: UNAUTHENTICATED
                message: go away
                details:
                - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
                  code: Found
                  body: over there
                  headers: {location: /}
              validDuration: 7.5s
              validUseCount: 3
            """,
        )
        + rule("checknothing", istio=istio)
    )
    answer = await mixer.check()
    assert answer.precondition.code == Code.UNAUTHENTICATED
    assert answer.precondition.message == "outside.istio-system:go away"
    found, directive = answer.precondition, answer.precondition.directive
    assert directive is not None
    assert (directive.direct_code, directive.direct_body) == (302, "over there")
    assert (found.valid_for, found.valid_uses) == (7.5, 3)


@APIS
async def test_quota_is_counted_elsewhere_for_all_who_ask(
    start: Start, elsewhere: Serve, istio: bool
) -> None:
    outside = await elsewhere(Memquota)
    text = (
        outside.resources(istio=istio)
        + handler(
            "memquota",
            outside.address,
            "{quotas: [{name: i, maxAmount: 5, validDuration: 60s}]}",
        )
        + rule("quota", "{dimensions: {user: source.user}}", istio=istio)
    )
    mixer = await start(text)
    other = await start(text)
    asked = {"i": QuotaArgs(3)}
    first = await mixer.check({"source.user": "ann"}, asked, "a")
    again = await other.check({"source.user": "ann"}, asked, "a")
    second = await other.check({"source.user": "ann"}, asked, "b")
    fresh = await other.check({"source.user": "bob"}, asked, "c")
    amounts = [one.quotas["i"].granted for one in (first, again, second, fresh)]
    assert amounts == [3, 3, 0, 3]
    assert first.quotas["i"].valid_for == pytest.approx(60, abs=1)
    assert outside.open == 1


@APIS
async def test_attributes_are_found_elsewhere(start: Start, elsewhere: Serve, istio: bool) -> None:
    outside = await elsewhere(Staticenv)
    found = """attributeBindings: {source.name: $out.source_pod_name | "unknown",
        source.labels: $out.source_labels | emptyStringMap()}"""
    template = "kubernetes.template.istio-system" if istio else "kubernetes"
    mixer = await start(
        outside.resources(istio=istio)
        + handler(
            "staticenv",
            outside.address,
            "{workloads: [{name: billing-1, namespace: old, addresses: [192.0.2.10], "
            "labels: {app: billing}}]}",
        )
        + f"""
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: find}}
spec:
  actions:
  - handler: outside
    instances:
    - template: {template}
      params: {{source_ip: source.ip}}
      {found}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: deny}}
spec:
  match: source.name == "billing-1" && source.labels["app"] == "billing"
  actions:
  - handler: {{adapter: denier}}
    instances: [{{template: checknothing}}]
"""
    )
    known = await mixer.check({"source.ip": bytes([192, 0, 2, 10])})
    unknown = await mixer.check({"source.ip": bytes([192, 0, 2, 11])})
    assert (known.precondition.code, unknown.precondition.code) == (
        Code.FAILED_PRECONDITION,
        Code.OK,
    )


class Keeps(Adapter[Nothing], Reports[LogEntry | Metric | TraceSpan], name="keeps"):
    """Keeps what was reported."""

    kept: list[Any] = []

    def report(self, batch: Any, /) -> None:
        self.kept.extend(batch)


@APIS
async def test_reports_arrive_as_they_were_sent(
    start: Start, elsewhere: Serve, istio: bool
) -> None:
    Keeps.kept = []
    outside = await elsewhere(Keeps)
    mixer = await start(
        outside.resources(istio=istio)
        + handler("keeps", outside.address, more="queue: {size: 0}")
        + rule(
            "logentry",
            """
            {variables: {ip: source.ip, user: source.user, count: "7", whole: "true", f: "1.5",
              labels: source.labels, took: duration("-1.5s"),
              at: timestamp("2020-01-02T03:04:05.6Z")},
             timestamp: 'timestamp("2020-01-02T03:04:05Z")', severity: '"warning"'}
            """,
            istio=istio,
        )
    )
    sent: dict[str, Value] = {
        "source.ip": bytes([10, 0, 0, 1]),
        "source.user": "ann",
        "source.labels": {"app": "web"},
    }
    await mixer.report(sent, sent)
    entry = LogEntry(
        name="i.instance.istio-system",
        variables={
            "ip": bytes([10, 0, 0, 1]),
            "user": "ann",
            "count": 7,
            "whole": True,
            "f": 1.5,
            "labels": {"app": "web"},
            "took": Duration(-1_500_000_000),
            "at": Timestamp(1577934245_600_000_000),
        },
        timestamp=Timestamp(1577934245_000_000_000),
        severity="warning",
    )
    assert Keeps.kept == [entry, entry]


class LookedUp(Output, frozen=True):
    """What a login yields."""

    user: str | None = None
    level: int | None = None
    groups: dict[str, str] | None = None


class Login(Instance, frozen=True, gc=False):
    """A token to look up."""

    template = "login"
    variety = Variety.CHECK_WITH_OUTPUT
    output = LookedUp

    token: str = ""
    """The token."""


class Logins(Adapter[Nothing], ChecksWithOutput[Login, LookedUp], name="logins"):
    """Knows one token."""

    def check_with_output(self, instance: Login, /) -> tuple[Verdict, LookedUp]:
        if instance.token == "secret":
            return Verdict(), LookedUp(user="ann", groups={"a": "b"})
        return Verdict.deny("who are you", code=Code.UNAUTHENTICATED), LookedUp()


async def test_header_operations_read_outputs_of_elsewhere(start: Start, elsewhere: Serve) -> None:
    outside = await elsewhere(Logins)
    text = (
        outside.resources()
        + handler("logins", outside.address)
        + """
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: login}
spec:
  actions:
  - name: login
    handler: outside
    instances: [{template: login, params: {token: source.user}}]
  requestHeaderOperations:
  - {name: x-user, values: [login.output.user]}
  - {name: x-group, values: ['login.output.groups["a"]']}
"""
    )
    mixer = await start(text)
    directive = (await mixer.check({"source.user": "secret"})).precondition.directive
    assert directive is not None
    assert directive.request_headers == (
        HeaderChange("x-user", "ann", HeaderVerb.REPLACE),
        HeaderChange("x-group", "b", HeaderVerb.REPLACE),
    )
    assert (await mixer.check({"source.user": "other"})).precondition.code == Code.UNAUTHENTICATED


class Seen(Adapter[Nothing], Checks[Authorization | ListEntry], name="seen"):
    """Denies with what it saw."""

    def check(self, instance: Authorization | ListEntry, /) -> Verdict:
        return Verdict.deny(repr(instance))


async def test_structs_within_structs_arrive(start: Start, elsewhere: Serve) -> None:
    outside = await elsewhere(Seen)
    mixer = await start(
        outside.resources()
        + handler("seen", outside.address)
        + rule(
            "authorization",
            "{subject: {user: source.user, properties: {ip: source.ip}}, action: {path: '\"/x\"'}}",
        )
    )
    answer = await mixer.check({"source.user": "ann", "source.ip": bytes([10, 0, 0, 1])})
    assert "user='ann'" in answer.precondition.message
    assert "properties={'ip': b'\\n\\x00\\x00\\x01'}" in answer.precondition.message
    assert "path='/x'" in answer.precondition.message


class Raises(Adapter[Nothing], Checks[ListEntry], name="raises"):
    """Fails."""

    def check(self, instance: ListEntry, /) -> Verdict:
        raise RuntimeError("no way")


async def test_what_fails_elsewhere_fails_the_rule_and_says_why(
    start: Start, elsewhere: Serve
) -> None:
    outside = await elsewhere(Raises)
    mixer = await start(
        outside.resources() + handler("raises", outside.address) + rule("listentry")
    )
    with pytest.raises(RpcError, match="failed with INTERNAL: RuntimeError: no way"):
        await mixer.check()


@APIS
async def test_a_mixer_finds_its_way_when_the_other_process_begins_anew(
    start: Start, elsewhere: Serve, istio: bool
) -> None:
    outside = await elsewhere(Denier)
    mixer = await start(
        outside.resources(istio=istio)
        + handler("denier", outside.address, "{status: {message: no}}")
        + rule("checknothing", istio=istio)
    )
    before = await mixer.check()
    await outside.stop()
    with pytest.raises(RpcError, match="UNAVAILABLE"):
        await mixer.check()
    await outside.start(f"tcp://{outside.address}")
    async with asyncio.timeout(60):  # gRPC, and the breaker, wait before they try again
        while True:
            with suppress(RpcError):
                after = await mixer.check()
                break
            await asyncio.sleep(0.05)
    assert before.precondition.code == after.precondition.code == Code.FAILED_PRECONDITION


async def test_a_handler_that_closes_ends_its_session(start: Start, elsewhere: Serve) -> None:
    outside = await elsewhere(Denier)
    mixer = await start(
        outside.resources() + handler("denier", outside.address) + rule("checknothing")
    )
    await mixer.check()
    assert outside.open == 1
    await mixer.runtime.close()
    assert outside.open == 0


async def test_params_that_the_other_adapter_refuses_fail_the_rule_and_say_why(
    start: Start, elsewhere: Serve
) -> None:
    outside = await elsewhere(Memquota)
    mixer = await start(
        outside.resources()
        + handler("memquota", outside.address, "{quotas: [{name: other, maxAmount: 5}]}")
        + rule("quota")
    )
    answer = await mixer.check({}, {"i": QuotaArgs(1)})
    assert answer.quotas["i"].granted == 0
    said = " ".join(map(str, mixer.log.calls))
    assert "refused Validate with code 3: params.quotas" in said
    assert "did not find limit defined for quota i.instance.istio-system" in said
