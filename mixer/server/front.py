"""What every front door does around a call: count it, refuse it where there is too much to do."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from time import monotonic

from structlog.typing import FilteringBoundLogger

from mixer.errors import Code, RpcError
from mixer.runtime import Runtime, Snapshot
from mixer.server.loadshedding import OVERLOADED, Mode, Shedder
from mixer.telemetry.metrics import Metrics
from mixer.transport.calls import Handler


class Front:
    """The way of a call from the transport to the configuration in force."""

    def __init__(
        self, runtime: Runtime, shedder: Shedder, metrics: Metrics, log: FilteringBoundLogger
    ) -> None:
        self._runtime = runtime
        self._shedder = shedder
        self._sheds = shedder.mode is not Mode.DISABLED
        self.metrics = metrics
        self.log = log

    def counted(self, method: str, handle: Callable[[bytes], Awaitable[bytes]]) -> Handler:
        """The handler of ``package.Service/Method``: *handle*, and its calls are counted."""
        meter, shedder, sheds = self.metrics.rpc(method), self._shedder, self._sheds

        async def counted(raw: bytes) -> bytes:
            started = monotonic()
            status, sent = "INTERNAL", 0
            try:
                answer = await handle(raw)
                status, sent = "OK", len(answer)
                return answer
            except RpcError as error:
                status = error.code.name
                raise
            except CancelledError:
                status = "CANCELLED"
                raise
            finally:
                ended = monotonic()
                meter.completed(status, ended - started, len(raw), sent)
                if sheds:
                    shedder.finished(ended - started, ended)

        return counted

    def snapshot(self) -> Snapshot:
        """The configuration in force. Raises RpcError where there is none."""
        snapshot = self._runtime.snapshot
        if snapshot is None:
            raise RpcError(Code.UNAVAILABLE, "the mixer is starting or stopping; please try again")
        return snapshot

    def shed(self, cost: float) -> None:
        """Raises RpcError where a call of that *cost* is one too many."""
        if not self._sheds:
            return
        evaluator = self._shedder.over_limit(cost, monotonic())
        if not evaluator:
            return
        if self._shedder.mode is Mode.LOGONLY:
            self.log.info("a call would be shed", evaluator=evaluator, cost=cost)
            return
        self.metrics.shed(cost)
        raise RpcError(Code.UNAVAILABLE, OVERLOADED)
