"""memquota: grants, counters, deduplication (spec: adapters, memquota)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.memquota import Memquota, MemquotaConfig
from adapters.memquota.counters import Counters
from adapters.memquota.limits import Algorithm, Override, QuotaLimit
from mixer.adapter import (
    Code,
    Duration,
    Grant,
    Quota,
    QuotaArgs,
    Shape,
    Standing,
    Value,
    ValueType,
    parse_ip,
)
from mixer.adapter.testing import Rejected, running
from mixer.memory.records import Records

NAME = "requests.instance.shop"
STRING = ValueType.STRING


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def shape(types: Mapping[str, ValueType] | None = None, name: str = NAME) -> Shape:
    dimensions = {"to": STRING} if types is None else types
    return Shape(name, Quota, {f"dimensions.{key}": type_ for key, type_ in dimensions.items()})


def ask(to: Value = "ratings", name: str = NAME) -> Quota:
    return Quota(name=name, dimensions={"to": to})


def config(
    amount: int, duration: str, *overrides: Override, dedup: str = "1s", name: str = NAME
) -> MemquotaConfig:
    limit = QuotaLimit(
        name=name,
        max_amount=amount,
        valid_duration=Duration.parse(duration),
        overrides=overrides,
    )
    return MemquotaConfig(quotas=(limit,), min_deduplication_duration=Duration.parse(dedup))


def bucket(amount: int, duration: str, algorithm: Algorithm, burst: int = 0) -> MemquotaConfig:
    """A limit whose units come back one by one."""
    found = config(amount, duration)
    words = {"rate_limit_algorithm": algorithm, "burst": burst}
    return structs.replace(found, quotas=(structs.replace(found.quotas[0], **words),))


Running: TypeAlias = Callable[..., AbstractAsyncContextManager[Memquota]]


@pytest.fixture(params=["in-process", "shared"])
def quotas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Run memquota with counters of its own, and with those that workers share."""
    if request.param == "in-process":
        yield partial(running, Memquota)
        return
    with (tmp_path / "memory").open("w+b") as file:
        file.truncate(1 << 21)
        records = Records(file.fileno())
        yield partial(running, Memquota, table=records.open("memquota"))
        records.close()


class Step(NamedTuple):
    """At a time, ask for an amount, get a grant."""

    at: float
    args: QuotaArgs
    grant: Grant


def step(at: float, amount: int, granted: int, valid_for: float, **args: object) -> Step:
    return Step(at, QuotaArgs(amount, **args), Grant(granted, valid_for))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "steps"),
    [
        pytest.param(
            config(10, "1s"),
            [step(0, 6, 6, 1), step(0, 5, 0, 0), step(0, 4, 4, 1)],
            id="all-or-nothing-and-a-refusal-takes-nothing",
        ),
        pytest.param(
            config(10, "1s"),
            [
                step(0, 6, 6, 1),
                step(0, 6, 4, 1, best_effort=True),
                step(0, 6, 0, 1, best_effort=True),
            ],
            id="best-effort-takes-what-is-left-even-nothing",
        ),
        pytest.param(
            config(10, "1s"),
            [step(0.05, 10, 10, 1), step(0.99, 1, 0, 0), step(1.0, 10, 10, 1)],
            id="what-was-taken-comes-back-with-the-tick-that-leaves-the-window",
        ),
        pytest.param(
            config(10, "1s"),
            [step(0, 4, 4, 1), step(0.5, 6, 6, 1), step(1.0, 5, 0, 0), step(1.0, 4, 4, 1)],
            id="the-window-rolls-tick-by-tick",
        ),
        pytest.param(
            config(10, "1200ms"),
            [step(0, 10, 10, 1.2), step(1.9, 1, 0, 0), step(2.0, 10, 10, 1.2)],
            id="a-window-has-whole-seconds",
        ),
        pytest.param(
            config(10, "1s"),
            [
                step(0, 6, 6, 1),
                step(0.5, 4, 4, 1),
                step(0.6, -5, 5, 0),
                step(0.6, 5, 5, 1),
                step(1.0, 6, 5, 1, best_effort=True),
            ],
            id="a-release-gives-back-the-newest-first",
        ),
        pytest.param(
            config(10, "1s"),
            [step(0, 3, 3, 1), step(0, -5, 3, 0), step(0, -1, 0, 0), step(0, 10, 10, 1)],
            id="no-more-is-released-than-was-taken",
        ),
        pytest.param(
            config(10, "0s"),
            [
                step(0, 8, 8, 0),
                step(1e6, 3, 0, 0),
                step(1e6, 3, 2, 0, best_effort=True),
                step(1e6, 1, 0, 0, best_effort=True),
                step(1e6, -4, 4, 0),
                step(1e6, 4, 4, 0),
                step(1e6, -99, 10, 0),
                step(1e6, -1, 0, 0),
            ],
            id="without-a-duration-units-come-back-only-when-released",
        ),
        pytest.param(
            config(10, "1s"), [step(0, 0, 0, 0), step(0, 10, 10, 1)], id="amount-0-is-nothing"
        ),
        pytest.param(config(0, "1s"), [step(0, 1, 0, 0)], id="limit-0-grants-nothing"),
        pytest.param(
            config(10, "5s"),
            [
                step(0, 4, 4, 5, deduplication_id="a"),
                step(0.5, 4, 4, 4.5, deduplication_id="a"),
                step(0.5, 9, 0, 0, deduplication_id="b"),
                step(0.75, 6, 6, 5),
            ],
            id="a-retry-is-not-charged-and-gets-the-remaining-time",
        ),
        pytest.param(
            config(10, "1s"),
            [
                step(0, 10, 10, 1),
                step(0, 1, 0, 0, deduplication_id="a"),
                step(1, 1, 0, 0, deduplication_id="a"),
                step(2, 1, 1, 1, deduplication_id="a"),
            ],
            id="a-refusal-is-remembered-too",
        ),
        pytest.param(
            config(10, "2s", dedup="10s"),
            [step(0, 1, 1, 2, deduplication_id="a"), step(5, 1, 1, 0, deduplication_id="a")],
            id="the-remaining-time-is-never-negative",
        ),
        pytest.param(
            config(10, "1m", dedup="1s"),
            [
                step(0.5, 4, 4, 60, deduplication_id="a"),
                step(1.75, 4, 4, 58.75, deduplication_id="a"),
                step(2.0, 4, 4, 60, deduplication_id="a"),
                step(2.0, 3, 0, 0),
            ],
            id="an-id-is-forgotten-at-the-second-turn",
        ),
        pytest.param(
            config(10, "1m", dedup="1s"),
            [step(0, 4, 4, 60, deduplication_id="a"), step(50, 4, 4, 60, deduplication_id="a")],
            id="an-id-is-forgotten-after-a-pause",
        ),
        pytest.param(
            config(10, "0s"),
            [
                step(0, 4, 4, 0),
                step(0, -3, 3, 0, deduplication_id="a"),
                step(0, -3, 3, 0, deduplication_id="a"),
                step(0, 9, 9, 0),
            ],
            id="a-retried-release-gives-back-once",
        ),
        pytest.param(
            config(10, "1s"),
            [step(0, 6, 6, 1, deduplication_id=""), step(0, 6, 0, 0, deduplication_id="")],
            id="an-empty-id-is-none",
        ),
        pytest.param(
            bucket(10, "1s", Algorithm.TOKEN_BUCKET),
            [
                step(0, 10, 10, 1),
                step(0, 1, 0, 0),
                step(0.25, 3, 0, 0),
                step(0.25, 3, 2, 0.2, best_effort=True),
                step(9, 11, 0, 0),
                step(9, 11, 10, 1, best_effort=True),
            ],
            id="a-bucket-is-taken-at-once-and-fills-evenly",
        ),
        pytest.param(
            bucket(10, "1s", Algorithm.TOKEN_BUCKET, burst=3),
            [step(0, 4, 0, 0), step(0, 3, 3, 0.3), step(0.1, 1, 1, 0.1), step(0.1, 1, 0, 0)],
            id="a-burst-is-the-size-of-the-bucket",
        ),
        pytest.param(
            bucket(10, "1s", Algorithm.GCRA),
            [step(0, 1, 1, 0.1), step(0.05, 1, 0, 0), step(0.1, 1, 1, 0.1), step(5, 2, 0, 0)],
            id="gcra-grants-one-at-a-time",
        ),
        pytest.param(
            bucket(10, "1s", Algorithm.TOKEN_BUCKET),
            [step(0, 6, 6, 0.6), step(0, -9, 6, 0), step(0, 10, 10, 1), step(0.55, -9, 5, 0)],
            id="of-a-bucket-no-more-is-given-back-than-is-out",
        ),
        pytest.param(
            bucket(10, "10s", Algorithm.TOKEN_BUCKET),
            [
                step(0, 4, 4, 4, deduplication_id="a"),
                step(0.5, 4, 4, 3.5, deduplication_id="a"),
                step(0.5, 7, 0, 0),
                step(0.5, 6, 6, 6),
            ],
            id="a-retry-is-not-charged-to-a-bucket",
        ),
        pytest.param(
            bucket(0, "1s", Algorithm.TOKEN_BUCKET), [step(0, 1, 0, 0)], id="an-empty-bucket"
        ),
    ],
)
async def test_grants(quotas: Running, limit: MemquotaConfig, steps: list[Step]) -> None:
    clock = Clock()
    start = clock.now
    async with quotas(limit, shapes=[shape()], clock=clock) as quota:
        for number, (at, args, grant) in enumerate(steps):
            clock.now = start + at
            got = quota.allocate(ask(), args)
            assert got == Grant(grant.amount, pytest.approx(grant.valid_for)), f"step {number}"
            assert got.code == Code.OK


async def test_each_tuple_of_dimensions_is_counted_on_its_own(quotas: Running) -> None:
    async with quotas(config(1, "1m"), shapes=[shape()]) as quota:
        granted = [quota.allocate(ask(to), QuotaArgs()).amount for to in ("a", "b", "a", "")]
    assert granted == [1, 1, 0, 1]


async def test_it_tells_how_a_quota_stands_to_who_wants_to_know(quotas: Running) -> None:
    clock = Clock()

    def tell(amount: int, to: str = "ratings") -> Standing | None:
        return quota.allocate(ask(to), QuotaArgs(amount, tells=True)).standing

    async with quotas(config(5, "10s"), shapes=[shape()], clock=clock) as quota:
        assert quota.allocate(ask("other"), QuotaArgs()).standing is None
        assert tell(0) == Standing(5, 10.0, 5)
        assert tell(2) == Standing(5, 10.0, 3, 10.0, 10.0)
        clock.now += 4
        assert tell(1) == Standing(5, 10.0, 2, 6.0, 10.0)
        assert tell(3) == Standing(5, 10.0, 2, 6.0, 10.0)
        assert tell(0) == Standing(5, 10.0, 2, 6.0, 10.0)
        assert tell(-1) == Standing(5, 10.0, 3, 6.0, 6.0)
        clock.now += 6
        assert tell(0) == Standing(5, 10.0, 5)
    async with quotas(config(5, "0s"), shapes=[shape()], clock=clock) as quota:
        assert tell(0, "a") == Standing(5, 0.0, 5)
        assert tell(2, "a") == Standing(5, 0.0, 3)
        assert tell(-9, "a") == Standing(5, 0.0, 5)


async def test_an_override_holds_for_each_tuple_that_it_fits(quotas: Running) -> None:
    override = Override(
        dimensions={"to": "ratings"}, max_amount=2, valid_duration=Duration.parse("3s")
    )
    two = shape({"to": STRING, "from": STRING})
    async with quotas(config(9, "1s", override), shapes=[two]) as quota:
        for caller in ("reviews", "pages"):
            asked = Quota(name=NAME, dimensions={"to": "ratings", "from": caller})
            assert quota.allocate(asked, QuotaArgs(3)) == Grant(0)
            assert quota.allocate(asked, QuotaArgs(2)) == Grant(2, 3.0)


async def test_an_override_without_duration_does_not_expire(quotas: Running) -> None:
    clock = Clock()
    override = Override(dimensions={"to": "ratings"}, max_amount=2)
    limit = config(9, "1s", override)
    async with quotas(limit, shapes=[shape()], clock=clock) as quota:
        assert quota.allocate(ask(), QuotaArgs(2)) == Grant(2, 0.0)
        clock.now += 1e6
        assert quota.allocate(ask(), QuotaArgs(1)) == Grant(0)


@pytest.mark.parametrize(
    ("type_", "one", "same"),
    [
        pytest.param(ValueType.DOUBLE, float("nan"), float("nan"), id="nan"),
        pytest.param(ValueType.IP_ADDRESS, b"\x0a\0\0\1", parse_ip("10.0.0.1"), id="ip-forms"),
        pytest.param(ValueType.STRING_MAP, {"a": "1"}, {"a": "1"}, id="maps"),
    ],
)
async def test_equal_values_share_a_counter(
    quotas: Running, type_: ValueType, one: Value, same: Value
) -> None:
    async with quotas(config(1, "1m"), shapes=[shape({"to": type_})]) as quota:
        assert quota.allocate(ask(one), QuotaArgs()).amount == 1
        assert quota.allocate(ask(same), QuotaArgs()).amount == 0


async def test_quotas_of_one_handler_have_counters_of_their_own(quotas: Running) -> None:
    both = MemquotaConfig(
        quotas=(
            QuotaLimit(name="a", max_amount=5),
            QuotaLimit(name="b.instance.shop", max_amount=1),
            QuotaLimit(name="a.instance.shop", max_amount=1),
        )
    )
    shapes = [shape(name="a.instance.shop"), shape(name="b.instance.shop")]
    async with quotas(both, shapes=shapes) as quota:
        for name in ("a.instance.shop", "b.instance.shop"):
            assert quota.allocate(ask(name=name), QuotaArgs(5)).amount == 0, "the last entry holds"
            assert quota.allocate(ask(name=name), QuotaArgs(1)).amount == 1


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        pytest.param(
            config(1, "1s", name="request.instance.shop"),
            "quotas: did not find limit defined for quota requests.instance.shop",
            id="routed-without-limit",
        ),
        pytest.param(config(1, "1s", name=""), r"quotas\[0\].name: ", id="unnamed"),
        pytest.param(config(1, "-1s"), r"quotas\[0\].valid_duration: '-1s'", id="negative"),
        pytest.param(
            config(1, "1s", Override(valid_duration=Duration(-1))),
            r"quotas\[0\].overrides\[0\].valid_duration: '-1ns'",
            id="negative-override",
        ),
        pytest.param(
            config(1, "1s", dedup="0s"),
            "min_deduplication_duration: '0s' is not more than 0",
            id="no-deduplication-time",
        ),
    ],
)
async def test_it_refuses(limit: MemquotaConfig, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        async with running(Memquota, limit, shapes=[shape()]):
            pass


@given(
    amount=st.integers(1, 20),
    burst=st.integers(0, 30),
    algorithm=st.sampled_from([Algorithm.TOKEN_BUCKET, Algorithm.GCRA]),
    calls=st.lists(
        st.tuples(st.floats(0, 0.5), st.integers(1, 12), st.booleans()), min_size=1, max_size=60
    ),
)
def test_in_no_time_is_more_granted_than_comes_back_in_it_and_a_burst(
    amount: int, burst: int, algorithm: Algorithm, calls: list[tuple[float, int, bool]]
) -> None:
    quota = bucket(amount, "1s", algorithm, burst).quotas[0]
    counters, now = Counters(quota, shape()), 1000.0
    granted: list[tuple[float, int]] = []
    for pause, units, best_effort in calls:
        now += pause
        granted.append((now, counters.take({"to": "a"}, units, best_effort, now)[0]))
    size = burst or (amount if algorithm is Algorithm.TOKEN_BUCKET else 1)
    for first, (start, _) in enumerate(granted):
        total = 0
        for end, units in granted[first:]:
            total += units
            assert total <= size + (end - start) * amount + 1e-6


async def test_a_bucket_tells_how_it_stands(quotas: Running) -> None:
    clock = Clock()
    params = bucket(10, "1s", Algorithm.TOKEN_BUCKET)
    async with quotas(params, shapes=[shape()], clock=clock) as memquota:
        grant = memquota.allocate(ask(), QuotaArgs(4, tells=True))
        assert grant.standing == Standing(10, 1.0, 6, pytest.approx(0.1), pytest.approx(0.4))
        clock.now += 0.25
        standing = memquota.allocate(ask(), QuotaArgs(0, tells=True)).standing
        assert standing == Standing(10, 1.0, 8, pytest.approx(0.05), pytest.approx(0.15))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (bucket(5, "0s", Algorithm.GCRA), "valid_duration: GCRA has units come back in time"),
        (bucket(5, "1s", Algorithm.ROLLING_WINDOW, 3), "burst: ROLLING_WINDOW knows no burst"),
    ],
)
async def test_words_that_an_algorithm_does_not_know_are_refused(
    params: MemquotaConfig, message: str
) -> None:
    with pytest.raises(Rejected, match=message):
        async with running(Memquota, params, shapes=[shape()]):
            pass


def test_idle_windows_do_not_pile_up() -> None:
    counters = Counters(config(1, "1s").quotas[0], shape())
    for number in range(1000):
        counters.take({"to": str(number)}, 1, False, now=float(number))
    assert len(counters) < 5


def test_released_counters_are_gone() -> None:
    for duration in ("0s", "1s"):
        counters = Counters(config(9, duration).quotas[0], shape())
        counters.take({"to": "a"}, 9, False, now=1.0)
        counters.give_back({"to": "a"}, 9, now=1.0)
        assert len(counters) == 0
