"""The rolling windows of memquota, against the specification said plainly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.memquota.window import RollingWindow


class Reference:
    """A window as the specification says it, without any cleverness."""

    def __init__(self, limit: int, length: int) -> None:
        self.limit, self.length = limit, length
        self.taken: list[tuple[int, int]] = []

    def available(self, tick: int) -> int:
        return self.limit - sum(units for at, units in self.taken if at > tick - self.length)

    def take(self, units: int, tick: int) -> bool:
        if units > self.available(tick):
            return False
        self.taken.append((tick, units))
        return True

    def give_back(self, units: int, tick: int) -> int:
        self.taken = [(at, taken) for at, taken in self.taken if at > tick - self.length]
        ones = [at for at, taken in self.taken for _ in range(taken)]
        kept = ones[: max(len(ones) - units, 0)]
        self.taken = [(at, 1) for at in kept]
        return len(ones) - len(kept)


@given(
    limit=st.integers(0, 20),
    length=st.integers(1, 8),
    calls=st.lists(st.tuples(st.integers(0, 5), st.integers(-6, 12)), max_size=60),
)
def test_a_window_does_what_its_reference_does(
    limit: int, length: int, calls: list[tuple[int, int]]
) -> None:
    window, reference, tick = RollingWindow(limit, length), Reference(limit, length), 100
    for wait, units in calls:
        tick += wait
        if units > 0:
            assert window.take(units, tick) == reference.take(units, tick)
        elif units < 0:
            assert window.give_back(-units, tick) == reference.give_back(-units, tick)
        assert window.available(tick) == reference.available(tick)
        assert window.is_drained(tick) == (reference.available(tick) == limit)


@given(
    limit=st.integers(1001, 3000),
    calls=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 400)), max_size=200),
)
def test_a_long_window_gives_units_back_a_thousandth_late_and_never_early(
    limit: int, calls: list[tuple[int, int]]
) -> None:
    length = 25_000
    window, tick = RollingWindow(limit, length), 0
    exact, late = Reference(limit, length), Reference(limit, length + 25)
    for wait, units in calls:
        tick += wait
        assert late.available(tick) <= window.available(tick) <= exact.available(tick)
        if window.take(units, tick):
            exact.take(units, tick)
            late.taken.append((tick, units))


def test_a_window_stays_small_however_long_it_is() -> None:
    window = RollingWindow(1 << 40, 864_000)
    for tick in range(0, 1_000_000, 30):
        window.take(1, tick)
    assert len(window.state()) < 17_000


@given(
    limit=st.integers(0, 20),
    length=st.integers(1, 8),
    calls=st.lists(st.tuples(st.integers(0, 5), st.integers(-6, 12)), max_size=30),
)
def test_a_window_goes_on_from_its_state(
    limit: int, length: int, calls: list[tuple[int, int]]
) -> None:
    window, tick = RollingWindow(limit, length), 0
    for wait, units in calls:
        tick += wait
        again = RollingWindow(limit, length, window.state())
        for one in (window, again):
            one.take(units, tick) if units > 0 else one.give_back(-units, tick)
        assert window.state() == again.state()
        assert again.is_drained(tick) == (again.drained_at <= tick)
