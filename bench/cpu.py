"""CPU time of a process and its children, as Linux counts it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_IDLE = 0.2
"""Seconds without a tick after which a process is at rest."""


def used(pid: int) -> float:
    """Seconds of CPU, user and system, that *pid* and its living descendants have used."""
    return sum(map(_seconds, family(pid)))


def at_rest(pid: int, *, patience: float = 10.0) -> float:
    """
    Wait until *pid* and its descendants stop computing, and return `used`.

    What a server does after its answer, such as sending a batch, belongs to the request. Gives
    up waiting after *patience* seconds.
    """
    end = time.monotonic() + patience
    before = used(pid)
    while time.monotonic() < end:
        time.sleep(_IDLE)
        now = used(pid)
        if now - before < 2 * _TICK:
            return now
        before = now
    return before


def family(pid: int) -> Iterator[int]:
    """*pid* and its living descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # the thread ended meanwhile
            continue
        for child in children:
            yield from family(int(child))


def _seconds(pid: int) -> float:
    try:
        # The command, second field, may itself hold spaces; fields count from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK
