"""prometheus: values to series, series to text, series over reloads."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from adapters.prometheus import Prometheus
from adapters.prometheus.config import (
    Buckets,
    Expiration,
    Explicit,
    Exponential,
    Kind,
    Linear,
    MetricInfo,
    PrometheusConfig,
    define,
)
from adapters.prometheus.exporter import Exporter
from mixer.adapter import Duration, Metric, Shape, ValueType
from mixer.adapter.testing import Rejected, running

ADDRESS = "127.0.0.1:0"
NAME = "requests.instance.ns"


def shape(**dimensions: ValueType) -> Shape:
    types = {f"dimensions.{name}": type_ for name, type_ in dimensions.items()}
    return Shape(NAME, Metric, {"value": ValueType.INT64, **types})


def config(kind: Kind = Kind.COUNTER, *labels: str, **more: Any) -> PrometheusConfig:
    policy = more.pop("policy", None)
    info = MetricInfo(name="m", instance_name="requests", kind=kind, label_names=labels, **more)
    return PrometheusConfig(metrics=(info,), metrics_expiration_policy=policy, address=ADDRESS)


def metric(value: Any, **dimensions: Any) -> Metric:
    return Metric(name=NAME, value=value, dimensions=dimensions)


def scrape(adapter: Prometheus) -> list[str]:
    with urlopen(f"http://127.0.0.1:{adapter.port}/metrics") as answer:
        return [line for line in answer.read().decode().splitlines() if line[0] != "#"]


CODE = shape(code=ValueType.INT64)


async def test_a_counter_adds_up_by_labels() -> None:
    async with running(Prometheus, config(Kind.COUNTER, "code"), shapes=[CODE]) as adapter:
        adapter.report([metric(1, code=200), metric(2, code=200), metric(1, code=404)])
        assert scrape(adapter) == ['istio_m{code="200"} 3', 'istio_m{code="404"} 1']


async def test_a_gauge_shows_the_last_value() -> None:
    async with running(Prometheus, config(Kind.GAUGE), shapes=[shape()]) as adapter:
        adapter.report([metric(5), metric(-2.5)])
        assert scrape(adapter) == ["istio_m{} -2.5"]


async def test_a_distribution_counts_durations_in_seconds() -> None:
    buckets = Buckets(explicit_buckets=Explicit(bounds=(0.5, 1)))
    given = config(Kind.DISTRIBUTION, buckets=buckets)
    async with running(Prometheus, given, shapes=[shape()]) as adapter:
        adapter.report(
            [metric(Duration.of(0.5)), metric(Duration.of(0.75)), metric(2), metric("3")]
        )
        assert scrape(adapter) == [
            'istio_m_bucket{le="0.5"} 1',
            'istio_m_bucket{le="1"} 2',
            'istio_m_bucket{le="+Inf"} 4',
            "istio_m_sum{} 6.25",
            "istio_m_count{} 4",
        ]


@pytest.mark.parametrize(
    ("buckets", "bounds"),
    [
        (None, (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)),
        (Buckets(linear_buckets=Linear(num_finite_buckets=2, width=5, offset=1)), (1, 6, 11)),
        (
            Buckets(
                exponential_buckets=Exponential(num_finite_buckets=2, growth_factor=10, scale=1)
            ),
            (1, 10, 100),
        ),
        (Buckets(explicit_buckets=Explicit(bounds=(1, 2))), (1, 2)),
    ],
)
def test_buckets_have_the_bounds_of_their_form(
    buckets: Buckets | None, bounds: tuple[float, ...]
) -> None:
    info = MetricInfo(name="m", instance_name="i", kind=Kind.DISTRIBUTION, buckets=buckets)
    assert define(info).bounds == bounds


async def test_what_cannot_be_counted_costs_only_itself() -> None:
    async with running(Prometheus, config(Kind.COUNTER, "code"), shapes=[CODE]) as adapter:
        unknown = Metric(name="other.instance.ns", value=1)
        with pytest.raises(ValueError, match="could not find metric info") as told:
            adapter.report(
                [metric(1, code=200), metric(-1, code=200), metric("x", code=200), unknown]
            )
        assert "can't be increased by -1" in str(told.value)
        assert "'x' is no number" in str(told.value)
        assert scrape(adapter) == ['istio_m{code="200"} 1']


async def test_labels_are_the_text_of_dimensions_escaped() -> None:
    given = config(Kind.COUNTER, "a", "b", "c")
    shapes = [shape(a=ValueType.STRING, b=ValueType.BOOL, c=ValueType.IP_ADDRESS)]
    async with running(Prometheus, given, shapes=shapes) as adapter:
        adapter.report([metric(1, a='say "x"\\\n', b=True, c=bytes([10, 0, 0, 1]))])
        assert scrape(adapter) == [r'istio_m{a="say \"x\"\\\n",b="true",c="10.0.0.1"} 1']


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (config(Kind.COUNTER, "code", "extra"), "it has in excess 'extra'"),
        (config(Kind.COUNTER), "it lacks 'code'"),
        (config(Kind.UNSPECIFIED, "code"), "must be GAUGE, COUNTER or DISTRIBUTION"),
        (
            config(
                Kind.DISTRIBUTION, "code", buckets=Buckets(explicit_buckets=Explicit(bounds=(2, 1)))
            ),
            "must ascend strictly",
        ),
        (
            config(Kind.COUNTER, "code", policy=Expiration()),
            "metrics_expiry_duration: must be more than 0s",
        ),
        (PrometheusConfig(address="nowhere"), "'nowhere' is not HOST:PORT"),
    ],
)
async def test_a_config_that_would_fail_later_is_refused(
    given: PrometheusConfig, part: str
) -> None:
    with pytest.raises(Rejected, match=part):
        async with running(Prometheus, given, shapes=[CODE]):
            pass


def test_names_are_made_fit() -> None:
    info = MetricInfo(
        name="/a.b/c d-e", namespace="n.s", kind=Kind.COUNTER, label_names=("x.y", "z-")
    )
    definition = define(info)
    assert (definition.name, definition.labels) == ("n_s_a_b_c_de", ("x_y", "z"))


async def test_series_that_are_not_updated_expire() -> None:
    now = 100.0
    policy = Expiration(metrics_expiry_duration=Duration.of(10))
    given = config(Kind.COUNTER, "code", policy=policy)
    clock = lambda: now  # noqa: E731
    async with running(Prometheus, given, shapes=[CODE], clock=clock) as adapter:
        adapter.report([metric(1, code=200), metric(1, code=404)])
        now = 108.0
        adapter.report([metric(1, code=200)])
        now = 111.0
        adapter.expire()
        assert scrape(adapter) == ['istio_m{code="200"} 2']
        adapter.report([metric(1, code=404)])
        assert 'istio_m{code="404"} 1' in scrape(adapter)


def definition(*labels: str) -> Any:
    info = MetricInfo(name="m", instance_name="i", kind=Kind.COUNTER, label_names=labels)
    return define(info)


def test_an_equal_definition_shares_its_series_over_a_reload() -> None:
    exporter = Exporter()
    (old,) = exporter.claim([definition("a")], "h")
    old.series(("x",)).add(1)
    (new,) = exporter.claim([definition("a")], "h")
    exporter.release([old], "h")
    assert new is old
    assert b'istio_m{a="x"} 1' in exporter.text()
    exporter.release([new], "h")
    assert exporter.text() == b""


def test_a_changed_definition_starts_afresh() -> None:
    exporter = Exporter()
    (old,) = exporter.claim([definition("a")], "h")
    old.series(("x",)).add(1)
    (new,) = exporter.claim([definition("a", "b")], "h")
    exporter.release([old], "h")
    new.series(("x", "y")).add(1)
    assert exporter.text().decode().splitlines()[-1] == 'istio_m{a="x",b="y"} 1'


def test_two_handlers_may_not_define_one_metric_differently() -> None:
    exporter = Exporter()
    exporter.claim([definition("a")], "one")
    exporter.claim([definition("a")], "two")
    with pytest.raises(ValueError, match="already defined differently by handler 'one'"):
        exporter.claim([definition("b")], "three")


async def test_only_metrics_are_served() -> None:
    async with running(Prometheus, PrometheusConfig(address=ADDRESS)) as adapter:
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"http://127.0.0.1:{adapter.port}/other")


async def test_an_address_in_use_is_told() -> None:
    async with running(Prometheus, PrometheusConfig(address=ADDRESS)) as adapter:
        taken = PrometheusConfig(address=f"127.0.0.1:{adapter.port}")
        with pytest.raises(OSError, match="can't serve metrics at"):
            async with running(Prometheus, taken):
                pass


async def test_series_beyond_the_limit_are_counted_as_one_until_there_is_room() -> None:
    now = [100.0]
    policy = Expiration(metrics_expiry_duration=Duration.of(10))
    given = config(Kind.COUNTER, "code", max_series=2, policy=policy)
    async with running(Prometheus, given, shapes=[CODE], clock=lambda: now[0]) as adapter:
        for code in (1, 2, 3, 3, 4, 1):
            adapter.report([metric(1, code=code)])
        assert adapter.tally(metric(1, code=5)) is None
        assert adapter.tally(metric(1, code=2)) is not None
        assert scrape(adapter) == [
            'istio_m{code="1"} 2', 'istio_m{code="2"} 1',
            'istio_m{code="__overflow__"} 3',
            'mixer_prometheus_overflows_total{metric="istio_m"} 3',
        ]  # fmt: skip
        now[0] += 11
        adapter.expire()
        adapter.report([metric(1, code=9)])
        assert 'istio_m{code="9"} 1' in scrape(adapter)


async def test_what_counts_numbers_goes_on_when_its_series_have_expired() -> None:
    now = [100.0]
    policy = Expiration(metrics_expiry_duration=Duration.of(10))
    given = config(Kind.COUNTER, "code", max_series=1, policy=policy)
    async with running(Prometheus, given, shapes=[CODE], clock=lambda: now[0]) as adapter:
        add = adapter.tally(metric(1, code=1))
        assert add is not None
        add([1, 2])
        now[0] += 11
        adapter.expire()
        assert scrape(adapter) == []
        add([4])
        add([8])
        assert scrape(adapter) == ['istio_m{code="1"} 12']
        now[0] += 11
        adapter.expire()
        adapter.report([metric(1, code=2)])
        add([16, 32])
        assert scrape(adapter) == [
            'istio_m{code="2"} 1',
            'istio_m{code="__overflow__"} 48',
            'mixer_prometheus_overflows_total{metric="istio_m"} 2',
        ]


async def test_the_numbers_of_an_instance_go_to_all_metrics_that_it_feeds() -> None:
    counted, timed = (
        MetricInfo(name=name, instance_name="requests", kind=kind, label_names=("code",))
        for name, kind in (("n", Kind.COUNTER), ("t", Kind.DISTRIBUTION))
    )
    given = PrometheusConfig(metrics=(counted, timed), address=ADDRESS)
    async with running(Prometheus, given, shapes=[CODE]) as adapter:
        add = adapter.tally(metric(Duration.of(1), code=1))
        assert add is not None
        add([500_000_000, 1_500_000_000])
        samples = scrape(adapter)
        assert 'istio_n{code="1"} 2.0' in samples
        assert 'istio_t_bucket{code="1",le="1"} 1' in samples
        assert 'istio_t_sum{code="1"} 2.0' in samples
