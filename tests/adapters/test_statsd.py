"""statsd: what goes over the wire for each kind of metric, and in how many packets."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import structlog
from hypothesis import given as drawn
from hypothesis import strategies as st

from adapters.statsd import Kind, MetricInfo, Statsd, StatsdConfig
from adapters.statsd.feeds import feeds
from mixer.adapter import Duration, Metric, Shape, ValueType
from mixer.adapter.datagrams import Peer, resolve
from mixer.adapter.outbox import HOLE, MOST_WAITING, Outbox, packed
from mixer.adapter.testing import Rejected, running

NAME = "requests.instance.ns"


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """A UDP socket in the daemon's place: what it gets is what was sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def received(daemon: socket.socket) -> list[bytes]:
    """The packets that are there; on loopback they arrive while they are sent."""
    packets = []
    while True:
        try:
            packets.append(daemon.recv(65536))
        except BlockingIOError:
            return packets


def shape(value: ValueType = ValueType.INT64, name: str = NAME) -> Shape:
    types = {"value": value, "dimensions.to": ValueType.STRING, "dimensions.code": ValueType.INT64}
    return Shape(name, Metric, types)


def config(daemon: socket.socket, kind: Kind, template: str = "", **more: Any) -> StatsdConfig:
    return StatsdConfig(
        address=f"127.0.0.1:{daemon.getsockname()[1]}",
        metrics={"requests": MetricInfo(type=kind, name_template=template)},
        **more,
    )


def metric(value: Any, to: str = "a:b", code: int = 200) -> Metric:
    return Metric(name=NAME, value=value, dimensions={"to": to, "code": code})


@pytest.mark.parametrize(
    ("kind", "template", "value", "sent"),
    [
        pytest.param(Kind.COUNTER, "", 3, b"requests.instance.ns:3|c", id="counter"),
        pytest.param(Kind.COUNTER, "r.{{.to}}.{{.code}}", 1, b"r.a_b.200:1|c", id="template"),
        pytest.param(Kind.COUNTER, 'r.{{ index . "to" }}', 1, b"r.a_b:1|c", id="index"),
        pytest.param(Kind.COUNTER, "n", -2, b"n:-2|c", id="counter down"),
        pytest.param(Kind.GAUGE, "g", 7, b"g:7|g", id="gauge"),
        pytest.param(Kind.GAUGE, "g", -7, b"g:0|g\ng:-7|g", id="gauge below zero"),
        pytest.param(Kind.DISTRIBUTION, "d", Duration.of(1.5), b"d:1500.000000|ms", id="timing"),
        pytest.param(Kind.DISTRIBUTION, "d", Duration(1), b"d:0.000001|ms", id="a nanosecond"),
        pytest.param(Kind.DISTRIBUTION, "d", 4, b"d:4|c", id="distribution of numbers"),
    ],
)
async def test_each_kind_is_sent_in_its_form(
    daemon: socket.socket, kind: Kind, template: str, value: Any, sent: bytes
) -> None:
    type_ = ValueType.DURATION if isinstance(value, Duration) else ValueType.INT64
    given = config(daemon, kind, template)
    async with running(Statsd, given, shapes=[shape(type_)]) as adapter:
        adapter.report([metric(value)])
    assert received(daemon) == [sent]


async def test_a_batch_of_one_name_is_one_packet_with_its_sum(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "n", prefix="p")
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(number) for number in range(100)])
    assert received(daemon) == [b"p.n:4950|c"]


async def test_of_a_gauge_the_last_value_is_sent(daemon: socket.socket) -> None:
    async with running(Statsd, config(daemon, Kind.GAUGE, "g"), shapes=[shape()]) as adapter:
        adapter.report([metric(5), metric(-1), metric(3)])
        adapter.report([metric(2)])
    assert received(daemon) == [b"g:2|g"]


async def test_a_hundred_timings_take_as_few_packets_as_hold_them(daemon: socket.socket) -> None:
    given = config(daemon, Kind.DISTRIBUTION, "took.{{.to}}")
    async with running(Statsd, given, shapes=[shape(ValueType.DURATION)]) as adapter:
        adapter.report([metric(Duration.of(0.0125), "reviews") for _ in range(100)])
    line = b"took.reviews:12.500000|ms"
    in_one = (512 + 1) // (len(line) + 1)
    packets = received(daemon)
    assert len(packets) == -(-100 // in_one)
    assert b"\n".join(packets).split(b"\n") == [line] * 100


@pytest.mark.parametrize(
    ("most", "packets"),
    [
        pytest.param(1, [b"a:1", b"b:2", b"c:3"], id="each too long"),
        pytest.param(3, [b"a:1", b"b:2", b"c:3"], id="just one"),
        pytest.param(6, [b"a:1", b"b:2", b"c:3"], id="a byte short of two"),
        pytest.param(7, [b"a:1\nb:2", b"c:3"], id="just two"),
        pytest.param(10, [b"a:1\nb:2", b"c:3"], id="a byte short of all"),
        pytest.param(11, [b"a:1\nb:2\nc:3"], id="just all"),
    ],
)
def test_packets_are_full_and_lines_whole(most: int, packets: list[bytes]) -> None:
    assert list(packed(["a:1", "b:2", "c:3"], most)) == packets


@drawn(st.lists(st.text(st.characters(exclude_characters="\n"), min_size=1)), st.integers(1, 64))
def test_nothing_is_lost_in_packing_and_only_long_lines_go_beyond(
    lines: list[str], most: int
) -> None:
    packets = list(packed(lines, most))
    encoded = [line.encode(errors="replace") for line in lines]
    assert [line for packet in packets for line in packet.split(b"\n")] == encoded
    for packet, following in pairwise(packets):
        assert len(packet) + 1 + len(following.split(b"\n")[0]) > most
    assert all(len(packet) <= most or b"\n" not in packet for packet in packets)


async def test_a_line_that_is_too_long_has_a_packet_of_its_own(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "{{.to}}", flush_bytes=32)
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1, "short"), metric(1, "l" * 100), metric(1, "last")])
    assert received(daemon) == [b"short:1|c", b"l" * 100 + b":1|c", b"last:1|c"]


async def test_letters_beyond_ascii_are_sent_and_measured_in_bytes(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "{{.to}}", flush_bytes=16)
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1, "größe"), metric(1, "ж"), metric(1, "half \ud800")])
    sent = ["größe:1|c".encode(), "ж:1|c".encode(), b"half ?:1|c"]
    packets = received(daemon)
    assert [line for packet in packets for line in packet.split(b"\n")] == sent
    assert max(map(len, packets)) <= 16


async def test_values_wait_for_others_no_longer_than_they_may(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "n", flush_duration=Duration(0))
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        for _ in range(2):
            adapter.report([metric(1)])
            adapter.report([metric(2)])
            assert received(daemon) == []
            sent = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(daemon, 100), 5)
            assert sent == b"n:3|c"


async def test_close_sends_what_waits(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "n", flush_duration=Duration.of(3600))
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1)])
        assert received(daemon) == []
        await adapter.close()
        assert received(daemon) == [b"n:1|c"]
        await adapter.close()
        with pytest.raises(RuntimeError, match="the handler is closed"):
            adapter.report([metric(1)])
        assert adapter.tally(metric(1)) is None
    assert received(daemon) == []


async def test_many_values_do_not_wait(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "n.{{.to}}", flush_duration=Duration.of(3600))
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1, f"{number}") for number in range(MOST_WAITING)])
        assert received(daemon) == []
        adapter.report([metric(1, "one more")])
        packets = received(daemon)
    assert sum(packet.count(b":1|c") for packet in packets) == MOST_WAITING + 1
    assert received(daemon) == []


async def test_a_daemon_that_is_away_is_told_of_and_holds_nothing_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        gone = config(reserved, Kind.COUNTER, "n", flush_duration=Duration.of(3600))
        with structlog.testing.capture_logs() as logged:
            async with running(Statsd, gone, shapes=[shape()]) as adapter:
                outbox = adapter._daemon.outbox
                assert outbox is not None
                adapter.report([metric(1)])
                reserved.close()
                for _ in range(12):
                    adapter.report([metric(1)])
                    outbox.flush()
    assert [(line["log_level"], line["packets"]) for line in logged] == [
        ("warning", 1),
        ("warning", 10),
    ]
    assert logged[0]["reason"] == "Connection refused"
    assert logged[0]["address"] == gone.address


async def test_what_is_sent_after_the_daemon_came_back_arrives() -> None:
    lost: list[OSError] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as before:
        before.bind(("127.0.0.1", 0))
        address = before.getsockname()
    peer = Peer(resolve(f"127.0.0.1:{address[1]}"), lost.append)
    try:
        peer.send(b"nobody hears this")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as after:
            after.bind(address)
            after.setblocking(False)
            peer.send(b"a:1|c")
            assert received(after) == [b"a:1|c"]
    finally:
        peer.close()
    assert list(map(type, lost)) == [ConnectionRefusedError]


async def test_a_packet_that_the_system_refuses_costs_itself(daemon: socket.socket) -> None:
    lost: list[OSError] = []
    peer = Peer(resolve(f"127.0.0.1:{daemon.getsockname()[1]}"), lost.append)
    try:
        peer.send(b"x" * 70_000)
        peer.send(b"a:1|c")
    finally:
        peer.close()
    assert received(daemon) == [b"a:1|c"]
    assert [error.strerror for error in lost] == ["Message too long"]


def test_an_address_of_version_four_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", 8125, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 8125)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: found)
    assert resolve("localhost:8125") == (socket.AF_INET, ("127.0.0.1", 8125))


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        pytest.param(Kind.COUNTER, 2, [b"n:2|c|@0.5"] * 2, id="counter"),
        pytest.param(Kind.GAUGE, 2, [b"n:2|g"], id="gauge"),
        pytest.param(Kind.DISTRIBUTION, Duration(5), [b"n:0.000005|ms|@0.5"] * 2, id="timing"),
    ],
)
async def test_each_value_has_its_chance_and_the_daemon_is_told(
    daemon: socket.socket, kind: Kind, value: Any, sent: list[bytes]
) -> None:
    chances = iter([0.49, 0.5, 0.9, 0.0])
    type_ = ValueType.DURATION if isinstance(value, Duration) else ValueType.INT64
    given = config(daemon, kind, "n", sampling_rate=0.5)
    async with running(Statsd, given, shapes=[shape(type_)]) as adapter:
        assert adapter._daemon is not None
        adapter._feeds = feeds(given, [shape(type_)], adapter._daemon.outbox, lambda: next(chances))
        assert adapter.tally(metric(value)) is None
        adapter.report([metric(value)] * 4)
    assert b"\n".join(received(daemon)).split(b"\n") == sent


@pytest.mark.parametrize(
    ("rate", "suffix"),
    [
        pytest.param(0.1, b"|@0.1", id="a tenth"),
        pytest.param(1e-05, b"|@0.00001", id="never with an exponent"),
    ],
)
async def test_a_rate_is_written_as_a_decimal(
    daemon: socket.socket, rate: float, suffix: bytes
) -> None:
    given = config(daemon, Kind.COUNTER, "n", sampling_rate=rate)
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        assert adapter._daemon is not None
        adapter._feeds = feeds(given, [shape()], adapter._daemon.outbox, lambda: 0.0)
        adapter.report([metric(1)])
    assert received(daemon) == [b"n:1|c" + suffix]


async def test_a_sampling_rate_of_zero_sends_nothing(daemon: socket.socket) -> None:
    given = config(daemon, Kind.COUNTER, "n", sampling_rate=0.0)
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1)] * 100)
    assert received(daemon) == []


async def test_a_metric_without_info_is_told_and_the_others_are_sent(
    daemon: socket.socket,
) -> None:
    given = config(daemon, Kind.COUNTER, "n")
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        with pytest.raises(ValueError, match="no info for metric named other"):
            adapter.report([Metric(name="other"), metric(1)])
        assert adapter.tally(Metric(name="other")) is None
    assert received(daemon) == [b"n:1|c"]


async def test_names_are_made_anew_when_too_many_are_known(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixer.adapter.dimensions.MOST_KNOWN", 2)
    given = config(daemon, Kind.COUNTER, "{{.to}}.{{.code}}")
    async with running(Statsd, given, shapes=[shape()]) as adapter:
        adapter.report([metric(1, "s", code) for code in (1, 2, 3, 1, 2, 3)])
    assert received(daemon) == [b"s.1:2|c\ns.2:2|c\ns.3:2|c"]


async def test_dimensions_that_are_equal_but_read_otherwise_keep_their_names(
    daemon: socket.socket,
) -> None:
    types = {"value": ValueType.INT64, "dimensions.load": ValueType.DOUBLE}
    given = config(daemon, Kind.COUNTER, "n.{{.load}}")
    async with running(Statsd, given, shapes=[Shape(NAME, Metric, types)]) as adapter:
        values = (0.0, -0.0)
        adapter.report([Metric(name=NAME, value=1, dimensions={"load": v}) for v in values])
    assert received(daemon) == [b"n.0:1|c\nn.-0:1|c"]


def told(packets: Sequence[bytes]) -> tuple[Counter[str], dict[str, float], Counter[str]]:
    """What a daemon makes of packets: sums, gauges, and how often it got each timing."""
    counters: Counter[str] = Counter()
    gauges: dict[str, float] = {}
    timings: Counter[str] = Counter()
    for line in b"\n".join(packets).decode().splitlines():
        name, _, rest = line.partition(":")
        value, kind = rest.split("|")
        if kind == "c":
            counters[name] += int(value)
        elif kind == "ms":
            timings[line] += 1
        else:
            signed = value.startswith("-")
            gauges[name] = gauges.get(name, 0) + int(value) if signed else int(value)
    return counters, gauges, timings


@pytest.mark.parametrize(
    "kind", [Kind.COUNTER, Kind.GAUGE, Kind.DISTRIBUTION], ids=lambda k: k.name
)
async def test_by_the_number_or_whole_the_daemon_is_told_the_same(
    daemon: socket.socket, kind: Kind
) -> None:
    timed = kind is Kind.DISTRIBUTION
    shapes = [shape(ValueType.DURATION if timed else ValueType.INT64)]
    given = config(daemon, kind, "n.{{.to}}")
    chance = random.Random(7)
    batch = [
        metric((Duration if timed else int)(chance.randrange(1 << 40)), chance.choice("abc"), code)
        for code in (1, 2)
        for _ in range(50)
    ]
    async with running(Statsd, given, shapes=shapes) as adapter:
        adapter.report(batch)
    whole = told(received(daemon))
    async with running(Statsd, given, shapes=shapes) as adapter:
        numbers: dict[Callable[[Sequence[int | float]], None], list[int | float]] = {}
        rest = []
        for instance in batch:
            if (add := adapter.tally(instance)) is None:
                rest.append(instance)
            else:
                numbers.setdefault(add, []).append(instance.value)  # type: ignore[arg-type]  # it is a number
        for add, values in numbers.items():
            add(values)
        adapter.report(rest)
    assert told(received(daemon)) == whole
    assert len(numbers) == (0 if kind is Kind.GAUGE else 3), "codes are not in the name"


async def test_what_waits_is_bounded_while_reports_come() -> None:
    sent: list[bytes] = []
    later = partial(asyncio.get_running_loop().call_later, 3600)
    outbox = Outbox(sent.append, 512, later)
    for number in range(10 * MOST_WAITING):
        outbox.count(f"n{number}:{HOLE}|c", 1)
        outbox.done()
        waiting = len(outbox._counters) + len(outbox._gauges) + len(outbox._lines)
        assert waiting <= MOST_WAITING
    outbox.flush()
    assert sum(told(sent)[0].values()) == 10 * MOST_WAITING


@pytest.mark.parametrize(
    ("given", "part"),
    [
        pytest.param(
            StatsdConfig(address="nowhere"),
            "address: 'nowhere' is not HOST:PORT",
            id="address",
        ),
        pytest.param(StatsdConfig(), "no info for metric named requests.instance.ns", id="no info"),
        pytest.param(
            StatsdConfig(metrics={"requests": MetricInfo()}),
            r"metrics\[requests\].type: is missing",
            id="no type",
        ),
        pytest.param(
            StatsdConfig(
                metrics={"requests": MetricInfo(type=Kind.COUNTER, name_template="{{.x}}")}
            ),
            "has no dimension 'x'",
            id="no such dimension",
        ),
        pytest.param(
            StatsdConfig(
                metrics={"requests": MetricInfo(type=Kind.COUNTER, name_template="{{if .to}}")}
            ),
            "has more than",
            id="more than dimensions",
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


async def test_an_instance_without_a_value_is_refused(daemon: socket.socket) -> None:
    with pytest.raises(Rejected, match=r"a GAUGE takes INT64, and .* has no value"):
        async with running(Statsd, config(daemon, Kind.GAUGE), shapes=[Shape(NAME, Metric)]):
            pass


async def test_a_host_that_has_no_address_is_told() -> None:
    given = StatsdConfig(address="no.such.host.invalid:8125")
    with pytest.raises(OSError, match=r"'no\.such\.host\.invalid:8125' has no host"):
        async with running(Statsd, given):
            pass
