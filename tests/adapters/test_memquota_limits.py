"""Limits of memquota: which of a quota's overrides holds (spec: adapters, memquota)."""

import pytest

from adapters.memquota.limits import Override, QuotaLimit, chooser
from mixer.adapter import Duration, Quota, Shape, Timestamp, Value, ValueType, parse_ip


def shape(type_: ValueType = ValueType.STRING) -> Shape:
    return Shape("requests.instance.shop", Quota, {"dimensions.to": type_})


@pytest.mark.parametrize(
    ("type_", "value", "text", "fits"),
    [
        pytest.param(ValueType.STRING, "a", "a", True, id="text"),
        pytest.param(ValueType.STRING, "a", "A", False, id="text-by-case"),
        pytest.param(ValueType.STRING, "", "", True, id="empty-text"),
        pytest.param(ValueType.INT64, 10, "10", True, id="int"),
        pytest.param(ValueType.INT64, 10, "ten", False, id="no-int"),
        pytest.param(ValueType.DOUBLE, 1.0, "1.00", True, id="double-by-value"),
        pytest.param(ValueType.BOOL, True, "true", True, id="bool"),
        pytest.param(ValueType.BOOL, False, "F", True, id="bool-in-short"),
        pytest.param(ValueType.BOOL, False, "no", False, id="no-bool"),
        pytest.param(ValueType.DURATION, Duration.of(60), "60s", True, id="duration-by-value"),
        pytest.param(
            ValueType.TIMESTAMP,
            Timestamp(0),
            "1970-01-01T01:00:00+01:00",
            True,
            id="time-by-instant",
        ),
        pytest.param(ValueType.IP_ADDRESS, b"\x0a\0\0\1", "10.0.0.1", True, id="short-ip"),
        pytest.param(ValueType.IP_ADDRESS, parse_ip("10.0.0.1"), "10.0.0.1", True, id="long-ip"),
        pytest.param(ValueType.IP_ADDRESS, b"\x0a\0\0\1", "10.0.0.2", False, id="other-ip"),
        pytest.param(ValueType.IP_ADDRESS, b"\x0a\0\0\1", "localhost", False, id="no-ip"),
        pytest.param(ValueType.STRING_MAP, {"b": "2", "a": "1"}, "a=1&b=2", True, id="map"),
        pytest.param(ValueType.URI, "/a", "/a", True, id="uri"),
    ],
)
def test_a_configured_text_is_compared_by_the_type_of_the_dimension(
    type_: ValueType, value: Value, text: str, fits: bool
) -> None:
    override = Override(dimensions={"to": text}, max_amount=1)
    choose = chooser(QuotaLimit(max_amount=2, overrides=(override,)), shape(type_))
    assert choose({"to": value}).amount == (1 if fits else 2)


@pytest.mark.parametrize(
    ("overrides", "amount"),
    [
        pytest.param([{"to": "x"}, {"to": "ratings"}, {}], 1, id="the-first-that-fits"),
        pytest.param([{"to": "x"}, {}], 1, id="no-dimensions-fit-always"),
        pytest.param([{"to": "ratings", "other": ""}], 0, id="a-missing-dimension-is-empty-text"),
        pytest.param([{"to": "ratings", "other": "x"}], 99, id="all-must-fit"),
    ],
)
def test_the_first_override_that_fits_holds(overrides: list[dict[str, str]], amount: int) -> None:
    limit = QuotaLimit(
        max_amount=99,
        overrides=tuple(
            Override(dimensions=dimensions, max_amount=number)
            for number, dimensions in enumerate(overrides)
        ),
    )
    assert chooser(limit, shape())({"to": "ratings"}).amount == amount
