"""Telling that configuration may have changed."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from watchfiles import Change

from mixer.config import watch


@asynccontextmanager
async def told(source: Path, poll: bool = False) -> AsyncIterator[asyncio.Event]:
    """Watch *source*; the event is set by the first change told."""
    stop, changed = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        async for _ in watch.changes(source, stop, poll=poll):
            changed.set()

    task = asyncio.create_task(listen())
    try:
        yield changed
    finally:
        stop.set()
        await task


async def until(changed: asyncio.Event, act: Callable[[], object]) -> None:
    """Act again and again until a change is told, as nobody says when watching has begun."""
    async with asyncio.timeout(20):
        while not changed.is_set():
            act()
            try:
                await asyncio.wait_for(changed.wait(), 0.5)
            except TimeoutError:
                continue


def save_in_place(folder: Path) -> None:
    with (folder / "a.yaml").open("a") as file:
        file.write("# more\n")


def save_by_rename(folder: Path) -> None:
    (folder / ".a.swp").write_text("a: 2\n")
    os.replace(folder / ".a.swp", folder / "a.yaml")


def swap_link(folder: Path) -> None:
    """Do what the kubelet does to a mounted ConfigMap."""
    version = f"..{len(list(folder.iterdir()))}"
    (folder / version).mkdir()
    (folder / version / "c.yaml").write_text("c: 1\n")
    (folder / "..swap").symlink_to(version)
    os.replace(folder / "..swap", folder / "..data")


def edit_below(folder: Path) -> None:
    with (folder / "sub" / "b.yml").open("a") as file:
        file.write("# more\n")


@pytest.mark.parametrize("edit", [save_in_place, save_by_rename, swap_link, edit_below])
@pytest.mark.parametrize("poll", [False, True], ids=["notified", "polled"])
async def test_an_edit_is_told(tmp_path: Path, edit: Callable[[Path], None], poll: bool) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    async with told(tmp_path, poll) as changed:
        await until(changed, lambda: edit(tmp_path))


async def test_a_single_file_is_watched_through_a_rename(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    async with told(tmp_path / "a.yaml") as changed:
        await until(changed, lambda: save_by_rename(tmp_path))


@pytest.mark.parametrize(
    "failure",
    [OSError(28, "no watches left"), ExceptionGroup("", [RuntimeError("underlying watcher")])],
    ids=["at-start", "later"],
)
async def test_watching_falls_back_to_polling_where_the_system_cannot_notify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def awatch(*_: Path, **__: object) -> AsyncIterator[None]:
        raise failure
        yield

    monkeypatch.setattr("watchfiles.awatch", awatch)
    stop = asyncio.Event()
    told = watch.changes(tmp_path, stop)
    await anext(told)
    reread = asyncio.ensure_future(anext(told))
    changed = asyncio.Event()
    reread.add_done_callback(lambda _: changed.set())
    await until(changed, lambda: save_in_place(tmp_path))
    stop.set()
    assert [_ async for _ in told] == []


async def test_a_folder_that_is_gone_has_no_stamps(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    assert list(watch.stamps([tmp_path, tmp_path / "gone"])) == [str(tmp_path / "a.yaml")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.yaml", True),
        ("a.yml", True),
        ("..data", True),
        ("..2024_01_01", True),
        ("folder", True),
        (".a.yaml.swp", False),
        (".git", False),
        ("notes.txt", False),
        ("a.yaml~", False),
    ],
)
def test_only_what_may_be_configuration_is_relevant(name: str, expected: bool) -> None:
    assert watch.relevant(Change.modified, f"/etc/mixer/{name}") is expected


async def test_an_edit_before_watching_began_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    known = watch.stamps([tmp_path])
    save_by_rename(tmp_path)
    stop = asyncio.Event()
    told = watch.changes(tmp_path, stop, known=known)
    async with asyncio.timeout(20):
        await anext(told)
    stop.set()
    assert [_ async for _ in told] == []


async def test_an_edit_in_a_folder_that_was_replaced_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    async with told(folder) as changed:
        await until(changed, lambda: save_by_rename(folder))
        shutil.rmtree(folder)
        folder.mkdir()
        changed.clear()
        await until(changed, lambda: save_by_rename(folder))
        changed.clear()
        await until(changed, lambda: save_by_rename(folder))
