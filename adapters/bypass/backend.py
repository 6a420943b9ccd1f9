"""The connection to an adapter elsewhere, and the session on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from secrets import randbits
from typing import Any

import grpc
import grpc.aio

from adapters.bypass import messages
from adapters.bypass.errors import BackendAway, BackendError
from mixer._pb import (
    adapter_model_pb2,
    check_nothing_pb2,
    metric_pb2,
    quota_pb2,
    report_nothing_pb2,
)
from mixer.adapter import (
    CheckNothing,
    Grant,
    Instance,
    Metric,
    Quota,
    QuotaArgs,
    ReportNothing,
    Shape,
    Verdict,
)

SESSION_TIMEOUT = 5.0
"""Seconds for each call that begins or ends a session."""

_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_INFRASTRUCTURE = "/istio.mixer.adapter.model.v1beta1.InfrastructureBackend"


class Backend:
    """One adapter elsewhere; connects with the first call, and again after a loss."""

    def __init__(self, address: str, params: tuple[str, bytes] | None) -> None:
        self._address = address
        self._params = {"type_url": params[0], "value": params[1]} if params else None
        self._ids = count(randbits(62))
        self._session: str | None = None
        self._channel = channel = grpc.aio.insecure_channel(address)
        self._check_nothing = _method(
            channel,
            "/checkNothing.HandleCheckNothingService/HandleCheckNothing",
            adapter_model_pb2.CheckResult,
        )
        self._reports: dict[type[Instance], tuple[Any, Any, Callable[[Any], Any]]] = {
            Metric: (
                _method(
                    channel,
                    "/metric.HandleMetricService/HandleMetric",
                    adapter_model_pb2.ReportResult,
                ),
                metric_pb2.HandleMetricRequest,
                messages.metric,
            ),
            ReportNothing: (
                _method(
                    channel,
                    "/reportNothing.HandleReportNothingService/HandleReportNothing",
                    adapter_model_pb2.ReportResult,
                ),
                report_nothing_pb2.HandleReportNothingRequest,
                messages.report_nothing,
            ),
        }
        self._quota = _method(
            channel, "/quota.HandleQuotaService/HandleQuota", adapter_model_pb2.QuotaResult
        )

    async def begin(self, shapes: Iterable[Shape]) -> None:
        """Let the other adapter validate its params and begin a session."""
        types = messages.inferred_types(shapes)
        for name, request, answer in (
            (
                "Validate",
                adapter_model_pb2.ValidateRequest(adapter_config=self._params),
                adapter_model_pb2.ValidateResponse,
            ),
            (
                "CreateSession",
                adapter_model_pb2.CreateSessionRequest(adapter_config=self._params),
                adapter_model_pb2.CreateSessionResponse,
            ),
        ):
            for instance, (type_name, encoded) in types.items():
                request.inferred_types[instance].type_url = type_name
                request.inferred_types[instance].value = encoded
            found = await self._infrastructure(name, request, answer)
        self._session = found.session_id

    async def end(self) -> None:
        """End the session, if there is one, and the connection, in any case."""
        session, self._session = self._session, None
        try:
            if session is not None:
                await self._infrastructure(
                    "CloseSession",
                    adapter_model_pb2.CloseSessionRequest(session_id=session),
                    adapter_model_pb2.CloseSessionResponse,
                )
        finally:
            await self._channel.close()

    async def check(self, instance: CheckNothing) -> Verdict:
        """Ask for a verdict."""
        request = check_nothing_pb2.HandleCheckNothingRequest(
            instance=messages.check_nothing(instance),
            adapter_config=self._params,
            dedup_id=self._id(),
        )
        return messages.verdict(await self._call(self._check_nothing, request))

    async def allocate(self, instance: Quota, args: QuotaArgs) -> Grant:
        """Ask for quota."""
        request = quota_pb2.HandleQuotaRequest(
            instance=messages.quota(instance),
            adapter_config=self._params,
            dedup_id=args.deduplication_id or self._id(),
            quota_request=messages.quota_request(instance, args),
        )
        answer = await self._call(self._quota, request)
        try:
            return messages.grant(answer, instance.name)
        except ValueError as error:
            raise BackendError(f"{self._address!r}: {error}") from None

    async def report(self, batch: Sequence[Metric | ReportNothing]) -> None:
        """Pass on a batch of one template."""
        method, request, encode = self._reports[type(batch[0])]
        await self._call(
            method,
            request(
                instances=[encode(instance) for instance in batch],
                adapter_config=self._params,
                dedup_id=self._id(),
            ),
        )

    def _id(self) -> str:
        return str(next(self._ids))

    async def _infrastructure(self, name: str, request: Any, answer: type[Any]) -> Any:
        method = _method(self._channel, f"{_INFRASTRUCTURE}/{name}", answer)
        found = await self._call(method, request, SESSION_TIMEOUT)
        if found.status.code:
            raise BackendError(
                f"{self._address!r} refused {name} with code {found.status.code}: "
                f"{found.status.message}"
            )
        return found

    async def _call(self, method: Any, request: Any, timeout: float | None = None) -> Any:
        try:
            return await method(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            why = f"{self._address!r} failed with {error.code().name}: {error.details()}"
            raise (BackendAway if error.code() in _PASSING else BackendError)(why) from None


def _method(channel: grpc.aio.Channel, path: str, answer: type[Any]) -> Any:
    return channel.unary_unary(
        path,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=answer.FromString,
    )
