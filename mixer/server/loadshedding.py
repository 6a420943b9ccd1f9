"""
Load shedding: refuse calls before they cost anything (spec: runtime, load shedding).

Law: clock-free; the time comes in as seconds of a clock that never goes back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

OVERLOADED = "Server is currently overloaded. Please try again."


class Mode(Enum):
    """What is done about a call over the limit."""

    DISABLED = "disabled"
    LOGONLY = "logonly"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Options:
    """Thresholds; 0 turns an evaluator off."""

    mode: Mode = Mode.DISABLED
    average_latency: float = 0.0
    """Seconds."""

    samples_per_second: float = math.inf
    sample_half_life: float = 1.0
    """Seconds."""

    latency_enforcement: float = 100.0
    """Calls per second below which latency never sheds."""

    max_requests_per_second: float = 0.0
    burst: int = 0

    def share(self, of: int) -> Options:
        """The part of one of so many workers."""
        return replace(
            self,
            latency_enforcement=self.latency_enforcement / of,
            max_requests_per_second=self.max_requests_per_second / of,
            burst=-(-self.burst // of),
        )


class TokenBucket:
    """Tokens that come back at a rate, up to a burst."""

    __slots__ = ("_burst", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._then = burst, now

    def take(self, cost: float, now: float) -> bool:
        """Take *cost* tokens if there are so many."""
        if self._rate == math.inf:
            return True
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if cost > self._tokens:
            return False
        self._tokens -= cost
        return True


class LatencyAverage:
    """
    An exponential moving average: a sample's weight halves with every half-life.

    Without a half-life the last sample counts alone.
    """

    __slots__ = ("_average", "_half_life", "_then")

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self._average: float | None = None
        self._then = 0.0

    def add(self, seconds: float, now: float) -> None:
        """Take in a sample."""
        if self._average is None:
            self._average = seconds
        else:
            weight = 2.0 ** (-(now - self._then) / self._half_life) if self._half_life else 0.0
            self._average = weight * (self._average - seconds) + seconds
        self._then = now

    @property
    def seconds(self) -> float:
        """The average now."""
        return self._average or 0.0


class Shedder:
    """Decides for each call whether there is room for it."""

    def __init__(self, options: Options, now: float) -> None:
        self.mode = options.mode
        self._threshold = options.average_latency
        self._latency = LatencyAverage(options.sample_half_life)
        samples = options.samples_per_second
        self._samples = TokenBucket(samples, max(samples, 1), now)
        floor = options.latency_enforcement
        self._floor = TokenBucket(floor, floor, now)
        rate = options.max_requests_per_second
        self._rate = TokenBucket(rate, options.burst, now) if rate else None

    def over_limit(self, cost: float, now: float) -> str:
        """The evaluator by which a call of this *cost* is too much; empty where it is not."""
        if self.mode is Mode.DISABLED:
            return ""
        if self._rate is not None and not self._rate.take(cost, now):
            return "RateLimit"
        if self._threshold:
            below_floor = self._floor.take(cost, now)
            if not below_floor and self._latency.seconds >= self._threshold:
                return "grpcResponseLatency"
        return ""

    def finished(self, seconds: float, now: float) -> None:
        """Learn how long a call took."""
        if self._threshold and self.mode is not Mode.DISABLED and self._samples.take(1, now):
            self._latency.add(seconds, now)
