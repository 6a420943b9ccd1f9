"""File probes: fresh while healthy, gone otherwise, trouble logged once an interval."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import structlog

from mixer.server.probes import Probe, is_fresh, keep, update

SILENT: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.mark.parametrize(
    ("age", "fresh"), [(0.0, True), (10.0, True), (10.009, True), (10.5, False)]
)
def test_a_file_is_fresh_for_its_interval_and_a_little(
    tmp_path: Path, age: float, fresh: bool
) -> None:
    file = tmp_path / "probe"
    file.touch()
    os.utime(file, (1000, 1000))
    assert is_fresh(file, 10.0, 1000 + age) is fresh


def test_a_file_that_is_not_there_is_not_fresh(tmp_path: Path) -> None:
    assert not is_fresh(tmp_path / "probe", 10.0, 0.0)


def test_the_file_follows_health(tmp_path: Path) -> None:
    file = tmp_path / "probe"
    update(file, False)
    update(file, True)
    assert file.exists()
    update(file, False)
    assert not file.exists()


@pytest.mark.parametrize(
    "probe", [Probe(), Probe(Path("/no/such/folder/probe")), Probe(None, 1.0)], ids=str
)
async def test_a_probe_without_path_or_interval_is_off(probe: Probe) -> None:
    async with asyncio.timeout(10):
        await keep(probe, lambda: True, SILENT)


async def test_a_file_that_can_not_be_written_is_logged_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    events: list[Any] = []

    def note(_: Any, __: str, event: Any) -> Any:
        events.append(event)
        folder.mkdir(exist_ok=True)
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        None, processors=[note], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    healthy = asyncio.Event()
    asked = 0

    def well() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            healthy.set()
        return True

    task = asyncio.create_task(keep(Probe(folder / "probe", 0.01), well, log))
    async with asyncio.timeout(10):
        await healthy.wait()
    assert (folder / "probe").exists()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not (folder / "probe").exists()
    assert [event["path"] for event in events] == [str(folder / "probe")]
