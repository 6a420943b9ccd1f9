"""The real server as a process of its own, and a client that speaks raw messages to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest

from bench.server import free_port
from mixer._pb import mixer_pb2 as pb

SHARED = Path(__file__).parents[2].parent / "shared"
START_SECONDS = 15.0


def body(name: str) -> bytes:
    """The message of a shared request body."""
    return (SHARED / "bodies" / f"{name}.grpc").read_bytes()[5:]


def logging_to(log: Path) -> Path:
    """Istio's telemetry configuration with an access log at *log*, in a folder beside it."""
    config = log.with_name("config")
    config.mkdir()
    for source in (SHARED / "istio-config" / "telemetry-log").glob("*.yaml"):
        text = source.read_text().replace("/dev/null", str(log))
        (config / source.name).write_text(text)
    return config


class Server:
    """One running server."""

    def __init__(self, config: Path, folder: Path, *flags: str) -> None:
        self.prometheus = f"127.0.0.1:{free_port()}"
        self.log_file = folder / "server.log"
        command = [
            str(Path(sys.executable).with_name("mixs")),
            "server",
            f"--configStoreURL=fs://{config}",
            "--address=tcp://127.0.0.1:0",
            "--monitoringPort=0",
            "--log_as_json",
            "--workers=1",
            f"--adapterDefault=prometheus.address={self.prometheus}",
            *flags,
        ]
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        started = self.await_log("mixer is serving")
        self.address: str = started["address"]
        self.monitoring: str = started["monitoring"]
        self.channel = grpc.insecure_channel(self.address)

    def log(self) -> list[dict[str, Any]]:
        """What the server logged, line by line."""
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def await_log(self, event: str) -> dict[str, Any]:
        """Wait until *event* is logged, and return its line."""
        return self.wait_for(lambda: next((e for e in self.log() if e.get("event") == event), None))

    def wait_for(self, found: Callable[[], Any]) -> Any:
        """Wait until *found* returns something, and return that."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if value := found():
                return value
            assert self.process.poll() is None, self.log_file.read_text()
            time.sleep(0.02)
        raise AssertionError(f"waited in vain; the server said: {self.log_file.read_text()}")

    def call(self, method: str, raw: bytes, timeout: float = 20.0) -> bytes:
        """Call a method with raw bytes."""
        send = self.channel.unary_unary(f"/istio.mixer.v1.Mixer/{method}")
        answer: bytes = send(raw, timeout=timeout)
        return answer

    def check(self, raw: bytes) -> pb.CheckResponse:
        """Check with a raw request."""
        return pb.CheckResponse.FromString(self.call("Check", raw))

    def get(self, page: str) -> str:
        """A page of the monitoring port."""
        with urlopen(f"http://{self.monitoring}{page}") as answer:
            return str(answer.read().decode())

    def scrape(self) -> str:
        """What the prometheus adapter shows."""
        with urlopen(f"http://{self.prometheus}/metrics") as answer:
            return str(answer.read().decode())

    def stop(self) -> int:
        """Ask the server to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)

    def close(self) -> None:
        """End the server, whatever state it is in."""
        self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                os.kill(self.process.pid, signal.SIGKILL)
                self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def start(config: Path, *flags: str) -> Server:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        servers.append(Server(config, folder, *flags))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
