"""Starts the real peers of end-to-end tests on free loopback ports, and stops them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from bench.envoy import Config, Envoy, program, running
from bench.server import free_port

ROOT = Path(__file__).parents[1]
STATSD = ROOT / ".peers" / "node_modules" / "statsd" / "stats.js"
FLUENT = ROOT / ".peers" / "node_modules" / "@fluent-org" / "logger"
READY_SECONDS = 30.0


def require(name: str, found: object) -> None:
    """Skip the test, loudly, where a peer is missing; with CI=true that is a failure."""
    if found:
        return
    reason = f"PEER MISSING: {name} is not installed; run tools/install_peers.sh"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def wait_for(found: Callable[[], Any]) -> Any:
    """Wait until *found* returns something, and return that."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if value := found():
                return value
        except (OSError, URLError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"a peer was not ready within {READY_SECONDS:g} s")


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector that *expression* is now."""
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': expression})}") as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes *target* every 200 ms."""
    binary = shutil.which("prometheus")
    require("prometheus", binary)
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs:\n"
        f"- {{job_name: mixer, static_configs: [{{targets: ['{target}']}}]}}\n"
    )
    command = [
        str(binary),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(command, folder / "prometheus.log"):
        peer = Prometheus(port)
        wait_for(lambda: urlopen(f"{peer.url}/-/ready").status == 200)
        yield peer


class Statsd:
    """A running statsd daemon."""

    def __init__(self, port: int, management: int) -> None:
        self.port = port
        self._management = management

    def ask(self, command: str, end: bytes = b"END\n\n") -> str:
        """What the management port answers to *command*, such as ``counters``."""
        with socket.create_connection(("127.0.0.1", self._management), 5) as connection:
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while not answer.endswith(end) and (data := connection.recv(65536)):
                answer += data
        return answer.decode()


@contextmanager
def statsd(folder: Path) -> Iterator[Statsd]:
    """A statsd daemon that keeps what it counts for a minute."""
    node = shutil.which("node")
    require("statsd", node and STATSD.exists())
    port, management = free_port(), free_port()
    config = folder / "statsd.js"
    config.write_text(
        json.dumps(
            {
                "address": "127.0.0.1",
                "port": port,
                "mgmt_address": "127.0.0.1",
                "mgmt_port": management,
                "flushInterval": 60_000,
                "backends": [],
            }
        )
    )
    with _running([str(node), str(STATSD), str(config)], folder / "statsd.log"):
        peer = Statsd(port, management)
        wait_for(lambda: "up" in peer.ask("health", b"\n"))
        yield peer


class Fluentd:
    """A running server of the forward protocol, of another author than ours."""

    def __init__(self, port: int, printed: Path) -> None:
        self.port = port
        self._printed = printed

    def entries(self) -> list[dict[str, Any]]:
        """What it has taken: `tag`, `time` in nanoseconds as text, and `record`."""
        lines = self._printed.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def fluentd(folder: Path, port: int = 0, tls: Mapping[str, str] | None = None) -> Iterator[Fluentd]:
    """A server of the forward protocol; with *tls*, the files of its `key` and `cert`."""
    node = shutil.which("node")
    require("@fluent-org/logger", node and FLUENT.exists())
    port = port or free_port()
    folder.mkdir(exist_ok=True)
    program = folder / "fluentd.js"
    files = {name: f"fs.readFileSync({json.dumps(file)})" for name, file in (tls or {}).items()}
    secured = ", ".join(f"{name}: {read}" for name, read in files.items())
    program.write_text(
        f"const {{FluentServer}} = require({json.dumps(str(FLUENT))});\n"
        "const fs = require('fs');\n"
        "const server = new FluentServer({"
        f"listenOptions: {{port: {port}, host: '127.0.0.1'}}"
        + (f", tlsOptions: {{{secured}}}" if tls else "")
        + "});\n"
        "const nanos = time => typeof time === 'number' ? `${time}000000000`\n"
        "  : `${time.epoch}${String(time.nano).padStart(9, '0')}`;\n"
        "server.on('entry', (tag, time, record) =>\n"
        "  console.log(JSON.stringify({tag, time: nanos(time), record})));\n"
        "server.listen().then(() => console.log('ready'));\n"
    )
    printed = folder / f"fluentd-{time.monotonic_ns()}.log"
    with _running([str(node), str(program)], printed):
        wait_for(lambda: "ready" in printed.read_text())
        yield Fluentd(port, printed)


@contextmanager
def nginx(servers: str, folder: Path, port: int) -> Iterator[None]:
    """An nginx with some *servers*, the first of which listens on *port*."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    require("nginx", binary)
    config = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    config.write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{servers}}}\n"
    )
    log = folder / "nginx.log"
    with _running([str(binary), "-e", str(log), "-c", str(config)], folder / "nginx.out"):
        wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True)
        yield


@contextmanager
def caddy(sites: str, folder: Path, port: int) -> Iterator[None]:
    """A Caddy with some *sites*, the first of which listens on *port*."""
    binary = shutil.which("caddy")
    require("caddy", binary)
    config = folder / "Caddyfile"
    config.write_text(f"{{\n  admin off\n  auto_https off\n}}\n{sites}")
    command = [str(binary), "run", "--adapter", "caddyfile", "--config", str(config)]
    with _running(command, folder / "caddy.log"):
        wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True)
        yield


@contextmanager
def envoy(config: Config, folder: Path) -> Iterator[Envoy]:
    """An Envoy with a configuration such as `bench.envoy.proxy` makes."""
    require("envoy", program())
    with running(config, folder) as peer:
        yield peer


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("w") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=printed)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
