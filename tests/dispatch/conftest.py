"""Configuration text to routes in force, with adapters that tests make."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import structlog
from msgspec import structs

from attributes import Bag, Value
from mixer.adapter import QuotaArgs
from mixer.adapter.catalogue import Catalogue, load
from mixer.answers import CheckAnswer
from mixer.dispatch.check import check
from mixer.dispatch.report import report
from mixer.runtime import Options, Runtime
from mixer.telemetry.metrics import Metrics

VOCABULARY = """
apiVersion: meshmixer.io/v1
kind: attributemanifest
metadata: {name: vocabulary}
spec:
  attributes:
    source.user: {valueType: STRING}
    source.name: {valueType: STRING}
    source.ip: {valueType: IP_ADDRESS}
    source.labels: {valueType: STRING_MAP}
    source.namespace: {valueType: STRING}
    destination.namespace: {valueType: STRING}
    context.reporter.kind: {valueType: STRING}
    request.headers: {valueType: STRING_MAP}
---
"""


class Mixer:
    """A configuration in force."""

    def __init__(
        self, runtime: Runtime, metrics: Metrics, log: structlog.testing.CapturingLogger
    ) -> None:
        self.runtime = runtime
        self.log = log
        self._metrics = metrics

    async def check(
        self,
        attributes: Mapping[str, Value] | None = None,
        quotas: Mapping[str, QuotaArgs] | None = None,
        deduplication_id: str = "",
    ) -> CheckAnswer:
        assert self.runtime.snapshot is not None
        with self.runtime.snapshot as routes:
            call = deduplication_id
            named = {
                name: structs.replace(args, deduplication_id=call and call + name)
                for name, args in (quotas or {}).items()
            }
            return await check(routes, Bag(attributes or {}), named)

    async def report(self, *bags: Mapping[str, Value] | str) -> None:
        assert self.runtime.snapshot is not None
        with self.runtime.snapshot as routes:
            await report(routes, bags)

    def metric(self, name: str, **labels: str) -> float:
        """The value of one of our own metrics; 0 where it has not been touched."""
        return self._metrics.registry.get_sample_value(name, labels) or 0.0


Start: TypeAlias = Callable[..., Awaitable[Mixer]]


@pytest.fixture(params=[True, False], ids=["fused", "plain"])
async def start(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Start]:
    """Start mixers from configuration text and adapters beside the built-in ones."""
    async with AsyncExitStack() as stack:

        async def started(text: str, *adapters: type[Any], **options: Any) -> Mixer:
            config = tmp_path / "config.yaml"
            config.write_text(VOCABULARY + text)
            catalogue = Catalogue.of([*load().adapters.values(), *adapters])
            metrics = Metrics()
            log = structlog.testing.CapturingLogger()
            runtime = Runtime(
                catalogue,
                [str(config)],
                Options(fused=request.param, **options),
                metrics,
                structlog.wrap_logger(log, processors=[], wrapper_class=structlog.BoundLogger),
            )
            await runtime.start()
            stack.push_async_callback(runtime.close)
            assert runtime.snapshot is not None
            problems = list(map(str, runtime.snapshot.plan.problems))
            assert problems == []
            return Mixer(runtime, metrics, log)

        yield started
