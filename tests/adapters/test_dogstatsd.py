"""
dogstatsd: lines, tags, packets (spec: adapters, dogstatsd).

`told` takes lines apart by the published grammar, ``NAME:VALUE|TYPE[|@RATE][|#TAG,...]``, and
refuses all else; tests/e2e has a real daemon that knows tags.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.dogstatsd import Dogstatsd, DogstatsdConfig, Kind, MetricInfo
from mixer.adapter import Duration, Metric, Shape, Value, ValueType
from mixer.adapter.testing import Rejected, running

LINE = re.compile(
    r"(?P<name>[^:|@#,\n]+):(?P<value>-?[0-9.]+)\|(?P<kind>c|g|h|ms)"
    r"(\|@(?P<rate>[0-9.]+))?(\|#(?P<tags>[^|\n]+))?"
)


class Told(NamedTuple):
    """One line as an agent reads it."""

    name: str
    value: float
    kind: str
    tags: Mapping[str, str]
    rate: float = 1.0


def told(packets: list[bytes]) -> list[Told]:
    found = []
    for packet in packets:
        for line in packet.decode().split("\n"):
            match = LINE.fullmatch(line)
            assert match, line
            tags = [tag.partition(":") for tag in (match["tags"] or "").split(",") if tag]
            named = {key: value for key, _, value in tags}
            assert len(named) == len(tags), line
            rate = float(match["rate"] or 1)
            found.append(Told(match["name"], float(match["value"]), match["kind"], named, rate))
    return found


class Agent:
    """A socket that an agent would have."""

    def __init__(self, family: int, address: Any) -> None:
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(5)

    @property
    def address(self) -> Any:
        return self._socket.getsockname()

    def packets(self) -> list[bytes]:
        """All that has come; datagrams on one host are there when they were sent."""
        found = [self._socket.recv(65536)]
        self._socket.setblocking(False)
        try:
            while True:
                found.append(self._socket.recv(65536))
        except BlockingIOError:
            self._socket.settimeout(5)
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def agent() -> Iterator[Agent]:
    found = Agent(socket.AF_INET, ("127.0.0.1", 0))
    yield found
    found.close()


SHAPES = [
    Shape("hits.metric.ns", Metric, {"value": ValueType.INT64, "dimensions.to": ValueType.STRING,
        "dimensions.code": ValueType.INT64}),
    Shape("level.metric.ns", Metric, {"value": ValueType.INT64}),
    Shape("took.metric.ns", Metric, {"value": ValueType.DURATION}),
    Shape("size.metric.ns", Metric, {"value": ValueType.INT64}),
]  # fmt: skip
METRICS = {
    "hits.metric.ns": MetricInfo(name="requests", type=Kind.COUNTER, tags={"team": "web"}),
    "level": MetricInfo(type=Kind.GAUGE),
    "took": MetricInfo(name="took", type=Kind.DISTRIBUTION),
    "size": MetricInfo(name="size", type=Kind.DISTRIBUTION),
}


def config(agent: Agent, **more: Any) -> DogstatsdConfig:
    address = f"127.0.0.1:{agent.address[1]}"
    return DogstatsdConfig(**{"address": address, "metrics": METRICS, "prefix": "mesh"} | more)


def hit(value: int = 1, to: str = "a", code: int = 200) -> Metric:
    return Metric(name="hits.metric.ns", value=value, dimensions={"to": to, "code": code})


async def sent(agent: Agent, *batch: Metric, **more: Any) -> list[Told]:
    async with running(Dogstatsd, config(agent, **more), shapes=SHAPES) as adapter:
        adapter.report(batch)
    return told(agent.packets())


async def test_each_kind_is_sent_as_the_agent_wants_it(agent: Agent) -> None:
    found = await sent(
        agent,
        hit(2),
        Metric(name="level.metric.ns", value=7),
        Metric(name="took.metric.ns", value=Duration.of(0.0125)),
        Metric(name="size.metric.ns", value=512),
    )
    assert sorted(found) == [
        Told("mesh.level.metric.ns", 7, "g", {}),
        Told("mesh.requests", 2, "c", {"team": "web", "to": "a", "code": "200"}),
        Told("mesh.size", 512, "h", {}),
        Told("mesh.took", 12.5, "ms", {}),
    ]


async def test_counters_of_equal_tags_are_one_line(agent: Agent) -> None:
    found = await sent(agent, hit(1), hit(2), hit(5, to="b"))
    assert sorted((one.tags["to"], one.value) for one in found) == [("a", 3), ("b", 5)]


async def test_tallies_count_as_instances_do(agent: Agent) -> None:
    async with running(Dogstatsd, config(agent), shapes=SHAPES) as adapter:
        tally = adapter.tally(hit())
        assert tally is not None
        tally([1, 2, 3])
        assert adapter.tally(Metric(name="level.metric.ns", value=1)) is None
    (found,) = told(agent.packets())
    assert (found.value, found.tags["to"]) == (6, "a")


async def test_a_dimension_wins_over_a_tag_of_its_name(agent: Agent) -> None:
    (found,) = await sent(agent, hit(), global_tags={"to": "nobody", "zone": "eu", "team": "x"})
    assert found.tags == {"zone": "eu", "team": "web", "to": "a", "code": "200"}


async def test_a_prefix_gets_one_dot_and_an_empty_one_none(agent: Agent) -> None:
    names = [(await sent(agent, hit(), prefix=prefix))[0].name for prefix in ("a.b.", "a", "")]
    assert names == ["a.b.requests", "a.requests", "requests"]


async def test_of_a_gauge_the_last_value_is_left_below_zero_too(agent: Agent) -> None:
    found = await sent(agent, *(Metric(name="level.metric.ns", value=value) for value in (5, -3)))
    assert [one.value for one in found] == [0, -3]


async def test_sampling_tells_the_agent_its_rate(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await sent(agent, *(hit() for _ in range(1000)), sample_rate=0.5)
    assert {one.rate for one in found} == {0.5}
    assert 300 < len(found) < 700


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=12), st.text(max_size=12))
async def test_no_value_breaks_a_line_or_adds_a_tag(agent: Agent, one: str, other: str) -> None:
    value: Value = other
    (found,) = await sent(
        agent,
        Metric(name="hits.metric.ns", value=1, dimensions={"to": one, "code": value}),
        global_tags={one: other},
    )
    assert found.name == "mesh.requests"
    assert set(found.tags) <= {"team", "to", "code", *found.tags}
    assert len(found.tags) <= 4


async def test_packets_are_no_longer_than_said(agent: Agent) -> None:
    async with running(Dogstatsd, config(agent, packet_bytes=200), shapes=SHAPES) as adapter:
        adapter.report([hit(to=f"service-{number}") for number in range(100)])
    packets = agent.packets()
    assert max(map(len, packets)) <= 200
    assert len(told(packets)) == 100


async def test_a_unix_socket_is_an_agent_too(tmp_path: Path) -> None:
    agent = Agent(socket.AF_UNIX, str(tmp_path / "agent"))
    params = DogstatsdConfig(address=f"unix://{tmp_path}/agent", metrics=METRICS)
    async with running(Dogstatsd, params, shapes=SHAPES) as adapter:
        adapter.report([hit()])
    (found,) = told(agent.packets())
    agent.close()
    assert found.name == "istio.requests"


async def test_an_agent_that_is_away_costs_what_was_sent_and_no_report(agent: Agent) -> None:
    agent.close()
    params = DogstatsdConfig(address="127.0.0.1:1", metrics=METRICS, flush_duration=Duration(0))
    async with running(Dogstatsd, params, shapes=SHAPES) as adapter:
        for _ in range(3):
            adapter.report([hit()])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"address": "nowhere"}, "address: .nowhere. is not HOST:PORT"),
        ({"metrics": {}}, "metrics: no info for metric named hits"),
        ({"metrics": METRICS | {"level": MetricInfo()}}, r"metrics\[level\].type: is missing"),
        ({"metrics": METRICS | {"took": MetricInfo(type=Kind.GAUGE)}},
            r"metrics\[took\].type: a GAUGE takes INT64, and took.metric.ns has DURATION"),
    ],
)  # fmt: skip
async def test_it_refuses(agent: Agent, more: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        async with running(Dogstatsd, config(agent, **more), shapes=SHAPES):
            pass
