"""Attribute generators, checks with output, header operations and direct responses."""

from __future__ import annotations

import pytest

from mixer.adapter import (
    Adapter,
    ChecksWithOutput,
    Config,
    Generates,
    Instance,
    Kubernetes,
    KubernetesOutput,
    Output,
    Variety,
    Verdict,
)
from mixer.answers import HeaderChange, HeaderVerb
from mixer.errors import Code, RpcError

from .conftest import Start


class Nothing(Config, frozen=True):
    """No params."""


class Names(Adapter[Nothing], Generates[Kubernetes, KubernetesOutput], name="names"):
    """Knows one pod."""

    async def generate(self, instance: Kubernetes, /) -> KubernetesOutput:
        if instance.source_uid != "kubernetes://pod.ns":
            return KubernetesOutput()
        return KubernetesOutput(
            source_pod_name="pod",
            source_pod_ip=b"\0" * 10 + b"\xff\xff" + bytes([10, 0, 0, 9]),
            source_labels={"app": "web"},
            source_namespace="ns",
        )


class LookedUp(Output, frozen=True):
    """What a login yields."""

    user: str | None = None
    level: int | None = None


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
            return Verdict(), LookedUp(user="ann")
        return Verdict.deny("who are you", code=Code.UNAUTHENTICATED), LookedUp()


GENERATOR = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: names}
spec:
  actions:
  - handler: {adapter: names}
    instances:
    - template: kubernetes
      params: {source_uid: source.user}
      attributeBindings:
        source.name: $out.source_pod_name | "unknown"
        source.ip: $out.source_pod_ip
        source.labels: $out.source_labels
        source.namespace: $out.source_namespace
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: gate, namespace: ns}
spec:
  match: source.name == "pod" && source.labels["app"] == "web" && source.ip == ip("10.0.0.9")
  actions:
  - handler: {adapter: denier, params: {status: {code: 7, message: found}}}
    instances: [{template: checknothing}]
"""


async def test_generated_attributes_route_and_match_and_leave_no_reference(start: Start) -> None:
    mixer = await start(GENERATOR, Names)
    call = {"source.user": "kubernetes://pod.ns", "context.reporter.kind": "outbound"}
    found = (await mixer.check(call)).precondition
    assert found.message == "gate.ns:found"
    assert {name for name, _ in found.seen.references} == {
        "context.reporter.kind",
        "source.user",
        "source.namespace",
    }


async def test_what_was_sent_is_never_replaced(start: Start) -> None:
    mixer = await start(GENERATOR, Names)
    call = {
        "source.user": "kubernetes://pod.ns",
        "context.reporter.kind": "outbound",
        "source.name": "sent",
    }
    assert (await mixer.check(call)).precondition.code == 0


async def test_a_generator_that_fails_fails_the_rpc(start: Start) -> None:
    text = GENERATOR.replace("spec:\n  actions:\n  - handler: {adapter: names}", (
        "spec:\n  onError: fail\n  actions:\n  - handler: {adapter: names}"
    )).replace('source.name: $out.source_pod_name | "unknown"', (
        'source.name: source.labels["no"]'
    ))  # fmt: skip
    mixer = await start(text, Names)
    with pytest.raises(RpcError, match="preprocessing attributes failed: 1 error occurred"):
        await mixer.check({"source.user": "kubernetes://pod.ns"})


HEADERS = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: login}
spec:
  actions:
  - name: who
    handler: {adapter: logins}
    instances: [{template: login, params: {token: 'request.headers["token"] | ""'}}]
  requestHeaderOperations:
  - {name: x-user, values: [who.output.user]}
  - {name: x-empty, values: ['""']}
  - {name: x-level, values: ['string(who.output.level)'], operation: APPEND}
  - {name: token, operation: REMOVE}
  responseHeaderOperations:
  - {name: x-many, values: ['"a"', '"b"'], operation: APPEND}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: own, namespace: shop}
spec:
  requestHeaderOperations:
  - {name: x-shop, values: ['"yes"']}
"""


async def test_outputs_become_headers_in_order(start: Start) -> None:
    mixer = await start(HEADERS, Logins)
    found = (await mixer.check({"request.headers": {"token": "secret"}})).precondition
    assert (found.code, found.valid_for, found.valid_uses) == (0, 60, 10_000)
    assert found.directive is not None
    assert found.directive.request_headers == (
        HeaderChange("x-user", "ann", HeaderVerb.REPLACE),
        HeaderChange("x-level", "0", HeaderVerb.APPEND),
        HeaderChange("token", "", HeaderVerb.REMOVE),
    )
    assert found.directive.response_headers == (
        HeaderChange("x-many", "a", HeaderVerb.APPEND),
        HeaderChange("x-many", "b", HeaderVerb.APPEND),
    )


async def test_header_operations_of_the_default_namespace_apply_everywhere(start: Start) -> None:
    mixer = await start(HEADERS, Logins)
    call = {"request.headers": {"token": "secret"}, "destination.namespace": "shop"}
    directive = (await mixer.check(call)).precondition.directive
    assert directive is not None
    assert [change.name for change in directive.request_headers][::3] == ["x-user", "x-shop"]


async def test_a_denial_changes_no_headers(start: Start) -> None:
    mixer = await start(HEADERS, Logins)
    found = (await mixer.check()).precondition
    assert (found.code, found.directive) == (Code.UNAUTHENTICATED, None)
    assert found.message == "login.istio-system:who are you"


DIRECT = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: teapot}
spec:
  actions:
  - handler:
      adapter: denier
      params:
        status:
          code: UNAUTHENTICATED
          details:
          - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
            body: log in
            headers: {Location: /login, Set-Cookie: "a=1,b=2"}
    instances: [{template: checknothing}]
"""


async def test_a_direct_response_is_told_with_its_headers(start: Start) -> None:
    directive = (await (await start(DIRECT)).check()).precondition.directive
    assert directive is not None
    assert (directive.direct_code, directive.direct_body) == (401, "log in")
    assert directive.response_headers == (
        HeaderChange("Location", "/login", HeaderVerb.REPLACE),
        HeaderChange("Set-Cookie", "a=1", HeaderVerb.APPEND),
        HeaderChange("Set-Cookie", "b=2", HeaderVerb.APPEND),
    )


SHADOW = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: tried}
spec:
  mode: shadow
  match: source.user == "eve"
  actions:
  - handler: {adapter: denier}
    instances: [{template: checknothing}]
"""


async def test_a_shadow_rule_is_counted_and_changes_nothing(start: Start) -> None:
    mixer = await start(SHADOW)
    found = (await mixer.check({"source.user": "eve"})).precondition
    assert (found.code, found.valid_for, found.valid_uses) == (0, 60, 10_000)
    assert ("source.user", None) not in found.seen.references
    outcome = {"rule": "tried.istio-system", "outcome": "denied"}
    assert mixer.metric("mixer_rule_shadow_outcomes_total", **outcome) == 1


ORDERED = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  priority: {priority}
  actions:
  - handler: {{adapter: denier, params: {{status: {{code: 7, message: {name}}}}}}}
    instances: [{{template: checknothing}}]
---
"""


async def test_the_default_namespace_comes_first_and_priority_orders_within_one(
    start: Start,
) -> None:
    rules = [("a", "shop", 9), ("b", "istio-system", 0), ("c", "istio-system", 5), ("d", "shop", 0)]
    text = "".join(
        ORDERED.format(name=name, namespace=namespace, priority=priority)
        for name, namespace, priority in rules
    )
    mixer = await start(text)
    found = (await mixer.check({"destination.namespace": "shop"})).precondition
    assert found.message == "c.istio-system:c, b.istio-system:b, a.shop:a, d.shop:d"
