"""Units come back evenly, and never more than the burst and what came back since are granted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer.adapter.rates import Cell

STEPS = st.lists(
    st.tuples(st.floats(0, 10, width=32), st.integers(1, 12), st.booleans()), max_size=40
)


@given(st.integers(1, 10), st.sampled_from([0.1, 0.5, 1.0, 3.0]), STEPS)
def test_it_grants_what_a_token_bucket_would(
    burst: int, unit: float, steps: list[tuple[float, int, bool]]
) -> None:
    cell = Cell(unit, burst)
    now, back, tokens = 1000.0, 0.0, float(burst)
    for pause, units, part_will_do in steps:
        now += pause
        tokens = min(float(burst), tokens + pause / unit)
        whole = int(tokens + 1e-6)
        granted, back = cell.take(back, units, part_will_do, now)
        expected = units if units <= whole else whole if part_will_do else 0
        if abs(tokens - round(tokens)) > 1e-5:  # at a whole number, rounding may go either way
            assert granted == expected
        assert granted <= tokens + 1e-5
        tokens -= granted


def test_what_is_given_back_is_there_again_and_no_more() -> None:
    cell = Cell(unit=1.0, burst=10)
    granted, back = cell.take(0.0, 10, False, 50.0)
    assert (granted, cell.remaining(back, 50.0), cell.more_in(back, 50.0)) == (10, 0, 1.0)
    returned, back = cell.give_back(back, 4, 50.5)
    assert (returned, cell.remaining(back, 50.5)) == (4, 4)
    returned, back = cell.give_back(back, 100, 50.5)
    assert (returned, cell.remaining(back, 50.5), cell.more_in(back, 50.5)) == (6, 10, 0.0)
