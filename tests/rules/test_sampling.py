"""Which of the matching calls a rule takes."""

from __future__ import annotations

import pytest

from attributes import Bag, Duration
from mixer.config.model import RateLimitSampling
from mixer.expr.reads import Failure
from mixer.rules.sampling import Throttle, random_share


def with_id(number: int) -> Bag:
    return Bag({"request.headers": {"x-request-id": f"request-{number}"}})


def test_the_request_id_decides_alike_for_all_rules() -> None:
    rules = [random_share(100, lambda bag: 30, False, lambda: 0.99) for _ in range(2)]
    taken = [[takes(with_id(number)) for number in range(2000)] for takes in rules]
    assert taken[0] == taken[1]
    assert 500 < sum(taken[0]) < 700


def test_a_call_without_an_id_is_diced() -> None:
    dice = iter([0.1, 0.5])
    takes = random_share(100, lambda bag: 30, False, lambda: next(dice))
    assert [takes(Bag({})), takes(Bag({}))] == [True, False]


def test_independent_rules_dice_for_themselves() -> None:
    takes = random_share(10_000, lambda bag: 1, True, lambda: 0.00005)
    assert takes(with_id(1))
    assert not random_share(10_000, lambda bag: 1, True, lambda: 0.00015)(with_id(1))


@pytest.mark.parametrize("numerator", [Failure("absent"), "text", 0])
def test_a_numerator_that_is_no_number_takes_nothing(numerator: object) -> None:
    assert not random_share(100, lambda bag: numerator, True, lambda: 0.0)(Bag({}))


def test_sampling_leaves_no_reference() -> None:
    bag = with_id(1)
    random_share(100, lambda bag: 50, False, lambda: 0.0)(bag)
    assert bag.references == {}


def test_a_throttle_takes_all_up_to_a_number_and_then_one_in_so_many() -> None:
    now = 0.0
    throttle = Throttle(RateLimitSampling(Duration.of(10), unsampled=3, rate=2), lambda: now)
    assert [throttle.takes(Bag({})) for _ in range(7)] == [True] * 3 + [False, True, False, True]
    now = 10.0
    assert throttle.takes(Bag({}))
