"""Tells when configuration files may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mixer.config.files import SUFFIXES, Source, roots, walk
from mixer.errors import StartError

if TYPE_CHECKING:
    from watchfiles import Change

QUIET_MS = 50
"""A burst of changes, such as an editor's, is over after so long without one."""

LONGEST_MS = 250
"""An endless burst is told after so long."""

POLL_SECONDS = 0.25

CHECK_MS = 1000
"""Where nothing was told for so long, the files are looked at all the same."""

Stamps: TypeAlias = dict[str, tuple[int, int, int]]
"""What tells one version of a file from another: inode, size and time of change."""


async def changes(
    sources: Source | Sequence[Source],
    stop: asyncio.Event,
    *,
    poll: bool = False,
    known: Stamps | None = None,
) -> AsyncIterator[None]:
    """
    Yield once after each burst of changes, in well under half a second, until *stop* is set.

    Directories are watched, not files, so that saving by rename and the link swap of a mounted
    ConfigMap are seen. Where the system can't notify, or with *poll* (for file systems of other
    machines, which don't notify), files are polled. A change told here may turn out to be none.

    *known* are the stamps of what the caller has read: what changed since is told too, also where
    it happened before watching began. A folder that was replaced no longer notifies, but is seen.
    """
    from watchfiles import awatch  # needed only when the server is up

    paths = roots(sources)
    if known is None:
        known = await asyncio.to_thread(stamps, paths)
    if not poll:
        folders = sorted({path if path.is_dir() else path.parent for path in paths})
        try:
            async for told in awatch(
                *folders,
                stop_event=stop,
                watch_filter=relevant,
                step=QUIET_MS,
                debounce=LONGEST_MS,
                rust_timeout=CHECK_MS,
                yield_on_timeout=True,
                force_polling=False,
                ignore_permission_denied=True,
            ):
                found = await asyncio.to_thread(stamps, paths)
                if told or found != known:
                    known = found
                    yield
            return
        except (OSError, RuntimeError, ExceptionGroup):
            # The system is out of watches (fs.inotify.max_user_watches), has none at all, or a
            # watched folder was replaced. What changed meanwhile is not known: tell it as one.
            known = await asyncio.to_thread(stamps, paths)
            yield
    async for _ in _poll(paths, stop, known):
        yield


async def _poll(paths: Sequence[Path], stop: asyncio.Event, known: Stamps) -> AsyncIterator[None]:
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)
        except TimeoutError:
            found = await asyncio.to_thread(stamps, paths)
            if found != known:
                known = found
                yield


def stamps(paths: Sequence[Path]) -> Stamps:
    """Stamp each configuration file; one that can't be read now has no stamp."""
    found: Stamps = {}
    for root in paths:
        try:
            for path in walk(root, lambda _: None):
                status = path.stat()
                found[str(path)] = status.st_ino, status.st_size, status.st_mtime_ns
        except (OSError, StartError):
            continue
    return found


def relevant(_: Change, path: str) -> bool:
    """Pass over what can't be configuration: editors' files, and suffixes other than YAML's."""
    name = Path(path).name
    if name.startswith(".."):
        return True  # a ConfigMap's ..data and the folder it points to
    if name.startswith("."):
        return False
    return name.endswith(SUFFIXES) or "." not in name  # a folder, by its looks
