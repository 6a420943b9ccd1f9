"""
HTTP/1.1 on the port of the API, for proxies that ask in no other way; h11 speaks it.

Law: one request at a time is answered, and what is not read or sent in time is cut off.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import h11
from structlog.typing import FilteringBoundLogger

from mixer.transport.calls import DEFECT, INTERNAL, is_cancelled
from mixer.transport.visitor import Told, Visitor

MAX_HEAD_BYTES = 64 * 1024
"""Of the request line and the headers, as much as HTTP/2 may send here."""

Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    method: str
    target: str
    """The path and the query, as they came."""

    headers: Headers
    """Names are in lower case."""

    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What it is answered."""

    status: int
    headers: Headers = ()
    body: bytes = b""


HttpHandler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


class Http1Peer(Visitor, asyncio.Protocol):
    """Speaks with one client."""

    def __init__(
        self,
        handler: HttpHandler,
        max_body_bytes: int,
        log: FilteringBoundLogger,
        come: Told,
        gone: Told,
    ) -> None:
        """*come* and *gone* are told when the connection is."""
        super().__init__(come, gone)
        self._handler = handler
        self._max_body_bytes = max_body_bytes
        self._log = log
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._head: h11.Request | None = None
        """The request that is being read or answered."""
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._draining = False
        self._writable = True
        self._begun, self._looked_at = True, False
        """Whether some of a request has come, and whether the last look found it so already."""

    # -- what asyncio tells

    def data_received(self, data: bytes) -> None:
        self.quiet, self._begun = -1, True
        self._connection.receive_data(data)
        self._read()

    def eof_received(self) -> None:
        self._connection.receive_data(b"")
        self._read()

    def pause_writing(self) -> None:
        """A client that does not read is not answered any more: it would pile up here."""
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._task is None:
            self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(error)

    # -- requests

    def _read(self) -> None:
        """Take what has come, until a request is whole; then it is answered before more is read."""
        try:
            while self._task is None:
                match self._connection.next_event():
                    case h11.Request() as head:
                        self._head = head
                    case h11.Data(data=data):
                        self._body += data
                        if len(self._body) > self._max_body_bytes:
                            what = f"the body is over {self._max_body_bytes} bytes"
                            self._refuse(Response(413, body=what.encode()))
                            return
                    case h11.EndOfMessage() if self._head is not None:
                        self._begun = self._looked_at = False
                        self._transport.pause_reading()
                        self._task = asyncio.create_task(self._answer(self._head))
                    case h11.ConnectionClosed():
                        self._transport.close()
                        return
                    case _:  # more has to come
                        if self._connection.they_are_waiting_for_100_continue:
                            self._send(h11.InformationalResponse(status_code=100, headers=[]))
                        return
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            self._refuse(Response(status, body=f"this is no request of HTTP: {error}".encode()))

    async def _answer(self, head: h11.Request) -> None:
        request = Request(
            head.method.decode(),
            head.target.decode(),
            [(name.decode(), value.decode("utf-8", "replace")) for name, value in head.headers],
            bytes(self._body),
        )
        try:
            response = await self._handler(request)
        except (Exception, CancelledError):
            if is_cancelled():
                raise
            self._log.exception(DEFECT)
            response = Response(500, body=INTERNAL.encode())
        self._respond(response)
        self._next()

    def _next(self) -> None:
        self._task, self._head, self._body = None, None, bytearray()
        if self._draining or self._connection.our_state is not h11.DONE:
            self._transport.close()
            return
        self._begun = bool(self._connection.trailing_data[0])
        self._connection.start_next_cycle()
        if self._writable:
            self._go_on()

    def _go_on(self) -> None:
        self._transport.resume_reading()
        self._read()

    def _refuse(self, response: Response) -> None:
        """Say what is wrong, if there is still anybody who could hear it, and end."""
        if self._connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._draining = True
            self._respond(response)
        self._transport.close()

    def _respond(self, response: Response) -> None:
        headers = [*response.headers, ("content-length", str(len(response.body)))]
        if self._draining:
            headers.append(("connection", "close"))
        lines = [(name.encode(), value.encode()) for name, value in headers]
        self._send(h11.Response(status_code=response.status, headers=lines))
        if self._head is None or self._head.method != b"HEAD":
            self._send(h11.Data(data=response.body))
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        if data := self._connection.send(event):
            self._transport.write(data)

    # -- what the server asks

    def drain(self) -> None:
        """End when the request at hand is answered; at once where there is none."""
        self._draining = True
        if self._task is None and not self._begun:
            self._transport.close()

    def look(self) -> None:
        """Cut off who was at the same request, or did not read its answer, at the last look."""
        waits = self._begun or not self._writable
        if waits and self._looked_at:
            self.abort()
        self._looked_at = waits
        self.quiet = 0 if waits or self._task is not None else self.quiet + 1
