"""What a handler says of how it is called is done; what makes no sense is told with its place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mixer.adapter import (
    Adapter,
    CheckNothing,
    Checks,
    Config,
    LogEntry,
    Reports,
    Unavailable,
    Verdict,
)
from mixer.adapter.catalogue import Catalogue, load
from mixer.runtime import validate

from .conftest import Start


class Nothing(Config, frozen=True):
    """No params."""


class Distant(Adapter[Nothing], Checks[CheckNothing], Reports[LogEntry], name="distant"):
    """Asks and tells a back end that is often away."""

    batches: ClassVar[list[list[Any]]] = []
    asked: ClassVar[list[str]] = []
    away: ClassVar[bool] = False

    async def check(self, instance: CheckNothing, /) -> Verdict:
        self.asked.append(instance.name)
        if Distant.away:
            raise Unavailable("away")
        return Verdict()

    async def report(self, batch: Sequence[LogEntry], /) -> None:
        if Distant.away:
            raise Unavailable("away")
        self.batches.append([entry.variables for entry in batch])


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Distant, "batches", [])
    monkeypatch.setattr(Distant, "asked", [])
    monkeypatch.setattr(Distant, "away", False)


RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: r}}
spec:
  actions:
  - handler: {{adapter: distant, {words}}}
    instances: [{instances}]
"""
LOG = "{template: logentry, params: {variables: {user: source.user}}}"
CHECK = "{template: checknothing}"


async def test_a_report_does_not_wait_for_the_back_end_and_all_of_it_is_delivered(
    start: Start,
) -> None:
    words = "retry: {pause: 1ms}, queue: {batchSize: 2, batchAge: 10ms}"
    mixer = await start(RULE.format(words=words, instances=LOG), Distant)
    Distant.away = True
    for user in ("ann", "bob", "cid"):
        await mixer.report({"source.user": user})
    await asyncio.sleep(0.02)
    labels = {"meshFunction": "logentry", "handler": "r.istio-system"}
    assert mixer.metric("mixer_delivery_instances_total", outcome="delivered", **labels) == 0
    assert mixer.metric("mixer_delivery_retries_total", **labels) >= 1
    Distant.away = False
    await mixer.runtime.close()
    assert Distant.batches == [[{"user": "ann"}, {"user": "bob"}], [{"user": "cid"}]]
    for outcome in ("taken", "delivered"):
        assert mixer.metric("mixer_delivery_instances_total", outcome=outcome, **labels) == 3


async def test_a_change_of_the_configuration_delivers_what_the_old_handler_has(
    start: Start,
) -> None:
    mixer = await start(RULE.format(words="queue: {batchAge: 1h}", instances=LOG), Distant)
    await mixer.report({"source.user": "ann"})
    file = Path(mixer.runtime.describe()["sources"][0])
    file.write_text(file.read_text().replace("1h", "2h"))
    await mixer.runtime.reload()
    await mixer.report({"source.user": "bob"})
    await mixer.runtime.close()
    assert Distant.batches == [[{"user": "ann"}], [{"user": "bob"}]]


class Busy(Adapter[Nothing], Checks[CheckNothing], name="busy"):
    """Has work in the background."""

    async def open(self) -> None:
        self.task = self.env.spawn(asyncio.sleep(3600), "all day")

    def check(self, instance: CheckNothing, /) -> Verdict:
        return Verdict()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def test_background_tasks_are_in_the_metrics_while_they_run(start: Start) -> None:
    rule = RULE.format(words="params: {}", instances=CHECK).replace("distant", "busy")
    mixer = await start(rule, Busy)
    assert mixer.metric("mixer_handler_daemons_total", handler="r.istio-system") == 1
    await mixer.runtime.close()
    assert mixer.metric("mixer_handler_daemons_total", handler="r.istio-system") == 0


async def test_a_dead_back_end_is_spared(start: Start) -> None:
    words = "breaker: {failures: 2, pause: 1h}"
    mixer = await start(RULE.format(words=words, instances=CHECK), Distant)
    Distant.away = True
    answers = [(await mixer.check()).precondition for _ in range(4)]
    assert len(Distant.asked) == 2
    assert "away" in answers[0].message
    assert "no answer 2 times in a row" in answers[-1].message
    refused = mixer.metric(
        "mixer_handler_calls_refused_total", handler="r.istio-system", reason="spared"
    )
    assert refused == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "retry: {pause: 2s, maxPause: 1s}",
            ":7:62: error: rule/istio-system/r spec.actions[0].handler.retry.max_pause: '1s' is "
            "less than the first pause '2s'",
        ),
        (
            "queue: {sise: 10}",
            ":7:41: error: rule/istio-system/r spec.actions[0].handler.queue.sise: ",
        ),
    ],
)
def test_what_does_not_go_together_is_told_with_its_place(
    words: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULE.format(words=words, instances=CHECK))
    catalogue = Catalogue.of([*load().adapters.values(), Distant])
    (problem,) = validate([str(file)], catalogue)
    assert told in str(problem)


def test_a_queue_for_an_adapter_without_reports_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    rule = RULE.format(words="queue: {size: 10}", instances=CHECK)
    file.write_text(rule.replace("adapter: distant", "adapter: denier"))
    (problem,) = validate([str(file)], load())
    assert "warning" in str(problem)
    assert "the adapter 'denier' takes no reports" in str(problem)
