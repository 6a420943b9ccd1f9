"""The service istio.mixer.v1.Mixer: bytes of a Check or Report in, bytes of the answer out."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic

from structlog.typing import FilteringBoundLogger

from attributes import Bag
from mixer.dispatch.check import check
from mixer.dispatch.report import report
from mixer.errors import Code, RpcError
from mixer.runtime import Runtime, Snapshot
from mixer.server.loadshedding import OVERLOADED, Mode, Shedder
from mixer.telemetry.metrics import Metrics, RpcMeter
from mixer.transport.calls import Handler
from mixer.wire import decode, encode

SERVICE = "istio.mixer.v1.Mixer"


class MixerService:
    """Answers Check and Report by the configuration in force."""

    def __init__(
        self, runtime: Runtime, shedder: Shedder, metrics: Metrics, log: FilteringBoundLogger
    ) -> None:
        self._runtime = runtime
        self._shedder = shedder
        self._metrics = metrics
        self._log = log
        self._responses = encode.CheckResponses()
        self._check = metrics.rpc(f"{SERVICE}/Check")
        self._report = metrics.rpc(f"{SERVICE}/Report")

        self.check: Handler = partial(self._counted, self._check, self._answer_check)
        """Answers a CheckRequest. Raises RpcError (spec: wire, order of steps)."""
        self.report: Handler = partial(self._counted, self._report, self._take_report)
        """Takes a ReportRequest. Raises RpcError (spec: wire, Report RPC)."""

    @property
    def methods(self) -> dict[str, Handler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/Check": self.check, f"{SERVICE}/Report": self.report}

    async def _answer_check(self, raw: bytes) -> bytes:
        self._shed(1)
        call = decode.check_request(raw)
        with self._snapshot() as routes:
            answer = await check(routes, Bag(call.source), call.quotas, call.deduplication_id)
        return self._responses.write(answer, call.word_count)

    async def _take_report(self, raw: bytes) -> bytes:
        call = decode.report_request(raw)
        if call.count:
            self._shed(call.count)
            with (snapshot := self._snapshot()) as routes:
                folds = folder.bound(call.words) if (folder := snapshot.folder) else None
                await report(routes, call.sources, folds)
        return encode.REPORT_RESPONSE

    def _snapshot(self) -> Snapshot:
        snapshot = self._runtime.snapshot
        if snapshot is None:
            raise RpcError(Code.UNAVAILABLE, "the mixer is starting or stopping; please try again")
        return snapshot

    def _shed(self, cost: float) -> None:
        if self._shedder.mode is Mode.DISABLED:
            return
        evaluator = self._shedder.over_limit(cost, monotonic())
        if not evaluator:
            return
        if self._shedder.mode is Mode.LOGONLY:
            self._log.info("a call would be shed", evaluator=evaluator, cost=cost)
            return
        self._metrics.shed(cost)
        raise RpcError(Code.UNAVAILABLE, OVERLOADED)

    async def _counted(
        self, meter: RpcMeter, handle: Callable[[bytes], Awaitable[bytes]], raw: bytes
    ) -> bytes:
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
            self._shedder.finished(ended - started, ended)
