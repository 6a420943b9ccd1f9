"""Values: durations and times as Go writes them, addresses, text forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attributes import Duration, Timestamp, ip_text, parse_ip, same_ip, text

MAPPED = b"\0" * 10 + b"\xff\xff" + bytes([10, 0, 0, 1])


@pytest.mark.parametrize(
    ("written", "nanos", "shown"),
    [
        ("0", 0, "0s"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("300ms", 300_000_000, "300ms"),
        ("1h", 3_600_000_000_000, "1h0m0s"),
        ("1h30m", 5_400_000_000_000, "1h30m0s"),
        ("2m", 120_000_000_000, "2m0s"),
        ("90s", 90_000_000_000, "1m30s"),
        ("-5s", -5_000_000_000, "-5s"),
        ("+1.5h", 5_400_000_000_000, "1h30m0s"),
        (".5s", 500_000_000, "500ms"),
        ("1us", 1_000, "1µs"),
        ("1.5µs", 1_500, "1.5µs"),
        ("7ns", 7, "7ns"),
    ],
)
def test_a_duration_reads_and_shows_as_in_go(written: str, nanos: int, shown: str) -> None:
    assert Duration.parse(written) == nanos
    assert str(Duration(nanos)) == shown


@pytest.mark.parametrize("written", ["", "5", "s", "1x", "1 s", "1s ", "--1s", "1.2.3s", "4h0x"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.parse(written)


def test_a_duration_of_more_than_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        Duration.parse("3000000h")


@given(st.integers(-(2**62), 2**62))
def test_every_duration_reads_back(nanos: int) -> None:
    assert Duration.parse(str(Duration(nanos))) == nanos


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2019-11-24T00:00:00Z", "2019-11-24T00:00:00.000000Z"),
        ("2019-11-24T01:00:00+01:00", "2019-11-24T00:00:00.000000Z"),
        ("2019-11-24t00:00:00.123456789z", "2019-11-24T00:00:00.123456Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
    ],
)
def test_a_time_reads_rfc_3339_and_shows_utc(written: str, shown: str) -> None:
    assert str(Timestamp.parse(written)) == shown


@pytest.mark.parametrize(
    "written",
    ["", "2019-11-24", "2019-13-01T00:00:00Z", "2019-11-24T00:00:00",
     "2019-11-24T00:00:00+24:00", "2019-11-24T00:00:00-00:60"],
)  # fmt: skip
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        Timestamp.parse(written)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("x", "x"),
        (-7, "-7"),
        (1.0, "1"),
        (1e21, "1000000000000000000000"),
        (0.1, "0.1"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
        (True, "true"),
        (bytes([10, 0, 0, 1]), "10.0.0.1"),
        (MAPPED, "10.0.0.1"),
        (parse_ip("2001:db8::1"), "2001:db8::1"),
        (b"abc", "?616263"),
        (b"", ""),
        (Duration.of(90), "1m30s"),
        (Timestamp(0), "1970-01-01T00:00:00.000000Z"),
        ({"b": "2", "a": "1"}, "a=1&b=2"),
    ],
)
def test_labels_show_values_in_one_form(value: object, shown: str) -> None:
    assert text(value) == shown  # type: ignore[arg-type]


def test_the_short_and_the_mapped_form_of_an_address_are_one() -> None:
    assert same_ip(MAPPED, bytes([10, 0, 0, 1]))
    assert not same_ip(MAPPED, bytes([10, 0, 0, 2]))
    assert parse_ip("10.0.0.1") == MAPPED
    assert ip_text(MAPPED) == "10.0.0.1"
    with pytest.raises(ValueError, match="could not convert nonsense to IP_ADDRESS"):
        parse_ip("nonsense")
