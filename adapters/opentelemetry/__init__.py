"""
Send log entries, metrics and spans to a collector of OpenTelemetry, over OTLP.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: telemetry}
    spec:
      adapter: opentelemetry
      params:
        url: http://localhost:4317
        resource: {deployment.environment: production}
        metrics:
        - {instanceName: requestcount, name: http.server.requests, unit: "{request}"}
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from uuid import uuid4

from adapters.opentelemetry.collector import Collector, Signal, over_grpc, over_http
from adapters.opentelemetry.config import OpentelemetryConfig, Protocol, problems
from adapters.opentelemetry.encoding import Attributes, message, text
from adapters.opentelemetry.records import log_record, span
from adapters.opentelemetry.series import Meter
from mixer.adapter import (
    Adapter,
    Env,
    FieldProblem,
    LogEntry,
    Metric,
    Milestones,
    PartlyRefused,
    Refused,
    Reports,
    Shape,
    TraceSpan,
    Unavailable,
    hookimpl,
)
from mixer.adapter.records import lowered


class Opentelemetry(
    Adapter[OpentelemetryConfig], Reports[LogEntry | Metric | TraceSpan], name="opentelemetry"
):
    """
    Speaks OTLP over gRPC or HTTP, with protobuf.

    Over HTTP it needs the extra `meshmixer[http]`. Log entries and spans go in batches; while the
    collector is away they wait in the queue of the host. Metrics are added up and sent every
    `metricsInterval`, and when the handler closes; what could not be sent is part of what is sent
    the next time. With several workers each has counters of its own, told apart by the attribute
    `service.instance.id`.
    """

    _collector: Collector
    _sending: asyncio.Task[None] | None = None

    def __init__(self, config: OpentelemetryConfig, env: Env) -> None:
        super().__init__(config, env)
        masked = lowered(config.mask)
        self._meter = Meter(config, env.shapes, masked, env.now())
        self._of_logs, self._of_spans = Attributes(6, masked), Attributes(9, masked)
        self._failures = Milestones()
        about = {"service.name": config.service_name, "service.instance.id": str(uuid4())}
        resource = Attributes(1, frozenset()).of({**about, **config.resource})
        self._head = message(1, resource)
        self._scope = message(1, text(1, "meshmixer"))

    @classmethod
    def problems(
        cls, config: OpentelemetryConfig, shapes: Sequence[Shape]
    ) -> Iterable[FieldProblem]:
        """Find an address that is none, and metrics that no rule sends."""
        return problems(config, shapes)

    async def open(self) -> None:
        """Prepare to connect; the collector may be away."""
        connect = over_grpc if self.config.protocol is Protocol.GRPC else over_http
        self._collector = await connect(self.config, self.env)
        self._sending = self.env.spawn(self._send_metrics(), "send metrics")

    async def close(self) -> None:
        """Send the metrics there are, and end all connections."""
        if self._sending is None:
            return
        self._sending.cancel()
        await asyncio.wait({self._sending})
        self._sending = None
        await self.flush()
        await self._collector.close()

    async def report(self, batch: Sequence[LogEntry | Metric | TraceSpan], /) -> None:
        """Add up a batch of metrics, or send one of log entries or spans."""
        first = batch[0]
        if isinstance(first, Metric):
            if lost := self._meter.add(batch):  # type: ignore[arg-type]  # a batch is of one template
                raise PartlyRefused("a metric had values that it can't have", lost=lost)
        elif isinstance(first, LogEntry):
            body, now, of = self.config.body, self.env.now(), self._of_logs
            records = [message(2, log_record(entry, body, now, of)) for entry in batch]  # type: ignore[arg-type]
            await self._export(Signal.LOGS, records)
        else:
            share, of = self.config.sample_probability, self._of_spans
            shown = [span(one, share, of) for one in batch]  # type: ignore[arg-type]
            spans = [message(2, one) for one in shown if one is not None]
            if spans:
                await self._export(Signal.TRACE, spans)

    async def flush(self) -> None:
        """Send all metrics now. What goes wrong is logged, and they are sent the next time."""
        now = self.env.now()
        found = self._meter.request(now)
        if not found:
            return
        try:
            async with asyncio.timeout(self.config.metrics_interval.seconds):
                await self._export(Signal.METRICS, [found])
        except PartlyRefused as error:
            self._tell("metrics were not all taken", error)
        except (Unavailable, Refused, OSError) as error:
            self._tell("metrics were not sent", error)
            return
        self._meter.sent(now)

    async def _send_metrics(self) -> None:
        while True:
            await asyncio.sleep(self.config.metrics_interval.seconds)
            await self.flush()

    async def _export(self, signal: Signal, parts: Sequence[bytes]) -> None:
        """Send what belongs to one scope."""
        scope = message(2, self._scope + b"".join(parts))
        await self._collector.export(signal, message(1, self._head + scope))

    def _tell(self, event: str, error: Exception) -> None:
        if self._failures.reached():
            self.env.log.warning(
                event, handler=self.env.name, error=str(error), times=self._failures.count
            )


@hookimpl
def mixer_adapters() -> list[type[Opentelemetry]]:
    """Offer the adapter at the plugin door."""
    return [Opentelemetry]
