"""The line between front and worker, the door for connections, and the count of cores."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mixer.server.workers.cores import cores
from mixer.server.workers.door import Door, hand_over
from mixer.server.workers.line import Answers, Hung, Line


@asynccontextmanager
async def connected(one: Answers, other: Answers) -> AsyncIterator[tuple[Line, Line]]:
    ends = socket.socketpair()
    lines = Line(ends[0], one), Line(ends[1], other)
    for line in lines:
        await line.open()
    async with asyncio.TaskGroup() as tasks:
        listening = [tasks.create_task(line.listen()) for line in lines]
        yield lines
        listening[0].cancel()


async def double(text: str) -> str:
    return text * 2


async def refuse() -> None:
    raise OSError("no room")


async def break_down() -> None:
    raise KeyError("defect")


async def never() -> None:
    await asyncio.Event().wait()


ANSWERS: Answers = {"double": double, "refuse": refuse, "break": break_down, "never": never}


async def test_both_ends_ask_and_are_answered_in_any_order() -> None:
    async with connected(ANSWERS, ANSWERS) as (one, other):
        slow = asyncio.ensure_future(one.ask("never"))
        assert await one.ask("double", "x" * 300_000) == "x" * 600_000
        assert await other.ask("double", "ä") == "ää"
        slow.cancel()


async def test_what_an_answer_fails_with_is_raised_where_it_was_asked() -> None:
    async with connected({}, ANSWERS) as (one, _):
        with pytest.raises(OSError, match=r"^no room$"):
            await one.ask("refuse")
        with pytest.raises(OSError, match="KeyError: 'defect'"):
            await one.ask("break")
        with pytest.raises(OSError, match="KeyError: 'unknown'"):
            await one.ask("unknown")
        with pytest.raises(TimeoutError):
            await one.ask("never", timeout=0)
        assert await one.ask("double", "a") == "aa"


async def test_a_question_hangs_up_with_the_other_end() -> None:
    async with connected(ANSWERS, ANSWERS) as (one, other):
        asked = asyncio.ensure_future(other.ask("never"))
        await other.ask("double", "x")
        one._writer.close()
        with pytest.raises(Hung):
            await asked
        with pytest.raises(Hung):
            await other.ask("double", "x")


async def test_connections_come_through_the_door_and_are_closed_behind_it() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    got: asyncio.Queue[socket.socket] = asyncio.Queue()
    door = Door(theirs, got.put_nowait)
    door.open()
    clients = []
    for _ in range(3):
        client, connection = socket.socketpair()
        clients.append(client)
        assert hand_over(ours, connection)
        assert connection.fileno() < 0
    for number, client in enumerate(clients):
        with await got.get() as served:
            served.send(b"%d" % number)
        assert client.recv(9) == b"%d" % number
        client.close()
    client, connection = socket.socketpair()
    assert hand_over(ours, connection)
    door.close()
    got.get_nowait().close()
    client.close()
    client, connection = socket.socketpair()
    assert not hand_over(ours, connection), "nobody is behind the door any more"
    assert connection.fileno() >= 0
    for left in (client, connection, ours):
        left.close()


async def test_a_door_that_takes_no_more_says_so() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    client, connection = socket.socketpair()
    taken = 0
    while hand_over(ours, copy := connection.dup()):
        taken += 1
    assert taken > 20
    for left in (client, connection, copy, ours, theirs):
        left.close()


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        pytest.param("max 100000", None, id="no-limit"),
        pytest.param("100000 100000", 1, id="one-core"),
        pytest.param("50000 100000", 1, id="half-a-core"),
        pytest.param("99900000 100000", None, id="more-than-there-are"),
        pytest.param("nonsense", None, id="something-else"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_container_has_as_many_cores_as_its_quota_gives(
    quota: str, expected: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cores(file) == (expected or len(os.sched_getaffinity(0)))
    assert cores(tmp_path / "absent") == len(os.sched_getaffinity(0))


async def test_nobody_answers_before_the_line_is_open() -> None:
    ends = socket.socketpair()
    line = Line(ends[0], {})
    with pytest.raises(Hung):
        await line.ask("double", "x")
    for end in ends:
        end.close()
