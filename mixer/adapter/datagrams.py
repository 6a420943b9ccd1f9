"""A daemon that takes datagrams: packets leave for it, or are counted as lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from mixer.adapter.addresses import host_port

LOCAL = "localhost"
"""The host where none is said."""

UNIX = "unix://"


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
