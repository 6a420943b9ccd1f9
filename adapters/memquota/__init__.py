"""
Hand out quota, counted in the memory of this process: a restart forgets, replicas do not share.

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
distinct tuple of dimensions is counted on its own, with or without an override.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from adapters.memquota.counters import Counters
from adapters.memquota.deduplication import Answer, Deduplication
from adapters.memquota.limits import QuotaLimit
from mixer.adapter import (
    Adapter,
    Allocates,
    Config,
    Duration,
    Env,
    FieldProblem,
    Grant,
    Quota,
    QuotaArgs,
    Shape,
    hookimpl,
)

NOTHING = Grant(0)


class MemquotaConfig(Config, frozen=True):
    """Params of memquota."""

    quotas: tuple[QuotaLimit, ...] = ()
    """The limits, one entry for each quota instance; of two for one instance the last holds."""

    min_deduplication_duration: Duration = Duration.of(1)
    """How long a deduplication id is remembered at least; at most it is twice that."""


class Memquota(Adapter[MemquotaConfig], Allocates[Quota], name="memquota"):
    """
    Hands out units by rolling windows of 100 ms ticks, or until they are given back.

    A call that asks for more than there is gets nothing, or what is left if that will do; the
    status is OK either way. Calls with the same deduplication id, across all quotas, are charged
    once; an empty id is none.
    """

    def __init__(self, config: MemquotaConfig, env: Env) -> None:
        super().__init__(config, env)
        self._counters = {
            shape.name: Counters(quota, shape)
            for shape in env.shapes
            if (quota := _limits_of(config, shape))
        }
        self._answered = Deduplication(config.min_deduplication_duration.seconds, env.clock())

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
        names = [quota.name for quota in config.quotas]
        for shape in shapes:
            if not _limits_of(config, shape):
                near = get_close_matches(shape.name, names, 1)
                yield FieldProblem(
                    "quotas",
                    f"did not find limit defined for quota {shape.name}",
                    f"did you mean it by {near[0]!r}?" if near else "add an entry of that name",
                )

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        """Take from the instance's counter, or give back if the amount is negative."""
        units = args.amount
        if not units:
            return NOTHING
        now = self.env.clock()
        call = args.deduplication_id
        if call and (answer := self._answered.recall(call, now)):
            return Grant(answer.amount, max(answer.expires - now, 0.0))
        counters, valid_for = self._counters[instance.name], 0.0
        if units > 0:
            granted, valid_for = counters.take(instance.dimensions, units, args.best_effort, now)
        else:
            granted = counters.give_back(instance.dimensions, -units, now)
        if call:
            self._answered.remember(call, Answer(granted, now + valid_for))
        return Grant(granted, valid_for)


def _limits_of(config: MemquotaConfig, shape: Shape) -> QuotaLimit | None:
    return next((quota for quota in reversed(config.quotas) if shape.answers_to(quota.name)), None)


@hookimpl
def mixer_adapters() -> list[type[Memquota]]:
    """Offer the adapter at the plugin door."""
    return [Memquota]
