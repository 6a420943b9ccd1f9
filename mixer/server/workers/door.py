"""The way of a connection from the process that accepted it to the worker that serves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


def hand_over(door: socket.socket, connection: socket.socket) -> bool:
    """
    Give *connection* to the worker behind *door*, and close it here.

    False, with the connection left open, where the worker is gone or takes no more just now.
    """
    try:
        socket.send_fds(door, [b"c"], [connection.fileno()])
    except OSError:
        return False
    connection.close()
    return True


class Door:
    """Where a worker receives its connections."""

    def __init__(self, door: socket.socket, serve: Callable[[socket.socket], object]) -> None:
        self._door = door
        self._serve = serve
        door.setblocking(False)

    def open(self) -> None:
        """Serve what comes, on the running loop."""
        asyncio.get_running_loop().add_reader(self._door, self._received)

    def close(self) -> None:
        """Take what still waits at the door, so that it is told to go elsewhere; then no more."""
        asyncio.get_running_loop().remove_reader(self._door)
        self._received()
        self._door.close()

    def _received(self) -> None:
        while True:
            try:
                # A byte at a time: one message brings one connection.
                sent, files, _, _ = socket.recv_fds(self._door, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                sent, files = b"", []
            for file in files:
                self._serve(socket.socket(fileno=file))
            if not sent:
                asyncio.get_running_loop().remove_reader(self._door)
                return
