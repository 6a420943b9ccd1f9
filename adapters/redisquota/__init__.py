"""
Hand out quota, counted in Redis or Valkey: all servers that use one share their limits.

Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: redisquota, namespace: istio-system}
    spec:
      compiledAdapter: redisquota
      params:
        redisServerUrl: localhost:6379
        onBackendFailure: LOCAL
        quotas:
        - name: requestcount.instance.istio-system
          maxAmount: 500
          validDuration: 1s
          bucketDuration: 100ms
          rateLimitAlgorithm: ROLLING_WINDOW
          overrides:
          - dimensions: {destination: ratings}
            maxAmount: 5

``requestcount`` being an instance of the template quota with a dimension ``destination``. Each
distinct tuple of dimensions is counted on its own. A limit that a caller wants in place of these,
as Envoy's rate limits can, is counted apart from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from adapters.redisquota.config import OnBackendFailure, RedisquotaConfig, problems
from adapters.redisquota.limits import Dimensions, Limit, chooser, keyer
from mixer.adapter import (
    Adapter,
    Allocates,
    Code,
    Env,
    FieldProblem,
    Grant,
    Milestones,
    Quota,
    QuotaArgs,
    Shape,
    Standing,
    Unavailable,
    hookimpl,
)
from mixer.adapter.quotas import entry_for
from mixer.adapter.rates import Cell

if TYPE_CHECKING:
    from adapters.redisquota.servers import Servers

NOTHING = Grant(0)
EXHAUSTED = Grant(0, 0.0, Code.RESOURCE_EXHAUSTED, "redisquota: Resource exhausted")
AWAY = Grant(0, 0.0, Code.UNAVAILABLE, "redisquota: Service Unavailable")
PREFIX = "mixer:quota"
MAX_LOCAL = 100_000
"""Counters kept while Redis is away; beyond, those that were longest not asked are forgotten."""

_SECOND = 1_000_000
"""Microseconds."""


class Redisquota(Adapter[RedisquotaConfig], Allocates[Quota], name="redisquota"):
    """
    Hands out units that are counted in Redis, in one round trip, and one for all that are asked
    at a time.

    It needs Redis 6.2 or later, or Valkey, and the extra `meshmixer[redis]`. The server's clock
    counts. A handler opens without the server; while that is away `onBackendFailure` answers, and
    every `retryPause` it is tried again. A quota of which nothing is left is granted 0 with status
    RESOURCE_EXHAUSTED. Calls with the same deduplication id are charged once, as long as the grant
    holds, and at least a second.
    """

    def __init__(self, config: RedisquotaConfig, env: Env) -> None:
        super().__init__(config, env)
        found = [(shape, entry_for(shape, config.quotas)) for shape in env.shapes]
        self._quotas: dict[str, tuple[Callable[[Dimensions], Limit], Callable[..., str]]] = {
            shape.name: (chooser(quota, shape), keyer(shape)) for shape, quota in found if quota
        }
        self._servers: Servers | None = None
        self._away_until = 0.0
        self._failures = Milestones()
        self._local: OrderedDict[str, float] = OrderedDict()

    @classmethod
    def problems(cls, config: RedisquotaConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find addresses, limits and durations that are wrong, and quotas without limits."""
        return problems(config, shapes)

    async def open(self) -> None:
        """Read the password and prepare to connect; the server may be away."""
        # It takes a quarter of a second to import, and needs the extra.
        servers = await self.env.work(import_module, "adapters.redisquota.servers")
        self._servers = servers.Servers(self.config, self.env)

    async def close(self) -> None:
        """Wait for the answers that are due, and end all connections."""
        servers, self._servers = self._servers, None
        if servers is not None:
            await servers.close()

    async def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        """Take from the instance's counter, or give back if the amount is negative."""
        if not (args.amount or args.tells):
            return NOTHING
        choose, key_of = self._quotas[instance.name]
        limit = choose(instance.dimensions)
        if args.limit is not None:
            limit = limit.wanted(args.limit)
        key = key_of(instance.dimensions) + limit.suffix
        if self._servers is None or self.env.clock() < self._away_until:
            return self._without(key, limit, args)
        try:
            return await self._counted(self._servers, key, limit, args)
        except Unavailable as error:
            self._away_until = self.env.clock() + self.config.retry_pause.seconds
            if self._failures.reached():
                self.env.log.warning(
                    "Redis is away",
                    handler=self.env.name,
                    answers=self.config.on_backend_failure.name,
                    error=str(error),
                    times=self._failures.count,
                )
            return self._without(key, limit, args)

    async def _counted(self, servers: Servers, key: str, limit: Limit, args: QuotaArgs) -> Grant:
        # The braces have a cluster keep all keys of a counter on one server.
        tagged = f"{PREFIX}:{{{key}}}"
        call = args.deduplication_id
        granted, valid, remaining, more, back = await servers.ask(
            (f"{tagged}:used", f"{tagged}:buckets", f"{tagged}:call:{call}"),
            (
                limit.algorithm,
                args.amount,
                int(args.best_effort),
                limit.amount,
                limit.window,
                limit.bucket,
                limit.burst,
                int(bool(call)),
            ),
        )
        standing = None
        if args.tells:
            standing = Standing(
                limit.amount, limit.window / _SECOND, remaining, more / _SECOND, back / _SECOND
            )
        if granted or args.amount <= 0:
            return Grant(granted, valid / _SECOND, standing=standing)
        return Grant(0, 0.0, EXHAUSTED.code, EXHAUSTED.message, standing)

    def _without(self, key: str, limit: Limit, args: QuotaArgs) -> Grant:
        """What an allocation gets without Redis."""
        match self.config.on_backend_failure:
            case OnBackendFailure.ALLOW:
                return Grant(max(args.amount, 0), self.config.retry_pause.seconds)
            case OnBackendFailure.LOCAL:
                return self._counted_here(key, limit, args)
            case OnBackendFailure.DENY:
                return AWAY

    def _counted_here(self, key: str, limit: Limit, args: QuotaArgs) -> Grant:
        if not limit.amount:
            return EXHAUSTED
        cell = Cell(limit.window / _SECOND / limit.amount, limit.amount)
        now = self.env.clock()
        back = self._local.pop(key, 0.0)
        if args.amount > 0:
            granted, back = cell.take(back, args.amount, args.best_effort, now)
        else:
            granted, back = cell.give_back(back, -args.amount, now)
        self._local[key] = back
        if len(self._local) > MAX_LOCAL:
            self._local.popitem(last=False)
        if args.amount > 0 and not granted:
            return EXHAUSTED
        return Grant(granted, granted * cell.unit if args.amount > 0 else 0.0)


@hookimpl
def mixer_adapters() -> list[type[Redisquota]]:
    """Offer the adapter at the plugin door."""
    return [Redisquota]
