"""
What one proxy may use of one bucket of requests: taken out of quotas, and given back unused.

Windows of a minute and more are lent in units, which a proxy holds until it says how many it has
used; shorter ones, which would be over before it says so, as a rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

from mixer.adapter.results import Grant, QuotaArgs
from mixer.answers import Standing
from mixer.config.model import OnError
from mixer.dispatch.run import Fault, run
from mixer.rules.routes import Pending
from mixer.server.envoy.shares import Shares

LENT_SECONDS = 60.0
"""The shortest window whose units are lent."""

REPORT_SECONDS = 5.0
"""How often a proxy reports, where it has not shown it yet."""

_STEADY = 1.2
"""A rate that would change by less than this factor stays."""

_FEW = 10
"""Units that a proxy may take at once of a handler that does not tell how many there are."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a proxy has done since its last report."""

    allowed: int
    denied: int
    seconds: float
    """0 in the first report of a bucket."""

    @property
    def demand(self) -> float | None:
        """Requests a second; None where it can't be told."""
        return (self.allowed + self.denied) / self.seconds if self.seconds else None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a proxy may let pass."""

    burst: float
    """Requests that may come at once; infinite where there is no limit."""

    rate: float = 0.0
    """Requests that may follow, a second."""

    is_fresh: bool = False
    """Whether the burst may come anew, whatever is left of the one before."""


UNLIMITED, REFUSED = Assignment(inf, inf), Assignment(0)


class Lease:
    """What a proxy has of the counters that are behind one bucket."""

    def __init__(self, member: int, shares: Shares) -> None:
        """*member* is what others know it by."""
        self._member = member
        self._shares = shares
        self._held: dict[str, int] = {}
        """Units, by counter; 0 of those that only have a part."""

        self._parts: dict[str, float] = {}
        """Of counters whose units are not lent."""

    async def renew(self, pending: Sequence[Pending], usage: Usage) -> Assignment | None:
        """
        Settle what was used, and take for the time to come.

        *pending* are the quotas whose rules matched. None where a handler fails; there is nothing
        new to say then.
        """
        counters = _counters(pending)
        for gone in self._held.keys() - counters.keys():
            self._shares.leave(gone, self._member)
            del self._held[gone]
        looks = await _ask(counters, dict.fromkeys(counters, 0))
        if looks is None:
            return None
        rates = {
            counter: grant.standing
            for counter, grant in looks.items()
            if grant.standing is not None and 0 < grant.standing.seconds < LENT_SECONDS
        }
        burst, rate = self._rate(rates, usage.demand)
        lent = {one: self._held.get(one, 0) for one in looks if one not in rates}
        self._held = dict.fromkeys(looks, 0)
        # What was used counts from now, and so comes back late rather than early.
        await _ask(counters, {counter: -units for counter, units in lent.items()})
        settled = await _ask(counters, dict.fromkeys(lent, usage.allowed))
        if settled is None:
            return None
        if not settled:
            return Assignment(burst, rate)
        units = await self._take(counters, settled, usage)
        if units is None:
            return None
        if not rates:
            return Assignment(units, is_fresh=usage.allowed > 0 or units > max(lent.values()))
        most = min(burst, units)
        return Assignment(most, min(rate, (units - most) / (usage.seconds or REPORT_SECONDS)))

    async def release(self, pending: Sequence[Pending]) -> None:
        """Give all back: the proxy is gone, and says no more what it has used."""
        await _ask(_counters(pending), {one: -units for one, units in self._held.items() if units})
        for counter in self._held:
            self._shares.leave(counter, self._member)

    def _rate(self, rates: Mapping[str, Standing], demand: float | None) -> tuple[float, float]:
        """The tightest of the proxy's parts of *rates*: requests at once, and a second."""
        parts = {}
        burst = rate = inf
        for counter, standing in rates.items():
            part, _ = self._shares.take(counter, self._member, demand)
            before = self._parts.get(counter, 0.0)
            if part < 1 and before / _STEADY < part < before * _STEADY:
                part = before
            parts[counter] = part
            burst = min(burst, ceil(standing.limit * part))
            rate = min(rate, standing.limit * part / standing.seconds)
        self._parts = parts
        return burst, rate

    async def _take(
        self, counters: Mapping[str, Pending], settled: Mapping[str, Grant], usage: Usage
    ) -> int | None:
        """Take as many units as all counters let have."""
        few = max(_FEW, ceil(2 * (usage.allowed + usage.denied)))
        fair = {}
        for counter, grant in settled.items():
            free = few if grant.standing is None else grant.standing.remaining
            _, fair[counter] = self._shares.take(counter, self._member, usage.demand, free)
        wanted = min(fair.values())
        taken = await _ask(counters, dict.fromkeys(settled, wanted))
        granted = {} if taken is None else {c: grant.amount for c, grant in taken.items()}
        units = min(granted.values(), default=wanted)
        self._held |= dict.fromkeys(granted, units)
        for counter, expected in fair.items():
            if (held := self._held[counter]) != expected:
                self._shares.hold(counter, self._member, usage.demand, held)
        await _ask(counters, {c: units - more for c, more in granted.items() if more > units})
        return None if taken is None else units


def _counters(pending: Sequence[Pending]) -> dict[str, Pending]:
    """What is *pending* in earnest, by what tells a counter from all others."""
    return {
        f"{call.title} {built!r}": (route, call, built)
        for route, call, built in pending
        if not route.is_shadow
    }


async def _ask(
    counters: Mapping[str, Pending], amounts: Mapping[str, int]
) -> dict[str, Grant] | None:
    """Take these *amounts*, or as much as there is, of counters; None where one fails."""
    asked = [counter for counter in amounts if counter in counters]
    calls = []
    for counter in asked:
        route, call, built = counters[counter]
        args = QuotaArgs(amounts[counter], best_effort=True, tells=True)
        calls.append((route, call, (*built, args)))
    found = {}
    for counter, (route, _, _), result in zip(asked, calls, await run(calls), strict=True):
        if not isinstance(result, Fault):
            found[counter] = result
        elif route.on_handler_error is not OnError.SKIP:
            return None
    return found
