"""Metrics with tags reach a real daemon that knows them: statsd, since 0.9."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.dogstatsd import Dogstatsd, DogstatsdConfig, Kind, MetricInfo
from mixer.adapter import Duration, Metric, Shape, ValueType
from mixer.adapter.testing import running
from tests.peers import statsd, wait_for


@pytest.mark.e2e
async def test_a_real_daemon_tells_metrics_apart_by_their_tags(tmp_path: Path) -> None:
    counted = {"value": ValueType.INT64, "dimensions.to": ValueType.STRING}
    shapes = [
        Shape("hits.metric.ns", Metric, counted),
        Shape("level.metric.ns", Metric, counted),
        Shape("took.metric.ns", Metric, {"value": ValueType.DURATION}),
    ]
    metrics = {
        "hits": MetricInfo(name="hits", type=Kind.COUNTER, tags={"team": "web"}),
        "level": MetricInfo(name="level", type=Kind.GAUGE),
        "took": MetricInfo(name="took", type=Kind.DISTRIBUTION),
    }
    with statsd(tmp_path) as peer:
        config = DogstatsdConfig(
            address=f"127.0.0.1:{peer.port}", metrics=metrics, global_tags={"zone": "eu"}
        )
        async with running(Dogstatsd, config, shapes=shapes) as adapter:
            for number in range(1, 41):
                to = {"to": "a" if number % 2 else "b|c,d"}
                adapter.report(
                    [
                        Metric(name="hits.metric.ns", value=number, dimensions=to),
                        Metric(name="level.metric.ns", value=-number, dimensions=to),
                        Metric(name="took.metric.ns", value=Duration.of(number / 1000)),
                    ]
                )
        wait_for(lambda: "took" in peer.ask("timers"))
        counters, gauges, timers = (peer.ask(kind) for kind in ("counters", "gauges", "timers"))
    assert re.findall(r"'istio\.hits;(.*?)': (\d+)", counters) == [
        ("team=web;zone=eu;to=a", "400"),
        ("team=web;zone=eu;to=b_c_d", "420"),
    ]
    assert re.findall(r"'istio\.level;(.*?)': (-?\d+)", gauges) == [
        ("zone=eu;to=a", "-39"),
        ("zone=eu;to=b_c_d", "-40"),
    ]
    (shown,) = re.findall(r"'istio\.took;zone=eu': \[(.*?)\]", timers, re.DOTALL)
    assert sorted(map(int, re.findall(r"\d+", shown))) == list(range(1, 41))
    assert re.search(r"bad_lines_seen'?: 0", counters)
