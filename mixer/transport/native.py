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
from functools import partial
from pathlib import Path

from google.protobuf.descriptor_pool import DescriptorPool
from structlog.typing import FilteringBoundLogger

from mixer.transport.accepting import Acceptor
from mixer.transport.calls import Handler, Limits, StreamHandler
from mixer.transport.greeting import Greeting
from mixer.transport.http1 import Http1Peer, HttpHandler, Request, Response
from mixer.transport.listener import HTTP1, UNIX, Tls, bound, listening, server_context
from mixer.transport.peer import Peer, Service
from mixer.transport.standard import HEALTH, REFLECTION, Health, Reflection, service_of
from mixer.transport.visitor import Visitor

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
        plain: HttpHandler | None = None,
    ) -> None:
        """
        Serve *methods* and *streams*, by ``package.Service/Method``, with descriptors in *pool*.

        *plain* answers requests of HTTP/1.1 that come to the same address.
        """
        streams, limits = streams or {}, limits or Limits()
        services = sorted({service_of(name) for name in (*methods, *streams)})
        self._health = Health(services)
        reflection = Reflection([*services, HEALTH, REFLECTION], [pool])
        self._service = Service(
            {**methods, **self._health.methods},
            {**streams, **self._health.streams, **reflection.streams},
            limits,
            log,
        )
        self._log = log
        self._make_http1 = partial(Http1Peer, plain or _nothing, limits.max_message_bytes, log)
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._closing = ExitStack()
        """All that ends when nobody is let in any longer."""
        self._peers: set[Visitor] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        """Connections that TLS has not agreed on yet, mostly."""
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
        if self._socket is not None:
            acceptor = Acceptor(self._socket, self.adopt, self._log)
            acceptor.open()
            self._closing.callback(acceptor.close)
        self._closing.callback(asyncio.create_task(self._look()).cancel)
        await self.set_serving(True)

    def adopt(self, connection: socket.socket) -> bool:
        """Serve a *connection* that was accepted; true, as there is always room for it."""
        connection.setblocking(False)
        task = asyncio.create_task(self._let_in(connection))
        self._arriving.add(task)
        task.add_done_callback(self._arrived)
        return True

    async def _let_in(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._greeting, connection, ssl=self._tls)
        except OSError as error:
            self._log.debug("a connection ended before its first call", error=str(error))
            connection.close()

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        self._tell_if_empty()

    def _greeting(self) -> Greeting:
        return Greeting(self._peer, self._come, self._gone)

    def _peer(self, protocol: str) -> Visitor:
        if protocol == HTTP1:
            return self._make_http1(self._come, self._gone)
        return Peer(self._service, self._come, self._gone)

    def _come(self, peer: Visitor) -> None:
        self._peers.add(peer)
        if self._draining:
            peer.drain()

    def _gone(self, peer: Visitor) -> None:
        self._peers.discard(peer)
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if not self._peers and not self._arriving:
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
                while self._peers or self._arriving:
                    self._all_gone.clear()
                    await self._all_gone.wait()
        except TimeoutError:
            for task in self._arriving:
                task.cancel()
            for peer in list(self._peers):
                peer.abort()
        finally:
            insist.cancel()

    def _drain_peers(self) -> None:
        for peer in list(self._peers):
            peer.drain()


async def _nothing(request: Request) -> Response:
    return Response(404, body=b"nothing is served here over HTTP/1.1")
