"""The service envoy.service.ratelimit.v3.RateLimitService: is there enough left for a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from attributes.values import NANOS
from mixer._pb import envoy_core_pb2 as core
from mixer._pb import envoy_ratelimit_common_pb2 as common
from mixer._pb import envoy_ratelimit_pb2 as pb
from mixer.adapter.results import QuotaArgs, WantedLimit
from mixer.answers import QuotaAnswer, Standing
from mixer.dispatch.quota import allocate
from mixer.errors import Code, RpcError
from mixer.rules.routes import identity
from mixer.runtime import Snapshot
from mixer.server.envoy.descriptors import bag_of, quotas_named
from mixer.server.envoy.named import Names
from mixer.server.front import Front
from mixer.transport.calls import Handler

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"

_UINT32 = 2**32 - 1
_DAY = 86400
_UNITS = ((_DAY, 4), (3600, 3), (60, 2), (1, 1))
"""Seconds of a unit, and its number; the largest that a window is a multiple of is told."""

_SECONDS = {unit: seconds for seconds, unit in _UNITS} | {5: 30 * _DAY, 6: 365 * _DAY}
"""Of a unit of limits that are wanted, months and years included."""


class RateLimit:
    """Answers Envoy's filters for rate limits, by the quotas of the configuration in force."""

    def __init__(self, front: Front, log: FilteringBoundLogger, reporter: str = "inbound") -> None:
        """*reporter* is the attribute context.reporter.kind where a descriptor does not say it."""
        self._front = front
        self._names = Names(front, log, "descriptors of rate limits")
        self._reporter = reporter
        self.limit: Handler = front.counted(f"{SERVICE}/ShouldRateLimit", self._limit)
        """Answers a RateLimitRequest. Raises RpcError, for which Envoy has a switch."""

    @property
    def methods(self) -> dict[str, Handler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/ShouldRateLimit": self.limit}

    async def _limit(self, raw: bytes) -> bytes:
        self._front.shed(1)
        try:
            request = pb.RateLimitRequest.FromString(raw)
        except DecodeError as error:
            raise RpcError(Code.INVALID_ARGUMENT, f"the request can't be read: {error}") from None
        with (snapshot := self._front.snapshot()):
            answers = [
                await self._take(snapshot, request, descriptor)
                for descriptor in request.descriptors
            ]
        return _response(answers).SerializeToString()

    async def _take(
        self,
        snapshot: Snapshot,
        request: pb.RateLimitRequest,
        descriptor: common.RateLimitDescriptor,
    ) -> Mapping[str, tuple[int, QuotaAnswer]]:
        """What is taken for a descriptor: by quota, how much was wanted, and the answer."""
        entries = {entry.key: entry.value for entry in descriptor.entries}
        if not entries:
            return {}  # some filters send descriptors that say nothing
        bag = await bag_of(entries, self._names, self._reporter, snapshot)
        routes, whose, amount = snapshot.routes, identity(bag), _hits(request, descriptor)
        args = QuotaArgs(amount, tells=True, limit=_wanted(descriptor))
        return {
            name: (amount, await allocate(routes, bag, whose, name, args))
            for name in sorted(quotas_named(routes, request.domain, entries))
        }


def _hits(request: pb.RateLimitRequest, descriptor: common.RateLimitDescriptor) -> int:
    """Units that a descriptor takes; 0 only looks, and less gives back."""
    hits = request.hits_addend or 1
    if descriptor.HasField("hits_addend"):
        hits = min(descriptor.hits_addend.value, 2**63 - 1)
    return -hits if descriptor.is_negative_hits else hits


def _wanted(descriptor: common.RateLimitDescriptor) -> WantedLimit | None:
    """The limit that the proxy's configuration has for a descriptor, if any."""
    seconds = _SECONDS.get(descriptor.limit.unit)
    if seconds is None:
        return None
    limit = descriptor.limit
    return WantedLimit(limit.requests_per_unit, seconds * (limit.unit_multiplier.value or 1))


def _response(answers: Sequence[Mapping[str, tuple[int, QuotaAnswer]]]) -> pb.RateLimitResponse:
    response = pb.RateLimitResponse(overall_code=pb.RateLimitResponse.OK)
    waits = []
    for by_quota in answers:
        refused = {
            name: answer
            for name, (wanted, answer) in by_quota.items()
            if answer.granted < wanted or (not wanted and _is_used_up(answer.standing))
        }
        code = pb.RateLimitResponse.OVER_LIMIT if refused else pb.RateLimitResponse.OK
        status = response.statuses.add(code=code)
        _show(status, {name: answer for name, (_, answer) in by_quota.items()})
        if refused:
            name, answer = next(iter(refused.items()))
            waits += [a.standing.more_in for a in refused.values() if a.standing is not None]
            if response.overall_code == pb.RateLimitResponse.OK:
                response.overall_code = pb.RateLimitResponse.OVER_LIMIT
                message = answer.message or f"quota {name} is exhausted"
                response.raw_body = f"RESOURCE_EXHAUSTED:{message}".encode(errors="replace")
                fields = response.dynamic_metadata.fields
                for key, value in (
                    ("decision", "deny"),
                    ("message", message),
                    ("rule", answer.rule),
                    ("handler", answer.handler),
                ):
                    fields[key].string_value = value
    if response.raw_body:
        added = {"content-type": "text/plain"}
        if any(waits):
            added["retry-after"] = str(ceil(max(waits)))
        response.response_headers_to_add.extend(
            core.HeaderValue(key=key, value=value) for key, value in added.items()
        )
    return response


def _is_used_up(standing: Standing | None) -> bool:
    return standing is not None and not standing.remaining


def _show(
    status: pb.RateLimitResponse.DescriptorStatus, answers: Mapping[str, QuotaAnswer]
) -> None:
    """Tell of the quota of which least is left, if any handler said how it stands."""
    told = [(name, a.standing) for name, a in answers.items() if a.standing is not None]
    if not told:
        return
    name, standing = min(told, key=lambda one: one[1].remaining)
    status.limit_remaining = min(standing.remaining, _UINT32)
    seconds = round(standing.seconds)
    if not seconds:
        return
    size, unit = next(found for found in _UNITS if not seconds % found[0])
    limit = status.current_limit
    limit.requests_per_unit, limit.unit, limit.name = min(standing.limit, _UINT32), unit, name
    if seconds != size:
        limit.unit_multiplier.value = seconds // size
    nanos = round(standing.resets_in * NANOS)
    status.duration_until_reset.seconds, status.duration_until_reset.nanos = divmod(nanos, NANOS)
