"""
Takes connections from a socket that listens.

Law: nobody who was let in is forgotten, and where nobody takes more, the rest waits at the door.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

AT_ONCE = 64
PAUSE_SECONDS = 0.02
"""How long to wait where nobody takes a connection, or no file descriptor is to be had for it."""


class Acceptor:
    """What stands at one listener, on the running loop."""

    def __init__(
        self,
        listener: socket.socket,
        take: Callable[[socket.socket], bool],
        log: FilteringBoundLogger,
    ) -> None:
        """*take* is given each connection; it says whether it could take it."""
        self._listener = listener
        self._take = take
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._waiting: socket.socket | None = None
        listener.setblocking(False)

    def open(self) -> None:
        """Let in who comes."""
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Let in who stands at the door already, if somebody takes them, and then nobody more."""
        if self._listener.fileno() < 0:
            return
        self._loop.remove_reader(self._listener)
        while self._accept():
            pass
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._waiting is not None:
            self._waiting.close()

    def _accept(self) -> bool:
        """Take some of what waits; whether there may be more, and somebody who takes it."""
        for _ in range(AT_ONCE):
            try:
                connection = self._waiting or self._listener.accept()[0]
            except BlockingIOError:
                return False
            except OSError as error:  # too many open files, mostly
                self._log.error("a connection can't be accepted", error=error.strerror)
                connection = None
            if connection is None or not self._take(connection):
                self._waiting = connection
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE_SECONDS, self.open)
                return False
            self._waiting = None
        return True
