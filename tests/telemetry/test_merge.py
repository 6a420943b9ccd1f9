"""Pages of several processes as one."""

from __future__ import annotations

import pytest

from mixer.telemetry.merge import lasting, merged, restricted


def page(*lines: str) -> str:
    return "".join(line + "\n" for line in lines)


COUNTER = "# HELP calls_total Calls.", "# TYPE calls_total counter"
GAUGE = "# HELP size Size.", "# TYPE size gauge"
HISTOGRAM = "# HELP time Time.", "# TYPE time histogram"


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param(
            ["", page(*COUNTER, "calls_total 1")], page(*COUNTER, "calls_total 1"), id="one"
        ),
        pytest.param(
            [page(*COUNTER, "calls_total 1"), page(*COUNTER, "calls_total 2")],
            page(*COUNTER, "calls_total 3"),
            id="counters-add-up",
        ),
        pytest.param(
            [page(*COUNTER, "calls_total 1.0"), page(*COUNTER, "calls_total 2.5")],
            page(*COUNTER, "calls_total 3.5"),
            id="with-fractions",
        ),
        pytest.param(
            [
                page(*COUNTER, 'calls_total{to="a b} 7"} 1'),
                page(*COUNTER, 'calls_total{to="a b} 7"} 1'),
            ],
            page(*COUNTER, 'calls_total{to="a b} 7"} 2'),
            id="whatever-stands-in-a-label",
        ),
        pytest.param(
            [page(*COUNTER, 'calls_total{to="a"} 1'), page(*COUNTER, 'calls_total{to="b"} 1')],
            page(*COUNTER, 'calls_total{to="a"} 1', 'calls_total{to="b"} 1'),
            id="series-of-one-process-alone",
        ),
        pytest.param(
            [page(*COUNTER, "calls_total 1"), page(*GAUGE, "size 1")],
            page(*COUNTER, "calls_total 1", *GAUGE, "size 1"),
            id="metrics-of-one-process-alone",
        ),
        pytest.param(
            [page(*GAUGE, "size 3"), page(*GAUGE, "size 5"), page(*GAUGE, "size 4")],
            page(*GAUGE, "size 5"),
            id="the-largest-of-gauges",
        ),
        pytest.param(
            [page(*GAUGE, 'size{a="b"} 3 200'), page(*GAUGE, 'size{a="b"} 5 100')],
            page(*GAUGE, 'size{a="b"} 3'),
            id="the-newest-of-gauges-with-times",
        ),
        pytest.param(
            [page(*GAUGE, "size 3 100"), page(*GAUGE, "size 1 200")],
            page(*GAUGE, "size 1"),
            id="without-labels-too",
        ),
        pytest.param(
            [
                page("# TYPE process_open_fds gauge", "process_open_fds 7.0"),
                page("# TYPE process_open_fds gauge", "process_open_fds 8.0"),
            ],
            page("# TYPE process_open_fds gauge", "process_open_fds 15.0"),
            id="gauges-of-which-each-has-a-share",
        ),
        pytest.param(
            [
                page(
                    *HISTOGRAM,
                    'time_bucket{le="1"} 1',
                    'time_bucket{le="+Inf"} 2',
                    "time_sum 3.5",
                    "time_count 2",
                ),
                page(
                    *HISTOGRAM,
                    'time_bucket{le="1"} 4',
                    'time_bucket{le="+Inf"} 4',
                    "time_sum 1",
                    "time_count 4",
                ),
            ],
            page(
                *HISTOGRAM,
                'time_bucket{le="1"} 5',
                'time_bucket{le="+Inf"} 6',
                "time_sum 4.5",
                "time_count 6",
            ),
            id="histograms-add-up",
        ),
        pytest.param(
            [page(*COUNTER, "calls_total NaN"), page(*COUNTER, "calls_total +Inf")],
            page(*COUNTER, "calls_total NaN"),
            id="no-number",
        ),
    ],
)
def test_pages_become_one(pages: list[str], expected: str) -> None:
    assert merged(pages) == expected


def test_gauges_end_with_their_process() -> None:
    assert lasting(page(*COUNTER, "calls_total 1", *GAUGE, "size 1")) == page(
        *COUNTER, "calls_total 1"
    )


def test_metrics_that_are_no_more_or_something_else_are_left_out() -> None:
    old = page(*COUNTER, "calls_total 1", *HISTOGRAM, "time_count 1")
    new = page(*COUNTER, "calls_total 9", "# TYPE time counter", "time 1")
    assert restricted(old, new) == page(*COUNTER, "calls_total 1")
