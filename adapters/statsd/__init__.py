"""
Sends metrics to a statsd daemon over UDP, a packet for many.

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: statsd, namespace: istio-system}
    spec:
      compiledAdapter: statsd
      params:
        address: localhost:8125
        prefix: mesh
        metrics:
          requestcount.instance.istio-system:
            type: COUNTER
            nameTemplate: 'requests.{{.destination}}.{{.code}}'
          requestduration.instance.istio-system: {type: DISTRIBUTION}

Until a packet is full or ``flushDuration`` is over, counters are added up and of gauges the last
value is kept, which leaves the daemon with the same figures. What waits is sent when the handler
closes, be it for a new configuration or for the end of the server. UDP promises nothing: a daemon
that is away loses what was sent meanwhile. Where the network tells of that, so does the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapters.statsd.config import (
    FLUSH_BYTES,
    Kind,
    MetricInfo,
    StatsdConfig,
    find_problems,
)
from adapters.statsd.feeds import Feed, Timings, feeds
from mixer.adapter import (
    Adapter,
    Env,
    FieldProblem,
    Metric,
    Reports,
    Shape,
    hookimpl,
)
from mixer.adapter.datagrams import Daemon, reached
from mixer.adapter.outbox import Sum

__all__ = ["Kind", "MetricInfo", "Statsd", "StatsdConfig", "mixer_adapters"]


class Statsd(Adapter[StatsdConfig], Reports[Metric], name="statsd"):
    """Sends metrics to a statsd daemon."""

    def __init__(self, config: StatsdConfig, env: Env) -> None:
        super().__init__(config, env)
        self._daemon: Daemon | None = None
        self._feeds: Mapping[str, Feed] = {}

    @classmethod
    def problems(cls, config: StatsdConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        return find_problems(config, shapes)

    async def open(self) -> None:
        """Resolve the address. Raises OSError where it has none."""
        config = self.config
        most = config.flush_bytes or FLUSH_BYTES
        self._daemon = await reached(config.address, self.env, config.flush_duration, most)
        self._feeds = feeds(config, self.env.shapes, self._daemon.outbox)

    def report(self, batch: Sequence[Metric], /) -> None:
        """Take a batch. Raises ValueError that names instances no metric is configured for."""
        if self._daemon is None:
            raise RuntimeError("the handler is closed")
        unknown: dict[str, None] = {}
        for metric in batch:
            feed = self._feeds.get(metric.name)
            if feed is None:
                unknown[f"no info for metric named {metric.name}"] = None
            else:
                feed.put(feed.name(metric.dimensions), int(metric.value))  # type: ignore[arg-type]  # its shape says so
        self._daemon.outbox.done()
        if unknown:
            raise ValueError("; ".join(unknown))

    def tally(self, instance: Metric, /) -> Sum | Timings | None:
        """What adds up counters, and takes timings by the number."""
        feed = self._feeds.get(instance.name)
        return feed.together(instance) if feed is not None else None

    async def close(self) -> None:
        """Send what waits, and close the socket."""
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None
            self._feeds = {}


@hookimpl
def mixer_adapters() -> list[type[Statsd]]:
    return [Statsd]
