"""The service istio.mixer.v1.Mixer: bytes of a Check or Report in, bytes of the answer out."""

from __future__ import annotations

from attributes import Bag
from mixer.dispatch.check import check
from mixer.dispatch.report import count, report
from mixer.server.front import Front
from mixer.transport.calls import Handler
from mixer.wire import decode, encode

SERVICE = "istio.mixer.v1.Mixer"


class MixerService:
    """Answers Check and Report by the configuration in force."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._responses = encode.CheckResponses()

        self.check: Handler = front.counted(f"{SERVICE}/Check", self._check)
        """Answers a CheckRequest. Raises RpcError (spec: wire, order of steps)."""
        self.report: Handler = front.counted(f"{SERVICE}/Report", self._report)
        """Takes a ReportRequest. Raises RpcError (spec: wire, Report RPC)."""

    @property
    def methods(self) -> dict[str, Handler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/Check": self.check, f"{SERVICE}/Report": self.report}

    async def _check(self, raw: bytes) -> bytes:
        self._front.shed(1)
        call = decode.check_request(raw)
        with self._front.snapshot() as routes:
            answer = await check(routes, Bag(call.source), call.quotas)
        return self._responses.write(answer, call.word_count)

    async def _report(self, raw: bytes) -> bytes:
        call = decode.report_request(raw)
        if call.sent:
            self._front.shed(len(call.sent))
            bags = call.bags()
            with (snapshot := self._front.snapshot()) as routes:
                folds = folder.bound(bags) if (folder := snapshot.folder) else None
                alone = bags.alone
                if alone is None or folds is None or not count(routes, alone, folds):
                    await report(routes, bags.sources, folds)
        return encode.REPORT_RESPONSE
