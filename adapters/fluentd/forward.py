"""
The forward protocol, version 1, as a client: messages in PackedForward mode, acknowledged.

Law: one message is under way at a time, and what it says is acknowledged before the next.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from secrets import token_bytes
from typing import NamedTuple

import msgspec

_encode = msgspec.msgpack.Encoder().encode
MAX_ANSWER = 4096
"""Bytes of an acknowledgement."""


class Chunk(NamedTuple):
    """Entries of one tag."""

    tag: str
    entries: bytes
    size: int
    """How many they are."""


class _Ack(msgspec.Struct):
    ack: str


_decode = msgspec.msgpack.Decoder(_Ack).decode


def chunks(entries: Iterable[tuple[str, bytes]], most: int) -> Iterator[Chunk]:
    """Put *entries* together by tag, in order, up to so many bytes; one alone may be longer."""
    found: dict[str, tuple[list[bytes], int]] = {}
    for tag, entry in entries:
        held, size = found.get(tag, ([], 0))
        if held and size + len(entry) > most:
            yield Chunk(tag, b"".join(held), len(held))
            held, size = [], 0
        held.append(entry)
        found[tag] = held, size + len(entry)
    for tag, (held, _) in found.items():
        yield Chunk(tag, b"".join(held), len(held))


class Forward:
    """One connection to a daemon."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Forward:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(host, port, ssl=tls))

    async def send(self, chunk: Chunk, *, acknowledged: bool) -> None:
        """
        Send a message, and wait until it is *acknowledged*, if it is to be.

        Raises OSError or EOFError where the connection ends, ValueError for an answer that is no
        acknowledgement of it.
        """
        option: dict[str, object] = {"size": chunk.size}
        if acknowledged:
            option["chunk"] = identity = token_bytes(16).hex()
        self._writer.write(_encode((chunk.tag, chunk.entries, option)))
        await self._writer.drain()
        if acknowledged:
            await self._acknowledged(identity)

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        with suppress(OSError):  # whatever ended it
            await self._writer.wait_closed()

    async def _acknowledged(self, identity: str) -> None:
        answer = b""
        while len(answer) < MAX_ANSWER:
            data = await self._reader.read(MAX_ANSWER)
            if not data:
                raise EOFError("the connection ended before an acknowledgement")
            answer += data
            try:
                found = _decode(answer).ack
            except msgspec.ValidationError as error:
                raise ValueError(f"the answer is no acknowledgement: {error}") from None
            except msgspec.DecodeError:
                continue  # not all of it is there yet
            if found != identity:
                raise ValueError("the acknowledgement is of another message")
            return
        raise ValueError("the answer is longer than an acknowledgement")
