"""
Do nothing: allow every check, grant every quota, drop every report. For measuring the mixer.

Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: nothing, namespace: istio-system}
    spec:
      compiledAdapter: noop
      params: {}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mixer.adapter import (
    Adapter,
    Allocates,
    Authorization,
    CheckNothing,
    Checks,
    Config,
    Grant,
    ListEntry,
    LogEntry,
    Metric,
    Quota,
    QuotaArgs,
    ReportNothing,
    Reports,
    TraceSpan,
    Verdict,
    hookimpl,
)

FOR_EVER = 1_000_000_000.0
"""Seconds that an answer holds: some thirty years."""

PASS = Verdict(valid_for=FOR_EVER, valid_uses=1_000_000_000)

Checked: TypeAlias = Authorization | CheckNothing | ListEntry
Reported: TypeAlias = ReportNothing | LogEntry | Metric | TraceSpan


class NoopConfig(Config, frozen=True):
    """Params of noop: none."""


class Noop(Adapter[NoopConfig], Checks[Checked], Allocates[Quota], Reports[Reported], name="noop"):
    """Agrees to everything."""

    def check(self, instance: Checked, /) -> Verdict:
        """Allow."""
        return PASS

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        """Grant the amount asked for."""
        return Grant(args.amount, FOR_EVER)

    def report(self, batch: Sequence[Reported], /) -> None:
        """Drop the batch."""


@hookimpl
def mixer_adapters() -> list[type[Noop]]:
    """Offer the adapter at the plugin door."""
    return [Noop]
