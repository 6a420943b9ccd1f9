"""
The native transport: handlers of bytes behind our own HTTP/2, with health and reflection.

It takes a twentieth of grpcio's time for a call (docs/decisions/0009-native-transport.md).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from google.protobuf.descriptor_pool import DescriptorPool
from structlog.typing import FilteringBoundLogger

from mixer.transport.calls import Handler, Limits, StreamHandler
from mixer.transport.listener import UNIX, Tls, bound, listening, server_context
from mixer.transport.peer import Peer, Service
from mixer.transport.standard import HEALTH, REFLECTION, Health, Reflection, service_of

LOOK_SECONDS = 15.0
"""Who makes no progress from one look to the next is cut off."""

QUIET_LOOKS = 60
"""A connection that is quiet for so many looks is drained: a client that lives connects again."""

GOING_AWAY_SECONDS = 1.0
"""How long a client may take to answer that it has heard of our going away."""


class NativeServer:
    """One gRPC server with one listener, or with connections that are accepted elsewhere."""

    def __init__(
        self,
        methods: Mapping[str, Handler],
        pool: DescriptorPool,
        log: FilteringBoundLogger,
        limits: Limits | None = None,
        streams: Mapping[str, StreamHandler] | None = None,
    ) -> None:
        """
        Serve *methods* and *streams*, by ``package.Service/Method``, with descriptors in *pool*.
        """
        streams = streams or {}
        services = sorted({service_of(name) for name in (*methods, *streams)})
        self._health = Health(services)
        reflection = Reflection([*services, HEALTH, REFLECTION], [pool])
        self._service = Service(
            {**methods, **self._health.methods},
            {**streams, **self._health.streams, **reflection.streams},
            limits or Limits(),
            log,
        )
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._closing = ExitStack()
        """All that ends when nobody is let in any longer."""
        self._peers: set[Peer] = set()
        self._draining = False
        self._all_gone = asyncio.Event()

    def bind(self, address: str, tls: Tls | None = None) -> str:
        """
        Take ``tcp://HOST:PORT`` or ``unix:///PATH``; return the address in use.

        Port 0 takes a free one; an existing socket file is removed. Raises StartError where the
        address can't be had.
        """
        self.secure(tls)
        self._socket = listening(address)
        self._closing.callback(self._socket.close)
        if address.startswith(UNIX):
            self._closing.callback(Path(address.removeprefix(UNIX)).unlink, missing_ok=True)
        return bound(address, self._socket)

    def secure(self, tls: Tls | None) -> None:
        """Have TLS on all connections. Raises StartError where its files are no good."""
        self._tls = server_context(tls) if tls is not None else None

    async def start(self) -> None:
        """Answer calls; until now they have waited at the door."""
        loop = asyncio.get_running_loop()
        if self._socket is not None:
            is_file = self._socket.family == socket.AF_UNIX
            make = loop.create_unix_server if is_file else loop.create_server
            listener = await make(self._peer, sock=self._socket, ssl=self._tls)
            self._closing.callback(listener.close)
        self._closing.callback(loop.create_task(self._look()).cancel)
        await self.set_serving(True)

    async def adopt(self, connection: socket.socket) -> None:
        """Serve a *connection* that was accepted elsewhere. Raises OSError where TLS fails."""
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._peer, connection, ssl=self._tls)

    def _peer(self) -> Peer:
        return Peer(self._service, self._come, self._gone)

    def _come(self, peer: Peer) -> None:
        self._peers.add(peer)
        if self._draining:
            peer.drain()

    def _gone(self, peer: Peer) -> None:
        self._peers.discard(peer)
        if not self._peers:
            self._all_gone.set()

    async def set_serving(self, serving: bool) -> None:
        """Say whether calls are welcome, to whoever asks or watches the health service."""
        self._health.set_serving(serving)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Cut off who made no progress since the last look, and drain who was quiet for long."""
        for peer in list(self._peers):
            peer.look()
            if peer.quiet == QUIET_LOOKS:
                peer.drain()
            elif peer.quiet > QUIET_LOOKS + 1:
                peer.abort()

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, give those in flight so many *seconds*, then cut them off."""
        self._draining = True
        await self.set_serving(False)
        self._health.close()
        self._closing.close()
        loop = asyncio.get_running_loop()
        insist = loop.call_later(min(GOING_AWAY_SECONDS, seconds / 2), self._drain_peers)
        try:
            self._drain_peers()
            async with asyncio.timeout(seconds):
                while self._peers:
                    self._all_gone.clear()
                    await self._all_gone.wait()
        except TimeoutError:
            for peer in list(self._peers):
                peer.abort()
        finally:
            insist.cancel()

    def _drain_peers(self) -> None:
        for peer in list(self._peers):
            peer.drain()
