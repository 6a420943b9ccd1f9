"""
One connection of the native transport: its calls from the first byte to the last.

Law: whatever a handler does, the caller gets an answer or a status, and the server lives.
"""

from __future__ import annotations

import asyncio
import types
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

from mixer.errors import Code, RpcError
from mixer.transport import messages
from mixer.transport.calls import DEFECT, INTERNAL, Handler, Limits, StreamHandler, is_cancelled
from mixer.transport.http2.connection import Connection
from mixer.transport.http2.frames import Reason
from mixer.transport.http2.limits import Limits as HttpLimits
from mixer.transport.http2.requests import Request
from mixer.transport.http2.streams import Cancelled, Ended, Event, Opened, Part, Received, TooLarge
from mixer.transport.messages import HEAD, OK, Call, Messages, NoCall, framed, only_message
from mixer.transport.visitor import Told, Visitor

_Rest: TypeAlias = Callable[[], Awaitable[bytes | None]]
"""What gives the answer of a call that waits, or nothing where it was sent already."""

_READ_BYTES = 1 << 16
_STREAM_WINDOW = 1 << 20
_FORGIVEN = 500
"""Nuisances from one look to the next."""

_UNKNOWN = RpcError(Code.INTERNAL, INTERNAL)
_EXPIRED = RpcError(Code.DEADLINE_EXCEEDED, "the deadline passed before the answer was there")


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections of a server share."""

    methods: Mapping[str, Handler]
    streams: Mapping[str, StreamHandler]
    limits: Limits
    log: FilteringBoundLogger
    incoming: memoryview = field(default_factory=lambda: memoryview(bytearray(_READ_BYTES)))
    """
    Where what comes is put, by all connections in turn, and copied from.

    Without it asyncio makes 256 KiB anew for each read. Where memory of that size comes from the
    kernel each time, as it does for some allocators, that takes as long as a call.
    """

    def is_streamed(self, path: bytes) -> bool:
        """Whether the parts of a request are wanted as they come."""
        return messages.method_of(path) in self.streams

    def connection(self) -> Connection:
        """A new connection."""
        body_bytes = self.limits.max_message_bytes + messages.PREFIX_BYTES
        limits = HttpLimits(
            body_bytes=body_bytes,
            stream_window=max(_STREAM_WINDOW, body_bytes),  # a whole message is taken at once
            concurrent_streams=self.limits.max_concurrent_streams,
        )
        return Connection(limits, self.is_streamed)


class Peer(Visitor, asyncio.BufferedProtocol):
    """Speaks with one client."""

    def __init__(self, service: Service, come: Told, gone: Told) -> None:
        super().__init__(come, gone)
        self._service = service
        self._max_bytes = service.limits.max_message_bytes
        self._connection = service.connection()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._messages: dict[int, Messages] = {}
        self._request: Request | None = None
        """The last one that could be answered; the next often is the same object."""
        self._call: Call
        self._handler: Handler
        self._flushes = False
        self._said_bye = False
        self._stalled: set[Hashable] = set()
        self._moved = asyncio.Event()
        """Set, and replaced, when something may be sent that had to wait."""

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._service.incoming

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self._service.incoming[:nbytes].tobytes())

    def data_received(self, data: bytes) -> None:
        self.quiet = -1
        for event in self._connection.receive(data):
            if event.__class__ is Received:
                self._answer(event)
            else:
                self._take(event)
        self._flush()
        if self._messages:
            self._moves()

    def _moves(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def pause_writing(self) -> None:
        """A peer that does not read is not read from: its answers would pile up here."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()
        self._moves()

    def connection_lost(self, error: Exception | None) -> None:
        for task in self._tasks.values():
            task.cancel()
        super().connection_lost(error)

    # -- calls

    def _answer(self, event: Received) -> None:
        stream, request, body = event
        try:
            if request is not self._request:
                self._look_up(request)
            message = only_message(body, self._call.encoding, self._max_bytes)
            # Fast path: a call is begun here and now, and most end before they wait for anything;
            # only one that waits becomes a task.
            running = self._handler(message)
            waits_for = running.send(None)
        except StopIteration as done:
            self._connection.respond(stream, HEAD, framed(done.value), OK)
        except (Exception, CancelledError) as error:
            self._refuse(stream, error)
        else:
            self._wait(stream, self._call.timeout, partial(_rest, running, waits_for))

    def _look_up(self, request: Request) -> None:
        call = messages.read_call(request)
        handler = self._service.methods.get(call.method)
        if handler is None:
            raise RpcError(Code.UNIMPLEMENTED, f"there is no method {call.method!r} here")
        self._request, self._call, self._handler = request, call, handler

    def _open(self, stream: int, request: Request) -> None:
        try:
            call = messages.read_call(request)
        except (NoCall, RpcError) as error:
            self._refuse(stream, error)
            return
        asked = Messages(call.encoding, self._max_bytes, partial(self._used, stream))
        self._messages[stream] = asked
        self._connection.begin(stream, HEAD)
        handler, send = self._service.streams[call.method], partial(self._send, stream)
        self._wait(stream, call.timeout, partial(handler, aiter(asked), send))

    def _used(self, stream: int, count: int) -> None:
        self._connection.used(stream, count)
        self._flush_soon()

    async def _send(self, stream: int, message: bytes) -> None:
        """Send, and wait until it is sent: what a peer does not read would pile up here."""
        self._connection.send(stream, framed(message))
        self._flush()
        await asyncio.sleep(0)  # others have their turn, however many messages have come
        while not self._transport.is_reading() or self._connection.is_blocked(stream):
            await self._moved.wait()

    def _wait(self, stream: int, timeout: float | None, rest: _Rest) -> None:
        """Make a task of the *rest* of a call."""
        loop = asyncio.get_running_loop()
        task = self._tasks[stream] = loop.create_task(self._finish(stream, rest))
        task.add_done_callback(partial(self._ended, stream))
        if timeout is not None:
            deadline = loop.call_later(timeout, self._expire, stream)
            task.add_done_callback(lambda _: deadline.cancel())

    async def _finish(self, stream: int, rest: _Rest) -> None:
        try:
            answer = await rest()
        except (Exception, CancelledError) as error:
            if is_cancelled():
                raise
            self._refuse(stream, error)
        else:
            if answer is None:
                self._connection.finish(stream, OK)
            else:
                self._connection.respond(stream, HEAD, framed(answer), OK)
        self._flush_soon()

    def _ended(self, stream: int, _: asyncio.Task[None]) -> None:
        self._tasks.pop(stream, None)
        self._messages.pop(stream, None)

    def _expire(self, stream: int) -> None:
        self._refuse(stream, _EXPIRED)
        self._tasks[stream].cancel()
        self._flush_soon()

    def _refuse(self, stream: int, error: Exception | CancelledError) -> None:
        """End a call by what *error* says, alone or after what was sent before."""
        if isinstance(error, NoCall):
            self._connection.finish(stream, error.answer)
            return
        if not isinstance(error, RpcError):
            self._service.log.exception(DEFECT)
            error = _UNKNOWN
        self._connection.finish(stream, messages.status(error, alone=stream not in self._messages))

    def _take(self, event: Event) -> None:
        asked = self._messages.get(event.stream)
        match event:
            case Part() if asked:
                asked.add(event.data)
            case Ended() if asked:
                asked.end()
            case Opened(stream, request):
                self._open(stream, request)
            case TooLarge(stream):
                self._refuse(stream, messages.too_large(self._max_bytes))
            case Cancelled(stream) if stream in self._tasks:
                self._tasks[stream].cancel()

    # -- out

    def _flush_soon(self) -> None:
        """Write with whatever else is said in this round of the loop."""
        if not self._flushes:
            self._flushes = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        data = self._connection.output()
        if data and not self._said_bye:
            self._transport.write(data)
        if self._connection.closed:
            self._transport.close()
        elif self._connection.is_drained and not self._said_bye:
            # The client closes the connection when it hears that nothing more is sent. To close it
            # here could cost the client what it has not read yet (RFC 9112, section 9.6).
            self._said_bye = True
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()

    # -- what the server asks

    def drain(self) -> None:
        """
        Tell the client to go elsewhere; calls that it has sent until it hears that are answered.

        Streamed requests end here. A second time, do not wait for the client to hear it.
        """
        for asked in self._messages.values():
            asked.stop()
        self._connection.drain()
        self._flush()

    def look(self) -> None:
        """Cut off what has made no progress since the last look, because of its peer."""
        self._connection.forgive(_FORGIVEN)
        stalled = self._connection.stalled
        if not self._transport.is_reading():
            stalled.add("answers that are not read")
        for what in stalled & self._stalled:
            if not isinstance(what, int):
                self.abort()
                return
            for event in self._connection.cut(what, Reason.CANCEL):
                self._take(event)
        self._stalled = stalled
        self.quiet = self.quiet + 1 if self._connection.is_idle else 0
        self._flush()


@types.coroutine
def _rest(running: Coroutine[Any, Any, bytes], waits_for: Any) -> Generator[Any, Any, bytes]:
    """Go on with a coroutine that has begun, and waits for what it gave."""
    goes_on: Callable[[Any], Any]
    try:
        while True:
            try:
                goes_on, said = running.send, (yield waits_for)
            except BaseException as error:
                goes_on, said = running.throw, error
            waits_for = goes_on(said)
    except StopIteration as done:
        answer: bytes = done.value
        return answer
