"""The service opentelemetry.proto.collector.logs.v1.LogsService: log records are reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import time_ns
from typing import Any

from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from attributes import Timestamp
from mixer._pb import otlp_collector_pb2 as pb
from mixer._pb import otlp_common_pb2 as common
from mixer.dispatch.report import report
from mixer.errors import Code, RpcError
from mixer.runtime import Snapshot
from mixer.server.envoy.described import Described
from mixer.server.envoy.named import Names
from mixer.server.envoy.source import KINDS
from mixer.server.front import Front
from mixer.transport.calls import Handler

SERVICE = "opentelemetry.proto.collector.logs.v1.LogsService"

ALIASES: Mapping[str, str] = {
    "client.address": "source.ip",
    "http.request.body.size": "request.size",
    "http.request.method": "request.method",
    "http.response.body.size": "response.size",
    "http.response.status_code": "response.code",
    "rpc.grpc.status_code": "response.grpc_status",
    "server.address": "destination.service.host",
    "url.path": "request.url_path",
    "url.scheme": "request.scheme",
    "user_agent.original": "request.useragent",
}
"""Attributes by the names that OpenTelemetry's semantic conventions (1.23) have for them."""

_HEADERS = {
    "http.request.header.": "request.headers.",
    "http.response.header.": "response.headers.",
}

_LOG_NAME = "log_name"
"""What Envoy's access logger says of itself, in the resource."""

_NOTHING, _FLAGS = "-", "context.proxy_error_code"
"""What Envoy writes where there is nothing to say; as flags it says that there were none."""

_DEEPEST = 8


class LogRecords:
    """Reports what exporters of OpenTelemetry send, Envoy's access logger among them."""

    def __init__(self, front: Front, log: FilteringBoundLogger, reporter: str = "inbound") -> None:
        """*reporter* is the attribute context.reporter.kind where nobody says it."""
        self._front = front
        self._reporter = reporter
        self._names = Names(front, log, "attributes of log records")
        self._reported = front.metrics.log_records()
        self.export: Handler = front.counted(f"{SERVICE}/Export", self._export)
        """Takes an ExportLogsServiceRequest. Raises RpcError; UNAVAILABLE is to be tried again."""

    @property
    def methods(self) -> dict[str, Handler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/Export": self.export}

    async def _export(self, raw: bytes) -> bytes:
        try:
            request = pb.ExportLogsServiceRequest.FromString(raw)
        except DecodeError as error:
            raise RpcError(Code.INVALID_ARGUMENT, f"the request can't be read: {error}") from None
        count = sum(
            len(scope.log_records)
            for resource in request.resource_logs
            for scope in resource.scope_logs
        )
        if count:
            self._front.shed(count)
            with (snapshot := self._front.snapshot()) as routes:
                await report(routes, self._sources(request, snapshot), snapshot.folds)
            self._reported.add(count)
        return b""

    def _sources(
        self, request: pb.ExportLogsServiceRequest, snapshot: Snapshot
    ) -> Iterator[Described]:
        vocabulary = snapshot.plan.model.vocabulary
        received = time_ns()
        for resource in request.resource_logs:
            whole = _texts(resource.resource.attributes)
            log = whole.get(_LOG_NAME, "")
            reporter = log if log in KINDS else self._reporter
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    texts = whole | _texts(record.attributes)
                    named = self._names.fresh(vocabulary, texts)
                    time = record.time_unix_nano or record.observed_time_unix_nano or received
                    yield Described(texts, named, reporter, Timestamp(time))


def _texts(attributes: Iterable[common.KeyValue]) -> dict[str, str]:
    """The *attributes* as texts, by the names that rules have for them."""
    said: dict[str, str] = {}
    for one in attributes:
        _add(said, one.key, one.value, _DEEPEST)
    found: dict[str, str] = {}
    for key, text in said.items():
        if text == _NOTHING and key != _FLAGS:
            continue
        for theirs, ours in _HEADERS.items():
            if key.startswith(theirs):
                key = ours + key.removeprefix(theirs)
        alias = ALIASES.get(key)
        if alias is None:
            found[key] = text
        elif alias not in said:
            found[alias] = text
    if "url.path" in said:
        whole = f"{said['url.path']}?{said.get('url.query', '')}"
        found.setdefault("request.path", whole.removesuffix("?"))
    return found


def _add(to: dict[str, str], key: str, value: common.AnyValue, deep: int) -> None:
    if value.HasField("kvlist_value"):
        for one in value.kvlist_value.values if deep else ():
            _add(to, f"{key}.{one.key}", one.value, deep - 1)
    elif value.HasField("array_value"):
        to[key] = ",".join(map(_text, value.array_value.values))
    else:
        to[key] = _text(value)


def _text(value: Any) -> str:
    match value.WhichOneof("value"):
        case "string_value":
            return str(value.string_value, "utf-8", "replace")
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "double_value" if value.double_value.is_integer():
            return str(int(value.double_value))
        case "double_value" | "int_value" as kind:
            return str(getattr(value, kind))
        case _:
            return ""
