"""Proxies share counters: never more than there is, and nobody is left out."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from math import inf

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memquota import Memquota, MemquotaConfig
from adapters.memquota.limits import QuotaLimit
from mixer.adapter import Duration, Env, Grant, Quota, QuotaArgs, Shape, ValueType
from mixer.adapter.tasks import Tasks
from mixer.config.model import OnError
from mixer.memory.memory import allocate
from mixer.memory.records import Records
from mixer.server.envoy import shares
from mixer.server.envoy.leases import Assignment, Lease, Usage
from mixer.server.envoy.shares import Shares

INTERVAL = 5.0
NAME = "calls.instance.shop"
SHAPE = Shape(NAME, Quota, {"dimensions.user": ValueType.STRING})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Route:
    """As much of a rule as counts here."""

    is_shadow: bool = False
    on_handler_error: OnError = OnError.FAIL
    name: str = "rule"


class Observer:
    def succeeded(self, seconds: float) -> None:
        pass

    failed = succeeded


class Call:
    """As much of an instance for a handler as counts here."""

    title, waits, timeout, observer, adapter = "handler", False, 1.0, Observer(), "memquota"
    expects = object

    def __init__(self, handler: Memquota) -> None:
        self.verb = handler.allocate


def pending(handler: Memquota, user: str = "ann") -> list[object]:
    return [(Route(), Call(handler), (Quota(name=NAME, dimensions={"user": user}),))]


def memquota(amount: int, seconds: float, clock: Clock) -> Memquota:
    limit = QuotaLimit(NAME, amount, Duration.of(seconds))
    log = structlog.get_logger()
    env = Env("test", log, lambda *_: None, Tasks("test", log), (SHAPE,), clock)
    return Memquota(MemquotaConfig(quotas=(limit,)), env)


@dataclass
class Proxy:
    """A proxy as Envoy is one: tokens that are left go over into the next bucket of them."""

    lease: Lease
    tokens: float = 0.0
    assigned: Assignment = field(default_factory=lambda: Assignment(0))
    allowed: int = 0
    denied: int = 0
    reported: float | None = None
    passed: list[float] = field(default_factory=list)

    async def report(self, handler: Memquota, now: float) -> None:
        elapsed = 0.0 if self.reported is None else now - self.reported
        usage = Usage(self.allowed, self.denied, elapsed)
        assigned = await self.lease.renew(pending(handler), usage)  # type: ignore[arg-type]
        assert assigned is not None
        left = assigned.burst if assigned.is_fresh or self.assigned.burst < 1 else self.tokens
        self.tokens = min(left, assigned.burst)
        self.assigned = assigned
        self.allowed = self.denied = 0
        self.reported = now

    def ask(self, times: int, now: float) -> None:
        for _ in range(times):
            if self.tokens >= 1:
                self.tokens -= 1
                self.allowed += 1
                self.passed.append(now)
            else:
                self.denied += 1

    def fill(self, seconds: float) -> None:
        self.tokens = min(self.assigned.burst, self.tokens + self.assigned.rate * seconds)


def most_within(passed: list[float], seconds: float) -> int:
    """The most that passed within any window of so many *seconds*."""
    window: deque[float] = deque()
    most = 0
    for at in sorted(passed):
        window.append(at)
        while window[0] <= at - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


@settings(deadline=None, max_examples=60)
@given(
    amount=st.integers(0, 40),
    minutes=st.sampled_from([1, 2, 10]),
    proxies=st.integers(1, 4),
    demands=st.lists(st.lists(st.integers(0, 30), min_size=4, max_size=4), max_size=60),
)
async def test_lent_units_are_never_more_than_the_limit_in_any_window(
    amount: int, minutes: int, proxies: int, demands: list[list[int]]
) -> None:
    clock = Clock()
    handler, sharing = memquota(amount, 60 * minutes, clock), Shares(clock=clock)
    fleet = [Proxy(Lease(number, sharing)) for number in range(proxies)]
    for demand in demands:
        for proxy, times in zip(fleet, demand, strict=False):
            clock.now += INTERVAL / 8
            await proxy.report(handler, clock.now)
            clock.now += INTERVAL / 8
            proxy.ask(times, clock.now)
    passed = [at for proxy in fleet for at in proxy.passed]
    assert most_within(passed, 60 * minutes - 0.1) <= amount


async def test_a_proxy_alone_has_all_there_is_at_once() -> None:
    clock = Clock()
    handler = memquota(100, 60, clock)
    proxy = Proxy(Lease(1, Shares(clock=clock)))
    await proxy.report(handler, clock.now)
    proxy.ask(150, clock.now)
    assert len(proxy.passed) == 100
    clock.now += INTERVAL
    await proxy.report(handler, clock.now)
    assert proxy.assigned.burst == 0
    clock.now += 60
    await proxy.report(handler, clock.now)
    assert proxy.assigned == Assignment(100, is_fresh=True)


async def test_what_is_not_used_is_for_others_soon() -> None:
    clock = Clock()
    handler, sharing = memquota(100, 3600, clock), Shares(clock=clock)
    idle, busy = Proxy(Lease(1, sharing)), Proxy(Lease(2, sharing))
    await idle.report(handler, clock.now)
    for _ in range(4):
        for proxy, times in ((idle, 0), (busy, 30)):
            clock.now += INTERVAL / 2
            await proxy.report(handler, clock.now)
            proxy.ask(times, clock.now)
    assert len(busy.passed) > 75
    assert idle.assigned.burst >= 1


async def test_equal_proxies_get_equal_parts() -> None:
    clock = Clock()
    handler, sharing = memquota(1000, 60, clock), Shares(clock=clock)
    fleet = [Proxy(Lease(number, sharing)) for number in range(4)]
    for _ in range(100):
        for proxy in fleet:
            clock.now += INTERVAL / 4
            await proxy.report(handler, clock.now)
            proxy.ask(60, clock.now)
    passed = [len(proxy.passed) for proxy in fleet]
    assert sum(passed) > 0.75 * 1000 * 100 * INTERVAL / 60
    assert max(passed) < 1.25 * min(passed)


async def test_short_windows_are_shared_as_rates() -> None:
    clock = Clock()
    handler, sharing = memquota(100, 1, clock), Shares(clock=clock)
    fleet = [Proxy(Lease(number, sharing)) for number in range(2)]
    await fleet[0].report(handler, clock.now)
    assert fleet[0].assigned == Assignment(100, 100.0)
    seconds = 100
    for second in range(seconds):
        clock.now += 1
        for proxy in fleet:
            proxy.fill(1)
            if second % INTERVAL == 0:
                await proxy.report(handler, clock.now)
            proxy.ask(80, clock.now)
    passed = [len(proxy.passed) for proxy in fleet]
    assert 90 * seconds <= sum(passed) <= 100 * (seconds + INTERVAL)
    assert max(passed) < 1.3 * min(passed)


async def test_a_proxy_that_is_gone_leaves_what_it_held() -> None:
    clock = Clock()
    handler, sharing = memquota(10, 3600, clock), Shares(clock=clock)
    one, other = Proxy(Lease(1, sharing)), Proxy(Lease(2, sharing))
    await one.report(handler, clock.now)
    one.ask(4, clock.now)
    await one.report(handler, clock.now)
    await one.lease.release(pending(handler))  # type: ignore[arg-type]
    await other.report(handler, clock.now)
    assert other.assigned.burst == 6


async def test_the_tightest_of_several_counters_is_what_counts() -> None:
    clock = Clock()
    wide, tight = memquota(100, 3600, clock), memquota(7, 60, clock)
    lease = Lease(1, Shares(clock=clock))
    both = pending(wide) + pending(tight, "bob")
    assert await lease.renew(both, Usage(0, 1, 0)) == Assignment(7, is_fresh=True)  # type: ignore[arg-type]
    other = Lease(2, Shares(clock=clock))
    left = await other.renew(pending(wide), Usage(0, 1, 0))  # type: ignore[arg-type]
    assert left == Assignment(93, is_fresh=True)


async def test_a_rate_and_units_hold_both() -> None:
    clock = Clock()
    day, second = memquota(50, 86400, clock), memquota(2, 1, clock)
    both = pending(day) + pending(second, "bob")
    assigned = await Lease(1, Shares(clock=clock)).renew(both, Usage(0, 1, 5.0))  # type: ignore[arg-type]
    assert assigned == Assignment(2, 2.0)
    scarce = memquota(4, 86400, clock)
    both = pending(scarce) + pending(second, "bob")
    assigned = await Lease(1, Shares(clock=clock)).renew(both, Usage(0, 1, 5.0))  # type: ignore[arg-type]
    assert assigned == Assignment(2, 0.4)


@pytest.mark.parametrize("outcome", list(OnError))
async def test_a_handler_that_fails_says_nothing_unless_it_may_be_skipped(outcome: OnError) -> None:
    class Broken(Call):
        def __init__(self) -> None:
            self.verb = lambda *_: 1 / 0

    clock = Clock()
    broken = [(Route(on_handler_error=outcome), Broken(), (Quota(name=NAME),))]
    both = pending(memquota(5, 3600, clock)) + broken
    assigned = await Lease(1, Shares(clock=clock)).renew(both, Usage(0, 1, 0))  # type: ignore[arg-type]
    expected = Assignment(5, is_fresh=True) if outcome is OnError.SKIP else None
    assert assigned == expected


async def test_what_a_handler_that_fails_was_given_back_is_not_given_back_again() -> None:
    clock = Clock()
    handler = memquota(10, 3600, clock)
    both = pending(handler)
    lease = Lease(1, Shares(clock=clock))
    assert await lease.renew(both, Usage(0, 1, 0)) == Assignment(10, is_fresh=True)  # type: ignore[arg-type]
    call = both[0][1]  # type: ignore[index]
    allocate, failing = call.verb, [False]

    def verb(instance: Quota, args: QuotaArgs) -> Grant:
        if failing[0] and args.amount > 0:
            raise OSError
        return allocate(instance, args)

    call.verb, failing[0] = verb, True
    assert await lease.renew(both, Usage(4, 0, 5.0)) is None  # type: ignore[arg-type]
    failing[0] = False
    taken = handler.allocate(Quota(name=NAME, dimensions={"user": "ann"}), QuotaArgs(6))
    assert taken.amount == 6
    again = await lease.renew(both, Usage(1, 0, 5.0))  # type: ignore[arg-type]
    assert again == Assignment(3, is_fresh=True)


async def test_a_handler_that_may_be_skipped_limits_nothing_when_it_fails_in_the_middle() -> None:
    clock = Clock()
    handler = memquota(10, 3600, clock)
    ((_, call, built),) = pending(handler)  # type: ignore[misc]
    allocate = call.verb

    def verb(instance: Quota, args: QuotaArgs) -> Grant:
        if args.amount > 0:
            raise OSError
        return allocate(instance, args)

    call.verb = verb
    both = [(Route(on_handler_error=OnError.SKIP), call, built)]
    lease = Lease(1, Shares(clock=clock))
    assert await lease.renew(both, Usage(0, 1, 0)) == Assignment(10, is_fresh=True)  # type: ignore[arg-type]
    await lease.release(both)  # type: ignore[arg-type]
    call.verb = allocate
    left = await Lease(2, Shares(clock=clock)).renew(both, Usage(0, 1, 0))  # type: ignore[arg-type]
    assert left == Assignment(10, is_fresh=True), "nothing was taken, and nothing given back"


async def test_rules_in_shadow_limit_nothing() -> None:
    clock = Clock()
    shadow = [(Route(is_shadow=True), *pending(memquota(0, 60, clock))[0][1:])]  # type: ignore[index]
    assigned = await Lease(1, Shares(clock=clock)).renew(shadow, Usage(0, 1, 0))  # type: ignore[arg-type]
    assert assigned == Assignment(inf, inf)


def test_workers_know_of_each_others_proxies() -> None:
    file = allocate(1 << 21)
    tables = [Records(file, number).open("shares") for number in range(2)]
    one, other = (Shares(table) for table in tables)
    assert one.take("c", 1, 9.0, 100) == (1.0, 100)
    assert other.take("c", 2, 9.0, 0) == (0.5, 0)
    assert one.take("c", 1, 9.0, 100) == (0.5, 50)
    other.leave("c", 2)
    assert one.take("c", 1, 9.0, 100) == (1.0, 100)
    os.close(file)


def test_a_member_that_is_silent_counts_no_more_and_counters_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(shares, "MAX_COUNTERS", 3)
    made = Shares(clock=clock)
    assert made.take("c", 1, None, 10) == (1.0, 10)
    clock.now += shares.MEMBER_SECONDS + 1
    assert made.take("c", 2, None, 10) == (1.0, 10)
    for counter in "defg":
        made.take(counter, 1, None, 10)
    assert made.take("c", 3, None, 10) == (1.0, 10), "forgotten"
