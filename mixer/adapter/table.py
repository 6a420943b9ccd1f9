"""Records that a handler shares with itself in the other workers of a server."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol


class TableFull(Exception):
    """There is no room for a new record; the message says how much there is."""


class Table(Protocol):
    """
    Records by key, the same for one handler in all workers, and none of another handler.

    It is entered to be used, and whoever is in it is alone in it::

        with table:
            units = int.from_bytes(table.get(key) or b"", "big")
            table.put(key, (units + 1).to_bytes(8, "big"), expires=now + 60.0, now=now)

    What is put counts from the end of the block. An exception in the block takes all of it back,
    and so does the death of the process; stay in it for microseconds, and await nothing.
    """

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def get(self, key: bytes, /) -> bytes | None:
        """The record of *key*, if there is one; an expired one may still be there."""

    def put(self, key: bytes, record: bytes, /, *, expires: float, now: float) -> None:
        """
        Keep *record* under *key*, until some time after *expires*; infinity is for ever.

        Times are seconds of `Env.clock`. Raises TableFull where there is no room, even after
        expired records are gone.
        """

    def drop(self, key: bytes, /) -> None:
        """Forget the record of *key*, if there is one."""
