"""
As much of an API server of Kubernetes as a client sees that lists and watches.

A real one can't be had here. It keeps objects by kind, with versions that grow; lists come in
chunks, watches tell what changes after a version, and end, or fail, as a test says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

PATHS = {"pods": "v1", "replicationcontrollers": "v1", "secrets": "v1", "replicasets": "apps/v1"}


class Api:
    """What is in the cluster, and how its server behaves."""

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in PATHS}
        self.version = 100
        self.asked: list[tuple[str, bool]] = []
        """Kind, and whether it was a watch, of each request."""

        self.tokens: set[str] = set()
        self.fails: dict[str, int] = {}
        """Statuses to answer instead, by kind, or ``watch``."""

        self.oldest = 0
        """Watches of an older version are told 410."""

        self._events: list[tuple[int, str, str, dict[str, Any]]] = []
        self._changed = asyncio.Event()
        self._ended = 0

    def put(self, kind: str, name: str, namespace: str = "shop", **parts: Any) -> None:
        """Make or change an object."""
        self.version += 1
        metadata = {"name": name, "namespace": namespace, "resourceVersion": str(self.version)}
        metadata |= parts.pop("metadata", {})
        made = {"metadata": metadata, **parts}
        key = f"{namespace}/{name}"
        event = "MODIFIED" if key in self.objects[kind] else "ADDED"
        self.objects[kind][key] = made
        self._tell(event, kind, made)

    def drop(self, kind: str, name: str, namespace: str = "shop") -> None:
        """Delete an object."""
        self.version += 1
        gone = self.objects[kind].pop(f"{namespace}/{name}")
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", kind, gone)

    def forget(self) -> None:
        """Lose all that watches have not been told, as a server does after a while."""
        self.oldest = self.version
        self._events.clear()
        self.end_watches()

    def end_watches(self) -> None:
        """End all watches there are."""
        self._ended += 1
        self._wake()

    def _tell(self, event: str, kind: str, about: dict[str, Any]) -> None:
        self._events.append((self.version, event, kind, json.loads(json.dumps(about))))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        kind, namespace = request.match_info["kind"], request.match_info.get("namespace")
        watches = request.query.get("watch") in ("true", "1", "True")
        self.asked.append((kind, watches))
        self.tokens.add(request.headers.get("authorization", ""))
        if status := self.fails.get(kind) or (watches and self.fails.get("watch")):
            return _status(int(status))
        if watches:
            return await self._watch(request, kind, namespace)
        wanted = [
            one
            for one in self.objects[kind].values()
            if namespace in (None, one["metadata"]["namespace"])
        ]
        start, limit = int(request.query.get("continue") or 0), int(request.query.get("limit", 500))
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(wanted):
            metadata["continue"] = str(start + limit)
        return web.json_response({"metadata": metadata, "items": wanted[start : start + limit]})

    async def _watch(
        self, request: web.Request, kind: str, namespace: str | None
    ) -> web.StreamResponse:
        seen = int(request.query.get("resourceVersion") or self.version)
        response = web.StreamResponse()
        await response.prepare(request)
        if seen < self.oldest:
            gone = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}
            await _line(response, "ERROR", gone)
            return response
        ended = self._ended
        while ended == self._ended:
            changed = self._changed
            for version, event, of, about in self._events:
                if version > seen:
                    seen = version
                    if of == kind and namespace in (None, about["metadata"]["namespace"]):
                        await _line(response, event, about)
            await changed.wait()
        return response


async def _line(response: web.StreamResponse, event: str, about: dict[str, Any]) -> None:
    await response.write(json.dumps({"type": event, "object": about}).encode() + b"\n")


def _status(code: int) -> web.Response:
    said = {"kind": "Status", "status": "Failure", "code": code, "message": f"no: {code}"}
    return web.json_response(said, status=code)


@asynccontextmanager
async def api_server(port: int = 0, api: Api | None = None) -> AsyncIterator[Api]:
    """A server on a free loopback port."""
    found = api or Api()
    app = web.Application()
    for kind, version in PATHS.items():
        root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        app.router.add_get(f"{root}/{{kind:{kind}}}", found.handle)
        app.router.add_get(f"{root}/namespaces/{{namespace}}/{{kind:{kind}}}", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    sockets: Any = site._server.sockets  # type: ignore[union-attr]  # aiohttp tells it no other way
    found.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        found.end_watches()
        await runner.cleanup()


def kubeconfig(folder: Path, server: str, token: str = "t0ken") -> Path:
    """A kubeconfig for a server, as a file."""
    file = folder / "kubeconfig"
    file.write_text(json.dumps(kubeconfig_of(server, token)))
    return file


def kubeconfig_of(server: str, token: str = "t0ken") -> dict[str, Any]:
    """The same as data."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
