"""Whoever has connected, as the server knows them, whatever they speak."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

Told: TypeAlias = Callable[["Visitor"], object]


class Visitor(asyncio.BaseProtocol, ABC):
    """One connection; asyncio tells of what happens to it."""

    _transport: asyncio.Transport

    def __init__(self, come: Told, gone: Told) -> None:
        """*come* and *gone* are told when the connection is."""
        self._come, self._gone = come, gone
        self.quiet = -1
        """Looks in a row that found nothing to do; negative where something was said since."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._come(self)

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""

    def connection_lost(self, error: Exception | None) -> None:
        self._gone(self)

    @abstractmethod
    def drain(self) -> None:
        """Go when what was begun has ended. A second time, do not wait for the client to agree."""

    @abstractmethod
    def look(self) -> None:
        """Cut off what has made no progress since the last look, because of the client."""

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()
