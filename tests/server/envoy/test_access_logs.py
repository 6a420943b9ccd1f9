"""Streams of entries: what is reported of them, and what is wrong with some."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

from mixer._pb import envoy_accesslog_pb2 as pb
from mixer.server.envoy.accesslogs import SERVICE, AccessLogs
from tests.server.envoy.conftest import Mixer, Start

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: count}
spec:
  onError: fail
  actions:
  - handler:
      adapter: prometheus
      params:
        address: 127.0.0.1:0
        metrics:
        - {name: told, instanceName: told, kind: COUNTER, labelNames: [path, kind, proxy]}
    instances:
    - name: told
      template: metric
      params:
        value: response.code / response.code
        dimensions:
          path: request.path | "none"
          kind: context.reporter.kind
          proxy: context.reporter.uid | "none"
"""


def entry(
    path: str, code: int = 200, type_: int = 0, custom_tags: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "common_properties": {"access_log_type": type_, "custom_tags": custom_tags or {}},
        "request": {"path": path},
        "response": {"response_code": {"value": code}},
    }


def message(*entries: dict[str, Any], log: str = "", node: str = "") -> bytes:
    told = pb.StreamAccessLogsMessage(http_logs={"log_entry": entries})
    if log or node:
        told.identifier.log_name, told.identifier.node.id = log, node
    return told.SerializeToString()


async def stream(logs: AccessLogs, messages: Sequence[bytes]) -> list[bytes]:
    """Send *messages* and end the stream; what is answered."""
    answers: list[bytes] = []

    async def sent() -> AsyncIterator[bytes]:
        for raw in messages:
            yield raw

    async def send(raw: bytes) -> None:
        answers.append(raw)

    await logs.streams[f"{SERVICE}/StreamAccessLogs"](sent(), send)
    return answers


def counted(mixer: Mixer) -> dict[tuple[str, ...], float]:
    family = mixer.metrics.cells.families["mixer_envoy_log_entries_total"]
    return {labels: cell.value for labels, cell in family.cells()}


async def test_who_sends_is_said_once(start: Start) -> None:
    mixer = await start(RULES)
    messages = [message(entry("/a"), log="outbound", node="p"), message(entry("/b"), entry("/a"))]
    assert await stream(mixer.logs, messages) == [b""]
    assert mixer.series("told") == {
        'kind="outbound",path="/a",proxy="p"': 2, 'kind="outbound",path="/b",proxy="p"': 1,
    }  # fmt: skip


async def test_a_request_that_is_told_of_before_it_ends_is_counted_once(start: Start) -> None:
    mixer = await start(RULES)
    await stream(mixer.logs, [message(*(entry("/a", type_=type_) for type_ in (4, 5, 7, 6)))])
    assert mixer.series("told") == {'kind="inbound",path="/a",proxy="none"': 1}
    assert counted(mixer) == {("reported",): 1, ("passed_over",): 3, ("failed",): 0}


async def test_what_is_wrong_costs_itself_alone(start: Start) -> None:
    mixer = await start(RULES)
    fails = message(entry("/a", code=0))  # without a code there is no instance
    assert await stream(mixer.logs, [b"\xff", fails, b"", message(entry("/b"))]) == [b""]
    assert mixer.series("told") == {'kind="inbound",path="/b",proxy="none"': 1}
    assert counted(mixer) == {("reported",): 1, ("passed_over",): 0, ("failed",): 1}
    told = [call.kwargs["times"] for call in mixer.log.calls if "reason" in call.kwargs]
    assert 1 in told


async def test_many_entries_do_not_pile_up(start: Start) -> None:
    mixer = await start(RULES)
    many = message(*(entry(f"/{number % 7}") for number in range(1000)))
    await stream(mixer.logs, [many] * 10)
    assert sum(mixer.series("told").values()) == 10_000
    assert counted(mixer)["reported",] == 10_000


async def test_a_stream_of_many_entries_takes_no_more_memory_as_it_goes_on(start: Start) -> None:
    mixer = await start(RULES)
    sizes = []

    async def sent() -> AsyncIterator[bytes]:
        yield message(log="inbound", node="n")
        tracemalloc.start()
        for thousand in range(11):
            for hundred in range(10):
                told = {"path": "/", "custom_tags": {"request.id": f"{thousand} {hundred}"}}
                yield message(*(entry(**told) for _ in range(100)))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

    async def send(raw: bytes) -> None:
        pass

    await mixer.logs.streams[f"{SERVICE}/StreamAccessLogs"](sent(), send)
    assert counted(mixer)[("reported",)] == 11_000
    assert sizes[-1] - sizes[0] < 300_000, "of ten thousand entries, with 100 new texts"
