"""Finds out which HTTP a new connection speaks, by what it says first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mixer.transport.listener import HTTP1, HTTP2
from mixer.transport.visitor import Told, Visitor

_PREFACE = b"PRI * HTTP/2.0\r\n"
"""The first line of every client of HTTP/2; no other method is called so (RFC 9113, 3.4)."""


class Greeting(Visitor, asyncio.Protocol):
    """Waits for the first bytes of a client; then another protocol takes over."""

    def __init__(self, speak: Callable[[str], Visitor], come: Told, gone: Told) -> None:
        """*speak* makes the protocol that takes over. *come* and *gone* are told of this one."""
        super().__init__(come, gone)
        self._speak = speak
        self._data = b""
        self._looked_at = self._draining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and (agreed := tls.selected_alpn_protocol()):
            self._give_way(agreed)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if _PREFACE.startswith(self._data[: len(_PREFACE)]):
            if len(self._data) >= len(_PREFACE):
                self._give_way(HTTP2)
        else:  # what is no method, such as TLS, is better told at once that it is wrong here
            self._give_way(HTTP1 if self._data[:1].isalpha() else HTTP2)

    def _give_way(self, name: str) -> None:
        self._gone(self)
        protocol = self._speak(name)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._data:
            protocol.data_received(self._data)

    def drain(self) -> None:
        """A second time, have a client that still says nothing told to go, in HTTP/2's words."""
        if self._draining:
            self._give_way(HTTP2)
        self._draining = True

    def look(self) -> None:
        """Cut off who has said nothing since the last look."""
        if self._looked_at:
            self.abort()
        self._looked_at = True
