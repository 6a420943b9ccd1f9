"""Several processes as one server: what callers, scrapers and operators see of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from mixer._pb import mixer_pb2 as pb

from .conftest import SHARED, START_SECONDS, Server, body, logging_to
from .test_life import mixs
from .test_reload import configured, written
from .test_tls import call as call_tls
from .test_tls import files

CHECK = SHARED / "istio-config" / "check"
LIMIT = 300
QUOTA = f"""
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: memquota, namespace: istio-system}}
spec:
  compiledAdapter: memquota
  params:
    quotas: [{{name: requestcount.instance.istio-system, maxAmount: {LIMIT}, validDuration: 3600s}}]
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: requestcount, namespace: istio-system}}
spec:
  compiledTemplate: quota
  params: {{dimensions: {{to: destination.namespace | "x"}}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: quota, namespace: istio-system}}
spec:
  actions: [{{handler: memquota, instances: [requestcount]}}]
"""


class Client:
    """A caller with a connection of its own, which another client does not share."""

    def __init__(self, address: str, number: int) -> None:
        self.channel = grpc.insecure_channel(address, [("mixer.client", number)])
        self.failures: list[grpc.RpcError] = []
        self.answered = 0

    def call(self, method: str, raw: bytes, **options: Any) -> bytes | None:
        send = self.channel.unary_unary(f"/istio.mixer.v1.Mixer/{method}")
        try:
            answer: bytes = send(raw, timeout=20, **options)
        except grpc.RpcError as error:
            self.failures.append(error)
            return None
        self.answered += 1
        return answer


@pytest.fixture
def clients() -> Iterator[Callable[..., list[Client]]]:
    """Callers, each of which is connected: one after the other, so that workers take turns."""
    with ExitStack() as stack:

        def connected(server: Server, count: int) -> list[Client]:
            found = [Client(server.address, number) for number in range(count)]
            for client in found:
                stack.enter_context(client.channel)
                assert client.call("Check", body("check")) is not None
            return found

        yield connected


class Load:
    """Checks from all clients at once, as fast as they are answered."""

    def __init__(self, clients: list[Client]) -> None:
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in clients]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client) -> None:
        raw = body("check")
        while not self._done.is_set():
            client.call("Check", raw)


def workers(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.get("/configz"))["workers"]
    return found


def value(page: str, start: str) -> float:
    """The sum of all samples whose line begins so."""
    lines = [line for line in page.splitlines() if line.startswith(start)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def replaced(server: Server, number: int) -> Callable[[], bool]:
    return lambda: any(
        one["number"] == number and one["ready"] and one["replaced"] for one in workers(server)
    )


def test_a_killed_worker_costs_the_others_nothing_and_is_replaced(
    serve: Callable[..., Server], clients: Callable[..., list[Client]]
) -> None:
    server = serve(CHECK, "--workers=3")
    callers = clients(server, 3)
    with Load(callers):
        server.wait_for(lambda: all(one.answered > 20 for one in callers))
        os.kill(workers(server)[1]["pid"], signal.SIGKILL)
        server.wait_for(replaced(server, 1))
        answered = callers[1].answered
        server.wait_for(lambda: callers[1].answered > answered + 20)
    assert [bool(one.failures) for one in (callers[0], callers[2])] == [False, False]
    assert {error.code() for error in callers[1].failures} <= {grpc.StatusCode.UNAVAILABLE}
    page = server.get("/metrics")
    assert value(page, "mixer_workers_replaced_total ") == 1
    assert value(page, "mixer_workers ") == 3
    assert server.await_log("a worker ended and is replaced")["status"] == -signal.SIGKILL
    assert server.stop() == 0


def test_a_worker_that_is_asked_to_stop_costs_nobody_anything(
    serve: Callable[..., Server], clients: Callable[..., list[Client]]
) -> None:
    server = serve(CHECK, "--workers=2")
    callers = clients(server, 4)
    with Load(callers):
        server.wait_for(lambda: all(one.answered > 20 for one in callers))
        os.kill(workers(server)[0]["pid"], signal.SIGTERM)
        server.wait_for(replaced(server, 0))
        seen = [one.answered for one in callers]
        server.wait_for(
            lambda: all(one.answered > was + 20 for one, was in zip(callers, seen, strict=True))
        )
    assert [one.failures for one in callers] == [[], [], [], []]


def test_a_quota_is_handed_out_exactly_once_by_all_workers_together(
    serve: Callable[..., Server], clients: Callable[..., list[Client]], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    (folder / "quota.yaml").write_text(QUOTA)
    server = serve(folder, "--workers=4")
    callers = clients(server, 8)
    numbers = itertools.count()

    def take(client: Client) -> int:
        granted = 0
        for _ in range(LIMIT // 4):
            asked = pb.CheckRequest.FromString(body("check"))
            asked.deduplication_id = str(next(numbers))
            asked.quotas["requestcount"].amount = 1
            answer = client.call("Check", asked.SerializeToString())
            assert answer is not None
            granted += pb.CheckResponse.FromString(answer).quotas["requestcount"].granted_amount
        return granted

    with ThreadPoolExecutor(8) as threads:
        granted = list(threads.map(take, callers))
    assert sum(granted) == LIMIT
    victim = workers(server)[2]
    os.kill(victim["pid"], signal.SIGKILL)
    server.wait_for(replaced(server, 2))
    late = clients(server, 4)
    assert [take(client) for client in late] == [0] * 4, "a new worker knows what is taken"


def test_a_retry_at_another_worker_is_not_charged(
    serve: Callable[..., Server], clients: Callable[..., list[Client]], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    (folder / "quota.yaml").write_text(QUOTA)
    server = serve(folder, "--workers=2", "--adapterDefault=memquota.minDeduplicationDuration=600s")
    asked = pb.CheckRequest.FromString(body("check"))
    asked.deduplication_id = "once"
    asked.quotas["requestcount"].amount = LIMIT
    for client in clients(server, 4):
        answer = client.call("Check", asked.SerializeToString())
        assert answer is not None
        quotas = pb.CheckResponse.FromString(answer).quotas
        assert quotas["requestcount"].granted_amount == LIMIT


def test_an_edit_reaches_all_workers(
    serve: Callable[..., Server], clients: Callable[..., list[Client]], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    written(folder, "false", "never")
    server = serve(folder, "--workers=3")
    callers = clients(server, 3)

    def told() -> set[str]:
        answers = [one.call("Check", body("check")) or b"" for one in callers]
        return {pb.CheckResponse.FromString(one).precondition.status.message for one in answers}

    assert told() == {""}
    written(folder, "true", "edited")
    server.wait_for(lambda: told() == {"gate.default:edited"})
    assert [one.failures for one in callers] == [[], [], []]
    reloads = 'mixer_config_reloads_total{result="applied"} '
    assert value(server.get("/metrics"), reloads) == 6, "at the start and now, in three workers"


def test_a_scrape_shows_what_all_workers_count_also_those_that_ended(
    serve: Callable[..., Server], clients: Callable[..., list[Client]]
) -> None:
    server = serve(SHARED / "istio-config" / "telemetry", "--workers=3")
    callers = clients(server, 6)
    for client in callers:
        for _ in range(5):
            client.call("Report", body("report-1"))
    completed = (
        'grpc_io_server_completed_rpcs{grpc_server_method="istio.mixer.v1.Mixer/Report",'
        'grpc_server_status="OK"} '
    )
    assert value(server.get("/metrics"), completed) == 30
    assert value(server.scrape(), "istio_requests_total{") == 30
    os.kill(workers(server)[0]["pid"], signal.SIGKILL)
    server.wait_for(replaced(server, 0))
    assert value(server.get("/metrics"), completed) == 30
    assert value(server.scrape(), "istio_requests_total{") == 30
    callers[1].call("Report", body("report-1"))
    assert value(server.get("/metrics"), completed) == 31
    assert value(server.scrape(), "istio_requests_total{") == 31


def test_what_was_answered_before_a_drain_was_recorded(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve(logging_to(log), "--workers=2")
    raw = body("report-100-independent")

    async def flood() -> int:
        async with (
            grpc.aio.insecure_channel(server.address, [("mixer.client", 1)]) as one,
            grpc.aio.insecure_channel(server.address, [("mixer.client", 2)]) as two,
        ):
            reports = [
                channel.unary_unary("/istio.mixer.v1.Mixer/Report") for channel in (one, two)
            ]
            calls = [
                asyncio.ensure_future(report(raw, timeout=30))
                for report in reports
                for _ in range(20)
            ]
            await asyncio.gather(calls[0], calls[20])
            server.process.terminate()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        return sum(outcome == b"" for outcome in outcomes)

    answered = asyncio.run(flood())
    assert server.process.wait(30) == 0
    assert answered >= 2
    lines = log.read_text().splitlines()
    assert len(lines) == 100 * answered
    assert all(json.loads(line) for line in lines), "lines of several processes are whole"
    assert server.log()[-1]["event"] == "mixer stopped"


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        pytest.param(["--configStoreURL=fs:///no/such/folder"], "/no/such/folder", id="folder"),
        pytest.param([], "--configStoreURL", id="no-folder"),
        pytest.param(["--configStoreURL=.", "--address=nonsense"], "nonsense", id="address"),
        pytest.param(
            ["--configStoreURL=.", "--adapterDefault=nobody.x=1"], "nobody", id="adapter-default"
        ),
        pytest.param(["--configStoreURL=.", "--serverCertFile=x.pem"], "--serverKeyFile", id="tls"),
        pytest.param(
            ["--configStoreURL=.", "--transport=grpcio"], "--workers 1", id="another-transport"
        ),
    ],
)
def test_what_keeps_workers_from_starting_is_said_once(
    flags: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = ["--address=tcp://127.0.0.1:0", "--monitoringPort=0", "--workers=3"]
    found = mixs("server", *defaults, *flags)
    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert part in line


def test_a_second_signal_ends_all_workers_at_once(serve: Callable[..., Server]) -> None:
    server = serve(CHECK, "--workers=2", "--drainTimeout=60s")
    pids = [one["pid"] for one in workers(server)]
    with grpc.insecure_channel(server.address) as channel:
        channel.unary_unary("/istio.mixer.v1.Mixer/Check")(body("check"))
        os.kill(pids[0], signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        server.await_log("mixer drains")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(START_SECONDS) == 130
    await_end(pids)


def test_workers_end_with_their_front(serve: Callable[..., Server]) -> None:
    server = serve(CHECK, "--workers=2")
    pids = [one["pid"] for one in workers(server)]
    server.process.kill()
    server.process.wait()
    await_end(pids)


def await_end(pids: list[int]) -> None:
    """Wait until none of these processes runs; they are nobody's children any more."""
    deadline = time.monotonic() + START_SECONDS
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, f"one of {pids} still runs"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether a process is there, and not only waits for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text() != ""
    except OSError:
        return False


def test_workers_serve_tls(serve: Callable[..., Server], tmp_path: Path) -> None:
    authority = trustme.CA()
    server = serve(CHECK, *files(authority, tmp_path)[:2], "--workers=2")
    for _ in range(4):
        assert call_tls(server, grpc.ssl_channel_credentials(authority.cert_pem.bytes()))


def test_workers_serve_a_unix_socket(serve: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "mixer.sock"
    server = serve(CHECK, f"--address=unix://{path}", "--workers=2")
    with grpc.insecure_channel(f"unix:{path}") as channel:
        assert channel.unary_unary("/istio.mixer.v1.Mixer/Check")(body("check"))
    assert server.stop() == 0
    assert not path.exists()


def test_pages_and_probes_answer_for_all_workers(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    server = serve(
        CHECK, "--workers=2", f"--readinessProbePath={ready}", "--readinessProbeInterval=1s"
    )
    assert server.get("/healthz") == server.get("/readyz") == "ok\n"
    assert server.get("/version").strip() == "0.1.0"
    described = json.loads(server.get("/configz"))
    assert len(described["rules"]) == 3
    assert [one["number"] for one in described["workers"]] == [0, 1]
    server.wait_for(ready.exists)
    problems = [e for e in server.log() if e["event"] == "configuration in force"]
    assert [one["worker"] for one in problems] == [0], "one worker tells for all"
    assert server.stop() == 0
    assert not ready.exists()
