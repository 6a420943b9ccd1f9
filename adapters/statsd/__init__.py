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

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from adapters.statsd.config import (
    FLUSH_BYTES,
    Kind,
    MetricInfo,
    StatsdConfig,
    find_problems,
)
from adapters.statsd.feeds import Feed, Sum, Timings, feeds
from mixer.adapter import (
    Adapter,
    Env,
    FieldProblem,
    Metric,
    Milestones,
    Reports,
    Shape,
    hookimpl,
)
from mixer.adapter.datagrams import Peer, resolve
from mixer.adapter.outbox import Outbox

__all__ = ["Kind", "MetricInfo", "Statsd", "StatsdConfig", "mixer_adapters"]


class Statsd(Adapter[StatsdConfig], Reports[Metric], name="statsd"):
    """Sends metrics to a statsd daemon."""

    def __init__(self, config: StatsdConfig, env: Env) -> None:
        super().__init__(config, env)
        self._peer: Peer | None = None
        self._outbox: Outbox | None = None
        self._feeds: Mapping[str, Feed] = {}
        self._losses = Milestones()
        """Counts packets that are known to be lost."""

    @classmethod
    def problems(cls, config: StatsdConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        return find_problems(config, shapes)

    async def open(self) -> None:
        """Resolve the address. Raises OSError where it has none."""
        config = self.config
        found = await self.env.work(resolve, config.address)
        later = partial(asyncio.get_running_loop().call_later, config.flush_duration.seconds)
        self._peer = Peer(found, self._lost)
        self._outbox = Outbox(self._peer.send, config.flush_bytes or FLUSH_BYTES, later)
        self._feeds = feeds(config, self.env.shapes, self._outbox)

    def report(self, batch: Sequence[Metric], /) -> None:
        """Take a batch. Raises ValueError that names instances no metric is configured for."""
        if self._outbox is None:
            raise RuntimeError("the handler is closed")
        unknown: dict[str, None] = {}
        for metric in batch:
            feed = self._feeds.get(metric.name)
            if feed is None:
                unknown[f"no info for metric named {metric.name}"] = None
            else:
                feed.put(feed.name(metric.dimensions), int(metric.value))  # type: ignore[arg-type]  # its shape says so
        self._outbox.done()
        if unknown:
            raise ValueError("; ".join(unknown))

    def tally(self, instance: Metric, /) -> Sum | Timings | None:
        """What adds up counters, and takes timings by the number."""
        feed = self._feeds.get(instance.name)
        return feed.together(instance) if feed is not None else None

    def _lost(self, error: OSError) -> None:
        """Say so the 1st, 10th, 100th ... time."""
        if self._losses.reached():
            self.env.log.warning(
                "packets for the statsd daemon are lost",
                address=self.config.address,
                reason=error.strerror or str(error),
                packets=self._losses.count,
                advice="see that a daemon listens there; what is lost is not sent again",
            )

    async def close(self) -> None:
        """Send what waits, and close the socket."""
        if self._outbox is not None and self._peer is not None:
            self._outbox.flush()
            self._peer.close()
            self._outbox = self._peer = None
            self._feeds = {}


@hookimpl
def mixer_adapters() -> list[type[Statsd]]:
    return [Statsd]
