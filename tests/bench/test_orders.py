"""Requests in other words say what they said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.orders import reordered
from mixer.wire import decode

BODIES = Path(__file__).parents[2].parent / "shared" / "bodies"
NAMES = "destination.service.host request.headers source.labels request.time source.ip".split()


def message(name: str) -> bytes:
    return (BODIES / f"{name}.grpc").read_bytes()[5:]


def test_a_check_keeps_its_attributes_whatever_the_order_of_its_words() -> None:
    sent = message("check")
    first, second = reordered("Check", sent, 2)
    assert len({sent, first, second}) == 3
    for name in NAMES:
        values = [decode.check_request(raw).source.get(name) for raw in (sent, first, second)]
        assert values == [values[0]] * 3
        assert values[0] is not None


@pytest.mark.parametrize("body", ["report-1", "report-100-independent"])
def test_a_report_keeps_its_attributes_whatever_the_order_of_its_words(body: str) -> None:
    sent = message(body)
    (other,) = reordered("Report", sent, 1)
    assert other != sent
    bags = [decode.report_request(raw).bags().sources for raw in (sent, other)]
    for before, after in zip(*bags, strict=True):
        assert not isinstance(before, str)
        assert not isinstance(after, str)
        assert [before.get(name) for name in NAMES] == [after.get(name) for name in NAMES]
