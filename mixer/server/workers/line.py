"""
A line between two processes of the server: each asks, each answers, until one is gone.

A message is four bytes of length, then JSON: what is asked with a number, or a number's answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, TypeAlias

import msgspec

Answers: TypeAlias = Mapping[str, Callable[..., Awaitable[Any]]]
"""What answers each question; an OSError it raises is raised where it was asked."""

_LENGTH_BYTES = 4


class Hung(ConnectionError):
    """The other end is gone."""


class _Message(msgspec.Struct, array_like=True):
    """A question by name with arguments, or, without name, the answer to one."""

    number: int
    question: str = ""
    arguments: list[Any] = []
    answer: Any = None
    error: str | None = None


class Line:
    """One end."""

    def __init__(self, end: socket.socket, answers: Answers) -> None:
        self._socket = end
        self._answers = answers
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._gone = True

    async def open(self) -> None:
        """Be ready to ask; before, nobody is there to answer."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._socket)
        self._gone = False

    async def listen(self) -> None:
        """Answer what the other end asks; return when it is gone."""
        reader = self._reader
        try:
            while True:
                length = await reader.readexactly(_LENGTH_BYTES)
                raw = await reader.readexactly(int.from_bytes(length, "big"))
                self._heard(msgspec.json.decode(raw, type=_Message))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._gone = True
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(Hung("the process at the other end is gone"))
            self._writer.close()

    async def ask(self, question: str, *arguments: Any, timeout: float | None = None) -> Any:
        """
        The answer to a *question*.

        Raises Hung where the other end is or goes away, OSError with what it says where it fails,
        TimeoutError where it takes more seconds than *timeout*.
        """
        number = next(self._numbers)
        waiting = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(_Message(number, question, list(arguments)))
            async with asyncio.timeout(timeout):
                return await waiting
        finally:
            del self._asked[number]

    def _send(self, message: _Message) -> None:
        if self._gone:
            raise Hung("there is no process at the other end")
        raw = msgspec.json.encode(message)
        self._writer.write(len(raw).to_bytes(_LENGTH_BYTES, "big") + raw)

    def _heard(self, message: _Message) -> None:
        if message.question:
            task = asyncio.create_task(self._answer(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif (waiting := self._asked.get(message.number)) and not waiting.done():
            if message.error is None:
                waiting.set_result(message.answer)
            else:
                waiting.set_exception(OSError(message.error))

    async def _answer(self, asked: _Message) -> None:
        reply = _Message(asked.number)
        try:
            reply.answer = await self._answers[asked.question](*asked.arguments)
        except OSError as error:
            reply.error = error.strerror or str(error)
        except Exception as error:
            reply.error = f"{type(error).__name__}: {error}"
        if not self._gone:
            self._send(reply)
