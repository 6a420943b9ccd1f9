"""Load shedding by rate and by latency, on clocks that tests hold."""

from __future__ import annotations

import pytest

from mixer.server.loadshedding import LatencyAverage, Mode, Options, Shedder, TokenBucket


def test_tokens_come_back_at_the_rate_up_to_the_burst() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0)
    assert [bucket.take(1, 0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(1, 0.1)
    assert not bucket.take(1, 0.1)
    assert [bucket.take(1, 100) for _ in range(6)] == [True] * 5 + [False]


def test_a_burst_of_zero_lets_nothing_through() -> None:
    assert not TokenBucket(rate=10, burst=0, now=0).take(1, 1000)


def test_a_samples_weight_halves_with_every_half_life() -> None:
    average = LatencyAverage(half_life=1)
    average.add(8, 0)
    average.add(0, 1)
    assert average.seconds == pytest.approx(4)
    average.add(0, 3)
    assert average.seconds == pytest.approx(1)


def test_without_a_half_life_the_last_sample_counts_alone() -> None:
    average = LatencyAverage(half_life=0)
    average.add(8, 0)
    average.add(2, 0)
    assert average.seconds == 2


def test_disabled_sheds_nothing() -> None:
    shedder = Shedder(Options(max_requests_per_second=1), 0)
    assert shedder.over_limit(1000, 0) == ""


def test_the_rate_limit_counts_the_cost_of_calls() -> None:
    shedder = Shedder(Options(Mode.ENFORCE, max_requests_per_second=100, burst=100), 0)
    assert shedder.over_limit(100, 0) == ""
    assert shedder.over_limit(1, 0) == "RateLimit"
    assert shedder.over_limit(1, 1) == ""


def test_latency_sheds_only_above_the_rate_that_always_passes() -> None:
    shedder = Shedder(Options(Mode.ENFORCE, average_latency=0.5, latency_enforcement=2), 0)
    shedder.finished(1.0, 0)
    assert [shedder.over_limit(1, 0) for _ in range(3)] == ["", "", "grpcResponseLatency"]
    assert shedder.over_limit(1, 10) == ""


def test_low_latency_never_sheds() -> None:
    shedder = Shedder(Options(Mode.ENFORCE, average_latency=0.5, latency_enforcement=1), 0)
    shedder.finished(0.1, 0)
    assert [shedder.over_limit(1, 0) for _ in range(5)] == [""] * 5


def test_less_than_one_sample_a_second_is_sampled_too() -> None:
    options = Options(
        Mode.ENFORCE, average_latency=0.5, samples_per_second=0.1, latency_enforcement=0
    )
    shedder = Shedder(options, 0)
    shedder.finished(1.0, 0)
    shedder.finished(0.0, 9)
    assert shedder.over_limit(1, 9) == "grpcResponseLatency"
    shedder.finished(0.0, 10)
    assert shedder.over_limit(1, 10) == ""
