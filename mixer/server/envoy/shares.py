"""
How proxies share what is left of one counter, by what each of them is asked for.

Law: what is shared out at a time is no more than there is, and nobody's part is nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from struct import Struct
from time import monotonic
from typing import NamedTuple, TypeAlias, TypeVar

from mixer.adapter.table import Table, TableFull

MEMBER_SECONDS = 60.0
"""A member that says nothing for so long has no part in a counter any more."""

MAX_MEMBERS = 256
"""Of one counter; of more, those that reported last are known."""

MAX_COUNTERS = 100_000
"""That are known where no other workers are, or where there is no room among them."""

_LEAST = 0.1
"""What a proxy counts for at least, as a part of the busiest: it may be asked for more soon."""

_MEMBER = Struct("@QQdd")


class Member(NamedTuple):
    """A bucket of a proxy that takes from a counter."""

    id: int
    held: int
    """Units that it may use."""

    demand: float
    """Requests a second that it was asked for."""

    seen: float


_Result = TypeVar("_Result")
_Change: TypeAlias = Callable[[list[Member], float], tuple[list[Member], _Result]]
"""Makes of the other members, and the time, all members and a result."""


class Shares:
    """The proxies of all counters, those of other workers among them where there is a table."""

    def __init__(self, table: Table | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._own = _Own()
        self._table: Table = self._own if table is None else table
        self._clock = clock

    def take(
        self, counter: str, member: int, demand: float | None, free: int = 0
    ) -> tuple[float, int]:
        """
        The part of a *counter* that is a *member*'s, and the units of those *free* it may take.

        It holds none now, and what it takes then. A *demand* that is not known yet is like others'.
        """

        def take(others: list[Member], now: float) -> tuple[list[Member], tuple[float, int]]:
            known = [one.demand for one in others]
            own = sum(known) / len(known) if demand is None and known else demand or 0.0
            least = max(own, *known, 0.0) * _LEAST or 1.0
            part = (own + least) / sum(one + least for one in (own, *known))
            units = min(free, ceil((free + sum(one.held for one in others)) * part))
            return [*others, Member(member, units, own, now)], (part, units)

        return self._change(counter, member, take)

    def hold(self, counter: str, member: int, demand: float | None, units: int) -> None:
        """Note that a *member* got other *units* than it might have taken."""
        self._change(
            counter,
            member,
            lambda others, now: ([*others, Member(member, units, demand or 0.0, now)], None),
        )

    def leave(self, counter: str, member: int) -> None:
        """A *member* is gone."""
        self._change(counter, member, lambda others, _: (others, None))

    def _change(self, counter: str, member: int, change: _Change[_Result]) -> _Result:
        """Put what *change* makes of the other members in the place of all."""
        key, now = counter.encode("utf-8", "surrogatepass"), self._clock()
        try:
            with self._table:
                return _changed(self._table, key, member, change, now)
        except TableFull:
            return _changed(self._own, key, member, change, now)


def _changed(
    table: Table, key: bytes, member: int, change: _Change[_Result], now: float
) -> _Result:
    members = map(Member._make, _MEMBER.iter_unpack(table.get(key) or b""))
    others = [one for one in members if one.id != member and now - one.seen < MEMBER_SECONDS]
    left, result = change(others, now)
    if left:
        record = b"".join(_MEMBER.pack(*one) for one in left[-MAX_MEMBERS:])
        table.put(key, record, expires=now + MEMBER_SECONDS, now=now)
    else:
        table.drop(key)
    return result


class _Own:
    """A table of this process alone."""

    def __init__(self) -> None:
        self._records: OrderedDict[bytes, bytes] = OrderedDict()

    def __enter__(self) -> _Own:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, key: bytes, /) -> bytes | None:
        return self._records.get(key)

    def put(self, key: bytes, record: bytes, /, *, expires: float, now: float) -> None:
        self._records[key] = record
        self._records.move_to_end(key)
        if len(self._records) > MAX_COUNTERS:
            self._records.popitem(last=False)

    def drop(self, key: bytes, /) -> None:
        self._records.pop(key, None)
