"""A daemon that takes datagrams: packets leave for it, or are counted as lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from attributes import Duration
from mixer.adapter.addresses import host_port
from mixer.adapter.base import Env
from mixer.adapter.milestones import Milestones
from mixer.adapter.outbox import MOST_WAITING, Outbox

LOCAL = "localhost"
"""The host where none is said."""

UNIX = "unix://"


class Daemon:
    """A daemon that takes metrics: what waits for it, and the way there."""

    def __init__(self, address: str, found: tuple[Any, Any], env: Env, **outbox: Any) -> None:
        """*found* is what `resolve` gave for the *address*; *outbox* are words of `Outbox`."""
        self._address, self._env = address, env
        self._losses = Milestones()
        """Counts packets that are known to be lost."""
        self._peer = Peer(found, self._lost)
        self.outbox = Outbox(self._peer.send, **outbox)

    def close(self) -> None:
        """Send what waits, and give the socket back."""
        self.outbox.flush()
        self._peer.close()

    def _lost(self, error: OSError) -> None:
        """Say so the 1st, 10th, 100th ... time."""
        if self._losses.reached():
            self._env.log.warning(
                "packets for a daemon of metrics are lost",
                handler=self._env.name,
                address=self._address,
                reason=error.strerror or str(error),
                packets=self._losses.count,
                advice="see that a daemon listens there; what is lost is not sent again",
            )


async def reached(
    address: str, env: Env, wait: Duration, packet_bytes: int, most_waiting: int = MOST_WAITING
) -> Daemon:
    """
    The daemon at an address, to which values leave that waited so long, or are so many.

    Raises OSError where the address has no host.
    """
    found = await env.work(resolve, address)
    later = partial(asyncio.get_running_loop().call_later, wait.seconds)
    return Daemon(
        address, found, env, packet_bytes=packet_bytes, later=later, most_waiting=most_waiting
    )


class Peer:
    """
    A daemon behind UDP or a Unix socket.

    A host answers packets to a port where nobody listens, if the network lets it, and that is told
    here; other losses on the way nobody hears of.
    """

    def __init__(self, found: tuple[Any, Any], lost: Callable[[OSError], None]) -> None:
        """*found* is what `resolve` gave; *lost* is told why, for each packet known to be lost."""
        family, self._sockaddr = found
        self._lost = lost
        self._connected = False
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # a full buffer costs packets, and no other call any time

    def send(self, packet: bytes) -> None:
        """Send *packet*, or tell that it is lost."""
        for _ in range(2):
            try:
                if not self._connected:
                    # Without, the system would keep to itself what comes back.
                    self._socket.connect(self._sockaddr)
                    self._connected = True
                self._socket.send(packet)
                return
            except ConnectionRefusedError as error:
                self._lost(error)  # an earlier packet; this one did not leave, so once more
            except OSError as error:
                self._lost(error)
                self._connected = False  # the way there may be another by now
                return

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def resolve(address: str) -> tuple[Any, Any]:
    """
    Family and address of HOST:PORT or ``unix:///PATH``; blocks.

    Raises OSError where the host has no address.
    """
    if address.startswith(UNIX):
        return socket.AF_UNIX, address.removeprefix(UNIX)
    host, port = host_port(address, host=LOCAL)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise OSError(f"the address {address!r} has no host: {error}") from None
    # IPv4 first: unless told otherwise, a daemon listens there alone, and localhost has both.
    family, *_, sockaddr = min(found, key=lambda entry: entry[0] is not socket.AF_INET)
    return family, sockaddr
