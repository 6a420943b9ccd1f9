"""The table of metrics, and how it is shown."""

from __future__ import annotations

from prometheus_client import generate_latest

from mixer.telemetry.cells import Kind
from mixer.telemetry.metrics import Metrics
from mixer.telemetry.table import TABLE


def test_every_metric_is_shown_under_its_own_name() -> None:
    page = generate_latest(Metrics("1.2").registry).decode()
    for line in TABLE:
        assert f"# HELP {line.name} " in page
    assert 'istio_build{component="mixer",tag="1.2"} 1.0' in page


def test_counters_without_suffix_keep_their_name() -> None:
    metrics = Metrics()
    metrics.shed(3)
    page = generate_latest(metrics.registry).decode()
    assert "\nmixer_loadshedding_requests_throttled 1.0\n" in page
    assert "\nmixer_loadshedding_predicted_cost_shed_total 3.0\n" in page


def test_names_are_said_once_and_explained() -> None:
    assert len({line.name for line in TABLE}) == len(TABLE)
    assert all(line.help.endswith(".") for line in TABLE)
    assert all(line.buckets for line in TABLE if line.kind is Kind.HISTOGRAM)
