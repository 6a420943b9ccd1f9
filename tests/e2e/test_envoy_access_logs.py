"""A real Envoy tells what has happened, and what was decided before."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, asking, configured, listening, on_page, sidecar, telling, typed
from tests.e2e.test_envoy_authorization import RULES, get
from tests.peers import envoy
from tests.server.conftest import Server

pytestmark = pytest.mark.e2e

TELEMETRY = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: log}}
spec:
  match: context.protocol == "{protocol}"
  actions:
  - handler:
      adapter: stdio
      params:
        logStream: FILE
        outputPath: {log}
        outputAsJson: true
    instances:
    - template: logentry
      params:
        variables:
          id: decision.id | ""
          rule: decision.rule | ""
          path: request.path | ""
          user: 'request.headers["x-user"] | ""'
          code: response.code | 0
          denied: check.error_code | 0
          flags: context.proxy_error_code | ""
          kind: context.reporter.kind | ""
          version: context.proxy_version | ""
          sent: connection.sent.bytes | 0
          event: connection.event | ""
  - handler:
      adapter: prometheus
      params:
        metrics: [{{instanceName: requests, kind: COUNTER, labelNames: [code]}}]
    instances:
    - name: requests
      template: metric
      params: {{value: '1', dimensions: {{code: response.code | 0}}}}
"""


class Told:
    """A server, and what it has written of what it was told."""

    def __init__(
        self, serve: Callable[..., Server], folder: Path, protocol: str, *flags: str
    ) -> None:
        self.log = folder / "entries.log"
        telemetry = TELEMETRY.format(protocol=protocol, log=self.log)
        self.config = configured(folder, f"{RULES}---{telemetry}")
        self.server = serve(self.config, *flags)

    def entries(self, count: int) -> list[dict[str, Any]]:
        """So many lines, when they are there."""

        def read() -> list[str]:
            lines = self.log.read_text().splitlines() if self.log.exists() else []
            return lines if len(lines) >= count else []

        lines = self.server.wait_for(read)
        assert len(lines) == count
        return [json.loads(line) for line in lines]


@pytest.fixture(params=["native", "grpcio"])
def flag(request: pytest.FixtureRequest) -> str:
    return f"--transport={request.param}"


def test_entries_are_reported_with_the_decision_on_them(
    serve: Callable[..., Server], service: App, tmp_path: Path, flag: str
) -> None:
    told = Told(serve, tmp_path, "http", flag)
    with envoy(sidecar(port_of(told.server), service.port, [asking()]), tmp_path) as running:
        get(running.port, "/a?b=c", x_user="you")
        get(running.port, "/admin")
        entries = told.entries(2)
    passed, denied = sorted(entries, key=lambda entry: str(entry["path"]))
    assert passed["path"] == "/a?b=c"
    assert (passed["user"], passed["code"], passed["denied"]) == ("you", 200, 0)
    assert (passed["flags"], passed["kind"], passed["rule"]) == ("-", "inbound", "")
    assert passed["version"].startswith("1.")
    assert (denied["code"], denied["denied"], denied["flags"]) == (403, 7, "UAEX")
    assert denied["rule"] == "no-admins.shop"
    assert len({passed["id"], denied["id"], ""}) == 3
    assert 'istio_requests{code="200"} 1' in told.server.scrape()


def test_records_of_opentelemetry_say_the_same_as_the_page_has_it(
    serve: Callable[..., Server], service: App, tmp_path: Path, flag: str
) -> None:
    told = Told(serve, tmp_path, "http", flag)
    log = on_page("open_telemetry")
    log["typed_config"]["common_config"]["buffer_flush_interval"] = "0.05s"
    with envoy(sidecar(port_of(told.server), service.port, [asking()], log), tmp_path) as running:
        get(running.port, "/a?b=c", x_user="you")
        get(running.port, "/admin")
        entries = told.entries(2)
    passed, denied = sorted(entries, key=lambda entry: str(entry["path"]))
    assert (passed["path"], passed["user"], passed["code"]) == ("/a?b=c", "you", 200)
    assert (passed["flags"], passed["kind"], passed["rule"]) == ("-", "inbound", "")
    assert (denied["user"], denied["code"], denied["denied"]) == ("", 403, 7)
    assert (denied["rule"], denied["flags"]) == ("no-admins.shop", "UAEX")
    assert len({passed["id"], denied["id"], ""}) == 3
    assert "mixer_log_records_total 2" in told.server.get("/metrics")


def test_a_restart_of_the_mixer_loses_nothing_and_counts_nothing_twice(
    serve: Callable[..., Server], service: App, tmp_path: Path, flag: str
) -> None:
    told = Told(serve, tmp_path, "http", flag)
    port = port_of(told.server)
    with envoy(sidecar(port, service.port, []), tmp_path) as running:
        connection = HTTPConnection("127.0.0.1", running.port, timeout=20)
        for number in range(40):
            if number == 20:
                told.entries(20)
                told.server.stop()
                told.server = serve(told.config, flag, f"--address=tcp://127.0.0.1:{port}")
            connection.request("GET", f"/{number}")
            connection.getresponse().read()
        connection.close()
        entries = told.entries(40)
    assert sorted(int(entry["path"][1:]) for entry in entries) == list(range(40))


def test_connections_are_reported_when_they_end(
    serve: Callable[..., Server], service: App, tmp_path: Path
) -> None:
    told = Told(serve, tmp_path, "tcp")
    words = {"stat_prefix": "tcp", "cluster": "app", "access_log": [telling("tcp")]}
    proxy = typed("network", "tcp_proxy", "TcpProxy", **words)
    config = listening(port_of(told.server), service.port, [proxy])
    with envoy(config, tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
            connection.sendall(b"GET /tcp HTTP/1.0\r\n\r\n")
            answered = b""
            while more := connection.recv(4096):
                answered += more
        (entry,) = told.entries(1)
    assert entry["event"] == "close"
    assert entry["sent"] == len(answered)
