"""The params of redisquota, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from adapters.redisquota.limits import Algorithm, QuotaLimit
from mixer.adapter import Config, Duration, FieldProblem, NonNegative, Positive, Shape
from mixer.adapter.addresses import host_port
from mixer.adapter.config import missing
from mixer.adapter.quotas import without_entry


class OnBackendFailure(IntEnum):
    """What allocations get while Redis is away."""

    DENY = 0
    ALLOW = 1
    LOCAL = 2


class Tls(Config, frozen=True):
    """How to speak TLS; the server's name is checked against the address."""

    ca_file: str = ""
    """Certificates of authorities in PEM; empty means those of the system."""

    certificate_file: str = ""
    """Our certificate in PEM, where the server wants one."""

    key_file: str = ""
    """Its key."""


class RedisquotaConfig(Config, frozen=True):
    """Params of redisquota."""

    quotas: tuple[QuotaLimit, ...] = ()
    """The limits, one entry for each quota instance; of two for one instance the last holds."""

    redis_server_url: str = "localhost:6379"
    """HOST:PORT of the server. Of Sentinels or of a cluster several, with commas between."""

    connection_pool_size: Positive = 10
    """Connections at most; what finds none free waits for one."""

    sentinel_master: str = ""
    """The name by which Sentinels know the server; then the addresses are those of Sentinels."""

    cluster: bool = False
    """True: the addresses are of nodes of a Redis Cluster, from which the others are found."""

    database: NonNegative = 0
    """Number of the database; a cluster has only 0."""

    username: str = ""
    """The user to log in as, where the server knows users."""

    password_file: str = ""
    """A file with the password; it is read when the handler opens."""

    tls: Tls | None = None
    """Speak TLS; `{}` for that with the authorities of the system."""

    redis_timeout: Duration = Duration.of(1)
    """How long an allocation waits for Redis, and for a connection."""

    retry_pause: Duration = Duration.of(1)
    """How long Redis is left alone after it failed; `onBackendFailure` answers meanwhile."""

    on_backend_failure: OnBackendFailure = OnBackendFailure.DENY
    """What allocations get while Redis is away. DENY: nothing. ALLOW: what they ask for, for as
    long as the pause. LOCAL: each worker counts for itself, evenly, from all there is."""


def problems(config: RedisquotaConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
    """Find what is wrong beyond types, and what is not installed."""
    yield from missing("redis", "redis", "redisquota")
    for one in config.redis_server_url.split(","):
        try:
            host_port(one)
        except ValueError as error:
            yield FieldProblem("redis_server_url", str(error), "such as 'localhost:6379'")
    alone = not config.cluster and not config.sentinel_master
    if alone and "," in config.redis_server_url:
        hint = "say `cluster: true` or `sentinelMaster`, or give one address"
        yield FieldProblem("redis_server_url", "several addresses for one server", hint)
    if config.cluster and config.sentinel_master:
        yield FieldProblem("sentinel_master", "a cluster is not found by Sentinels", "remove one")
    if config.cluster and config.database:
        yield FieldProblem("database", f"a cluster has no database {config.database}", "remove it")
    for name in ("redis_timeout", "retry_pause"):
        if (value := getattr(config, name)) <= 0:
            yield FieldProblem(name, f"'{value}' is not more than 0")
    if not config.quotas:
        yield FieldProblem("quotas", "there are no limits", "add an entry for each quota")
    for index, quota in enumerate(config.quotas):
        yield from _of_a_quota(f"quotas[{index}]", quota)
    yield from without_entry(shapes, config.quotas)


def _of_a_quota(path: str, quota: QuotaLimit) -> Iterable[FieldProblem]:
    if not quota.name:
        yield FieldProblem(f"{path}.name", "the quota instance is not named")
    if quota.valid_duration <= 0:
        reason = f"'{quota.valid_duration}' is not more than 0"
        yield FieldProblem(f"{path}.valid_duration", reason, "say in what time units come back")
    bucket, window = quota.bucket_duration, quota.valid_duration
    rolling = quota.rate_limit_algorithm is Algorithm.ROLLING_WINDOW
    if rolling and not 0 < bucket < window:
        reason = f"'{bucket}' is not between 0 and the window, '{window}'"
        yield FieldProblem(f"{path}.bucket_duration", reason, "a tenth of the window is common")
    if quota.burst and quota.rate_limit_algorithm not in (Algorithm.TOKEN_BUCKET, Algorithm.GCRA):
        reason = f"{quota.rate_limit_algorithm.name} knows no burst"
        yield FieldProblem(f"{path}.burst", reason, "choose TOKEN_BUCKET or GCRA, or remove it")
    for number, override in enumerate(quota.overrides):
        where = f"{path}.overrides[{number}]"
        if not override.max_amount:
            yield FieldProblem(f"{where}.max_amount", "is not more than 0")
        if not override.dimensions:
            yield FieldProblem(f"{where}.dimensions", "no dimensions to override")
