"""Handlers over reloads: kept while nothing of theirs changes, replaced whole, never lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest
import structlog

from attributes import Bag
from mixer.adapter import Adapter, CheckNothing, Checks, Config, Verdict
from mixer.adapter.catalogue import Catalogue
from mixer.dispatch.check import check
from mixer.runtime import Options, Runtime
from mixer.telemetry.metrics import Metrics


class Said(Config, frozen=True):
    """What to say."""

    word: str = "hello"
    """The word; ``broken`` can't be opened."""


class Says(Adapter[Said], Checks[CheckNothing], name="says"):
    """Denies with a word and the number of its object."""

    events: ClassVar[list[str]] = []
    gate: ClassVar[asyncio.Event | None] = None

    async def open(self) -> None:
        if self.config.word == "broken":
            raise OSError("out of order")
        self.events.append(f"open {self.config.word}")

    async def check(self, instance: CheckNothing, /) -> Verdict:
        if self.gate:
            await self.gate.wait()
        return Verdict.deny(self.config.word)

    async def close(self) -> None:
        self.events.append(f"close {self.config.word}")


RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: r}}
spec:
  match: {match}
  actions:
  - handler: {{adapter: says, params: {{word: {word}}}}}
    instances: [{{template: checknothing}}]
"""


class Kept:
    """A runtime over one file."""

    def __init__(self, runtime: Runtime, file: Path, metrics: Metrics) -> None:
        self.runtime, self.file, self.metrics = runtime, file, metrics

    async def becomes(self, word: str, match: str = "'true'") -> None:
        self.file.write_text(RULE.format(word=word, match=match))
        await self.runtime.reload()

    async def answer(self) -> str:
        assert self.runtime.snapshot is not None
        with self.runtime.snapshot as routes:
            return (await check(routes, Bag({}), {})).precondition.message

    def metric(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Says, "events", [])
    monkeypatch.setattr(Says, "gate", None)
    file = tmp_path / "rule.yaml"
    file.write_text(RULE.format(word="one", match="'true'"))
    metrics = Metrics()
    log = structlog.wrap_logger(
        structlog.testing.CapturingLogger(), processors=[], wrapper_class=structlog.BoundLogger
    )
    runtime = Runtime(Catalogue.of([Says]), [str(file)], Options(), metrics, log)
    await runtime.start()
    yield Kept(runtime, file, metrics)
    await runtime.close()


async def settled() -> None:
    """Let the clean-up of the replaced snapshot run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_changed_rule_keeps_the_handler(kept: Kept) -> None:
    await kept.becomes("one", match="'1 == 1'")
    await settled()
    assert await kept.answer() == "r.istio-system:one"
    assert Says.events == ["open one"]
    assert kept.metric("mixer_handler_reused_handlers_total") == 1


async def test_a_changed_handler_opens_before_the_old_one_closes(kept: Kept) -> None:
    await kept.becomes("two")
    await settled()
    assert await kept.answer() == "r.istio-system:two"
    assert Says.events == ["open one", "open two", "close one"]


async def test_a_change_that_cannot_be_opened_leaves_the_old_handler_serving(kept: Kept) -> None:
    await kept.becomes("broken")
    await settled()
    assert await kept.answer() == "r.istio-system:one"
    assert Says.events == ["open one"]
    (handler,) = kept.runtime.describe()["handlers"]
    assert (handler["state"], handler["error"]) == ("serving its last good config", "out of order")
    assert kept.metric("mixer_handler_handler_build_failures_total") == 1
    await kept.becomes("two")
    await settled()
    assert Says.events == ["open one", "open two", "close one"]


async def test_a_call_in_flight_keeps_its_handler_open(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    monkeypatch.setattr(Says, "gate", gate)
    call = asyncio.create_task(kept.answer())
    await asyncio.sleep(0)
    await kept.becomes("two")
    await settled()
    assert Says.events == ["open one", "open two"]
    gate.set()
    assert await call == "r.istio-system:one"
    await settled()
    assert Says.events == ["open one", "open two", "close one"]


async def test_closing_waits_for_calls_and_closes_every_handler(kept: Kept) -> None:
    await kept.runtime.close()
    assert Says.events == ["open one", "close one"]
    assert kept.runtime.snapshot is None


async def test_a_mistake_in_a_file_keeps_its_rule_and_says_so(kept: Kept) -> None:
    await kept.becomes("two", match="'no.such == 1'")
    assert await kept.answer() == "r.istio-system:one"
    described = kept.runtime.describe()
    assert described["keptLastGood"] == ["rule/istio-system/r"]
    assert described["problems"][0]["reason"] == "unknown attribute no.such"
