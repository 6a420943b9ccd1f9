"""Parts of instants at the ends of time and where clocks change; parts of negative spans."""

from __future__ import annotations

import pytest

from attributes import Duration, Timestamp
from mixer.expr.types import DURATION, STRING, TIMESTAMP
from tests.expr.library.overloads import outcome


@pytest.mark.parametrize(
    ("text", "where", "part", "expected"),
    [
        ("0001-01-01T00:00:00Z", "UTC", "FullYear", 1),
        ("0001-01-01T00:00:00Z", "-00:01", "FullYear", "error: date value out of range"),
        ("9999-12-31T23:59:59.999999999Z", "UTC", "Milliseconds", 999),
        ("1969-12-31T23:59:59.001Z", "UTC", "Milliseconds", 1),
        ("1969-12-31T23:59:59.001Z", "UTC", "Seconds", 59),
        ("2024-03-31T00:59:59Z", "Europe/Paris", "Hours", 1),
        ("2024-03-31T01:00:00Z", "Europe/Paris", "Hours", 3),
        ("2024-12-31T00:00:00Z", "UTC", "DayOfYear", 365),
        ("2024-03-03T00:00:00Z", "UTC", "DayOfWeek", 0),
        ("2024-03-03T00:00:00Z", "-00:30", "DayOfWeek", 6),
        ("2024-01-01T00:00:00Z", "Asia/Kathmandu", "Minutes", 45),
        ("2024-01-01T00:00:00Z", "23:59", "Hours", 23),
    ],
)
def test_a_part_of_an_instant_is(text: str, where: str, part: str, expected: int | str) -> None:
    instant = Timestamp.parse(text)
    assert outcome(f"get{part}", (TIMESTAMP, STRING), instant, where) == expected
    if where == "UTC":
        assert outcome(f"get{part}", (TIMESTAMP,), instant) == expected


@pytest.mark.parametrize(
    "name",
    [" ", "Local", "America", "../UTC", "Europe/../UTC", "/etc/localtime", "+1:00", "+٠١:00",
     "+01:00 ", "x" * 1000],
)  # fmt: skip
@pytest.mark.parametrize("part", ["getHours", "getMilliseconds"])
def test_other_names_are_no_time_zones(part: str, name: str) -> None:
    found = str(outcome(part, (TIMESTAMP, STRING), Timestamp(0), name))
    assert found.startswith(f"error: {name!r} is no time zone")


@pytest.mark.parametrize("name", ["24:00", "-00:60"])
def test_other_offsets_are_refused(name: str) -> None:
    found = outcome("getHours", (TIMESTAMP, STRING), Timestamp(0), name)
    assert found == f"error: {name!r} is no offset: hours to 23, minutes to 59"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0", (0, 0, 0, 0)),
        ("25h1m1.25s", (25, 1501, 90061, 250)),
        ("-25h1m1.25s", (-25, -1501, -90061, -250)),
        ("-999us", (0, 0, 0, 0)),
    ],
)
def test_parts_of_a_span_go_toward_zero(text: str, parts: tuple[int, ...]) -> None:
    names = ("getHours", "getMinutes", "getSeconds", "getMilliseconds")
    span = Duration.parse(text)
    assert tuple(outcome(name, (DURATION,), span) for name in names) == parts
