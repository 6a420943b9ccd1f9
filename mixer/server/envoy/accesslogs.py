"""The service envoy.service.accesslog.v3.AccessLogService: what happened, entry by entry."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator

from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from mixer._pb import envoy_accesslog_pb2 as pb
from mixer._pb.envoy_accesslog_data_pb2 import HTTPAccessLogEntry
from mixer.adapter import Milestones
from mixer.dispatch.report import report
from mixer.errors import RpcError
from mixer.rules.folding import Folds
from mixer.runtime import Snapshot
from mixer.server.envoy.logged import Entry, Logged, Proxy
from mixer.server.envoy.named import Names, pairs_of
from mixer.server.envoy.sights import entry_folds
from mixer.server.front import Front
from mixer.transport.calls import Send, StreamHandler

SERVICE = "envoy.service.accesslog.v3.AccessLogService"

MOST_CONNECTIONS = 10_000
"""Of so many connections that are open it is known what was told of them before."""

_WHOLE_REQUESTS = (0, 6)
"""Types of entries that tell of a request when it has ended; others tell of it before."""

_LAST = 3
"""The type of the last entry of a connection."""


class AccessLogs:
    """Reports the entries of Envoy's access loggers, by the configuration in force."""

    def __init__(self, front: Front, log: FilteringBoundLogger, reporter: str = "inbound") -> None:
        """*reporter* is the attribute context.reporter.kind where a proxy does not say it."""
        self._front = front
        self._log = log
        self._reporter = reporter
        self._names = Names(front, log, "custom_tags")
        self._snapshot: Snapshot | None = None
        self._folds: Folds | None = None
        self._failures = Milestones()
        self._reported = front.metrics.envoy_entries("reported")
        self._passed_over = front.metrics.envoy_entries("passed_over")
        self._failed = front.metrics.envoy_entries("failed")

    @property
    def streams(self) -> dict[str, StreamHandler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/StreamAccessLogs": self._stream}

    async def _stream(self, messages: AsyncIterator[bytes], send: Send) -> None:
        """Take the entries of a stream; whatever is wrong with one, the stream goes on."""
        proxy, totals = Proxy(), _Totals()
        async for raw in messages:
            try:
                message = pb.StreamAccessLogsMessage.FromString(raw)
                if message.HasField("identifier"):
                    proxy = Proxy.of(message.identifier.node, message.identifier.log_name)
                await self._take(message, proxy, totals)
            except DecodeError as error:
                self._tell(error)
        await send(b"")

    async def _take(
        self, message: pb.StreamAccessLogsMessage, proxy: Proxy, totals: _Totals
    ) -> None:
        http = [
            entry
            for entry in message.http_logs.log_entry
            if entry.common_properties.access_log_type in _WHOLE_REQUESTS
        ]
        self._passed_over.add(len(message.http_logs.log_entry) - len(http))
        entries: list[Entry] = [*http, *message.tcp_logs.log_entry]
        if not entries:
            return
        try:
            self._front.shed(len(entries))
            with (snapshot := self._front.snapshot()) as routes:
                sources = self._sources(entries, proxy, totals, snapshot)
                await report(routes, sources, self._folds_of(snapshot))
        except RpcError as error:
            self._failed.add(len(entries))
            self._tell(error)
        else:
            self._reported.add(len(entries))

    def _sources(
        self, entries: Iterable[Entry], proxy: Proxy, totals: _Totals, snapshot: Snapshot
    ) -> Iterator[Logged]:
        read = self._names.by(snapshot.plan.model.vocabulary).read
        for entry in entries:
            tags = pairs_of(entry.common_properties.custom_tags)
            yield Logged(entry, proxy, tags, read, self._reporter, totals.before(entry))

    def _folds_of(self, snapshot: Snapshot) -> Folds | None:
        if snapshot is not self._snapshot:
            self._snapshot, self._folds = snapshot, snapshot.folds
            if snapshot.folds is not None and snapshot.folding is not None:
                self._folds = entry_folds(snapshot.folds, snapshot.folding)
        return self._folds

    def _tell(self, error: Exception) -> None:
        if self._failures.reached():
            self._log.warning(
                "entries of an access log are not all reported",
                reason=str(error),
                times=self._failures.count,
            )


class _Totals:
    """What connections of one stream have moved, as far as it was told."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def before(self, entry: Entry) -> tuple[int, int]:
        """What an *entry* was told before; bytes received and sent."""
        if isinstance(entry, HTTPAccessLogEntry):
            return 0, 0
        common, moved = entry.common_properties, entry.connection_properties
        before = self._known.pop(common.stream_id, (0, 0))
        if common.stream_id and common.access_log_type != _LAST:
            self._known[common.stream_id] = moved.received_bytes, moved.sent_bytes
            if len(self._known) > MOST_CONNECTIONS:
                self._known.popitem(last=False)
        return before
