"""The monitoring port: pages, what is not there, and clients that behave badly."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from mixer.errors import StartError
from mixer.server.monitoring import Monitoring, Views
from mixer.telemetry.metrics import Metrics


class World:
    """What the pages show."""

    alive = True
    ready = True


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def monitoring(world: World) -> Iterator[Monitoring]:
    views = Views(
        Metrics("1.2").registry,
        "1.2",
        lambda: world.alive,
        lambda: world.ready,
        lambda: {"rules": []},
    )
    server = Monitoring("127.0.0.1", 0, views.pages())
    yield server
    server.close()


def get(monitoring: Monitoring, page: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://{monitoring.address}{page}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_pages_show_the_server(monitoring: Monitoring) -> None:
    assert get(monitoring, "/version") == (200, "1.2\n")
    assert json.loads(get(monitoring, "/configz")[1]) == {"rules": []}
    assert "process_resident_memory_bytes" in get(monitoring, "/metrics?from=prometheus")[1]


def test_probes_fail_when_the_server_is_not_well(monitoring: Monitoring, world: World) -> None:
    assert get(monitoring, "/readyz") == get(monitoring, "/healthz") == (200, "ok\n")
    world.ready = False
    assert get(monitoring, "/readyz")[0] == 503
    assert get(monitoring, "/healthz")[0] == 200
    world.alive = False
    assert get(monitoring, "/healthz") == (503, "not ok\n")


def test_a_page_that_is_not_there_names_those_that_are(monitoring: Monitoring) -> None:
    status, text = get(monitoring, "/debug/pprof/")
    assert status == 404
    assert "/configz /healthz /metrics /readyz /version" in text


def test_a_client_that_goes_away_is_no_event(
    monitoring: Monitoring, capfd: pytest.CaptureFixture[str]
) -> None:
    host, _, port = monitoring.address.rpartition(":")
    for sent in (
        b"",
        b"GET /met",
        b"\x16\x03\x01nonsense\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
    ):
        client = socket.create_connection((host, int(port)))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.sendall(sent)
        client.close()
    assert get(monitoring, "/version")[0] == 200
    assert capfd.readouterr().err == ""


def test_an_ipv6_address_serves() -> None:
    server = Monitoring("::1", 0, {})
    try:
        assert server.address.startswith("[::1]:")
        assert get(server, "/")[0] == 404
    finally:
        server.close()


def test_a_port_in_use_names_the_flag(monitoring: Monitoring) -> None:
    port = int(monitoring.address.rpartition(":")[2])
    with pytest.raises(StartError, match=r"another process.*--monitoringPort"):
        Monitoring("127.0.0.1", port, {})
