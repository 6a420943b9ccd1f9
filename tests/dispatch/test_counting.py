"""Bags of which nothing is asked but to count their numbers, alone and with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from attributes import Value
from mixer.adapter import Adapter, Config, Metric, Reports
from mixer.dispatch.report import count, report
from mixer.errors import Code, RpcError

from .conftest import Mixer, Start

COUNTED: list[float] = []
TEXT = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: r}
spec:
  onError: WORD
  actions:
  - handler: {adapter: breaks}
    instances: [{template: metric, params: {value: '1', dimensions: {a: source.user}}}]
  - handler: {adapter: counts}
    instances: [{template: metric, params: {value: '2', dimensions: {a: source.user}}}]
"""


class Nothing(Config, frozen=True):
    """No params."""


class Breaks(Adapter[Nothing], Reports[Metric], name="breaks"):
    """Takes numbers, and fails."""

    def report(self, batch: Sequence[Metric], /) -> None:
        raise RuntimeError("boom")

    def tally(self, instance: Metric, /) -> Callable[[Sequence[float]], None] | None:
        def fail(numbers: Sequence[float]) -> None:
            raise RuntimeError("boom")

        return fail


class Counts(Adapter[Nothing], Reports[Metric], name="counts"):
    """Takes numbers, but whole instances of users called "whole"."""

    def report(self, batch: Sequence[Metric], /) -> None:
        COUNTED.extend(-1 for _ in batch)

    def tally(self, instance: Metric, /) -> Callable[[Sequence[float]], None] | None:
        return None if instance.dimensions["a"] == "whole" else COUNTED.extend


async def told(mixer: Mixer, alone: bool, bag: Mapping[str, Value]) -> bool:
    """Report *bag*; whether that was done by counting it *alone*."""
    COUNTED.clear()
    snapshot = mixer.runtime.snapshot
    assert snapshot is not None
    with snapshot as routes:
        if alone and snapshot.folds and count(routes, bag, snapshot.folds):
            return True
        await report(routes, [bag], snapshot.folds)
    return False


@pytest.mark.parametrize("start", [True], ids=["fused"], indirect=True)
@pytest.mark.parametrize("alone", [True, False])
async def test_a_handler_that_fails_takes_nothing_along(start: Start, alone: bool) -> None:
    mixer = await start(TEXT.replace("WORD", "fail"), Breaks, Counts)
    for known in (False, True):  # the first of its kind is looked at whole
        with pytest.raises(RpcError, match="boom") as failed:
            await told(mixer, alone, {"source.user": "ann"})
        assert failed.value.code is Code.UNKNOWN
        assert COUNTED == [2], known


@pytest.mark.parametrize("start", [True], ids=["fused"], indirect=True)
async def test_a_bag_is_counted_alone_once_its_kind_is_known(start: Start) -> None:
    mixer = await start(TEXT.replace("WORD", "skip"), Breaks, Counts)
    bag = {"source.user": "ann"}
    assert [await told(mixer, True, bag) for _ in range(3)] == [False, True, True]
    assert COUNTED == [2]
    calls = "mixer_runtime_dispatches_total"
    labels = {"meshFunction": "metric", "handler": "r.istio-system", "adapter": "breaks"}
    assert mixer.metric(calls, error="true", **labels) == 3
    phases = "mixer_dispatcher_instances_per_request"
    assert mixer.metric(f"{phases}_count") == 3
    assert mixer.metric(f"{phases}_sum") == 6
    assert not await told(mixer, True, {"source.user": "whole"})
    assert not await told(mixer, True, {"source.user": "whole"})
    assert COUNTED == [-1]
