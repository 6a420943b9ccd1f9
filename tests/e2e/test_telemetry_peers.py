"""What sidecars report reaches real back ends: Prometheus scrapes it, statsd counts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.statsd import Kind, MetricInfo, Statsd, StatsdConfig
from mixer.adapter import Duration, Metric, Shape, ValueType
from mixer.adapter.testing import running
from tests.peers import prometheus, statsd, wait_for
from tests.server.conftest import SHARED, Server, body, serve

__all__ = ["serve"]

STATSD_RULES = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: statsd, namespace: istio-system}}
spec:
  compiledAdapter: statsd
  params:
    address: 127.0.0.1:{port}
    prefix: {prefix}
    flushDuration: {wait}
    metrics:
      requests.instance.istio-system:
        type: COUNTER
        nameTemplate: 'requests.{{{{.destination}}}}.{{{{.code}}}}'
      size.instance.istio-system: {{type: GAUGE}}
      took.instance.istio-system: {{type: DISTRIBUTION, nameTemplate: took}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: requests, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params:
    value: "1"
    dimensions:
      destination: destination.service.name | "unknown"
      code: response.code | 0
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: size, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: response.size | 0}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: took, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: 'response.duration | "0ms"'}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: to-statsd, namespace: istio-system}}
spec:
  actions:
  - {{handler: statsd, instances: [requests, size, took]}}
"""


@pytest.mark.e2e
def test_a_real_prometheus_scrapes_and_answers(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(SHARED / "istio-config" / "telemetry")
    server.call("Report", body("report-100-independent"))
    server.call("Report", body("report-100-delta"))
    with prometheus(server.prometheus, tmp_path) as peer:
        (total,) = wait_for(lambda: peer.query("sum(istio_requests_total)"))
        assert total["value"][1] == "200"
        median = "histogram_quantile(0.5, sum(istio_request_duration_seconds_bucket) by (le))"
        (found,) = peer.query(median)
        assert 0 < float(found["value"][1]) < 10
        labels = peer.query('istio_requests_total{destination_service_name="reviews"}')[0]["metric"]
        assert labels["connection_security_policy"] == "mutual_tls"
        assert labels["reporter"] == "destination"


def statsd_config(folder: Path, port: int, prefix: str = "mesh", wait: str = "300ms") -> Path:
    """A configuration that sends to a statsd at *port*; written anew if it is there."""
    folder.mkdir(exist_ok=True)
    vocabulary = (SHARED / "istio-config" / "norule" / "attributes.yaml").read_text()
    (folder / "attributes.yaml").write_text(vocabulary)
    rules = STATSD_RULES.format(port=port, prefix=prefix, wait=wait)
    (folder / "statsd.yaml").write_text(rules)
    return folder


def requests_in(counters: str, prefix: str) -> int:
    """How many requests statsd has counted."""
    return sum(map(int, re.findall(rf"\b{prefix}\.requests\.[\w.-]+'?: (\d+)", counters)))


@pytest.mark.e2e
def test_a_real_statsd_shows_the_counters(serve: Callable[..., Server], tmp_path: Path) -> None:
    with statsd(tmp_path) as peer:
        server = serve(statsd_config(tmp_path / "config", peer.port))
        server.call("Report", body("report-100-independent"))
        wait_for(lambda: requests_in(peer.ask("counters"), "mesh") == 100)
        assert "mesh.requests.reviews.200" in peer.ask("counters")
        assert "mesh.size.instance.istio-system" in peer.ask("gauges")
        assert "mesh.took" in peer.ask("timers")


@pytest.mark.e2e
def test_what_waits_for_statsd_is_sent_at_a_reload_and_at_the_end(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    with statsd(tmp_path) as peer:
        config = statsd_config(tmp_path / "config", peer.port, wait="1h")
        server = serve(config)
        server.call("Report", body("report-100-independent"))
        assert requests_in(peer.ask("counters"), "mesh") == 0
        statsd_config(config, peer.port, prefix="later", wait="1h")
        wait_for(lambda: requests_in(peer.ask("counters"), "mesh") == 100)
        server.call("Report", body("report-100-delta"))
        assert requests_in(peer.ask("counters"), "later") == 0
        assert server.stop() == 0
        wait_for(lambda: requests_in(peer.ask("counters"), "later") == 100)


@pytest.mark.e2e
async def test_a_real_statsd_has_sums_last_gauges_and_all_timings(tmp_path: Path) -> None:
    dimensions = {"value": ValueType.INT64, "dimensions.to": ValueType.STRING}
    timed = {"value": ValueType.DURATION}
    shapes = [
        Shape("hits.instance.ns", Metric, dimensions),
        Shape("level.instance.ns", Metric, dimensions),
        Shape("took.instance.ns", Metric, timed),
    ]
    metrics = {
        "hits": MetricInfo(type=Kind.COUNTER, name_template="hits.{{.to}}"),
        "level": MetricInfo(type=Kind.GAUGE, name_template="level.{{.to}}"),
        "took": MetricInfo(type=Kind.DISTRIBUTION, name_template="took"),
    }
    with statsd(tmp_path) as peer:
        config = StatsdConfig(address=f"127.0.0.1:{peer.port}", metrics=metrics)
        async with running(Statsd, config, shapes=shapes) as adapter:
            for number in range(1, 41):
                to = {"to": "größe" if number % 2 else "plain"}
                adapter.report(
                    [
                        Metric(name="hits.instance.ns", value=number, dimensions=to),
                        Metric(name="level.instance.ns", value=-number, dimensions=to),
                        Metric(name="took.instance.ns", value=Duration.of(number / 1000)),
                    ]
                )
        wait_for(lambda: "level" in peer.ask("gauges"))
        # It drops letters beyond ASCII from names.
        counters, gauges, timers = (peer.ask(kind) for kind in ("counters", "gauges", "timers"))
    assert re.findall(r"'?hits\.(\w+)'?: (\d+)", counters) == [("gre", "400"), ("plain", "420")]
    assert re.findall(r"'?level\.(\w+)'?: (-?\d+)", gauges) == [("gre", "-39"), ("plain", "-40")]
    assert sorted(map(int, re.findall(r"\b\d+\b", timers))) == list(range(1, 41))
