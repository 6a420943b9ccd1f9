"""What sidecars report reaches real back ends: Prometheus scrapes it, statsd counts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

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
    prefix: mesh
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


@pytest.mark.e2e
def test_a_real_statsd_shows_the_counters(serve: Callable[..., Server], tmp_path: Path) -> None:
    with statsd(tmp_path) as peer:
        config = tmp_path / "config"
        config.mkdir()
        vocabulary = (SHARED / "istio-config" / "norule" / "attributes.yaml").read_text()
        (config / "attributes.yaml").write_text(vocabulary)
        (config / "statsd.yaml").write_text(STATSD_RULES.format(port=peer.port))
        server = serve(config)
        server.call("Report", body("report-100-independent"))
        wait_for(lambda: "mesh.requests.reviews.200" in peer.ask("counters"))
        counts = re.findall(r"mesh\.requests\.[\w.-]+'?: (\d+)", peer.ask("counters"))
        assert sum(map(int, counts)) == 100
        assert "mesh.size.instance.istio-system" in peer.ask("gauges")
        assert "mesh.took" in peer.ask("timers")
