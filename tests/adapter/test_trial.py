"""The trial of an adapter finds what a server would suffer from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from mixer.adapter import (
    Adapter,
    Allocates,
    CheckNothing,
    Checks,
    Config,
    Grant,
    LogEntry,
    Quota,
    QuotaArgs,
    Reports,
    Unavailable,
    Verdict,
)
from mixer.adapter import trial as module
from mixer.adapter.catalogue import load
from mixer.adapter.trial import trial
from mixer.cli.adapter_params import configs


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIAL_SECONDS", 0.01)
    monkeypatch.setattr(module, "broken_promises", lambda adapter: [])  # they have no docs


class Nothing(Config, frozen=True):
    """No params."""


class Blocks(Adapter[Nothing], Checks[CheckNothing], name="blocks"):
    """Keeps the event loop waiting."""

    async def check(self, instance: CheckNothing, /) -> Verdict:
        time.sleep(1)
        return Verdict()


class Leaves(Adapter[Nothing], Checks[CheckNothing], name="leaves"):
    """Leaves a task behind."""

    async def open(self) -> None:
        self.env.spawn(asyncio.sleep(3600), "the one left")

    def check(self, instance: CheckNothing, /) -> Verdict:
        return Verdict()


class ClosesOnce(Adapter[Nothing], Checks[CheckNothing], name="closesonce"):
    """Can't be closed twice."""

    async def open(self) -> None:
        self.connections = ["one"]

    def check(self, instance: CheckNothing, /) -> Verdict:
        return Verdict()

    async def close(self) -> None:
        self.connections.pop()


class Answers(Adapter[Nothing], Allocates[Quota], Reports[LogEntry], name="answers"):
    """Answers what it should not, and raises."""

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        return args.amount  # type: ignore[return-value]  # that is the point

    def report(self, batch: Sequence[LogEntry], /) -> None:
        raise KeyError("gone")


class Away(Adapter[Nothing], Checks[CheckNothing], name="away"):
    """Has a back end that is away."""

    async def check(self, instance: CheckNothing, /) -> Verdict:
        raise Unavailable("nobody home")


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        (Blocks, ["check(CheckNothing) blocks the event loop at ", "in check; see `Env.work`"]),
        (Leaves, ["close() leaves tasks behind: the one left"]),
        (ClosesOnce, ["open() or close() raised IndexError: pop from empty list"]),
        (
            Answers,
            ["allocate(Quota) returned int instead of Grant", "report(LogEntry) raised KeyError"],
        ),
    ],
)
async def test_broken_promises_are_found(adapter: type[Adapter[Any]], told: list[str]) -> None:
    broken = "\n".join((await trial(adapter)).broken)
    for words in told:
        assert words in broken


async def test_a_back_end_that_is_away_is_no_broken_promise() -> None:
    found = await trial(Away)
    assert found.broken == []
    assert "the back end is away: Unavailable: nobody home" in found.notes[0]


@pytest.mark.parametrize("adapter", load().adapters.values(), ids=lambda adapter: adapter.name)
async def test_every_installed_adapter_stands_its_trial(
    adapter: type[Adapter[Any]], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    monkeypatch.setattr(module, "STALL_SECONDS", 5.0)  # a busy machine is no adapter's fault
    assert (await trial(adapter, *configs(adapter, ""))).broken == []
