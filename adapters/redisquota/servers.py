"""The Redis that counts: alone, found by Sentinels, or a cluster; asked in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import NoScriptError, RedisError

from adapters.redisquota.config import RedisquotaConfig
from mixer.adapter import Env, Unavailable
from mixer.adapter.addresses import host_port

SCRIPT = files("adapters.redisquota").joinpath("take.lua").read_text()


class Asked(NamedTuple):
    """One run of the script: its keys and arguments, and where its answer goes."""

    keys: Sequence[str]
    arguments: Sequence[str | int]
    answer: asyncio.Future[list[int]]


class Servers:
    """
    The connection of one handler; used on its event loop only.

    What is asked in one round of the event loop goes out as one pipeline.
    """

    def __init__(self, config: RedisquotaConfig, env: Env) -> None:
        self._env = env
        self._seconds = config.redis_timeout.seconds
        self._client, self._sentinels = _clients(config)
        self._free = asyncio.Semaphore(config.connection_pool_size)
        self._plain = {} if config.cluster else {"transaction": False}
        self._digest = ""
        self._asked: list[Asked] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def ask(self, keys: Sequence[str], arguments: Sequence[str | int]) -> list[int]:
        """Run the script; raise `Unavailable` where no answer comes."""
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        self._asked.append(Asked(keys, arguments, answer))
        if len(self._asked) == 1:
            self._loop.call_soon(self._send)
        return await answer

    async def close(self) -> None:
        """Wait for the answers that are due, and end all connections."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        for client in (self._client, *self._sentinels):
            await client.aclose()

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        task = self._env.spawn(self._round_trip(asked), "round trip")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _round_trip(self, asked: Sequence[Asked]) -> None:
        try:
            async with asyncio.timeout(self._seconds), self._free:
                found = await self._run(asked)
        except TimeoutError:
            found = [TimeoutError(f"no answer within {self._seconds:g} s")] * len(asked)
        except (RedisError, OSError) as error:
            found = [error] * len(asked)
        for one, answer in zip(asked, found, strict=True):
            if one.answer.done():  # nobody waits for it any more
                continue
            if isinstance(answer, Exception):
                why = str(answer) or type(answer).__name__
                one.answer.set_exception(Unavailable(f"Redis failed: {why}"))
            else:
                one.answer.set_result(answer)

    async def _run(self, asked: Sequence[Asked]) -> list[Any]:
        """All answers, in order; an exception in the place of one that failed."""
        if not self._digest:
            self._digest = await self._client.script_load(SCRIPT)
        found = await self._pipelined(asked)
        lost = [at for at, answer in enumerate(found) if isinstance(answer, NoScriptError)]
        if lost:  # a server that was restarted, or took over, knows no scripts; nothing ran there
            await self._client.script_load(SCRIPT)
            again = await self._pipelined([asked[at] for at in lost])
            for at, answer in zip(lost, again, strict=True):
                found[at] = answer
        return found

    async def _pipelined(self, asked: Sequence[Asked]) -> list[Any]:
        pipeline = self._client.pipeline(**self._plain)
        for keys, arguments, _ in asked:
            # The client's own method for this refuses to in a cluster, where it works as well.
            pipeline.execute_command("EVALSHA", self._digest, len(keys), *keys, *arguments)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers


def _clients(config: RedisquotaConfig) -> tuple[Any, Sequence[Any]]:
    """A client that connects when it is first asked, and those that find the server for it."""
    password = Path(config.password_file).read_text().strip() if config.password_file else None
    known: dict[str, Any] = {
        "username": config.username or None,
        "password": password,
        "socket_connect_timeout": config.redis_timeout.seconds,
        "max_connections": config.connection_pool_size,
    }
    if config.tls is not None:
        known |= {
            "ssl": True,
            "ssl_ca_certs": config.tls.ca_file or None,
            "ssl_certfile": config.tls.certificate_file or None,
            "ssl_keyfile": config.tls.key_file or None,
        }
    addresses = [host_port(one) for one in config.redis_server_url.split(",")]
    if config.cluster:
        nodes = [ClusterNode(host, port) for host, port in addresses]
        return RedisCluster(startup_nodes=nodes, **known), ()
    if config.sentinel_master:
        found = Sentinel(addresses, sentinel_kwargs=dict(known), **known)  # type: ignore[no-untyped-call]  # it has no types
        return found.master_for(config.sentinel_master, db=config.database), found.sentinels
    ((host, port),) = addresses
    return Redis(host=host, port=port, db=config.database, **known), ()
