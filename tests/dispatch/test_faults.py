"""An adapter that raises, hangs or returns nonsense costs its own rule, as `onError` says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mixer.adapter import (
    Adapter,
    CheckNothing,
    Checks,
    Config,
    Grant,
    LogEntry,
    Quota,
    QuotaArgs,
    Reports,
    Verdict,
)
from mixer.adapter.base import Allocates
from mixer.errors import Code, RpcError

from .conftest import Start


class Nothing(Config, frozen=True):
    """No params."""


class Raises(
    Adapter[Nothing],
    Checks[CheckNothing],
    Allocates[Quota],
    Reports[LogEntry],
    name="raises",
):
    """Fails at everything."""

    def check(self, instance: CheckNothing, /) -> Verdict:
        raise RuntimeError("boom")

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        raise RuntimeError("boom")

    def report(self, batch: Any, /) -> None:
        raise RuntimeError("boom")


class Hangs(Adapter[Nothing], Checks[CheckNothing], Reports[LogEntry], name="hangs"):
    """Never answers."""

    async def check(self, instance: CheckNothing, /) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError

    async def report(self, batch: Any, /) -> None:
        await asyncio.Event().wait()


class Abandons(Adapter[Nothing], Checks[CheckNothing], name="abandons"):
    """Waits for what is cancelled."""

    async def check(self, instance: CheckNothing, /) -> Verdict:
        work = asyncio.ensure_future(asyncio.Event().wait())
        work.cancel()
        await work
        raise AssertionError


class Babbles(Adapter[Nothing], Checks[CheckNothing], name="babbles"):
    """Returns what is no verdict."""

    def check(self, instance: CheckNothing, /) -> Verdict:
        return "yes"  # type: ignore[return-value]  # that is the point


class Shut(Adapter[Nothing], Checks[CheckNothing], name="shut"):
    """Can't be opened."""

    async def open(self) -> None:
        raise OSError("nobody home")

    def check(self, instance: CheckNothing, /) -> Verdict:
        return Verdict()


BROKEN = [Raises, Hangs, Abandons, Babbles, Shut]
OURS = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: r}}
spec:
  {word}
  actions:
  - handler: {{adapter: {adapter}, timeout: 50ms}}
    instances: [{{template: checknothing}}]
"""
ISTIO = """
apiVersion: config.istio.io/v1alpha2
kind: {adapter}
metadata: {{name: h, namespace: istio-system}}
spec: {{}}
---
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: {{name: i, namespace: istio-system}}
spec: {{}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: r, namespace: istio-system}}
spec:
  match: {match}
  actions: [{{handler: h.{adapter}, instances: [i.checknothing]}}]
"""
DENIES = """
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: denies}
spec:
  actions:
  - handler: {adapter: denier, params: {status: {code: 7, message: never}}}
    instances: [{template: checknothing}]
"""


@pytest.mark.parametrize("adapter", ["raises", "hangs", "abandons", "babbles", "shut"])
async def test_by_default_our_rules_deny_and_the_denial_is_not_cached(
    start: Start, adapter: str
) -> None:
    mixer = await start(OURS.format(word="mode: enforce", adapter=adapter), *BROKEN)
    found = (await mixer.check()).precondition
    assert found.code == Code.UNAVAILABLE
    assert (found.valid_for, found.valid_uses) == (0, 0)
    assert mixer.metric("mixer_rule_faults_total", rule="r.istio-system", outcome="deny") == 1


@pytest.mark.parametrize("adapter", ["raises", "hangs", "abandons", "babbles", "shut"])
async def test_a_rule_may_skip_what_fails(start: Start, adapter: str) -> None:
    mixer = await start(OURS.format(word="onError: skip", adapter=adapter), *BROKEN)
    found = (await mixer.check()).precondition
    assert (found.code, found.valid_for, found.valid_uses) == (0, 60, 10_000)
    counted = mixer.metric("mixer_rule_faults_total", rule="r.istio-system", outcome="skip")
    assert counted == (0 if adapter == "shut" else 1)  # what is not open is not even called


@pytest.mark.parametrize("adapter", ["raises", "hangs", "abandons", "babbles", "shut"])
async def test_a_rule_may_fail_the_rpc(start: Start, adapter: str) -> None:
    mixer = await start(OURS.format(word="onError: fail", adapter=adapter), *BROKEN)
    with pytest.raises(RpcError, match="performing check operation failed: 1 error occurred:") as e:
        await mixer.check()
    assert e.value.code is Code.INTERNAL


async def test_a_call_that_is_cancelled_ends_its_handlers_and_is_no_fault(start: Start) -> None:
    mixer = await start(OURS.format(word="onError: skip", adapter="hangs"), *BROKEN)
    call = asyncio.ensure_future(mixer.check())
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert mixer.metric("mixer_rule_faults_total", rule="r.istio-system", outcome="skip") == 0


async def test_istios_rules_fail_the_rpc_as_the_original_did(start: Start) -> None:
    mixer = await start(ISTIO.format(adapter="raises", match='""'), *BROKEN)
    with pytest.raises(RpcError, match="boom"):
        await mixer.check()
    assert (
        mixer.metric(
            "mixer_runtime_dispatches_total",
            meshFunction="checknothing",
            handler="h.raises.istio-system",
            adapter="raises",
            error="true",
        )
        == 1
    )


async def test_istios_rules_skip_a_handler_that_could_not_be_opened(start: Start) -> None:
    mixer = await start(ISTIO.format(adapter="shut", match='""'), *BROKEN)
    assert (await mixer.check()).precondition.code == 0
    assert mixer.metric("mixer_config_unsatisfied_action_handler_total") == 1


async def test_a_clean_denial_wins_over_another_handlers_failure(start: Start) -> None:
    mixer = await start(ISTIO.format(adapter="raises", match='""') + DENIES, *BROKEN)
    found = (await mixer.check()).precondition
    assert (found.code, found.message) == (Code.PERMISSION_DENIED, "denies.istio-system:never")


async def test_istios_rules_skip_a_match_without_a_value_and_count_it(start: Start) -> None:
    mixer = await start(ISTIO.format(adapter="raises", match="source.user == 'x'"), *BROKEN)
    assert (await mixer.check()).precondition.code == 0
    assert mixer.metric("mixer_rule_match_errors_total", rule="r.istio-system") == 1


async def test_our_rules_deny_where_the_match_has_no_value(start: Start) -> None:
    text = OURS.format(word="match: request.headers['x'] == 'y'", adapter="babbles")
    mixer = await start(text, *BROKEN)
    assert (await mixer.check()).precondition.code == Code.UNAVAILABLE


QUOTA = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: q}}
spec:
  {word}
  actions:
  - handler: {{adapter: raises}}
    instances: [{{name: rq, template: quota}}]
"""


@pytest.mark.parametrize(("word", "granted"), [("onError: fail", 0), ("onError: skip", 5)])
async def test_a_failing_quota_grants_nothing_unless_it_is_skipped(
    start: Start, word: str, granted: int
) -> None:
    mixer = await start(QUOTA.format(word=word), *BROKEN)
    answer = await mixer.check(quotas={"rq": QuotaArgs(5)})
    assert answer.precondition.code == 0
    assert answer.quotas["rq"].granted == granted


REPORT = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: bad}}
spec:
  onError: {word}
  actions:
  - handler: {{adapter: {adapter}, timeout: 50ms, queue: {{size: 0}}}}
    instances: [{{template: logentry}}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: good}}
spec:
  actions:
  - handler: {{adapter: stdio}}
    instances: [{{template: logentry, params: {{variables: {{user: source.user}}}}}}]
"""


@pytest.mark.parametrize("adapter", ["raises", "hangs"])
async def test_telemetry_of_one_handler_survives_another(
    start: Start, adapter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mixer = await start(REPORT.format(word="fail", adapter=adapter), *BROKEN)
    with pytest.raises(RpcError) as failed:
        await mixer.report({"source.user": "ann"}, "this one can't be read", {"source.user": "bob"})
    assert failed.value.code is Code.UNKNOWN
    assert "2 errors occurred:\n\t* this one can't be read\n\t* bad.istio-system: " in (
        failed.value.message
    )
    assert [line.partition('"user":')[2] for line in capsys.readouterr().out.splitlines()] == [
        '"ann"}',
        '"bob"}',
    ]


async def test_telemetry_that_may_be_skipped_does_not_fail_the_report(start: Start) -> None:
    mixer = await start(REPORT.format(word="skip", adapter="raises"), *BROKEN)
    await mixer.report({"source.user": "ann"})
    assert mixer.metric("mixer_rule_faults_total", rule="bad.istio-system", outcome="skip") == 1


async def test_the_log_tells_of_a_fault_the_first_tenth_and_hundredth_time(start: Start) -> None:
    mixer = await start(ISTIO.format(adapter="raises", match="source.user == 'x'"), *BROKEN)
    for _ in range(120):
        await mixer.check()
    told = [call.kwargs for call in mixer.log.calls if "match" in call.kwargs.get("event", "")]
    assert [line["times"] for line in told] == [1, 10, 100]
    assert told[0]["reason"] == ("rule r.istio-system: match failed: lookup failed: 'source.user'")


async def test_an_unknown_quota_is_granted_counted_and_warned_of_once(start: Start) -> None:
    mixer = await start("")
    for _ in range(3):
        answer = await mixer.check(quotas={"nobody": QuotaArgs(7)})
        assert (answer.quotas["nobody"].granted, answer.quotas["nobody"].valid_for) == (7, 60)
    assert mixer.metric("mixer_quota_unknown_total") == 3
    told = [call.kwargs for call in mixer.log.calls if call.kwargs.get("quota") == "nobody"]
    assert len(told) == 1


async def test_quotas_are_answered_in_order_of_name(start: Start) -> None:
    mixer = await start("")
    answer = await mixer.check(quotas={name: QuotaArgs(1) for name in ("c", "a", "d", "b")})
    assert list(answer.quotas) == ["a", "b", "c", "d"]


async def test_an_unknown_quota_can_be_refused(start: Start) -> None:
    mixer = await start("", deny_unknown_quota=True)
    answer = await mixer.check(quotas={"nobody": QuotaArgs(7)})
    assert answer.quotas["nobody"].granted == 0
