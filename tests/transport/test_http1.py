"""HTTP/1.1 on the port of the API: real connections, good and bad."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import grpc
import pytest
import trustme

from mixer._pb.pool import POOL
from mixer.transport.calls import Limits
from mixer.transport.http1 import MAX_HEAD_BYTES, Request, Response
from mixer.transport.listener import Tls
from mixer.transport.native import QUIET_LOOKS, NativeServer
from tests.conformance.http2.conftest import LOG, Served, echo, served

LIMITS = Limits(max_message_bytes=10_000)
PATIENCE = 20.0


async def mirror(request: Request) -> Response:
    """Answers with what came; ``/fail`` fails, ``/slow`` takes a while."""
    if request.target == "/fail":
        raise ZeroDivisionError
    if request.target == "/slow":
        await asyncio.sleep(0.3)
    headers = [(f"x-{name}", value) for name, value in request.headers if name.startswith("a")]
    return Response(200, headers, f"{request.method} {request.target} ".encode() + request.body)


@pytest.fixture
def server() -> Iterator[Served]:
    made = NativeServer({"a.B/C": echo}, POOL, LOG, LIMITS, plain=mirror)
    with served(made) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(server.address, timeout=PATIENCE)
    yield connection
    connection.close()


class Raw:
    """A connection for bytes."""

    def __init__(self, address: str, sent: bytes = b"") -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE)
        self.said = b""
        self.send(sent)

    def send(self, sent: bytes) -> None:
        self._socket.sendall(sent)

    def until(self, end: bytes) -> bytes:
        """All that was said, up to an *end*; up to the last if that is empty."""
        while not end or end not in self.said:
            more = self._socket.recv(1 << 16)
            self.said += more
            if not more:
                assert not end, self.said
                break
        return self.said

    def send_until_stuck(self, sent: bytes) -> int:
        """Send again and again until nobody takes it; how many bytes were taken."""
        self._socket.settimeout(0.5)
        taken = 0
        try:
            while taken < 1 << 30:
                taken += self._socket.send(sent)
        except TimeoutError:
            self._socket.settimeout(PATIENCE)
        return taken

    def is_cut_off(self) -> bool:
        """Whether, at last, the server has closed."""
        with suppress(ConnectionResetError):
            while self._socket.recv(1 << 20):
                pass
        return True

    def __enter__(self) -> Raw:
        return self

    def close(self) -> None:
        self._socket.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def test_requests_of_one_connection_are_answered_in_turn(client: HTTPConnection) -> None:
    for number in range(3):
        client.request("POST", f"/{number}", b"x" * number, {"Able": "café".encode()})
        response = client.getresponse()
        assert response.status == 200
        assert response.headers["x-able"].encode("latin-1").decode() == "café"
        assert response.read() == f"POST /{number} ".encode() + b"x" * number


def test_grpc_is_answered_at_the_same_address(server: Served, client: HTTPConnection) -> None:
    with grpc.insecure_channel(server.address) as channel:
        assert channel.unary_unary("/a.B/C")(b"hello", timeout=PATIENCE) == b"hello"
    client.request("GET", "/")
    assert client.getresponse().read() == b"GET / "


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]], ids=["nothing agreed", "HTTP/1.1"])
def test_both_are_answered_over_tls(tmp_path: Path, protocols: list[str]) -> None:
    ca = trustme.CA()
    files = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued = ca.issue_cert("localhost")
    issued.private_key_pem.write_to_path(files.key)
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    made = NativeServer({"a.B/C": echo}, POOL, LOG, LIMITS, plain=mirror)
    with served(made, files) as running:
        port = int(running.address.rpartition(":")[2])
        context = ssl.create_default_context()
        ca.configure_trust(context)
        context.set_alpn_protocols(protocols)
        client = HTTPSConnection("localhost", port, timeout=PATIENCE, context=context)
        client.request("GET", "/")
        assert client.getresponse().read() == b"GET / "
        client.close()
        credentials = grpc.ssl_channel_credentials(ca.cert_pem.bytes())
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            assert channel.unary_unary("/a.B/C")(b"hello", timeout=PATIENCE) == b"hello"


def test_a_request_may_come_in_pieces_and_several_at_once(server: Served) -> None:
    pieces = b"POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    with Raw(server.address) as raw:
        for byte in pieces:
            raw.send(bytes([byte]))
        raw.send(b"0\r\n\r\n" + b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        raw.send(b"GET /last HTTP/1.0\r\n\r\n")
        said = raw.until(b"")
        assert said.index(b"POST /one abc") < said.index(b"GET /slow ") < said.index(b"GET /last ")


def test_a_head_is_answered_without_a_body(client: HTTPConnection) -> None:
    client.request("HEAD", "/")
    response = client.getresponse()
    assert (response.headers["content-length"], response.read()) == ("7", b"")
    client.request("GET", "/")
    assert client.getresponse().read() == b"GET / "


def test_a_client_that_waits_is_told_to_go_on(server: Served) -> None:
    with Raw(server.address) as raw:
        raw.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        raw.until(b"100 ")
        raw.send(b"ok")
        raw.until(b"POST / ok")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * MAX_HEAD_BYTES, b"431"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + b"a" * 20000, b"413"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
    ],
    ids=["no host", "not ASCII", "name", "long head", "long body", "length", "encoding"],
)
def test_what_is_wrong_is_said_and_the_connection_closed(
    server: Served, sent: bytes, status: bytes
) -> None:
    with Raw(server.address, sent) as raw:
        assert raw.until(b"\r\n").startswith(b"HTTP/1.1 " + status)


def test_a_head_of_nearly_64_kib_is_taken(client: HTTPConnection) -> None:
    client.request("GET", "/", headers={"b": "x" * (MAX_HEAD_BYTES - 500)})
    assert client.getresponse().status == 200


def test_a_handler_that_fails_costs_its_own_request(client: HTTPConnection) -> None:
    client.request("GET", "/fail")
    response = client.getresponse()
    assert (response.status, response.read()) == (500, b"internal error of the mixer")
    client.request("GET", "/")
    assert client.getresponse().read() == b"GET / "


def test_a_request_in_flight_is_answered_while_the_server_drains(server: Served) -> None:
    idle = Raw(server.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    idle.until(b"GET / ")
    silent = Raw(server.address)
    with Raw(server.address, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as busy, idle, silent:
        drained = server.drain(PATIENCE)
        assert busy.until(b"").endswith(b"GET /slow ")
        assert b"connection: close" in busy.said
        assert idle.until(b"").endswith(b"GET / ")
        silent.until(b"")
        silent.close()
        drained.result(PATIENCE)


@pytest.mark.parametrize(
    "sent",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost:",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx",
        b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP",
    ],
    ids=["nothing much", "half a head", "half a body", "half a request behind another"],
)
def test_who_does_not_end_a_request_is_cut_off(server: Served, sent: bytes) -> None:
    with Raw(server.address, sent) as raw:
        other = HTTPConnection(server.address, timeout=PATIENCE)
        for _ in range(3):
            other.request("GET", "/")
            other.getresponse().read()
            server.look()
        if b"/slow" in sent:
            raw.until(b"GET /slow ")
            server.look(2)
        assert raw.is_cut_off()
        other.request("GET", "/")
        assert other.getresponse().read() == b"GET / "
        other.close()


def test_who_does_not_read_answers_is_not_answered_any_more_and_cut_off(server: Served) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000
    with Raw(server.address) as raw:
        assert raw.send_until_stuck(request * 20) < 100 << 20
        server.look(3)
        assert raw.is_cut_off()


def test_a_connection_that_is_quiet_for_long_is_closed(server: Served) -> None:
    with Raw(server.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as raw:
        raw.until(b"GET / ")
        server.look(QUIET_LOOKS)
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        raw.said = b""
        raw.until(b"GET / ")
        server.look(QUIET_LOOKS + 2)
        raw.said = b""
        assert raw.until(b"") == b""
