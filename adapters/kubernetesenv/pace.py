"""
Keeps a server that ends watches at once from being asked without a pause.

The client begins a watch that ended anew at once, as servers end them every few minutes; a proxy
between may do so every millisecond.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import httpx2
from lightkube.config.client_adapter import verify_cluster

SECONDS = 1.0
"""Between two watches of one kind."""


class Paced(httpx2.AsyncBaseTransport):
    """Requests as always, but watches of one kind one after the other with a pause."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport
        self._watched: dict[str, float] = {}

    @classmethod
    def of(cls, config: Any) -> Paced:
        """A transport to the cluster of a kubeconfig, with its certificates."""
        verify = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
        return cls(httpx2.AsyncHTTPTransport(verify=verify))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if b"watch=" in request.url.query:
            now, path = monotonic(), request.url.path
            wait = self._watched.get(path, 0.0) + SECONDS - now
            self._watched[path] = max(now, now + wait)
            if wait > 0:
                await asyncio.sleep(wait)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
