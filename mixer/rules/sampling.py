"""Which of the matching calls a rule takes (spec: config, Sampling); clocks and dice come in."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from attributes import Bag
from mixer.config.model import RateLimitSampling
from mixer.expr.reads import Failure

REQUEST_ID = "x-request-id"


def random_share(
    denominator: int,
    numerator: Callable[[Bag], object],
    independent: bool,
    dice: Callable[[], float],
) -> Callable[[Bag], bool]:
    """
    A test that takes numerator in *denominator* of calls.

    Unless *independent*, the request id decides, so that all rules and all hops of a request
    choose alike; a call without one is diced. A numerator that is no number takes nothing.
    """

    def takes(bag: Bag) -> bool:
        share = numerator(bag)
        if isinstance(share, Failure) or not isinstance(share, int | float):
            return False
        request_id = None if independent else _request_id(bag)
        if request_id is None:
            return dice() * denominator < share
        return zlib.crc32(request_id.encode()) % denominator < share

    return takes


def _request_id(bag: Bag) -> str | None:
    headers = bag.peek("request.headers")
    found = headers.get(REQUEST_ID) if isinstance(headers, dict) else None
    return found if isinstance(found, str) else None


class Throttle:
    """Takes all calls up to a number in each window, then one in so many; owned by one rule."""

    __slots__ = ("_clock", "_ends", "_limits", "_seen")

    def __init__(self, limits: RateLimitSampling, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._ends = 0.0
        self._seen = 0

    def takes(self, bag: Bag) -> bool:
        """Count a call, and tell whether it is taken."""
        now = self._clock()
        if now >= self._ends:
            self._ends = now + self._limits.window.seconds
            self._seen = 0
        self._seen += 1
        over = self._seen - self._limits.unsampled
        return over <= 0 or (self._limits.rate > 0 and over % self._limits.rate == 0)
