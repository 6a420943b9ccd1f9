"""Streams of reports: what is assigned, and what is wrong with some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mixer._pb import envoy_quota_pb2 as pb
from mixer._pb import envoy_ratelimit_pb2 as limits
from mixer._pb.envoy_type_pb2 import RateLimitStrategy
from mixer.server.envoy import assignments
from mixer.server.envoy.assignments import SERVICE
from tests.server.envoy.conftest import Mixer, Start

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: by-user}
spec:
  onError: fail
  match: 'request.headers["x-user"] != "free" && int(request.headers["x-age"] | "1") > 0'
  actions:
  - handler:
      adapter: memquota
      params:
        quotas:
        - {name: shop, maxAmount: 10, validDuration: 3600s}
        - {name: fast, maxAmount: 20, validDuration: 2s}
    instances:
    - {name: shop, template: quota, params: {dimensions: {user: 'request.headers["x-user"]'}}}
    - {name: fast, template: quota, params: {dimensions: {user: 'request.headers["x-user"]'}}}
"""
DENY = RateLimitStrategy.DENY_ALL


def usage(user: str, allowed: int = 0, seconds: int = 0, **entries: str) -> dict[str, Any]:
    bucket = {"request.headers.x-user": user, **entries}
    return {
        "bucket_id": {"bucket": bucket},
        "num_requests_allowed": allowed,
        "time_elapsed": {"seconds": seconds},
    }


def report(*usages: dict[str, Any], domain: str = "") -> bytes:
    message = pb.RateLimitQuotaUsageReports(domain=domain, bucket_quota_usages=usages)
    return message.SerializeToString()


async def stream(mixer: Mixer, *messages: bytes) -> list[list[RateLimitStrategy]]:
    """What is answered to each message that is answered at all."""
    answers: list[list[RateLimitStrategy]] = []

    async def sent() -> AsyncIterator[bytes]:
        for raw in messages:
            yield raw

    async def send(raw: bytes) -> None:
        actions = pb.RateLimitQuotaResponse.FromString(raw).bucket_action
        assert all(
            action.quota_assignment_action.assignment_time_to_live.seconds >= 60
            for action in actions
        )
        answers.append([one.quota_assignment_action.rate_limit_strategy for one in actions])

    await mixer.assignments.streams[f"{SERVICE}/StreamRateLimitQuotas"](sent(), send)
    return answers


def most(strategies: list[RateLimitStrategy]) -> int:
    return strategies[-1].token_bucket.max_tokens


async def test_the_quota_of_the_domain_is_assigned_and_settled(start: Start) -> None:
    mixer = await start(RULES)
    first, later, idle = await stream(
        mixer,
        report(usage("ann", 1), domain="shop"),
        report(usage("ann", 4, 5)),
        report(usage("ann", 0, 5)),
    )
    assert (len(first), most(first)) == (2, 9)
    assert first[0].WhichOneof("strategy") == "blanket_rule"
    assert (len(later), most(later)) == (2, 5)
    assert later[1].token_bucket.fill_interval.seconds >= 86400
    assert (len(idle), most(idle)) == (1, 5)


async def test_when_the_stream_ends_what_was_not_used_is_there_again(start: Start) -> None:
    mixer = await start(RULES)
    await stream(mixer, report(usage("ann"), domain="shop"), report(usage("ann", 4, 5)))
    (again,) = await stream(mixer, report(usage("ann"), domain="shop"))
    assert most(again) == 6


async def test_an_entry_names_the_quota_and_short_windows_are_rates(start: Start) -> None:
    mixer = await start(RULES)
    (answer,) = await stream(mixer, report(usage("ann", quota="fast"), domain="shop"))
    bucket = answer[0].token_bucket
    assert (bucket.max_tokens, bucket.tokens_per_fill.value) == (20, 20)
    assert (bucket.fill_interval.seconds, bucket.fill_interval.nanos) == (2, 0)


async def test_what_is_used_up_is_denied_and_what_no_rule_limits_allowed(start: Start) -> None:
    mixer = await start(RULES)
    used = report(usage("ann", 10, 5), usage("free"), usage("x", quota="unknown"), domain="shop")
    (answer,) = await stream(mixer, used)
    assert [one.WhichOneof("strategy") for one in answer] == ["blanket_rule"] * 3
    assert [one.blanket_rule for one in answer] == [DENY, 0, 0]
    family = mixer.metrics.cells.families["mixer_envoy_quota_assignments_total"]
    counts = {labels: cell.value for labels, cell in family.cells()}
    assert counts == {("allow",): 2, ("deny",): 1, ("limit",): 0}


async def test_what_proxies_hold_is_not_there_for_others(start: Start) -> None:
    mixer = await start(RULES)
    held: list[int] = []

    async def sent() -> AsyncIterator[bytes]:
        yield report(usage("ann"), domain="shop")
        request = limits.RateLimitRequest(domain="shop")
        request.descriptors.add(entries=[{"key": "request.headers.x-user", "value": "ann"}])
        answer = await mixer.limits.limit(request.SerializeToString())
        held.append(limits.RateLimitResponse.FromString(answer).overall_code)

    async def send(raw: bytes) -> None:
        pass

    await mixer.assignments.streams[f"{SERVICE}/StreamRateLimitQuotas"](sent(), send)
    assert held == [limits.RateLimitResponse.OVER_LIMIT]


@pytest.mark.parametrize(
    "bad", [b"\xff", report(usage("ann", **{"request.headers.x-age": "old"}), domain="shop")]
)
async def test_what_can_t_be_answered_is_told_and_the_stream_goes_on(
    start: Start, bad: bytes
) -> None:
    mixer = await start(RULES)
    (answer,) = await stream(mixer, bad, report(usage("ann"), domain="shop"))
    assert most(answer) == 10
    told = [call.kwargs["event"] for call in mixer.log.calls]
    assert "a report of used quota is not answered" in told


async def test_a_bucket_that_was_reported_longest_ago_is_forgotten(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignments, "MAX_BUCKETS", 2)
    mixer = await start(RULES)
    buckets = [usage("ann", shelf=str(number)) for number in range(3)]
    *_, last = await stream(mixer, report(*buckets[:2], domain="shop"), report(buckets[2]))
    assert most(last) == 5, "the first gave back all, and shares it with the second"


async def test_many_buckets_are_answered_in_several_messages(start: Start) -> None:
    mixer = await start(RULES)
    users = [usage(f"user-{number}") for number in range(120)]
    answers = await stream(mixer, report(*users, domain="shop"))
    assert [len(answer) for answer in answers] == [100, 100, 40]
