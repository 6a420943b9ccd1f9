"""
Send log entries to Grafana Loki.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: logs}
    spec:
      adapter: loki
      params:
        url: http://localhost:3100/loki/api/v1/push
        labels: {cluster: east}
        labelNames: [destination, severity]
        headers: {X-Scope-OrgID: shop}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mixer.adapter import Adapter, FieldProblem, LogEntry, Reports, Shape, hookimpl, text
from mixer.adapter.http import Http, HttpPeer, connected, http_problems
from mixer.adapter.records import MASKED, lowered, plain_map

_LABEL = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_encode = msgspec.json.Encoder().encode
_line = msgspec.json.Encoder(order="deterministic").encode


class LokiConfig(HttpPeer, frozen=True):
    """Params of loki."""

    labels: dict[str, str] = {}
    """Labels of all streams. They always have `instance`, the short name of the instance."""

    label_names: tuple[str, ...] = ()
    """Variables that become labels; all others stand in the line. `severity` is one too. Each
    distinct tuple of their values is a stream, and Loki wants few of them."""

    mask: tuple[str, ...] = MASKED
    """Variables, and keys of maps, whose values are shown as `***`."""


class Loki(Adapter[LokiConfig], Reports[LogEntry], name="loki"):
    """
    Pushes entries in batches; a line is what is not a label, as JSON with its keys in order.

    It needs the extra `meshmixer[http]`. While Loki is away entries wait in the queue of the host.
    What Loki refuses, such as entries that are too old, is dropped and counted.
    """

    _http: Http

    @classmethod
    def problems(cls, config: LokiConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find an address that is none, and names that can be no labels."""
        yield from http_problems(config, cls.name)
        for field, names in (("labels", config.labels), ("label_names", config.label_names)):
            for name in names:
                if not _LABEL.fullmatch(name):
                    reason = f"{name!r} can be no label"
                    yield FieldProblem(field, reason, "letters, digits and _ make one")

    async def open(self) -> None:
        """Prepare to connect; Loki may be away."""
        self._http = await connected(self.config, self.env)
        self._masked = lowered(self.config.mask)

    async def close(self) -> None:
        """End all connections."""
        await self._http.close()

    async def report(self, batch: Sequence[LogEntry], /) -> None:
        """Push *batch*."""
        streams: dict[tuple[str, ...], tuple[dict[str, str], list[tuple[str, str]]]] = {}
        for entry in batch:
            labels, value = self._shown(entry)
            key = tuple(labels.values())
            streams.setdefault(key, (labels, []))[1].append(value)
        body: dict[str, Any] = {
            "streams": [
                {"stream": labels, "values": sorted(values, key=lambda value: int(value[0]))}
                for labels, values in streams.values()
            ]
        }
        await self._http.deliver(_encode(body), "application/json")

    def _shown(self, entry: LogEntry) -> tuple[dict[str, str], tuple[str, str]]:
        """The labels of an entry, always in one order, and its time and line."""
        record = plain_map(entry.variables, self._masked)
        labels = {**self.config.labels, "instance": entry.name.partition(".")[0]}
        for name in self.config.label_names:
            if name == "severity" and name not in entry.variables:
                labels[name] = entry.severity
            else:
                kept = record.pop(name, None)
                labels[name] = kept if isinstance(kept, str) else text(entry.variables.get(name))
        if entry.severity and "severity" not in labels:
            record.setdefault("severity", entry.severity)
        return labels, (str(int(entry.timestamp)), _line(record).decode())


@hookimpl
def mixer_adapters() -> list[type[Loki]]:
    """Offer the adapter at the plugin door."""
    return [Loki]
