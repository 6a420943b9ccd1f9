"""
What adapters cost, and what a back end that hangs costs others: ``python -m bench.adapters``.

Each line is a median of five runs and their range. Latencies are compared in turn, with and
without calls to what hangs, as a machine is not the same all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import Any

import grpc.aio

from adapters.fluentd.forward import chunks
from adapters.fluentd.records import tagged
from adapters.opentelemetry.encoding import Attributes, message
from adapters.opentelemetry.records import log_record
from adapters.redisquota import Redisquota
from adapters.redisquota.config import RedisquotaConfig
from adapters.redisquota.limits import QuotaLimit
from attributes import Duration, Timestamp
from bench.server import free_port, serving
from mixer._pb import mixer_pb2 as pb
from mixer.adapter import ALLOW, CheckNothing, LogEntry, Quota, QuotaArgs, Shape, ValueType, Verdict
from mixer.adapter.records import MASKED, lowered
from mixer.adapter.testing import running
from mixer.dispatch.run import _inline
from mixer.rules.routes import Call
from mixer.telemetry.metrics import Metrics

RUNS = 5
RECORDS = 5_000
CALLS = 200_000
SECONDS = 6.0
"""Of each of the phases in which latencies are taken."""

HANGING_RULES = """
apiVersion: meshmixer.io/v1
kind: attributemanifest
metadata: {name: vocabulary}
spec: {attributes: {source.user: {valueType: STRING}}}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: hangs}
spec:
  match: source.user == "unlucky"
  actions:
  - handler:
      adapter: bypass
      timeout: 1s
      breaker: {failures: 0}
      params: {backendAddress: '127.0.0.1:PORT'}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: works}
spec:
  match: source.user != "unlucky"
  actions:
  - handler: {adapter: listchecker, params: {overrides: [ann, bob]}}
    instances: [{template: listentry, params: {value: source.user}}]
"""


def entries() -> list[LogEntry]:
    """Log entries of twelve variables, three of which are different each time."""
    return [
        LogEntry(
            name="accesslog.instance.istio-system",
            severity="info",
            timestamp=Timestamp(1_700_000_000_000_000_000 + number),
            variables={
                "method": "GET",
                "path": f"/products/{number}",
                "host": "products.shop.svc.cluster.local",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
                "source": "web",
                "destination": "products",
                "code": 200,
                "latency": Duration(number * 1000),
                "request_id": f"3f6a2ec3-c810-c2ab-3f6a-{number:012}",
                "source_ip": b"\x0a\0\0\1",
                "bytes": number,
                "mtls": True,
            },
        )
        for number in range(RECORDS)
    ]


def cpu_of(work: Callable[[], object]) -> float:
    """Seconds of CPU that *work* takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def records() -> Iterator[tuple[str, list[float]]]:
    """CPU of each record, in microseconds, without sending."""
    batch, masked = entries(), lowered(MASKED)

    def otlp() -> None:
        of = Attributes(6, masked)
        for start in range(0, RECORDS, 500):
            b"".join([message(2, log_record(one, "", 1, of)) for one in batch[start : start + 500]])

    def fluentd() -> None:
        for start in range(0, RECORDS, 500):
            list(
                chunks([tagged(one, masked, False) for one in batch[start : start + 500]], 1 << 23)
            )

    for name, work in (("OTLP log record, µs", otlp), ("fluentd record, µs", fluentd)):
        yield name, [cpu_of(work) / RECORDS * 1e6 for _ in range(RUNS)]


def kit() -> Iterator[tuple[str, list[float]]]:
    """What the host adds to an inline check, in microseconds."""

    def check(instance: CheckNothing, /) -> Verdict:
        return ALLOW

    observer = Metrics().call("checknothing", "h", "a")
    nothing: Any = None
    call = Call("h", "a", check, False, nothing, "", observer, Verdict)
    instance = CheckNothing(name="n")
    arguments = (instance,)

    def direct() -> None:
        for _ in range(CALLS):
            check(instance)

    def hosted() -> None:
        for _ in range(CALLS):
            _inline(call, arguments)

    pairs = [(cpu_of(hosted), cpu_of(direct)) for _ in range(RUNS)]
    yield "host of an inline check, µs", [(one - bare) / CALLS * 1e6 for one, bare in pairs]


@contextmanager
def redis() -> Iterator[int]:
    """The port of a Redis."""
    port = free_port()
    command = [str(which("redis-server")), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            _await_port(port)
            yield port
        finally:
            process.terminate()
            process.wait()


async def allocations(port: int, callers: int, count: int) -> float:
    """Allocations a second by so many callers at a time."""
    shape = Shape("q.instance.ns", Quota, {"dimensions.user": ValueType.STRING})
    limit = QuotaLimit(name="q", max_amount=1 << 40, valid_duration=Duration.of(60))
    config = RedisquotaConfig(quotas=(limit,), redis_server_url=f"127.0.0.1:{port}")
    async with running(Redisquota, config, shapes=[shape]) as adapter:

        async def caller(number: int) -> None:
            asked = Quota(name=shape.name, dimensions={"user": str(number % 50)})
            for _ in range(count // callers):
                assert (await adapter.allocate(asked, QuotaArgs(1))).amount == 1

        await caller(0) if callers == 1 else None
        started = time.perf_counter()
        await asyncio.gather(*(caller(number) for number in range(callers)))
        return count / (time.perf_counter() - started)


def redisquota() -> Iterator[tuple[str, list[float]]]:
    """Allocations a second, with a Redis on the same machine."""
    with redis() as port:
        for callers, count in ((1, 2_000), (8, 10_000), (64, 20_000)):
            runs = [asyncio.run(allocations(port, callers, count)) for _ in range(RUNS)]
            yield f"redisquota, {callers} callers, /s", runs


async def latencies(port: int, seconds: float, hang: bool) -> float:
    """Milliseconds that 99 of 100 calls of the rule that works take at most."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        check: Any = channel.unary_unary("/istio.mixer.v1.Mixer/Check")
        good, bad = _body("ann"), _body("unlucky")
        found: list[float] = []
        end = time.perf_counter() + seconds
        waiting: set[asyncio.Task[Any]] = set()

        async def unlucky() -> None:
            with suppress(grpc.aio.AioRpcError):
                await check(bad, timeout=5)

        async def lucky() -> None:
            while time.perf_counter() < end:
                started = time.perf_counter()
                await check(good)
                found.append(time.perf_counter() - started)
                await asyncio.sleep(0.002)

        callers = [asyncio.ensure_future(lucky()) for _ in range(2)]
        while time.perf_counter() < end:
            if hang:  # a hundred at a time wait for the back end that hangs
                task = asyncio.ensure_future(unlucky())
                waiting.add(task)
                task.add_done_callback(waiting.discard)
            await asyncio.sleep(0.01)
        await asyncio.gather(*callers, *waiting)
        return statistics.quantiles(found, n=100)[98] * 1000


def hanging() -> Iterator[tuple[str, list[float]]]:
    """The 99th percentile of one rule's calls while the back end of another hangs."""
    with closing(socket.socket()) as silent, tempfile.TemporaryDirectory() as folder:
        silent.bind(("127.0.0.1", 0))
        silent.listen(128)  # takes connections, and never says a word
        rules = HANGING_RULES.replace("PORT", str(silent.getsockname()[1]))
        (Path(folder) / "rules.yaml").write_text(rules)
        with serving(Path(folder)) as server:
            asyncio.run(latencies(server.port, 1, True))
            pairs = [
                [asyncio.run(latencies(server.port, SECONDS, hang)) for hang in (False, True)]
                for _ in range(RUNS)
            ]
    yield "p99, nothing hangs, ms", [quiet for quiet, _ in pairs]
    yield "p99, a back end hangs, ms", [hung for _, hung in pairs]
    yield "ratio of the two", [hung / quiet for quiet, hung in pairs]


def _body(user: str) -> bytes:
    request = pb.CheckRequest()
    request.attributes.words.extend(["source.user", user])
    request.attributes.strings[-1] = -2
    return request.SerializeToString()


def _await_port(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)


GROUPS = {"kit": kit, "records": records, "redisquota": redisquota, "hanging": hanging}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.adapters", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="default: all")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    for group in arguments.groups or GROUPS:
        for name, runs in GROUPS[group]():
            figures = [statistics.median(runs), min(runs), max(runs)]
            if arguments.json:
                print(json.dumps({name: figures}))
            else:
                median, low, high = (f"{one:,.2f}" for one in figures)
                print(f"{name:32}{median:>12}   {low} - {high}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
