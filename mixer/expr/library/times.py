"""Parts of instants and spans (cel-spec, langdef.md, Abstract types): years, days, hours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attributes import Duration, Timestamp
from attributes.values import NANOS
from mixer.expr.overload import Overload, calls_method
from mixer.expr.types import DURATION, INT, STRING, TIMESTAMP

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-9]{2})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """The time zone that *name*, of the IANA or an offset such as +02:00, stands for; "" is UTC."""
    if not name:
        return UTC
    if offset := _OFFSET.fullmatch(name):
        hours, minutes = int(offset[2]), int(offset[3])
        if hours > 23 or minutes > 59:
            raise ValueError(f"{name!r} is no offset: hours to 23, minutes to 59")
        span = timedelta(hours=hours, minutes=minutes)
        return timezone(-span if offset[1] == "-" else span)
    try:
        if not _NAME.fullmatch(name):
            raise ValueError
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise ValueError(f"{name!r} is no time zone such as 'Europe/Paris' or '+02:00'") from None


def local(value: Timestamp, where: tzinfo) -> datetime:
    """The time at a place. Raises OverflowError where its year is not of 1 to 9999."""
    return (_EPOCH + timedelta(seconds=value // NANOS)).astimezone(where)


_PARTS: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "getFullYear": ("The year.", lambda time: time.year),
    "getMonth": ("The month, from 0.", lambda time: time.month - 1),
    "getDayOfMonth": ("The day of the month, from 0.", lambda time: time.day - 1),
    "getDate": ("The day of the month, from 1.", lambda time: time.day),
    "getDayOfYear": ("The day of the year, from 0.", lambda time: time.timetuple().tm_yday - 1),
    "getDayOfWeek": ("The day of the week, 0 is Sunday.", lambda time: time.isoweekday() % 7),
    "getHours": ("The hour.", lambda time: time.hour),
    "getMinutes": ("The minute of the hour.", lambda time: time.minute),
    "getSeconds": ("The second of the minute.", lambda time: time.second),
}


def _of_instant(name: str, doc: str, part: Callable[[datetime], int]) -> list[Overload]:
    def part_in_utc(value: Timestamp) -> int:
        return part(local(value, UTC))

    def part_at(value: Timestamp, where: str) -> int:
        return part(local(value, zone(where)))

    part_in_utc.__doc__ = f"{doc[:-1]}, in UTC."
    part_at.__doc__ = f"{doc[:-1]}, at a place such as Europe/Paris or +02:00."
    return [
        calls_method(name, part_in_utc, (TIMESTAMP,), INT, heavy=False),
        calls_method(name, part_at, (TIMESTAMP, STRING), INT, heavy=False),
    ]


def milliseconds(value: Timestamp) -> int:
    """The thousandths of the second."""
    return value % NANOS // 1_000_000


def milliseconds_at(value: Timestamp, where: str) -> int:
    """The thousandths of the second, which are the same everywhere."""
    zone(where)
    return milliseconds(value)


def _whole(value: Duration, unit: int) -> int:
    """How many whole *unit*s of nanoseconds, toward zero."""
    return abs(value) // unit * (1 if value >= 0 else -1)


def hours(value: Duration) -> int:
    """All hours of a span."""
    return _whole(value, 3600 * NANOS)


def minutes(value: Duration) -> int:
    """All minutes of a span."""
    return _whole(value, 60 * NANOS)


def seconds(value: Duration) -> int:
    """All seconds of a span."""
    return _whole(value, NANOS)


def span_milliseconds(value: Duration) -> int:
    """The thousandths that are left over the whole seconds of a span."""
    return _whole(Duration(_whole(value, 1) - seconds(value) * NANOS), 1_000_000)


OVERLOADS: tuple[Overload, ...] = (
    *(
        overload
        for name, (doc, part) in _PARTS.items()
        for overload in _of_instant(name, doc, part)
    ),
    calls_method("getMilliseconds", milliseconds, (TIMESTAMP,), INT, fails=False, heavy=False),
    calls_method("getMilliseconds", milliseconds_at, (TIMESTAMP, STRING), INT, heavy=False),
    calls_method("getHours", hours, (DURATION,), INT, fails=False, heavy=False),
    calls_method("getMinutes", minutes, (DURATION,), INT, fails=False, heavy=False),
    calls_method("getSeconds", seconds, (DURATION,), INT, fails=False, heavy=False),
    calls_method("getMilliseconds", span_milliseconds, (DURATION,), INT, fails=False, heavy=False),
)
