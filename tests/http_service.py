"""An HTTP service for tests: it keeps what it is sent, and answers as it was told."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Service:
    """What came, and what to answer."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    """Given one after the other; then `usual` says."""

    usual: Callable[[Seen], web.StreamResponse] = lambda _: web.Response()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(
            request.method, request.path, request.query, request.headers, await request.read()
        )
        self.seen.append(seen)
        return self.answers.pop(0) if self.answers else self.usual(seen)


@asynccontextmanager
async def service(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Service]:
    """A service on a free loopback port."""
    found = Service()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{tail:.*}", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    sockets: Any = site._server.sockets  # type: ignore[union-attr]  # aiohttp tells it no other way
    bound = sockets[0].getsockname()[1]
    found.url = f"{'https' if tls else 'http'}://127.0.0.1:{bound}"
    try:
        yield found
    finally:
        await runner.cleanup()
