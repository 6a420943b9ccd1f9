"""Clients of HTTP/2 that others wrote, against the real server on both transports."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.peers import require
from tests.server.conftest import SHARED, Server, serve
from tests.server.test_tls import authority, files

__all__ = ["authority", "serve"]

pytestmark = pytest.mark.e2e

CONFIG = SHARED / "istio-config" / "check"
BODY = SHARED / "bodies" / "check.grpc"
METHOD = "/istio.mixer.v1.Mixer/Check"
HEADERS = ("content-type: application/grpc", "te: trailers")
PATIENCE = 60.0


@pytest.fixture(params=["grpcio", "native"])
def server(request: pytest.FixtureRequest, serve: Callable[..., Server], tmp_path: Path) -> Server:
    """A server on one of the transports."""
    return serve(CONFIG, f"--transport={request.param}")


def run(program: str, *arguments: str) -> str:
    """What a client says of its run."""
    found = shutil.which(program)
    require(program, found)
    done = subprocess.run(
        [str(found), *arguments], capture_output=True, timeout=PATIENCE, check=False
    )
    said = done.stdout.decode("latin-1") + done.stderr.decode("latin-1")
    assert done.returncode == 0, said
    return said


def h2load(url: str, requests: int, *more: str) -> None:
    """Load a server, and see that each request was answered."""
    headers = [f"--header={header}" for header in HEADERS]
    said = run("h2load", url, f"--data={BODY}", f"--requests={requests}", *headers, *more)
    assert f"status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said
    assert f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" in said, said


@pytest.mark.parametrize(
    ("requests", "load"),
    [
        (2000, ["--clients=1", "--max-concurrent-streams=1"]),
        (5000, ["--clients=100", "--max-concurrent-streams=10"]),
        # Together not more than 1,000: from there on grpcio refuses calls that wait.
        (5000, ["--clients=1", "--max-concurrent-streams=900"]),
        (500, ["--clients=4", "--max-concurrent-streams=8", "--window-bits=1"]),
        (500, ["--clients=1", "--max-concurrent-streams=8", "--connection-window-bits=2"]),
        (1000, ["--clients=4", "--max-concurrent-streams=8", "--encoder-header-table-size=0"]),
    ],
    ids=["one by one", "many connections", "many streams", "windows of a byte",
         "a connection's window of 3 bytes", "without a table"],
)  # fmt: skip
def test_h2load_is_answered_each_time(server: Server, requests: int, load: list[str]) -> None:
    h2load(f"http://{server.address}{METHOD}", requests, *load)


def test_nghttp_sees_an_answer_with_trailers_and_no_fault(server: Server) -> None:
    headers = [f"--header={header}" for header in HEADERS]
    said = run(
        "nghttp", "--verbose", f"--data={BODY}", *headers, f"http://{server.address}{METHOD}"
    )
    received = re.findall(r"recv (?:\(stream_id=\d+\) ([^\n]*)|([A-Z_]+) frame)", said)
    assert ("grpc-status: 0", "") in received
    assert ("", "DATA") in received
    assert ("", "RST_STREAM") not in received
    assert "INVALID" not in said


def test_nghttp_is_answered_on_many_streams(server: Server) -> None:
    headers = [f"--header={header}" for header in HEADERS]
    said = run(
        "nghttp", "--verbose", f"--data={BODY}", "--multiply=50", "--window-bits=4", *headers,
        f"http://{server.address}{METHOD}",
    )  # fmt: skip
    assert len(re.findall(r"recv \(stream_id=\d+\) grpc-status: 0", said)) == 50


def curl(url: str, *more: str) -> str:
    """What curl shows of an answer: its headers, then its trailers."""
    headers = [word for header in HEADERS for word in ("--header", header)]
    return run(
        "curl", "--silent", "--show-error", "--dump-header", "-", "--output", "/dev/null",
        "--data-binary", f"@{BODY}", *headers, *more, url,
    ).lower()  # fmt: skip


def test_curl_is_answered_by_prior_knowledge(server: Server) -> None:
    said = curl(f"http://{server.address}{METHOD}", "--http2-prior-knowledge")
    assert said.startswith("http/2 200")
    assert "grpc-status: 0" in said


@pytest.mark.parametrize("transport", ["grpcio", "native"])
def test_over_tls_clients_agree_on_h2(
    serve: Callable[..., Server],
    authority: trustme.CA,
    tmp_path: Path,
    transport: str,
) -> None:
    flags = files(authority, tmp_path)
    server = serve(CONFIG, f"--transport={transport}", *flags[:2])
    port = server.address.rpartition(":")[2]
    url = f"https://localhost:{port}{METHOD}"
    said = curl(url, "--cacert", str(tmp_path / "ca.pem"), "--ipv4", "--http2")
    assert said.startswith("http/2 200")
    assert "grpc-status: 0" in said
    h2load(url, 500, "--clients=10", "--max-concurrent-streams=5", f"--connect-to=127.0.0.1:{port}")


def test_curl_that_asks_for_it_over_http_1_gets_no_call_and_the_server_lives(
    server: Server,
) -> None:
    curl_found = shutil.which("curl")
    require("curl", curl_found)
    done = subprocess.run(
        [str(curl_found), "--fail", "--silent", "--http1.1", f"http://{server.address}{METHOD}"],
        capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert server.call("Check", BODY.read_bytes()[5:])
