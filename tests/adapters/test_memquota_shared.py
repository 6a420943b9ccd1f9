"""memquota in several workers: the same answers as in one, whatever they ask and who dies."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from structlog.testing import capture_logs

from adapters.memquota import Memquota, MemquotaConfig
from adapters.memquota.limits import Algorithm, Override, QuotaLimit
from mixer.adapter import Duration, Env, Quota, QuotaArgs, Shape, ValueType, WantedLimit
from mixer.adapter.tasks import Tasks
from mixer.adapter.testing import running
from mixer.memory.memory import Memory, allocate
from mixer.memory.records import Records

NAMES = ("a.instance.shop", "b.instance.shop")
SHAPES = tuple(Shape(name, Quota, {"dimensions.to": ValueType.STRING}) for name in NAMES)
BYTES = 1 << 21


def limits(
    amount: int,
    duration: str,
    algorithm: Algorithm = Algorithm.ROLLING_WINDOW,
    burst: int = 0,
) -> MemquotaConfig:
    held = Override(dimensions={"to": "held"}, max_amount=3)
    return MemquotaConfig(
        quotas=tuple(
            QuotaLimit(
                name=name,
                max_amount=amount,
                valid_duration=Duration.parse(duration),
                overrides=(held,),
                rate_limit_algorithm=algorithm,
                burst=burst,
            )
            for name in NAMES
        )
    )


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def handler(config: MemquotaConfig, clock: Clock, table: Any = None) -> Memquota:
    log = structlog.get_logger()
    env = Env("test", log, lambda *_: None, Tasks("test", log), SHAPES, clock, table=lambda: table)
    return Memquota(config, env)


async def opened(config: MemquotaConfig, clock: Clock, table: Any) -> Memquota:
    made = handler(config, clock, table)
    await made.open()
    return made


class Workers(RuleBasedStateMachine):
    """Three workers that share, beside one that does not: nobody can tell them apart."""

    config = limits(4, "1s")

    def __init__(self) -> None:
        super().__init__()
        self.file = allocate(BYTES)
        self.clock = Clock()
        config = self.config
        self.alone = handler(config, self.clock)
        self.records = [Records(self.file, number, self.clock) for number in range(3)]
        self.workers = []
        for one in self.records:
            made = handler(config, self.clock, one.open("memquota"))
            try:
                made.open().send(None)
            except StopIteration:
                self.workers.append(made)

    @rule(
        worker=st.integers(0, 2),
        quota=st.sampled_from(NAMES),
        to=st.sampled_from(["x", "y", "held", "long" * 200]),
        amount=st.integers(-4, 6),
        best_effort=st.booleans(),
        deduplication_id=st.sampled_from(["", "", "1", "2", "3"]),
        tells=st.booleans(),
        limit=st.sampled_from([None, None, WantedLimit(2, 1), WantedLimit(3, 60)]),
    )
    def allocate(self, worker: int, quota: str, to: str, **words: Any) -> None:
        asked = Quota(name=quota, dimensions={"to": to})
        args = QuotaArgs(**words)
        shared = self.workers[worker].allocate(asked, args)
        assert shared == self.alone.allocate(asked, args)

    @rule(seconds=st.sampled_from([0.03, 0.1, 0.45, 1.0, 2.5, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def teardown(self) -> None:
        for one in self.records:
            one.close()
        os.close(self.file)


class BucketWorkers(Workers):
    """The same of units that come back one by one."""

    config = limits(4, "1s", Algorithm.TOKEN_BUCKET, burst=3)


TestWorkers = Workers.TestCase
TestBucketWorkers = BucketWorkers.TestCase
for case in (TestWorkers, TestBucketWorkers):
    case.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def file() -> Iterator[int]:
    made = allocate(BYTES)
    yield made
    os.close(made)


def asking(file: int, number: int, calls: int, answers: Any, dies: bool = False) -> None:
    """A worker that asks for single units as fast as it can."""
    import asyncio

    records = Records(file, number)
    quota = asyncio.run(opened(limits(1000, "1h"), Clock(), records.open("memquota")))
    granted = 0
    for call in range(calls):
        asked = Quota(name=NAMES[0], dimensions={"to": "x"})
        granted += quota.allocate(asked, QuotaArgs(1, deduplication_id=f"{call}")).amount
        other = Quota(name=NAMES[1], dimensions={"to": "x"})
        granted += 100_000 * quota.allocate(other, QuotaArgs(1)).amount
    answers.put(granted)
    if dies:
        answers.close()
        answers.join_thread()
        with records.memory as memory:
            memory.put(len(memory.words) - 1, 7)
            os.kill(os.getpid(), 9)


def run(file: int, calls: int, dies: bool = False) -> list[int]:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    processes = [
        context.Process(target=asking, args=(file, number, calls, answers, dies))
        for number in range(4)
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    return found


def test_four_processes_grant_the_limit_exactly_and_an_id_once(file: int) -> None:
    granted = run(file, 700)
    assert sum(one // 100_000 for one in granted) == 1000, "the limit"
    assert [one % 100_000 for one in granted] == [700] * 4, "each id is answered everywhere"
    assert run(file, 1) == [1] * 4, "ids are remembered, and nothing is left"


def test_processes_that_die_in_the_table_leave_it_usable(file: int) -> None:
    granted = run(file, 300, dies=True)
    assert sum(one // 100_000 for one in granted) == 1000
    memory = Memory(file)
    with memory:
        assert memory.words[len(memory.words) - 1] == 0, "what the dead began is taken back"


async def test_a_worker_counts_alone_where_there_is_no_room_and_says_so(tmp_path: Path) -> None:
    clock, config = Clock(), limits(1, "1h")
    with (tmp_path / "memory").open("w+b") as file:
        file.truncate(800_000)
        records = Records(file.fileno(), 0, clock)
        async with AsyncExitStack() as stack:
            with capture_logs() as logs:
                quota = await stack.enter_async_context(
                    running(
                        Memquota, config, shapes=SHAPES, clock=clock, table=records.open("memquota")
                    )
                )
                for _ in range(2):
                    for number in range(2000):
                        asked = Quota(name=NAMES[0], dimensions={"to": str(number)})
                        quota.allocate(asked, QuotaArgs(1))
            assert records.refused > 0
            assert [line["times"] for line in logs][:3] == [1, 10, 100]
            assert "MB shared by the workers are in use" in logs[0]["error"]
            again = [
                quota.allocate(Quota(name=NAMES[0], dimensions={"to": str(number)}), QuotaArgs(1))
                for number in range(2000)
            ]
            assert not any(grant.amount for grant in again), "counted by this worker, still"
            clock.now += 7200
            full = len(records)
            for number in range(2000):
                asked = Quota(name=NAMES[1], dimensions={"to": str(number)})
                quota.allocate(asked, QuotaArgs(1))
            assert len(records) <= full, "what expired made room"
        records.close()
