"""The collector: requests of OTLP over gRPC or HTTP, and what it says of them."""

from __future__ import annotations

import gzip
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from adapters.opentelemetry.config import OpentelemetryConfig
from adapters.opentelemetry.encoding import fields
from mixer.adapter import Env, PartlyRefused, Refused, Unavailable
from mixer.adapter.http import Http, Token, connected

_PASSING = (
    "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
    "UNAVAILABLE", "DATA_LOSS",
)  # fmt: skip
"""Codes after which OTLP has a client try again."""


class Signal(Enum):
    """What is told."""

    LOGS = "logs"
    TRACE = "trace"
    METRICS = "metrics"


class Collector(Protocol):
    """Takes requests; raises `Unavailable`, `Refused`, or `PartlyRefused` without more to try."""

    async def export(self, signal: Signal, request: bytes) -> None: ...
    async def close(self) -> None: ...


async def over_http(config: OpentelemetryConfig, env: Env) -> Collector:
    """A collector that is asked over HTTP."""
    return _OverHttp(config, await connected(config, env))


async def over_grpc(config: OpentelemetryConfig, env: Env) -> Collector:
    """A collector that is asked over gRPC."""
    grpc = await env.work(import_module, "grpc")  # it takes a while
    aio = await env.work(import_module, "grpc.aio")
    parts = urlsplit(config.url)
    target = parts.netloc if parts.port else f"{parts.netloc}:4317"
    compression = grpc.Compression.Gzip if config.compress else grpc.Compression.NoCompression
    if parts.scheme == "https":
        files = (config.ca_file, config.key_file, config.certificate_file)
        known = [Path(file).read_bytes() if file else None for file in files]
        channel = aio.secure_channel(
            target, grpc.ssl_channel_credentials(*known), compression=compression
        )
    else:
        channel = aio.insecure_channel(target, compression=compression)
    return _OverGrpc(config, channel, grpc)


class _OverHttp:
    def __init__(self, config: OpentelemetryConfig, http: Http) -> None:
        self._http = http
        self._compress = config.compress
        base = config.url.rstrip("/")
        self._urls = {
            Signal.LOGS: f"{base}/v1/logs",
            Signal.TRACE: f"{base}/v1/traces",
            Signal.METRICS: f"{base}/v1/metrics",
        }

    async def export(self, signal: Signal, request: bytes) -> None:
        headers = {}
        if self._compress:
            request = gzip.compress(request, 1, mtime=0)
            headers = {"content-encoding": "gzip"}
        url = self._urls[signal]
        answer = await self._http.deliver(request, "application/x-protobuf", url, headers)
        _look(answer.body, url)

    async def close(self) -> None:
        await self._http.close()


class _OverGrpc:
    def __init__(self, config: OpentelemetryConfig, channel: Any, grpc: Any) -> None:
        self._url = config.url
        self._channel = channel
        self._error = grpc.aio.AioRpcError
        self._config = config
        self._token = Token(config.bearer_token_file)
        self._methods = {
            signal: channel.unary_unary(
                f"/opentelemetry.proto.collector.{signal.value}.v1."
                f"{signal.value.capitalize()}Service/Export"
            )
            for signal in Signal
        }

    async def export(self, signal: Signal, request: bytes) -> None:
        try:
            answer = await self._methods[signal](request, metadata=self._metadata())
        except self._error as error:
            code = error.code().name
            reason = f"{self._url} failed with {code}: {error.details()}"
            raise (Unavailable if code in _PASSING else Refused)(reason) from None
        _look(answer, self._url)

    async def close(self) -> None:
        await self._channel.close()

    def _metadata(self) -> list[tuple[str, str]]:
        found = [(name.lower(), value) for name, value in self._config.headers.items()]
        if self._config.bearer_token_file:
            found.append(("authorization", f"Bearer {self._token.read()}"))
        return found


def _look(answer: bytes, url: str) -> None:
    """Raise `PartlyRefused` where an *answer* says that some was not taken (partial_success)."""
    try:
        partial = fields(answer).get(1, b"")
        told = fields(partial) if isinstance(partial, bytes) else {}
    except ValueError as error:
        raise Refused(f"{url} gave no answer of OTLP: {error}") from None
    lost = told.get(1, 0)
    if isinstance(lost, int) and lost:
        why = told.get(2, b"")
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else ""
        raise PartlyRefused(f"{url} did not take {lost}: {said}", lost=lost)
