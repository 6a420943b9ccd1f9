"""Connections that come at the worst moment, or when nobody takes them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from mixer._pb.pool import POOL
from mixer.transport.accepting import Acceptor
from mixer.transport.listener import listening
from mixer.transport.native import NativeServer
from tests.conformance.http2.conftest import LOG, echo
from tests.conformance.http2.peer import PREFACE

GO_AWAY = b"\x07"


@pytest.mark.parametrize("rounds", range(4))
async def test_who_comes_as_the_server_begins_to_drain_is_told_so(rounds: int) -> None:
    server = NativeServer({"a.B/C": echo}, POOL, LOG)
    host, _, port = server.bind("tcp://127.0.0.1:0").rpartition(":")
    await server.start()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(PREFACE)
        for _ in range(rounds):
            await asyncio.sleep(0)
        draining = asyncio.create_task(server.drain(5))
        reader, writer = await asyncio.open_connection(sock=connection)
        said = await asyncio.wait_for(reader.readuntil(b"going it"), 5)
        assert said[-17 - 17 + 3 : -17 - 17 + 4] == GO_AWAY
        writer.close()
        await draining


async def test_who_can_t_be_taken_waits_and_is_taken_first() -> None:
    taken: list[bytes] = []
    refusals = 3

    def take(connection: socket.socket) -> bool:
        nonlocal refusals
        if refusals:
            refusals -= 1
            return False
        connection.setblocking(True)
        taken.append(connection.recv(1))
        connection.close()
        return True

    listener = listening("tcp://127.0.0.1:0")
    acceptor = Acceptor(listener, take, LOG)
    acceptor.open()
    clients = [_said(listener, name) for name in (b"a", b"b", b"c")]
    async with asyncio.timeout(10):
        while len(taken) < 3:
            await asyncio.sleep(0.01)
    assert taken == [b"a", b"b", b"c"]
    acceptor.close()
    acceptor.close()
    for client in clients:
        client.close()


def _said(listener: socket.socket, what: bytes) -> Any:
    client = socket.create_connection(listener.getsockname())
    client.sendall(what)
    return client
