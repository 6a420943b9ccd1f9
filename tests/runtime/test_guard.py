"""What stands before a handler that waits: it bounds how long, how many, and spares the dead."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from attributes import Duration
from mixer.adapter import Unavailable
from mixer.adapter.hosting import Breaker, Hosting, Retry
from mixer.runtime.guard import Guard, Pauses


class Refusals:
    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def refused(self, reason: str, /) -> None:
        self.found[reason] += 1


class Peer:
    """A back end that is up or down, on a clock of its own."""

    def __init__(self) -> None:
        self.down: Exception | None = None
        self.calls = 0
        self.now = 100.0
        self.refusals = Refusals()

    async def ask(self, word: str) -> str:
        self.calls += 1
        if self.down:
            raise self.down
        return word.upper()

    def guarded(self, again: bool = False, **said: Any) -> Callable[..., Any]:
        hosting = Hosting(**{"breaker": Breaker(failures=3, pause=Duration.of(10)), **said})
        return Guard(hosting, lambda: self.now, self.refusals).around(self.ask, again=again)


async def fails(call: Callable[..., Any], words: str) -> None:
    with pytest.raises((Unavailable, OSError), match=words):
        await call("a")


async def test_answers_pass_through() -> None:
    assert await Peer().guarded()("a") == "A"


async def test_a_dead_back_end_is_asked_no_more_until_the_pause_is_over() -> None:
    peer = Peer()
    call = peer.guarded()
    peer.down = ConnectionRefusedError("nobody home")
    for _ in range(3):
        await fails(call, "nobody home")
    await fails(call, "no answer 3 times in a row; the next try is in 10.0 s")
    assert (peer.calls, peer.refusals.found) == (3, {"spared": 1})
    peer.now += 10
    await fails(call, "nobody home")  # the one that is let through to find out
    await fails(call, "no answer 4 times in a row")
    peer.now += 10
    peer.down = None
    assert await call("a") == "A"
    assert await call("b") == "B"


async def test_while_one_finds_out_the_others_are_refused() -> None:
    peer = Peer()
    gate = asyncio.Event()

    async def slow(word: str) -> str:
        await gate.wait()
        return word

    guard = Guard(Hosting(breaker=Breaker(failures=1)), lambda: peer.now, peer.refusals)
    peer.down = OSError("down")
    await fails(guard.around(peer.ask, again=False), "down")
    peer.now += 1
    trial = asyncio.create_task(guard.around(slow, again=False)("x"))
    await asyncio.sleep(0)
    await fails(guard.around(slow, again=False), "no answer 1 times")
    gate.set()
    assert await trial == "x"
    assert await guard.around(slow, again=False)("y") == "y"


async def test_what_a_back_end_refuses_is_an_answer_and_does_not_open_the_breaker() -> None:
    peer = Peer()
    call = peer.guarded()
    peer.down = ValueError("what is this?")
    for _ in range(10):
        with pytest.raises(ValueError, match="what is this"):
            await call("a")
    assert peer.calls == 10


async def test_a_caller_who_goes_away_says_nothing_of_the_back_end() -> None:
    async def hangs(word: str) -> str:
        await asyncio.Event().wait()
        return word

    guard = Guard(Hosting(breaker=Breaker(failures=1)), lambda: 0.0, Refusals())
    call = guard.around(hangs, again=False)
    for _ in range(3):
        task = asyncio.create_task(call("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_hanging_back_end_is_left_after_the_timeout() -> None:
    async def hangs(word: str) -> str:
        await asyncio.Event().wait()
        return word

    peer = Peer()
    said = Hosting(timeout=Duration.of(0.01), breaker=Breaker(failures=1))
    call = Guard(said, lambda: peer.now, peer.refusals).around(hangs, again=False)
    await fails(call, r"no answer within 0\.01 s")
    await fails(call, "no answer 1 times in a row")


async def test_only_so_many_wait_at_a_time() -> None:
    gate = asyncio.Event()

    async def waits(word: str) -> str:
        await gate.wait()
        return word

    refusals = Refusals()
    call = Guard(Hosting(concurrency=2), lambda: 0.0, refusals).around(waits, again=False)
    waiting = [asyncio.create_task(call(word)) for word in "ab"]
    await asyncio.sleep(0)
    await fails(call, "2 calls wait for the back end already")
    assert refusals.found == {"busy": 1}
    gate.set()
    assert await asyncio.gather(*waiting) == ["a", "b"]
    assert await call("c") == "c"


@pytest.mark.parametrize(("again", "calls"), [(True, 3), (False, 1)])
async def test_a_check_is_tried_again_as_often_as_was_said_and_an_allocation_never(
    again: bool, calls: int
) -> None:
    peer = Peer()
    peer.down = ConnectionResetError("gone")
    retry = Retry(pause=Duration.of(0.001), checks=2)
    await fails(peer.guarded(again=again, retry=retry), "gone")
    assert peer.calls == calls


def test_pauses_grow_to_the_longest_and_vary_by_half() -> None:
    said = Retry(pause=Duration.of(1), max_pause=Duration.of(4))
    longest, shortest = Pauses(said, lambda: 1.0), Pauses(said, lambda: 0.0)
    error = OSError()
    assert [longest.next(error) for _ in range(4)] == [1.0, 2.0, 4.0, 4.0]
    assert [shortest.next(error) for _ in range(4)] == [0.5, 1.0, 2.0, 2.0]
    assert shortest.next(Unavailable("busy", after=30)) == 30
