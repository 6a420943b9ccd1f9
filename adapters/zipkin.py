"""
Send spans of traces to Zipkin, or to whatever takes its format, such as Jaeger.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: traces}
    spec:
      adapter: zipkin
      params: {url: "http://localhost:9411/api/v2/spans", sampleProbability: 0.01}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from mixer.adapter import (
    Adapter,
    FieldProblem,
    Meta,
    Reports,
    Shape,
    TraceSpan,
    hookimpl,
    ip_text,
    text,
)
from mixer.adapter.addresses import NOWHERE
from mixer.adapter.http import Http, HttpPeer, connected, http_problems
from mixer.adapter.traces import ids_of

_MICROSECOND = 1_000
_encode = msgspec.json.Encoder().encode


class ZipkinConfig(HttpPeer, frozen=True):
    """Params of zipkin."""

    sample_probability: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """The share of traces that are sent; at 0 none is. The trace id decides, so that all spans of
    a trace are, or none."""


class Zipkin(Adapter[ZipkinConfig], Reports[TraceSpan], name="zipkin"):
    """
    Posts spans in batches, as JSON of Zipkin's version 2.

    It needs the extra `meshmixer[http]`. Spans whose ids are not of 16 digits in hexadecimal, or 32
    for the trace, are passed over. While the service is away spans wait in the queue of the host.
    """

    _http: Http

    @classmethod
    def problems(cls, config: ZipkinConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find an address that is none."""
        return http_problems(config, cls.name)

    async def open(self) -> None:
        """Prepare to connect; the service may be away."""
        self._http = await connected(self.config, self.env)

    async def close(self) -> None:
        """End all connections."""
        await self._http.close()

    async def report(self, batch: Sequence[TraceSpan], /) -> None:
        """Send those spans of *batch* that are sampled."""
        probability = self.config.sample_probability
        sent = [shown for one in batch if (shown := span(one, probability))]
        if sent:
            await self._http.deliver(_encode(sent), "application/json")


def span(instance: TraceSpan, probability: float) -> dict[str, Any] | None:
    """A span in Zipkin's words; None for one that is not sampled, or has no valid ids."""
    ids = ids_of(instance, probability)
    if ids is None:
        return None
    here = _endpoint(instance.source_name, instance.source_ip)
    there = _endpoint(instance.destination_name, instance.destination_ip)
    if not instance.client_span:
        here, there = there, here
    start, end = int(instance.start_time), int(instance.end_time)
    return {
        "traceId": ids.trace,
        "id": ids.span,
        **({"parentId": ids.parent} if ids.parent else {}),
        "name": instance.span_name,
        "kind": "CLIENT" if instance.client_span else "SERVER",
        "timestamp": start // _MICROSECOND,
        "duration": max((end - start) // _MICROSECOND, 1),
        "localEndpoint": here,
        "remoteEndpoint": there,
        "tags": _tags(instance),
    }


def _endpoint(name: str, address: bytes) -> dict[str, str]:
    found = {"serviceName": name or "default"}
    if address not in NOWHERE:
        shown = ip_text(address)
        found["ipv6" if ":" in shown else "ipv4"] = shown
    return found


def _tags(instance: TraceSpan) -> dict[str, str]:
    tags = {key: text(value) for key, value in instance.span_tags.items()}
    if instance.http_status_code > 0:
        tags["http.status_code"] = str(instance.http_status_code)
        if instance.http_status_code >= 500:
            tags.setdefault("error", str(instance.http_status_code))
    sizes = {
        "request.total_size": instance.request_total_size,
        "response.total_size": instance.response_total_size,
    }
    return tags | {key: str(size) for key, size in sizes.items() if size > 0}


@hookimpl
def mixer_adapters() -> list[type[Zipkin]]:
    """Offer the adapter at the plugin door."""
    return [Zipkin]
