"""Calls as both transports know them: handlers, limits, and statuses that fit into headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

Handler: TypeAlias = Callable[[bytes], Coroutine[Any, Any, bytes]]
"""Answers a request; raises RpcError for a status."""

Send: TypeAlias = Callable[[bytes], Awaitable[None]]
StreamHandler: TypeAlias = Callable[[AsyncIterator[bytes], Send], Coroutine[Any, Any, None]]
"""Takes messages and sends some, until it returns; raises RpcError for a status."""

INTERNAL = "internal error of the mixer"
DEFECT = "a call failed for a reason that is a defect of the mixer"

MAX_STATUS_BYTES = 4096
"""A longer status message could not pass: HTTP/2 peers take 8 KiB of headers, and no more."""

_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_ESCAPED = 3
"""Bytes that gRPC makes of one byte it can't send as it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may ask of the server."""

    max_message_bytes: int = 1 << 20
    max_concurrent_streams: int = 1024


def is_cancelled() -> bool:
    """
    Whether the task at hand is asked to end.

    A CancelledError may also come from within, of something that a handler waited for.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def fitting(message: str) -> str:
    """As much of a status *message* as fits into the headers of an answer, and how much was cut."""
    if len(message.encode()) * _ESCAPED <= MAX_STATUS_BYTES:
        return message
    room = MAX_STATUS_BYTES
    for at, character in enumerate(message):
        room -= (
            1
            if " " <= character <= "~" and character != "%"
            else _ESCAPED * len(character.encode())
        )
        if room < 0:
            return f"{message[:at]}... ({len(message) - at} more characters)"
    return message


def escaped(message: str) -> str:
    """A status *message* as it fits into a header, percent-encoded as gRPC does."""
    return quote(fitting(message), safe=_SAFE).strip(" ")
