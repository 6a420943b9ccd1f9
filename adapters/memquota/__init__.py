"""
Hand out quota, counted in memory: a restart forgets, and replicas of the server do not share.

Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: memquota, namespace: istio-system}
    spec:
      compiledAdapter: memquota
      params:
        quotas:
        - name: requestcount.instance.istio-system
          maxAmount: 500
          validDuration: 1s
          overrides:
          - dimensions: {destination: ratings}
            maxAmount: 5
            validDuration: 10s

``requestcount`` being an instance of the template quota with a dimension ``destination``. Each
distinct tuple of dimensions is counted on its own, with or without an override. A limit that a
caller wants in place of these, as Envoy's rate limits can, is counted apart from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from msgspec import structs

from adapters.memquota.counters import Counters
from adapters.memquota.deduplication import Answer, Deduplication
from adapters.memquota.limits import Algorithm, QuotaLimit
from adapters.memquota.shared import SharedCounters, SharedDeduplication
from mixer.adapter import (
    Adapter,
    Allocates,
    Config,
    Duration,
    Env,
    FieldProblem,
    Grant,
    Milestones,
    Quota,
    QuotaArgs,
    Shape,
    Table,
    TableFull,
    WantedLimit,
    hookimpl,
)
from mixer.adapter.quotas import entry_for, without_entry

NOTHING = Grant(0)

MAX_WANTED = 1024
"""Limits that callers want and that are counted at once; beyond, the oldest is forgotten."""


class MemquotaConfig(Config, frozen=True):
    """Params of memquota."""

    quotas: tuple[QuotaLimit, ...] = ()
    """The limits, one entry for each quota instance; of two for one instance the last holds."""

    min_deduplication_duration: Duration = Duration.of(1)
    """How long a deduplication id is remembered at least; at most it is twice that."""


class Memquota(Adapter[MemquotaConfig], Allocates[Quota], name="memquota"):
    """
    Hands out units by rolling windows of 100 ms ticks, evenly by a token bucket or GCRA, or until
    they are given back.

    A call that asks for more than there is gets nothing, or what is left if that will do; the
    status is OK either way. Calls with the same deduplication id, across all quotas, are charged
    once; an empty id is none.
    """

    def __init__(self, config: MemquotaConfig, env: Env) -> None:
        super().__init__(config, env)
        answered = Deduplication(config.min_deduplication_duration.seconds)
        self._own = _Ledger(Counters, self._limits(), answered)
        self._table: Table | None = None
        self._alone = Milestones()
        """Calls that were counted by this worker alone."""

    async def open(self) -> None:
        """Join the other workers, if there are any."""
        self._table = table = self.env.table()
        if table is not None:
            self._shared = _Ledger(
                partial(SharedCounters, table),
                self._limits(),
                SharedDeduplication(self.config.min_deduplication_duration.seconds, table),
            )

    def _limits(self) -> list[tuple[Shape, QuotaLimit]]:
        found = [(shape, entry_for(shape, self.config.quotas)) for shape in self.env.shapes]
        return [
            (shape, structs.replace(limits, name=shape.name)) for shape, limits in found if limits
        ]

    @classmethod
    def problems(cls, config: MemquotaConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find routed quotas without limits, and durations that are none."""
        if config.min_deduplication_duration <= 0:
            yield FieldProblem(
                "min_deduplication_duration",
                f"'{config.min_deduplication_duration}' is not more than 0",
            )
        for index, quota in enumerate(config.quotas):
            path = f"quotas[{index}]"
            if not quota.name:
                yield FieldProblem(f"{path}.name", "the quota instance is not named")
            limits = [(path, quota.valid_duration)] + [
                (f"{path}.overrides[{place}]", override.valid_duration)
                for place, override in enumerate(quota.overrides)
            ]
            for where, duration in limits:
                if duration < 0:
                    yield FieldProblem(f"{where}.valid_duration", f"'{duration}' is less than 0")
                elif not duration and quota.rate_limit_algorithm is not Algorithm.ROLLING_WINDOW:
                    reason = f"{quota.rate_limit_algorithm.name} has units come back in time"
                    yield FieldProblem(f"{where}.valid_duration", reason, "say in what time")
            if quota.burst and quota.rate_limit_algorithm is Algorithm.ROLLING_WINDOW:
                hint = "choose TOKEN_BUCKET or GCRA, or remove it"
                yield FieldProblem(f"{path}.burst", "ROLLING_WINDOW knows no burst", hint)
        yield from without_entry(shapes, config.quotas)

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        """Take from the instance's counter, or give back if the amount is negative."""
        if not (args.amount or args.tells):
            return NOTHING
        now = self.env.clock()
        if self._table is None:
            return self._own.charge(instance, args, now)
        try:
            with self._table:
                return self._shared.charge(instance, args, now)
        except TableFull as error:
            self._tell(error)
            return self._own.charge(instance, args, now)

    def _tell(self, error: TableFull) -> None:
        """Say now and then that this worker counts alone."""
        if self._alone.reached():
            self.env.log.warning(
                "a quota is counted by one worker alone; fewer dimensions, or shorter durations, "
                "need less memory",
                error=str(error),
                times=self._alone.count,
            )


_Counters: TypeAlias = Counters | SharedCounters


class _Ledger:
    """Where grants are written down: in this process, or in records that all workers share."""

    def __init__(
        self,
        make: Callable[[QuotaLimit, Shape], _Counters],
        limits: Iterable[tuple[Shape, QuotaLimit]],
        answered: Deduplication | SharedDeduplication,
    ) -> None:
        """*make* makes the counters of a quota."""
        self._make = make
        self._shapes = {shape.name: shape for shape, _ in limits}
        self._counters = {shape.name: make(quota, shape) for shape, quota in limits}
        self._wanted: OrderedDict[tuple[str, WantedLimit], _Counters] = OrderedDict()
        """Those of limits that callers want; the ones last asked for come last."""
        self._answered = answered

    def charge(self, instance: Quota, args: QuotaArgs, now: float) -> Grant:
        """Grant what can be granted, or what was granted to a call of the same id."""
        call, units = args.deduplication_id, args.amount
        counters = (
            self._counters[instance.name]
            if args.limit is None
            else self._counters_of(instance.name, args.limit)
        )
        if call and (answer := self._answered.recall(call, now)):
            granted, valid_for = answer.amount, max(answer.expires - now, 0.0)
        else:
            granted, valid_for = 0, 0.0
            if units > 0:
                granted, valid_for = counters.take(
                    instance.dimensions, units, args.best_effort, now
                )
            elif units:
                granted = counters.give_back(instance.dimensions, -units, now)
            if call:
                self._answered.remember(call, Answer(granted, now + valid_for), now)
        if not args.tells:
            return Grant(granted, valid_for)
        return Grant(granted, valid_for, standing=counters.standing(instance.dimensions, now))

    def _counters_of(self, name: str, wanted: WantedLimit) -> _Counters:
        found = self._wanted.get((name, wanted))
        if found is None:
            if len(self._wanted) >= MAX_WANTED:
                self._wanted.popitem(last=False)
            quota = QuotaLimit(
                f"{name} {wanted.amount}/{wanted.seconds}s",
                wanted.amount,
                Duration.of(wanted.seconds),
            )
            found = self._wanted[name, wanted] = self._make(quota, self._shapes[name])
        self._wanted.move_to_end((name, wanted))
        return found


@hookimpl
def mixer_adapters() -> list[type[Memquota]]:
    """Offer the adapter at the plugin door."""
    return [Memquota]
