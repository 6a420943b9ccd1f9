"""noop agrees to everything for thirty years (spec: adapters, noop)."""

import pytest

from adapters.noop import Noop
from mixer.adapter import (
    Authorization,
    CheckNothing,
    Code,
    Grant,
    ListEntry,
    LogEntry,
    Metric,
    Quota,
    QuotaArgs,
    ReportNothing,
    TraceSpan,
    Verdict,
)
from mixer.adapter.testing import running


@pytest.mark.parametrize("instance", [Authorization(), CheckNothing(), ListEntry()], ids=repr)
async def test_every_check_passes(instance: Authorization | CheckNothing | ListEntry) -> None:
    async with running(Noop) as noop:
        assert noop.check(instance) == Verdict(Code.OK, "", 1e9, 1_000_000_000)


@pytest.mark.parametrize("amount", [1, 0, 10**12])
async def test_every_quota_is_granted_in_full(amount: int) -> None:
    async with running(Noop) as noop:
        assert noop.allocate(Quota(), QuotaArgs(amount)) == Grant(amount, 1e9)


async def test_it_takes_reports_of_these_templates_and_drops_them() -> None:
    reported = {template for template, verb in Noop.verbs.items() if verb == "report"}
    assert reported == {ReportNothing, LogEntry, Metric, TraceSpan}
    async with running(Noop) as noop:
        noop.report([Metric(value=1), LogEntry()])
