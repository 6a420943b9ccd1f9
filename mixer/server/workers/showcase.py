"""Pages that the front serves for all workers: metrics, merged, and those of workers that ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from mixer.server.monitoring import TEXT, HttpPages, Page
from mixer.telemetry.merge import lasting, merged, restricted

PAGE_SECONDS = 10.0
Place: TypeAlias = tuple[str, int]


class Asks(Protocol):
    """Asks all workers."""

    async def __call__(self, question: str, *arguments: Any) -> list[str]: ...


@dataclass(slots=True)
class _Shown:
    """What is served at one address."""

    pages: HttpPages
    workers: set[int] = field(default_factory=set)


class Showcase:
    """Merges what workers show; pages are made on the event loop for threads that wait."""

    def __init__(self, ask: Asks, loop: asyncio.AbstractEventLoop) -> None:
        self._ask = ask
        self._loop = loop
        self._shown: dict[Place, _Shown] = {}
        self._past: dict[tuple[Any, ...], str] = {}
        """What ended workers had counted, by question and arguments."""

    async def expose(self, worker: int, host: str, port: int) -> int:
        """Serve what workers show at an address; return its port. Raises OSError."""
        shown = self._shown.get((host, port))
        if shown is None:
            pages = HttpPages(
                host,
                port,
                {"/metrics": lambda: self.page(CONTENT_TYPE_PLAIN_0_0_4, "shown", host, port)},
            )
            shown = self._shown[host, port] = _Shown(pages)
        shown.workers.add(worker)
        return shown.pages.port

    async def conceal(self, worker: int, host: str, port: int) -> None:
        """Serve nothing of a worker at an address any more; with the last one, do not listen."""
        shown = self._shown.get((host, port))
        if shown is None:
            return
        shown.workers.discard(worker)
        if not shown.workers:
            del self._shown[host, port]
            self._past.pop(("shown", host, port), None)
            await asyncio.to_thread(shown.pages.close)

    def ended(self, answers: Mapping[tuple[Any, ...], str]) -> None:
        """Go on counting what a worker had counted that ended after these *answers*."""
        for key, answer in answers.items():
            if key[0] in ("metrics", "shown"):
                self._past[key] = merged([self._past.get(key, ""), lasting(answer)])

    async def metrics(self, question: str, *arguments: Any, own: str = "") -> str:
        """The metrics of all workers, with *own* ones, as one page."""
        pages = [own, *await self._ask(question, *arguments)]
        past = self._past.get((question, *arguments))
        if not past:
            return merged(pages)
        return merged([*pages, restricted(past, "".join(pages))])

    def page(self, content_type: str, question: str, *arguments: Any, own: str = "") -> Page:
        """The metrics of all workers as an answer, for a thread of an HTTP server."""
        return self.wait(self._page(content_type, question, *arguments, own=own))

    async def _page(self, content_type: str, question: str, *arguments: Any, own: str) -> Page:
        text = await self.metrics(question, *arguments, own=own)
        return Page(200, content_type, text.encode())

    def wait(self, page: Coroutine[Any, Any, Page]) -> Page:
        """A *page* that is made on the event loop, for a thread."""
        making = asyncio.run_coroutine_threadsafe(page, self._loop)
        try:
            return making.result(PAGE_SECONDS)
        except (OSError, TimeoutError) as error:
            making.cancel()
            return Page(503, TEXT, f"a worker did not answer: {error}\n".encode())

    def close(self) -> None:
        """Stop serving."""
        for shown in self._shown.values():
            shown.pages.close()
