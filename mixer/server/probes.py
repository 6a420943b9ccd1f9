"""File probes: a file that is fresh while the mixer is well, for those who watch files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

SLACK_SECONDS = 0.010
"""How much older than its interval a file may be and still count (spec: runtime, probes)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Where a probe writes and how often; off where there is no path or interval."""

    path: Path | None = None
    interval: float = 0.0
    """Seconds within which the file is renewed."""

    @property
    def active(self) -> bool:
        """Whether there is anything to do."""
        return self.path is not None and self.interval > 0


def is_fresh(path: Path, interval: float, now: float) -> bool:
    """Tell whether the file at *path* was renewed within *interval* seconds before *now*."""
    try:
        return now - path.stat().st_mtime <= interval + SLACK_SECONDS
    except OSError:
        return False


def update(path: Path, healthy: bool) -> None:
    """Renew the file where *healthy*, remove it otherwise. Raises OSError."""
    if healthy:
        path.write_text("")
    else:
        path.unlink(missing_ok=True)


async def keep(probe: Probe, healthy: Callable[[], bool], log: FilteringBoundLogger) -> None:
    """Keep the file of *probe* until cancelled, then remove it."""
    path = probe.path
    if path is None or not probe.active:
        return
    try:
        while True:
            try:
                update(path, healthy())
            except OSError as error:
                log.error("probe file can't be written", path=str(path), error=error.strerror)
            await asyncio.sleep(probe.interval / 2)
    finally:
        with suppress(OSError):
            update(path, False)
