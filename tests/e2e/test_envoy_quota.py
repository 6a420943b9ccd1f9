"""A real Envoy enforces quotas that it was assigned, without a call for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.envoy import Config, Envoy
from mixer._pb import envoy_ratelimit_pb2 as pb
from mixer.server.envoy.ratelimit import SERVICE as RATE_LIMIT
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, configured, on_page, sidecar
from tests.e2e.test_envoy_authorization import get
from tests.peers import envoy, wait_for
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: calls}
spec:
  actions:
  - handler:
      adapter: memquota
      params:
        quotas:
        - {name: calls, maxAmount: 8, validDuration: 1h}
        - {name: bursts, maxAmount: 3, validDuration: 1s}
    instances:
    - name: calls
      template: quota
      params: {dimensions: {user: 'request.headers["x-user"] | "nobody"'}}
    - name: bursts
      template: quota
      params: {dimensions: {user: 'request.headers["x-user"] | "nobody"'}}
"""


def enforcing(quota: str) -> Config:
    """The filter of the page, which lets nothing pass before it was told what."""
    filter_ = on_page("rate_limit_quota")
    action = filter_["typed_config"]["bucket_matchers"]["on_no_match"]["action"]
    builder = action["typed_config"]["bucket_id_builder"]["bucket_id_builder"]
    assert builder["quota"] == {"string_value": "calls"}
    builder["quota"] = {"string_value": quota}
    return filter_  # type: ignore[no-any-return]


def statuses(port: int, user: str, times: int) -> list[int]:
    return [get(port, "/", x_user=user)[0].status for _ in range(times)]


def begun(port: int, user: str) -> None:
    """Wait until a user's bucket has been assigned what it may let pass."""
    wait_for(lambda: get(port, "/", x_user=user)[0].status == 200)


@pytest.fixture(params=["native", "grpcio"])
def server(request: pytest.FixtureRequest, serve: Callable[..., Server], tmp_path: Path) -> Server:
    return serve(configured(tmp_path, RULES), f"--transport={request.param}")


@pytest.fixture
def start(server: Server, service: App, tmp_path: Path) -> Iterator[Callable[[str], Envoy]]:
    """Start an Envoy that enforces a quota."""
    with ExitStack() as running:

        def begin(quota: str) -> Envoy:
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            config = sidecar(port_of(server), service.port, [enforcing(quota)])
            return running.enter_context(envoy(config, folder))

        yield begin


def left(server: Server, user: str) -> int:
    """What is left of the calls of a user, by the rate limit service."""
    request = pb.RateLimitRequest(domain="calls")
    entries = [{"key": "request.headers.x-user", "value": user}]
    request.descriptors.add(entries=entries, hits_addend={"value": 0})
    method = server.channel.unary_unary(f"/{RATE_LIMIT}/ShouldRateLimit")
    answer = pb.RateLimitResponse.FromString(method(request.SerializeToString()))
    return answer.statuses[0].limit_remaining


def test_units_are_lent_and_what_was_not_used_comes_back(
    server: Server, start: Callable[[str], Envoy]
) -> None:
    proxy = start("calls")
    begun(proxy.port, "ann")
    assert left(server, "ann") == 0
    assert statuses(proxy.port, "ann", 10) == [200] * 7 + [429] * 3
    begun(proxy.port, "bob")
    assert statuses(proxy.port, "bob", 3) == [200] * 3
    # Once it has reported that, another proxy gets a part of what is left.
    other = start("calls")
    begun(other.port, "bob")
    shared = [statuses(one.port, "bob", 8).count(200) for one in (proxy, other)]
    assert 1 <= sum(shared) <= 8 - 4 - 1


def test_a_proxy_goes_on_with_what_it_has_while_no_mixer_answers(
    server: Server, start: Callable[[str], Envoy]
) -> None:
    proxy = start("calls")
    begun(proxy.port, "ann")
    server.stop()
    assert statuses(proxy.port, "ann", 10) == [200] * 7 + [429] * 3


def test_short_windows_are_enforced_as_a_rate(
    server: Server, start: Callable[[str], Envoy]
) -> None:
    proxy = start("bursts")
    begun(proxy.port, "ann")
    wait_for(lambda: 429 in statuses(proxy.port, "ann", 10))
    begun(proxy.port, "ann")
    kinds = server.get("/metrics")
    assert 'mixer_envoy_quota_assignments_total{kind="limit"}' in kinds


def test_what_no_rule_knows_is_not_limited(server: Server, start: Callable[[str], Envoy]) -> None:
    proxy = start("unheard-of")
    begun(proxy.port, "ann")
    assert statuses(proxy.port, "ann", 20) == [200] * 20
