"""One cluster, watched: what is there is listed, then followed, and listed again now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from random import random
from typing import Any

from adapters.kubernetesenv.pods import Pods
from mixer.adapter import Duration, Env

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between tries to list: each twice as long as the one before, cut short by chance."""

CHUNK = 500
"""Objects of one answer to a list."""


class Cluster:
    """Follows the pods of a cluster, and the sets that own them."""

    def __init__(
        self, name: str, client: Any, namespaces: Iterable[str], every: Duration, env: Env
    ) -> None:
        self._name, self._client, self._every, self._env = name, client, every, env
        self._namespaces = tuple(namespaces) or ("*",)
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting = 0
        self.pods = Pods()
        self.synced = asyncio.Event()
        """Set when everything was listed once."""

    def start(self) -> None:
        """Begin to follow."""
        from lightkube.resources.apps_v1 import ReplicaSet
        from lightkube.resources.core_v1 import Pod, ReplicationController

        for namespace in self._namespaces:
            for kind in (ReplicaSet, ReplicationController):
                take = partial(self._take_owner, kind.__name__)
                self._follow(kind, namespace, take, lambda keys, namespace: None)
            self._follow(Pod, namespace, self._take_pod, self.pods.keep)

    async def close(self) -> None:
        """Follow no more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._client.close()

    def _follow(
        self,
        kind: Any,
        namespace: str,
        take: Callable[[str, Any], None],
        keep: Callable[[Iterable[str], str], None],
    ) -> None:
        self._waiting += 1
        following = Following(self._client, kind, namespace, take, keep, self._every)
        work = follow(following, self._listed, self._env, f"{kind.__name__}s of {self._name}")
        self._tasks.append(self._env.spawn(work, f"follow {kind.__name__}s of {self._name}"))

    def _listed(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self.synced.set()

    def _take_pod(self, event: str, pod: Any) -> None:
        (self.pods.drop if event == "DELETED" else self.pods.put)(pod)

    def _take_owner(self, kind: str, event: str, found: Any) -> None:
        self.pods.own(kind, found.metadata, gone=event == "DELETED")


class Following:
    """The objects of one kind, in one namespace or all."""

    def __init__(
        self,
        client: Any,
        kind: Any,
        namespace: str,
        take: Callable[[str, Any], None],
        keep: Callable[[Iterable[str], str], None],
        every: Duration,
        labels: dict[str, Any] | None = None,
    ) -> None:
        """*take* is given each change, *keep* the ``NAME.NAMESPACE`` of all that are there."""
        self._client, self._kind, self._namespace = client, kind, namespace
        self._take, self._keep, self._every = take, keep, every
        self._labels = labels

    async def list(self) -> str:
        """Take all there are; return the version they are of."""
        found = self._client.list(
            self._kind, namespace=self._namespace, chunk_size=CHUNK, labels=self._labels
        )
        keys = []
        async for one in found:
            self._take("LISTED", one)
            keys.append(f"{one.metadata.name}.{one.metadata.namespace}")
        self._keep(keys, self._namespace)
        return str(found.resourceVersion)

    async def watch(self, version: str) -> None:
        """Take what changes, until it is time to list again. Raises what the client does."""
        try:
            async with asyncio.timeout(self._every.seconds):
                async for event, one in self._client.watch(
                    self._kind,
                    namespace=self._namespace,
                    resource_version=version,
                    labels=self._labels,
                ):
                    self._take(event, one)
        except TimeoutError:
            return


async def follow(following: Following, listed: Callable[[], None], env: Env, name: str) -> None:
    """Follow for good; *listed* is told the first time that all were listed."""
    pause, first, failed = FIRST_PAUSE, True, False
    while True:
        try:
            version = await following.list()
            if first:
                first = False
                listed()
            if failed:
                env.log.info("the cluster is followed again", handler=env.name, what=name)
            pause, failed = FIRST_PAUSE, False
            await following.watch(version)
        except Exception as error:  # whatever the client makes of what a server says
            # A version that is too old (410) is what an interrupted watch meets; list again.
            gone = getattr(getattr(error, "status", None), "code", None) == 410
            if not gone and not failed:
                failed = True
                env.log.warning(
                    "a cluster can't be followed; what is known of it stays",
                    handler=env.name,
                    what=name,
                    error=str(error) or type(error).__name__,
                )
            await asyncio.sleep(pause * (1 + random()) / 2)
            pause = FIRST_PAUSE if gone else min(pause * 2, LONGEST_PAUSE)
