"""statsd: what goes over the wire for each kind of metric."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.statsd import Kind, MetricInfo, Statsd, StatsdConfig
from mixer.adapter import Duration, Metric, Shape, ValueType
from mixer.adapter.testing import Rejected, running

NAME = "requests.instance.ns"


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """A UDP socket in the daemon's place: what it gets is what was sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


def shape(value: ValueType = ValueType.INT64) -> Shape:
    types = {"value": value, "dimensions.to": ValueType.STRING, "dimensions.code": ValueType.INT64}
    return Shape(NAME, Metric, types)


def config(daemon: socket.socket, kind: Kind, template: str = "", **more: Any) -> StatsdConfig:
    return StatsdConfig(
        address=f"127.0.0.1:{daemon.getsockname()[1]}",
        metrics={"requests": MetricInfo(type=kind, name_template=template)},
        **more,
    )


def metric(value: Any) -> Metric:
    return Metric(name=NAME, value=value, dimensions={"to": "a:b", "code": 200})


@pytest.mark.parametrize(
    ("kind", "template", "value", "sent"),
    [
        (Kind.COUNTER, "", 3, b"requests.instance.ns:3|c"),
        (Kind.COUNTER, "r.{{.to}}.{{.code}}", 1, b"r.a_b.200:1|c"),
        (Kind.COUNTER, 'r.{{ index . "to" }}', 1, b"r.a_b:1|c"),
        (Kind.GAUGE, "g", 7, b"g:7|g"),
        (Kind.DISTRIBUTION, "d", Duration.of(1.5), b"d:1500.000000|ms"),
        (Kind.DISTRIBUTION, "d", 4, b"d:4|c"),
    ],
)
async def test_each_kind_is_sent_in_its_form(
    daemon: socket.socket, kind: Kind, template: str, value: Any, sent: bytes
) -> None:
    type_ = ValueType.DURATION if isinstance(value, Duration) else ValueType.INT64
    given = config(daemon, kind, template)
    async with running(Statsd, given, shapes=[shape(type_)]) as adapter:
        adapter.report([metric(value)])
        assert daemon.recv(1000) == sent


async def test_a_batch_goes_in_packets_of_at_most_the_size(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "name", prefix="p", flush_bytes=32)
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1)] * 10)
        packets: list[bytes] = []
        while sum(packet.count(b"p.name:1|c") for packet in packets) < 10:
            packets.append(daemon.recv(1000))
    assert len(packets) > 1
    assert max(map(len, packets)) <= 32


async def test_a_sampling_rate_of_zero_sends_nothing_and_one_sends_all(
    daemon: socket.socket,
) -> None:
    given = config(daemon, Kind.COUNTER, "n", sampling_rate=0.0)
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1)] * 100)
    daemon.settimeout(0.05)
    with pytest.raises(TimeoutError):
        daemon.recv(1000)


async def test_a_metric_without_info_is_told_and_the_others_are_sent(
    daemon: socket.socket,
) -> None:
    given = config(daemon, Kind.COUNTER, "n")
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        with pytest.raises(ValueError, match="no info for metric named other"):
            adapter.report([Metric(name="other"), metric(1)])
        assert daemon.recv(1000) == b"n:1|c"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (StatsdConfig(address="nowhere"), "address: 'nowhere' is not of the form HOST:PORT"),
        (StatsdConfig(), "no info for metric named requests.instance.ns"),
        (
            StatsdConfig(metrics={"requests": MetricInfo()}),
            r"metrics\[requests\].type: is missing",
        ),
        (
            StatsdConfig(
                metrics={"requests": MetricInfo(type=Kind.COUNTER, name_template="{{.x}}")}
            ),
            "has no dimension 'x'",
        ),
        (
            StatsdConfig(
                metrics={"requests": MetricInfo(type=Kind.COUNTER, name_template="{{if .to}}")}
            ),
            "has more than",
        ),
    ],
)
async def test_a_wrong_config_is_refused(given: StatsdConfig, part: str) -> None:
    with pytest.raises(Rejected, match=part):
        async with running(Statsd, given, shapes=[shape()]):
            pass


async def test_a_value_of_a_wrong_type_is_refused(daemon: socket.socket) -> None:
    with pytest.raises(Rejected, match=r"a COUNTER takes INT64, and .* has STRING"):
        async with running(Statsd, config(daemon, Kind.COUNTER), shapes=[shape(ValueType.STRING)]):
            pass


async def test_a_host_that_has_no_address_is_told() -> None:
    given = StatsdConfig(address="no.such.host.invalid:8125")
    with pytest.raises(OSError, match=r"'no\.such\.host\.invalid:8125' has no host"):
        async with running(Statsd, given):
            pass
