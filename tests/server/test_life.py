"""The server's life: start, health, limits of its ports, drain."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from .conftest import SHARED, Server, body, logging_to

CHECK = SHARED / "istio-config" / "check"


def mixs(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("mixs")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_health_and_readiness_are_told(serve: Callable[..., Server]) -> None:
    server = serve(CHECK)
    health = health_pb2_grpc.HealthStub(server.channel)
    for service in ("", "istio.mixer.v1.Mixer"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert server.get("/healthz") == server.get("/readyz") == "ok\n"
    assert server.get("/version").strip() == "0.1.0"
    described = json.loads(server.get("/configz"))
    assert [rule["name"] for rule in described["rules"]] == [
        "rule/istio-system/mixerdenysome",
        "rule/istio-system/checkwl",
        "rule/istio-system/quota",
    ]


def test_reflection_lists_the_service_and_its_methods(serve: Callable[..., Server]) -> None:
    server = serve(CHECK)
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="istio.mixer.v1.Mixer"),
    ]
    listed, file = stub.ServerReflectionInfo(iter(asked))
    names = {service.name for service in listed.list_services_response.service}
    assert "istio.mixer.v1.Mixer" in names
    assert "grpc.health.v1.Health" in names
    assert file.file_descriptor_response.file_descriptor_proto


def test_metrics_name_what_the_original_names(serve: Callable[..., Server]) -> None:
    server = serve(CHECK)
    server.check(body("check-denied"))
    page = server.get("/metrics")
    for line in (
        "mixer_config_attributes_total 90.0",
        "mixer_config_rule_configs_total 3.0",
        "mixer_handler_new_handlers_total 3.0",
        'mixer_runtime_dispatches_total{adapter="denier",error="false",'
        'handler="denyall.istio-system",meshFunction="checknothing"} 1.0',
        'grpc_io_server_completed_rpcs{grpc_server_method="istio.mixer.v1.Mixer/Check",'
        'grpc_server_status="OK"} 1.0',
        'istio_build{component="mixer",tag="0.1.0"} 1.0',
    ):
        assert line in page


def test_file_probes_are_fresh_while_the_server_is_ready(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    server = serve(CHECK, f"--readinessProbePath={ready}", "--readinessProbeInterval=10s")
    server.wait_for(ready.exists)
    found = mixs("probe", f"--probe-path={ready}", "--interval=10s")
    assert (found.returncode, found.stdout) == (0, "OK\n")
    assert server.stop() == 0
    assert not ready.exists()
    assert mixs("probe", f"--probe-path={ready}", "--interval=10s").returncode == 1


def test_a_unix_socket_serves_and_replaces_a_stale_one(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    path = tmp_path / "mixer.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = serve(CHECK, f"--address=unix://{path}")
    with grpc.insecure_channel(f"unix:{path}") as channel:
        answer = channel.unary_unary("/istio.mixer.v1.Mixer/Check")(body("check"))
    assert answer
    assert server.stop() == 0


def test_a_port_in_use_is_one_line_and_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flags in (
            [f"--address=tcp://127.0.0.1:{port}", "--monitoringPort=0"],
            ["--address=tcp://127.0.0.1:0", f"--monitoringPort={port}"],
        ):
            found = mixs("server", f"--configStoreURL=fs://{CHECK}", *flags)
            assert found.returncode == 1
            (line,) = found.stderr.splitlines()
            assert f"127.0.0.1:{port}" in line
            assert "choose another" in line


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--configStoreURL=fs:///no/such/folder"], "/no/such/folder"),
        ([], "--configStoreURL"),
        (["--configStoreURL=k8s://"], "k8s://"),
        (["--configStoreURL=.", "--address=nonsense"], "nonsense"),
        (["--configStoreURL=.", "--adapterDefault=nobody.x=1"], "nobody"),
        (["--configStoreURL=.", "--adapterDefault=memquota.nokey=1"], "nokey"),
        (["--configStoreURL=.", "--log_output_level=loud"], "loud"),
        (["--configStoreURL=.", "--serverCertFile=x.pem"], "--serverKeyFile"),
    ],
)
def test_what_keeps_a_server_from_starting_is_one_line(
    flags: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = ["--address=tcp://127.0.0.1:0", "--monitoringPort=0"]
    found = mixs("server", *defaults, *flags)
    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert part in line


def test_what_was_answered_before_the_server_ended_was_recorded(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve(logging_to(log))
    raw = body("report-100-independent")

    async def flood() -> int:
        async with grpc.aio.insecure_channel(server.address) as channel:
            report = channel.unary_unary("/istio.mixer.v1.Mixer/Report")
            calls = [asyncio.ensure_future(report(raw, timeout=30)) for _ in range(40)]
            await calls[0]
            server.process.terminate()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        return sum(outcome == b"" for outcome in outcomes)

    answered = asyncio.run(flood())
    assert server.process.wait(30) == 0
    assert answered >= 1
    assert len(log.read_text().splitlines()) == 100 * answered
    assert server.log()[-1]["event"] == "mixer stopped"
