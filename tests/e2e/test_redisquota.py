"""redisquota counts exactly, in a real Redis alone, behind Sentinels and in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import pytest
import structlog

from adapters.redisquota import Redisquota, RedisquotaConfig
from adapters.redisquota.config import OnBackendFailure, Tls
from adapters.redisquota.limits import Algorithm, Override, QuotaLimit
from attributes import Duration, ValueType
from mixer.adapter import Code, Grant, Quota, QuotaArgs, Shape, WantedLimit
from mixer.adapter.testing import running
from tests.redis_peers import RedisServer, cluster, redis_server, sentinels

pytestmark = pytest.mark.e2e

NAME = "rq.quota.ns"
SHAPE = Shape(NAME, Quota, {"dimensions.user": ValueType.STRING})
HOUR = Duration.of(3600)
Take: TypeAlias = Callable[..., Awaitable[Grant]]
WINDOWS = list(Algorithm)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests that do not stop it; each uses dimensions of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(autouse=True)
def forgets(request: pytest.FixtureRequest) -> None:
    if "redis" in request.fixturenames:
        request.getfixturevalue("redis").tell("flushall")


def limit(algorithm: Algorithm, amount: int = 10, window: Duration = HOUR, **words: Any) -> Any:
    rolling = algorithm is Algorithm.ROLLING_WINDOW
    return QuotaLimit(
        name=NAME,
        max_amount=amount,
        valid_duration=window,
        rate_limit_algorithm=algorithm,
        bucket_duration=Duration(window // 10) if rolling else Duration(0),
        burst=amount if algorithm is Algorithm.GCRA else 0,
        **words,
    )


@asynccontextmanager
async def quota(redis: RedisServer | str, said: QuotaLimit, **words: Any) -> AsyncIterator[Take]:
    """A handler that takes from the quota, for a user."""
    url = redis if isinstance(redis, str) else redis.address
    config = RedisquotaConfig(redis_server_url=url, quotas=(said,), **words)
    async with running(Redisquota, config, shapes=[SHAPE]) as handler:

        async def take(amount: int = 1, user: str = "ann", **args: Any) -> Grant:
            instance = Quota(name=NAME, dimensions={"user": user})
            return await handler.allocate(instance, QuotaArgs(amount, **args))

        yield take


@pytest.mark.parametrize("algorithm", WINDOWS)
async def test_units_are_handed_out_up_to_the_limit_for_each_user(
    redis: RedisServer, algorithm: Algorithm
) -> None:
    async with quota(redis, limit(algorithm)) as take:
        granted = await take(7)
        assert (granted.amount, granted.code) == (7, 0)
        assert 0 < granted.valid_for <= 3600
        refused = await take(4)
        assert (refused.amount, refused.valid_for) == (0, 0)
        assert (refused.code, refused.message) == (
            Code.RESOURCE_EXHAUSTED,
            "redisquota: Resource exhausted",
        )
        assert (await take(4, best_effort=True)).amount == 3
        assert (await take(1, best_effort=True)).amount == 0
        assert (await take(10, user="bob")).amount == 10


@pytest.mark.parametrize("algorithm", WINDOWS)
async def test_units_come_back_with_time(redis: RedisServer, algorithm: Algorithm) -> None:
    async with quota(redis, limit(algorithm, 5, Duration.of(0.5))) as take:
        for _ in range(3):
            async with asyncio.timeout(20):
                while not (granted := await take(5)).amount:
                    await asyncio.sleep(0.02)
            assert granted.amount == 5


@pytest.mark.parametrize("algorithm", WINDOWS)
async def test_units_that_are_given_back_can_be_taken_again_and_no_more(
    redis: RedisServer, algorithm: Algorithm
) -> None:
    async with quota(redis, limit(algorithm)) as take:
        await take(4)
        await take(6)
        assert (await take(-5)).amount == 5
        assert (await take(6)).amount == 0
        assert (await take(5)).amount == 5
        assert (await take(-100)).amount == 10
        assert (await take(-1)).amount == 0
        assert (await take(10)).amount == 10


@pytest.mark.parametrize("algorithm", WINDOWS)
async def test_a_call_that_comes_twice_is_charged_once(
    redis: RedisServer, algorithm: Algorithm
) -> None:
    async with quota(redis, limit(algorithm)) as take:
        first = await take(4, deduplication_id="x")
        again = await take(4, deduplication_id="x")
        assert (first.amount, again.amount) == (4, 4)
        assert again.valid_for <= first.valid_for
        assert (await take(6, deduplication_id="y")).amount == 6
        assert (await take(1, deduplication_id="z")).amount == 0
        assert (await take(1, deduplication_id="z")).amount == 0


@pytest.mark.parametrize("algorithm", WINDOWS)
async def test_who_wants_to_know_is_told_how_a_quota_stands(
    redis: RedisServer, algorithm: Algorithm
) -> None:
    async with quota(redis, limit(algorithm)) as take:
        standing = (await take(0, tells=True)).standing
        assert standing is not None
        assert (standing.limit, standing.seconds, standing.remaining) == (10, 3600, 10)
        assert (standing.more_in, standing.resets_in) == (0, 0)
        standing = (await take(4, tells=True)).standing
        assert standing is not None
        assert standing.remaining == 6
        assert 0 < standing.more_in <= standing.resets_in <= 3600


@pytest.mark.parametrize("algorithm", WINDOWS)
async def test_fifty_clients_at_once_are_granted_the_limit_exactly(
    redis: RedisServer, algorithm: Algorithm
) -> None:
    async with AsyncExitStack() as stack:
        takes = [
            await stack.enter_async_context(quota(redis, limit(algorithm, 777))) for _ in range(50)
        ]

        async def client(take: Take) -> int:
            return sum([(await take(1)).amount for _ in range(30)])

        assert sum(await asyncio.gather(*map(client, takes))) == 777


async def test_evenly_means_that_a_burst_is_bounded(redis: RedisServer) -> None:
    said = QuotaLimit(
        name=NAME, max_amount=3600, valid_duration=HOUR,
        rate_limit_algorithm=Algorithm.GCRA, burst=2,
    )  # fmt: skip
    async with quota(redis, said) as take:
        assert [(await take()).amount for _ in range(4)][:2] == [1, 1]
        assert (await take(3)).amount == 0


async def test_overrides_and_limits_that_callers_want_are_counted_apart(
    redis: RedisServer,
) -> None:
    overrides = (Override(dimensions={"user": "bob"}, max_amount=2),)
    async with quota(redis, limit(Algorithm.ROLLING_WINDOW, overrides=overrides)) as take:
        assert (await take(3, user="bob")).amount == 0
        assert (await take(2, user="bob")).amount == 2
        assert (await take(10)).amount == 10
        wanted = WantedLimit(50, 3600)
        assert (await take(50, limit=wanted)).amount == 50
        assert (await take(1, limit=wanted)).amount == 0


async def test_dimensions_that_look_alike_are_not_mixed_up(redis: RedisServer) -> None:
    two = Shape(NAME, Quota, {f"dimensions.{key}": ValueType.STRING for key in "ab"})
    config = RedisquotaConfig(
        redis_server_url=redis.address, quotas=(limit(Algorithm.FIXED_WINDOW, 1),)
    )
    async with running(Redisquota, config, shapes=[two]) as handler:
        for a, b in (("1;b=1:2", "3"), ("1", "2;b=3"), ("}x", "y"), ("", "")):
            instance = Quota(name=NAME, dimensions={"a": a, "b": b})
            assert (await handler.allocate(instance, QuotaArgs(1))).amount == 1
            assert (await handler.allocate(instance, QuotaArgs(1))).amount == 0


async def test_all_that_is_asked_at_a_time_takes_one_round_trip(redis: RedisServer) -> None:
    def commands() -> int:
        told = redis.tell("info", "commandstats")
        (line,) = [one for one in told.splitlines() if one.startswith("cmdstat_evalsha")]
        return int(line.partition("calls=")[2].partition(",")[0])

    async with quota(redis, limit(Algorithm.FIXED_WINDOW, 1000), connection_pool_size=1) as take:
        await take()
        redis.tell("config", "resetstat")
        await asyncio.gather(*(take() for _ in range(200)))
        assert commands() == 200
        clients = redis.tell("client", "list").count("cmd=evalsha")
        assert clients == 1


async def test_counters_do_not_stay_in_redis_for_ever(redis: RedisServer) -> None:
    for algorithm in WINDOWS:
        async with quota(redis, limit(algorithm)) as take:
            await take(3, deduplication_id="x")
    for key in redis.tell("--raw", "keys", "*").split():
        assert 0 < int(redis.tell("--raw", "ttl", key)) <= 3960, key


FALLBACKS = [
    (OnBackendFailure.DENY, [0, 0], Code.UNAVAILABLE),
    (OnBackendFailure.ALLOW, [8, 8], 0),
    (OnBackendFailure.LOCAL, [8, 0], Code.RESOURCE_EXHAUSTED),
]


@pytest.mark.parametrize(("on_failure", "amounts", "code"), FALLBACKS)
async def test_without_the_server_it_opens_and_answers_as_it_was_told(
    on_failure: OnBackendFailure, amounts: list[int], code: int, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path)
    words = {"on_backend_failure": on_failure, "retry_pause": Duration.of(0.2)}
    with structlog.testing.capture_logs() as log:
        async with quota(server, limit(Algorithm.FIXED_WINDOW), **words) as take:
            answers = [await take(8) for _ in range(2)]
            assert [answer.amount for answer in answers] == amounts
            assert answers[-1].code == code
            server.start()
            try:
                async with asyncio.timeout(20):  # the pause passes, and Redis counts again
                    while "mixer:quota" not in server.tell("--raw", "keys", "*"):
                        await take(1)
                        await asyncio.sleep(0.02)
            finally:
                server.stop()
            assert (await take(8)).amount in (0, 8)  # away again
    assert log[0]["event"] == "Redis is away"
    assert log[0]["answers"] == on_failure.name


async def test_a_server_that_hangs_is_left_after_the_timeout_and_then_spared(
    tmp_path: Path,
) -> None:
    words = {
        "on_backend_failure": OnBackendFailure.ALLOW,
        "redis_timeout": Duration.of(0.1),
        "retry_pause": HOUR,
    }
    with redis_server(tmp_path) as server:
        async with quota(server, limit(Algorithm.FIXED_WINDOW), **words) as take:
            assert (await take(10)).amount == 10
            server.hang(on=True)
            try:
                assert (await take(5)).amount == 5  # allowed, as nobody counts
                started = monotonic()
                for _ in range(100):
                    assert (await take(5)).amount == 5
                assert monotonic() - started < 5  # each would have waited for its timeout
            finally:
                server.hang(on=False)


async def test_a_server_that_was_restarted_is_given_the_script_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with quota(
            server, limit(Algorithm.FIXED_WINDOW), retry_pause=Duration.of(0.05)
        ) as take:
            assert (await take(10)).amount == 10
            server.tell("script", "flush")
            assert (await take(10)).amount == 0  # the same counter
            server.stop()
            server.start()
            async with asyncio.timeout(20):
                while not (await take(10)).amount:
                    await asyncio.sleep(0.02)


async def test_a_password_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    with redis_server(tmp_path, "--requirepass", "open sesame") as server:
        said = limit(Algorithm.FIXED_WINDOW)
        async with quota(server, said, password_file=str(secret)) as take:
            assert (await take(3)).amount == 3
        async with quota(server, said) as take:
            refused = await take(3)
            assert (refused.amount, refused.code) == (0, Code.UNAVAILABLE)


async def test_it_speaks_tls_and_shows_a_certificate(tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    ours, theirs = authority.issue_cert("mixer"), authority.issue_cert("127.0.0.1")
    names = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key", "own", "ownkey")}
    authority.cert_pem.write_to_path(names["ca"])
    theirs.cert_chain_pems[0].write_to_path(names["cert"])
    theirs.private_key_pem.write_to_path(names["key"])
    ours.cert_chain_pems[0].write_to_path(names["own"])
    ours.private_key_pem.write_to_path(names["ownkey"])
    from bench.server import free_port

    port = free_port()
    with redis_server(
        tmp_path, "--tls-port", str(port), "--tls-cert-file", names["cert"],
        "--tls-key-file", names["key"], "--tls-ca-cert-file", names["ca"],
    ):  # fmt: skip
        known = Tls(ca_file=names["ca"], certificate_file=names["own"], key_file=names["ownkey"])
        said = limit(Algorithm.FIXED_WINDOW)
        async with quota(f"127.0.0.1:{port}", said, tls=known) as take:
            assert (await take(3)).amount == 3
        unknown = Tls(certificate_file=names["own"], key_file=names["ownkey"])
        async with quota(f"127.0.0.1:{port}", said, tls=unknown) as take:
            assert (await take(3)).code == Code.UNAVAILABLE


async def test_sentinels_are_asked_who_counts_now(tmp_path: Path) -> None:
    with sentinels(tmp_path, "counter") as (servers, watching):
        said = limit(Algorithm.FIXED_WINDOW)
        words = {"sentinel_master": "counter", "retry_pause": Duration.of(0.1)}
        async with quota(",".join(watching), said, **words) as take:
            assert (await take(10)).amount == 10
            await asyncio.to_thread(servers[0].stop)
            async with asyncio.timeout(60):
                while (await take(10, user="bob")).amount != 10:
                    await asyncio.sleep(0.05)


async def test_a_cluster_counts_each_tuple_on_one_of_its_nodes(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        said = limit(Algorithm.ROLLING_WINDOW)
        async with quota(nodes[0].address, said, cluster=True) as take:
            users = [f"user{number}" for number in range(60)]
            first = await asyncio.gather(*(take(10, user=user) for user in users))
            assert [grant.amount for grant in first] == [10] * 60
            again = await asyncio.gather(*(take(1, user=user) for user in users))
            assert [grant.amount for grant in again] == [0] * 60
        assert all("mixer:quota" in node.tell("--raw", "keys", "*") for node in nodes)
