"""Signals that stop a process of the server: the first asks, the second insists."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable

EXIT_AT_ONCE = 130


def catch_signals(
    stop: asyncio.Event,
    numbers: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
    at_once: Callable[[], None] = lambda: None,
) -> None:
    """Let the first signal set *stop*; at the second do what is to be done *at_once*, and end."""
    loop = asyncio.get_running_loop()

    def caught() -> None:
        if stop.is_set():
            at_once()
            os._exit(EXIT_AT_ONCE)
        stop.set()

    for number in numbers:
        loop.add_signal_handler(number, caught)
