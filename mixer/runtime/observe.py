"""
Tells operators what calls run into: every time in the metrics, now and then in the log.

Law: a log line on the 1st, 10th, 100th ... time, so that a fault can't flood the log.
"""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from mixer.adapter.milestones import Milestones
from mixer.config.model import OnError
from mixer.telemetry.metrics import RoutesMeter, RuleMeter

MAX_NAMES = 100
"""Quota names come from outside; so many are remembered."""


class RuleObserver:
    """Observes one rule of one snapshot."""

    __slots__ = ("_faults", "_log", "_matches", "_meter", "_name")

    def __init__(self, name: str, meter: RuleMeter, log: FilteringBoundLogger) -> None:
        self._name, self._meter, self._log = name, meter, log
        self._matches, self._faults = Milestones(), Milestones()

    def match_failed(self, reason: str, /) -> None:
        """Count a match without a value."""
        self._meter.match_failed()
        self._tell("a match has no value for a call", self._matches, reason)

    def fault(self, outcome: OnError, reason: str, /) -> None:
        """Count work that could not be done, by what was done about it."""
        self._meter.fault(outcome)
        self._tell(f"a rule can't do its work: {outcome.value}", self._faults, reason)

    def shadowed(self, outcome: str, /) -> None:
        """Count what a shadow rule would have answered."""
        self._meter.shadowed(outcome)

    def header_failed(self) -> None:
        """Count a header operation without a value."""
        self._meter.header_failed()

    def _tell(self, event: str, times: Milestones, reason: str) -> None:
        if times.reached():
            self._log.warning(event, rule=self._name, times=times.count, reason=reason)


class RoutesObserver:
    """Observes all rules of one snapshot."""

    __slots__ = ("_known", "_log", "_meter", "phase")

    def __init__(self, meter: RoutesMeter, log: FilteringBoundLogger) -> None:
        self._meter, self._log = meter, log
        self._known: set[str] = set()
        self.phase = meter.phase

    def unknown_quota(self, name: str, /) -> None:
        """Count a quota no rule knows, and warn once of each name."""
        self._meter.unknown_quota()
        if name not in self._known and len(self._known) < MAX_NAMES:
            self._known.add(name)
            self._log.warning("a quota was asked for that no rule knows", quota=name)
