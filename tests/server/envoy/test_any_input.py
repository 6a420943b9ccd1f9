"""Whatever Envoy asks, there is an answer that it can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer._pb import envoy_auth_pb2 as pb
from mixer._pb import envoy_quota_pb2 as quota
from mixer.server.envoy.assignments import SERVICE
from tests.server.envoy.conftest import Mixer, Start

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: says}
spec:
  match: request.url_path.startsWith("/") || source.labels["a"] == "b"
  requestHeaderOperations:
  - {name: x-a, values: ['request.headers["a"]', request.path], operation: APPEND}
  - {name: a, values: [request.host], operation: REPLACE}
  responseHeaderOperations:
  - {name: x-b, values: [request.auth.raw_claims], operation: REPLACE}
  actions:
  - handler: {adapter: listchecker, params: {overrides: [a], blacklist: true}}
    instances: [{template: listentry, params: {value: 'request.headers["a"]'}}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: counts}
spec:
  actions:
  - handler: {adapter: memquota, params: {quotas: [{name: calls, maxAmount: 9}]}}
    instances: [{name: calls, template: quota, params: {dimensions: {a: request.path}}}]
"""
TEXTS = st.one_of(st.sampled_from(["", "a", "a\nb", "\udc80".encode("utf-8", "replace").decode()]),
                  st.text(max_size=20))  # fmt: skip
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
HTTP = st.fixed_dictionaries(
    {},
    optional={
        "method": TEXTS, "path": TEXTS.map("/{}".format), "host": TEXTS, "headers": MAPS,
        "size": st.integers(-(2**63), 2**63 - 1),
        "header_map": st.builds(
            lambda raw: {"headers": [{"key": "A", "raw_value": raw}]}, st.binary(max_size=8)
        ),
    },
)  # fmt: skip
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "request": st.builds(lambda http: {"http": http}, HTTP),
        "source": st.builds(lambda texts, text: {"labels": texts, "principal": text}, MAPS, TEXTS),
        "context_extensions": st.dictionaries(
            st.one_of(TEXTS, st.sampled_from(["quotas", "source.labels.a", "source.ip"])),
            st.one_of(TEXTS, st.sampled_from(["calls", "calls=2,other", "=,", "10.0.0.1"])),
            max_size=3,
        ),
    },
)


def answered(mixer: Mixer, raw: bytes) -> None:
    answer = pb.CheckResponse.FromString(asyncio.run(mixer.service.check(raw)))
    assert answer.dynamic_metadata.fields["decision_id"].string_value
    decision = answer.dynamic_metadata.fields["decision"].string_value
    assert (decision == "allow") == (answer.status.code == 0)
    sent = [*answer.ok_response.headers, *answer.ok_response.response_headers_to_add]
    for option in [*sent, *answer.denied_response.headers]:
        assert not set(option.header.value) & set("\r\n\0")


async def test_whatever_is_asked_is_answered(start: Start) -> None:
    mixer = await start(RULES)

    @settings(
        max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(CONTEXTS, st.binary(max_size=10))
    def ask(context: dict[str, Any], more: bytes) -> None:
        raw = pb.CheckRequest(attributes=context).SerializeToString()
        answered(mixer, raw)
        answered(mixer, raw + more)
        answered(mixer, more + raw)

    await asyncio.to_thread(ask)


async def test_bytes_that_are_no_request_are_answered_too(start: Start) -> None:
    mixer = await start(RULES)
    raw = pb.CheckRequest(attributes={"request": {"http": {"path": "x"}}}).SerializeToString()
    spoiled = raw.replace(b"x", b"\xff")
    answer = await asyncio.to_thread(asyncio.run, mixer.service.check(spoiled))
    assert pb.CheckResponse.FromString(answer).error_response.status.code == 400


USAGES = st.fixed_dictionaries(
    {"bucket_id": st.builds(lambda texts: {"bucket": texts}, MAPS)},
    optional={
        "num_requests_allowed": st.integers(0, 2**64 - 1),
        "num_requests_denied": st.integers(0, 2**64 - 1),
        "time_elapsed": st.builds(
            lambda seconds, nanos: {"seconds": seconds, "nanos": nanos},
            st.integers(-(2**63), 2**63 - 1),
            st.integers(-(2**31), 2**31 - 1),
        ),
    },
)


async def test_whatever_is_reported_of_quotas_the_stream_goes_on(start: Start) -> None:
    mixer = await start(RULES)

    @settings(
        max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(st.lists(USAGES, max_size=3), max_size=3), st.binary(max_size=10))
    def tell(reports: list[list[dict[str, Any]]], more: bytes) -> None:
        asyncio.run(told(reports, more))

    async def told(reports: list[list[dict[str, Any]]], more: bytes) -> None:
        expected = sum(len(usages) for usages in reports)
        answered = 0

        async def sent() -> AsyncIterator[bytes]:
            for usages in reports:
                message = quota.RateLimitQuotaUsageReports(
                    domain="calls", bucket_quota_usages=usages
                )
                yield message.SerializeToString()
            yield more

        async def send(raw: bytes) -> None:
            nonlocal answered
            actions = quota.RateLimitQuotaResponse.FromString(raw).bucket_action
            for action in actions:
                strategy = action.quota_assignment_action.rate_limit_strategy
                if strategy.HasField("token_bucket"):
                    answered += 1
                    assert strategy.token_bucket.max_tokens > 0
                    assert strategy.token_bucket.fill_interval.seconds > 0
                elif not strategy.blanket_rule:
                    continue  # before a bucket of tokens, so that it is full
                else:
                    answered += 1

        await mixer.assignments.streams[f"{SERVICE}/StreamRateLimitQuotas"](sent(), send)
        assert answered >= expected

    await asyncio.to_thread(tell)
