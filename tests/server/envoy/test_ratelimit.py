"""Descriptors of rate limits take from quotas; how these stand is told."""

from __future__ import annotations

from typing import Any

import pytest

from mixer._pb import envoy_ratelimit_pb2 as pb
from mixer.errors import Code, RpcError
from tests.server.envoy.conftest import Mixer, Start

OK, OVER = pb.RateLimitResponse.OK, pb.RateLimitResponse.OVER_LIMIT
RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: by-user}
spec:
  match: request.method == "GET"
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: calls, maxAmount: 3, validDuration: 120s}]}
    instances:
    - name: calls
      template: quota
      params: {dimensions: {user: 'request.headers["x-user"] | "nobody"'}}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: by-address}
spec:
  actions:
  - handler:
      adapter: memquota
      params: {quotas: [{name: peers, maxAmount: 100, validDuration: 90s}]}
    instances:
    - name: peers
      template: quota
      params: {dimensions: {peer: source.ip | ip("0.0.0.0")}}
"""


async def ask(
    mixer: Mixer, *descriptors: dict[str, str], domain: str = "shop", **more: Any
) -> pb.RateLimitResponse:
    """Ask with descriptors of these entries; *more* is said of each."""
    hits = more.pop("hits", 0)
    request = pb.RateLimitRequest(domain=domain, hits_addend=hits)
    for entries in descriptors:
        pairs = [{"key": key, "value": value} for key, value in entries.items()]
        request.descriptors.add(entries=pairs, **more)
    answer = await mixer.limits.limit(request.SerializeToString())
    return pb.RateLimitResponse.FromString(answer)


ANN = {"request.headers.x-user": "ann", "request.method": "GET"}
BOB = {**ANN, "request.headers.x-user": "bob"}


async def test_descriptors_are_bags_and_each_has_a_status(start: Start) -> None:
    mixer = await start(RULES)
    codes = [(await ask(mixer, ANN, domain="calls")).overall_code for _ in range(4)]
    assert codes == [OK, OK, OK, OVER]
    both = await ask(mixer, BOB, ANN, domain="calls")
    assert both.overall_code == OVER
    assert [status.code for status in both.statuses] == [OK, OVER]
    assert [status.limit_remaining for status in both.statuses] == [2, 0]
    limit = both.statuses[0].current_limit
    assert (limit.requests_per_unit, limit.unit, limit.unit_multiplier.value) == (3, 2, 2)
    assert limit.name == "calls"
    assert 119 <= both.statuses[0].duration_until_reset.seconds <= 120


async def test_a_refusal_says_why_and_when_to_come_again(start: Start) -> None:
    mixer = await start(RULES)
    refused = await ask(mixer, ANN, domain="calls", hits=4)
    assert refused.overall_code == OVER
    assert refused.raw_body == b"RESOURCE_EXHAUSTED:quota calls is exhausted"
    assert refused.dynamic_metadata.fields["rule"].string_value == "by-user.istio-system"
    added = {header.key: header.value for header in refused.response_headers_to_add}
    assert added == {"content-type": "text/plain"}  # nothing was taken, so nothing comes back
    await ask(mixer, ANN, domain="calls", hits=3)
    refused = await ask(mixer, ANN, domain="calls")
    added = {header.key: header.value for header in refused.response_headers_to_add}
    assert added["retry-after"] == "120"


async def test_hits_are_those_of_the_descriptor_before_those_of_the_request(start: Start) -> None:
    mixer = await start(RULES)

    async def left(**more: Any) -> tuple[int, int]:
        answer = await ask(mixer, ANN, domain="calls", **more)
        return answer.overall_code, answer.statuses[0].limit_remaining

    assert await left(hits=2) == (OK, 1)
    assert await left(hits=2, hits_addend={"value": 1}) == (OK, 0)
    assert await left(hits_addend={"value": 0}) == (OVER, 0)
    assert await left(hits_addend={"value": 2}, is_negative_hits=True) == (OK, 2)
    assert await left(hits_addend={"value": 0}) == (OK, 2)


async def test_a_descriptor_names_its_quota_or_takes_from_all_that_match(start: Start) -> None:
    mixer = await start(RULES)
    named = await ask(mixer, {**ANN, "quota": "peers"}, domain="calls")
    assert named.statuses[0].limit_remaining == 99
    limit = named.statuses[0].current_limit
    assert (limit.unit, limit.unit_multiplier.value) == (1, 90)
    everything = await ask(mixer, {**ANN, "remote_address": "10.0.0.1"})
    assert everything.statuses[0].current_limit.name == "calls"
    assert everything.statuses[0].limit_remaining == 2
    unmatched = await ask(mixer, {"remote_address": "10.0.0.1"})
    assert unmatched.statuses[0].current_limit.name == "peers"
    assert unmatched.statuses[0].limit_remaining == 98


async def test_what_says_nothing_passes(start: Start) -> None:
    mixer = await start(RULES)
    assert (await ask(mixer)).overall_code == OK
    empty = await ask(mixer, {}, domain="calls")
    assert (empty.overall_code, len(empty.statuses)) == (OK, 1)
    unknown = await ask(mixer, {**ANN, "quota": "other"})
    assert unknown.overall_code == OK
    assert not unknown.statuses[0].HasField("current_limit")


async def test_what_can_not_be_read_is_refused(start: Start) -> None:
    mixer = await start(RULES)
    with pytest.raises(RpcError) as caught:
        await mixer.limits.limit(b"\xff")
    assert caught.value.code is Code.INVALID_ARGUMENT


async def test_a_limit_that_the_proxy_wants_is_honoured_and_counted_on_its_own(
    start: Start,
) -> None:
    mixer = await start(RULES)
    wanted = {"requests_per_unit": 2, "unit": "MINUTE", "unit_multiplier": {"value": 5}}
    for left in (1, 0):
        answer = await ask(mixer, ANN, domain="calls", limit=wanted)
        (status,) = answer.statuses
        assert (answer.overall_code, status.limit_remaining) == (OK, left)
        assert status.current_limit.requests_per_unit == 2
        assert (status.current_limit.unit, status.current_limit.unit_multiplier.value) == (2, 5)
    assert (await ask(mixer, ANN, domain="calls", limit=wanted)).overall_code == OVER
    assert (await ask(mixer, BOB, domain="calls", limit=wanted)).overall_code == OK
    (status,) = (await ask(mixer, ANN, domain="calls")).statuses
    assert status.limit_remaining == 2
    tighter = {"requests_per_unit": 0, "unit": "YEAR"}
    assert (await ask(mixer, ANN, domain="calls", limit=tighter)).overall_code == OVER


async def test_a_limit_of_no_unit_is_none(start: Start) -> None:
    mixer = await start(RULES)
    (status,) = (await ask(mixer, ANN, domain="calls", limit={"requests_per_unit": 9})).statuses
    assert status.current_limit.requests_per_unit == 3
