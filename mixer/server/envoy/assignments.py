"""
The service envoy.service.rate_limit_quota.v3.RateLimitQuotaService: proxies are assigned what they
may let pass, enforce it without a call, and report what they have used.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from math import inf

from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from attributes.values import NANOS
from mixer._pb import envoy_quota_pb2 as pb
from mixer._pb import envoy_type_pb2 as types
from mixer.adapter import Milestones
from mixer.adapter.table import Table
from mixer.adapter.template import Variety
from mixer.dispatch.run import error_list
from mixer.errors import Code, RpcError
from mixer.rules.routes import Pending, identity
from mixer.runtime import Snapshot
from mixer.server.envoy.descriptors import bag_of, quotas_named
from mixer.server.envoy.leases import REFUSED, REPORT_SECONDS, UNLIMITED, Assignment, Lease, Usage
from mixer.server.envoy.named import Names, Texts, pairs_of
from mixer.server.envoy.shares import Shares
from mixer.server.front import Front
from mixer.transport.calls import Send, StreamHandler

SERVICE = "envoy.service.rate_limit_quota.v3.RateLimitQuotaService"

LIFETIME_SECONDS = 60
"""How long an assignment holds at least where no further one comes."""

MISSED_REPORTS = 4
"""So many reports may be late or lost before it ends, too."""

LONGEST_SECONDS = 86400.0
"""Between two reports; a proxy that says more is not believed."""

MAX_BUCKETS = 10_000
"""Of one proxy; of more, the one that was reported longest ago is forgotten."""

AT_ONCE = 50
"""Buckets of a report that are answered before others have their turn."""

_NEVER = 30 * 86400
"""Seconds until a token comes back that should not."""

_UINT32 = 2**32 - 1


@dataclass(slots=True)
class _Proxy:
    """One stream of reports."""

    leases: OrderedDict[Texts, Lease] = field(default_factory=OrderedDict)
    """By bucket; those reported last come last."""

    domain: str = ""


class Assignments:
    """Assigns parts of quotas to Envoy's filter rate_limit_quota."""

    def __init__(
        self,
        front: Front,
        log: FilteringBoundLogger,
        reporter: str = "inbound",
        table: Table | None = None,
    ) -> None:
        """
        *reporter* is the attribute context.reporter.kind where a bucket does not say it; *table*
        is where workers tell each other of their proxies.
        """
        self._front = front
        self._log = log
        self._reporter = reporter
        self._names = Names(front, log, "bucket ids of rate_limit_quota")
        self._shares = Shares(table)
        self._failures = Milestones()
        metrics = front.metrics
        self._counts = {
            kind: metrics.envoy_assignments(kind) for kind in ("allow", "deny", "limit")
        }

    @property
    def streams(self) -> dict[str, StreamHandler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/StreamRateLimitQuotas": self._stream}

    async def _stream(self, messages: AsyncIterator[bytes], send: Send) -> None:
        """Answer the reports of a proxy; when it is gone, others have what it held."""
        proxy = _Proxy()
        try:
            async for raw in messages:
                try:
                    reports = pb.RateLimitQuotaUsageReports.FromString(raw)
                except DecodeError as error:
                    self._tell(error)
                    continue
                proxy.domain = proxy.domain or reports.domain
                usages = reports.bucket_quota_usages
                for first in range(0, len(usages), AT_ONCE):
                    await self._answer(proxy, usages[first : first + AT_ONCE], send)
                    await asyncio.sleep(0)
        finally:
            for number, (entries, lease) in enumerate(proxy.leases.items()):
                await self._release(proxy.domain, entries, lease)
                if number % AT_ONCE == AT_ONCE - 1:
                    await asyncio.sleep(0)

    async def _answer(
        self,
        proxy: _Proxy,
        usages: list[pb.RateLimitQuotaUsageReports.BucketQuotaUsage],
        send: Send,
    ) -> None:
        response = pb.RateLimitQuotaResponse()
        with (snapshot := self._front.snapshot()):
            for said in usages:
                entries = tuple(sorted(pairs_of(said.bucket_id.bucket)))
                elapsed = said.time_elapsed.seconds + said.time_elapsed.nanos / NANOS
                usage = Usage(
                    min(said.num_requests_allowed, _UINT32),
                    min(said.num_requests_denied, _UINT32),
                    min(max(elapsed, 0.0), LONGEST_SECONDS),
                )
                try:
                    assignment = await self._assign(proxy, snapshot, entries, usage)
                except RpcError as error:
                    self._tell(error)
                    continue
                lifetime = max(LIFETIME_SECONDS, MISSED_REPORTS * (usage.seconds or REPORT_SECONDS))
                for strategy in self._strategies(assignment):
                    action = response.bucket_action.add(bucket_id=said.bucket_id)
                    action.quota_assignment_action.rate_limit_strategy.CopyFrom(strategy)
                    action.quota_assignment_action.assignment_time_to_live.seconds = round(lifetime)
        if response.bucket_action:
            await send(response.SerializeToString())

    async def _assign(
        self,
        proxy: _Proxy,
        snapshot: Snapshot,
        entries: Texts,
        usage: Usage,
    ) -> Assignment:
        """What a bucket may let pass. Raises RpcError where a rule or a handler fails."""
        pending = await self._pending(snapshot, proxy.domain, dict(entries))
        if pending is None:
            return REFUSED
        lease = proxy.leases.get(entries)
        if lease is None:
            if not pending:
                return UNLIMITED
            if len(proxy.leases) >= MAX_BUCKETS:
                oldest, forgotten = proxy.leases.popitem(last=False)
                await self._release(proxy.domain, oldest, forgotten)
            lease = proxy.leases[entries] = Lease(secrets.randbits(63), self._shares)
        proxy.leases.move_to_end(entries)
        assignment = await lease.renew(pending, usage)
        if assignment is None:
            raise RpcError(Code.INTERNAL, "a handler failed")
        return assignment

    async def _pending(
        self, snapshot: Snapshot, domain: str, entries: Mapping[str, str]
    ) -> list[Pending] | None:
        """The quotas of a bucket whose rules match; None where it names one that is refused."""
        bag = await bag_of(entries, self._names, self._reporter, snapshot)
        routes, whose = snapshot.routes, identity(bag)
        pending: list[Pending] = []
        for name in sorted(quotas_named(routes, domain, entries)):
            if name.casefold() not in routes.quotas:
                routes.observer.unknown_quota(name)
                if routes.deny_unknown_quota:
                    return None
                continue
            found = routes.gather(Variety.QUOTA, bag, whose, name.casefold())
            if found.failures or found.denials:
                raise RpcError(Code.INTERNAL, error_list(found.failures + found.denials))
            pending += found.pending
        return pending

    async def _release(self, domain: str, entries: Texts, lease: Lease) -> None:
        try:
            with (snapshot := self._front.snapshot()):
                pending = await self._pending(snapshot, domain, dict(entries))
                await lease.release(pending or [])
        except Exception as error:  # the units come back with their window
            self._tell(error)

    def _strategies(self, assignment: Assignment) -> list[types.RateLimitStrategy]:
        """
        How to say it to Envoy.

        A new bucket of tokens has what was left in the one before; only behind a rule without
        one it is full (as tried with 1.40).
        """
        if assignment.burst == inf:
            self._counts["allow"].add()
            return [_ALLOW]
        if assignment.burst < 1:
            self._counts["deny"].add()
            return [_DENY]
        self._counts["limit"].add()
        most = min(int(assignment.burst), _UINT32)
        strategy = types.RateLimitStrategy()
        tokens = strategy.token_bucket
        tokens.max_tokens = most
        tokens.tokens_per_fill.value = most if assignment.rate else 1
        nanos = round((most / assignment.rate if assignment.rate else _NEVER) * NANOS)
        tokens.fill_interval.seconds, tokens.fill_interval.nanos = divmod(nanos, NANOS)
        return [_ALLOW, strategy] if assignment.is_fresh else [strategy]

    def _tell(self, error: Exception) -> None:
        if self._failures.reached():
            self._log.warning(
                "a report of used quota is not answered",
                reason=str(error),
                times=self._failures.count,
                advice="the proxy goes on with what it was assigned, until that expires",
            )


_ALLOW = types.RateLimitStrategy(blanket_rule=types.RateLimitStrategy.ALLOW_ALL)
_DENY = types.RateLimitStrategy(blanket_rule=types.RateLimitStrategy.DENY_ALL)
