"""What the workers of one server have in common, and what each handler gets of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from mixer.adapter.base import Exposes
from mixer.memory.records import Records, RecordTable

Place: TypeAlias = tuple[str, int]
"""Host and port of an address."""


class Exposition(Protocol):
    """The process that serves pages for all workers."""

    async def expose(self, host: str, port: int) -> int:
        """Serve pages at the address; return the port. Raises OSError where it can't be had."""

    def conceal(self, host: str, port: int) -> None:
        """Serve nothing of this worker any more at the address."""


@dataclass(slots=True)
class _Shown:
    """What this worker shows at one address."""

    pages: dict[int, Callable[[], str]] = field(default_factory=dict)
    """By number of the handler."""


class Commons:
    """The common things, as one worker sees them."""

    def __init__(self, records: Records, exposition: Exposition) -> None:
        self._records = records
        self._exposition = exposition
        self._tables: dict[int, RecordTable] = {}
        self._shown: dict[Place, _Shown] = {}

    def table(self, number: int, identity: str) -> Callable[[], RecordTable | None]:
        """The `Env.table` of handler *number*; equal handlers of all workers say one *identity*."""

        def table() -> RecordTable | None:
            if number not in self._tables and (opened := self._records.open(identity)):
                self._tables[number] = opened
            return self._tables.get(number)

        return table

    def own_table(self, name: str) -> RecordTable | None:
        """A table of the server itself, for as long as it runs."""
        return self._records.open(name)

    def exposes(self, number: int) -> Exposes:
        """The `Env.expose` of handler *number*."""

        async def expose(host: str, port: int, page: Callable[[], str]) -> int:
            bound = await self._exposition.expose(host, port)
            shown = self._shown.setdefault((host, port), _Shown())
            shown.pages[number] = page
            return bound

        return expose

    def page(self, host: str, port: int) -> str:
        """All that this worker shows at an address."""
        shown = self._shown.get((host, port))
        pages = dict.fromkeys(shown.pages.values()) if shown else {}
        return "".join([page() for page in pages])

    def release(self, number: int) -> None:
        """Take back what handler *number* had."""
        if table := self._tables.pop(number, None):
            self._records.release(table)
        for place, shown in list(self._shown.items()):
            if shown.pages.pop(number, None) and not shown.pages:
                del self._shown[place]
                self._exposition.conceal(*place)
