"""
Send log entries to Elasticsearch, OpenSearch, or whatever takes their bulk requests.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: logs}
    spec:
      adapter: elasticsearch
      params:
        url: http://localhost:9200
        index: mixer-logs
        daily: true
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from mixer.adapter import (
    Adapter,
    FieldProblem,
    LogEntry,
    PartlyRefused,
    Refused,
    Reports,
    Shape,
    hookimpl,
)
from mixer.adapter.http import Http, HttpPeer, connected, http_problems
from mixer.adapter.records import MASKED, lowered, plain_map

_SECOND = 1_000_000_000
_FORBIDDEN = frozenset('\\/*?"<>| ,#:')
_encode = msgspec.json.Encoder().encode


class _Outcome(msgspec.Struct):
    """What became of one entry."""

    status: int
    error: Any = None


class _Bulk(msgspec.Struct):
    """The answer to a bulk request."""

    errors: bool = False
    items: list[dict[str, _Outcome]] = []


_decode = msgspec.json.Decoder(_Bulk).decode


class ElasticsearchConfig(HttpPeer, frozen=True):
    """Params of elasticsearch."""

    index: str = "mixer-logs"
    """The index or data stream."""

    daily: bool = False
    """True: an index for each day in UTC, `INDEX-YYYY.MM.DD`."""

    mask: tuple[str, ...] = MASKED
    """Variables, and keys of maps, whose values are shown as `***`."""


class Elasticsearch(Adapter[ElasticsearchConfig], Reports[LogEntry], name="elasticsearch"):
    """
    Creates a document for each entry, in bulk: `@timestamp`, `severity`, `instance` and variables.

    It needs the extra `meshmixer[http]`. While the service is away, or says that it has too much
    to do, entries wait in the queue of the host; of a batch that was taken in part the rest is sent
    again. An entry may be there twice where an answer was lost.
    """

    _http: Http

    @classmethod
    def problems(
        cls, config: ElasticsearchConfig, shapes: Sequence[Shape]
    ) -> Iterable[FieldProblem]:
        """Find an address that is none, and a name that can be no index."""
        yield from http_problems(config, cls.name)
        index = config.index
        if not index or index != index.lower() or index[0] in "-_+." or _FORBIDDEN & set(index):
            hint = "small letters, digits, - and _ make one, such as 'mixer-logs'"
            yield FieldProblem("index", f"{index!r} can be no index", hint)

    async def open(self) -> None:
        """Prepare to connect; the service may be away."""
        config = self.config
        self._http = await connected(config, self.env)
        self._bulk = config.url.rstrip("/") + "/_bulk"
        self._masked = lowered(config.mask)

    async def close(self) -> None:
        """End all connections."""
        await self._http.close()

    async def report(self, batch: Sequence[LogEntry], /) -> None:
        """Send *batch*; raise `PartlyRefused` where some of it was not taken."""
        lines: list[bytes] = []
        for entry in batch:
            lines += (_encode({"create": {"_index": self._index(entry)}}), self._document(entry))
        body = b"\n".join(lines) + b"\n"
        answer = await self._http.deliver(body, "application/x-ndjson", url=self._bulk)
        try:
            found = _decode(answer.body)
        except msgspec.MsgspecError as error:
            raise Refused(f"{self._bulk} gave no answer to a bulk request: {error}") from None
        if found.errors:
            raise _partly(batch, [outcome for item in found.items for outcome in item.values()])

    def _index(self, entry: LogEntry) -> str:
        if not self.config.daily:
            return self.config.index
        day = datetime.fromtimestamp(int(entry.timestamp) // _SECOND, UTC)
        return f"{self.config.index}-{day:%Y.%m.%d}"

    def _document(self, entry: LogEntry) -> bytes:
        return _encode(
            {
                "@timestamp": str(entry.timestamp),
                "severity": entry.severity,
                "instance": entry.name,
                **plain_map(entry.variables, self._masked),
            }
        )


def _partly(batch: Sequence[LogEntry], outcomes: Sequence[_Outcome]) -> PartlyRefused:
    """What to say of a *batch* of which some entries were not taken."""
    told = list(zip(batch, outcomes, strict=False))
    again = [entry for entry, one in told if one.status == 429 or one.status >= 500]
    lost = [one for _, one in told if 300 <= one.status < 500 and one.status != 429]
    first = next((one.error for _, one in told if one.error), None)
    return PartlyRefused(f"not all entries were taken: {first}", again=again, lost=len(lost))


@hookimpl
def mixer_adapters() -> list[type[Elasticsearch]]:
    """Offer the adapter at the plugin door."""
    return [Elasticsearch]
