"""The load: h2load with one body over and over, or a client whose every body differs."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from pathlib import Path
from typing import TypeAlias

import grpc

from bench import pipeline
from bench.bodies import body
from bench.cases import Case
from bench.orders import reordered

Load: TypeAlias = Callable[[int, int], None]
"""Sends a number of requests to a port, and returns when all are answered."""

PREFIX_BYTES = 5
"""Of a message, as gRPC sends it; the files of bodies begin with them."""

_DEDUPLICATION_ID = b"\x1a"
"""Tag of field 3 of CheckRequest; of two such fields the last counts."""

_ORDERS = 6000
"""So many orders of words come in turn: more than a server remembers."""

_PATIENCE = 120
"""Seconds until a run is given up."""


class NotLoaded(Exception):
    """The load could not be made, or was not answered as it should be."""


def load(case: Case, folder: Path) -> Load:
    """Make the load of *case* from the bodies in *folder*; raises `NotLoaded` if it can't be."""
    file = body(folder, case.body)
    if not file.is_file():
        raise NotLoaded(f"no request body {str(file)!r}: say --shared where the bodies are")
    message = file.read_bytes()[PREFIX_BYTES:]
    if case.unique:
        return _different(case, _identified(message))
    if case.reordered:
        return _different(case, cycle(list(reordered(case.rpc, message, _ORDERS))))
    return _repeated(case, file)


def try_once(case: Case, folder: Path, port: int) -> None:
    """Send one request and raise `NotLoaded` unless its gRPC status is OK; h2load can't see it."""
    message = body(folder, case.body).read_bytes()[PREFIX_BYTES:]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_method(case))
        try:
            call(message, timeout=_PATIENCE)
        except grpc.RpcError as error:
            raise NotLoaded(f"{case.name}: {error}") from error


def _method(case: Case) -> str:
    return f"/{case.service}/{case.rpc}"


def _repeated(case: Case, file: Path) -> Load:
    program = shutil.which("h2load")
    if program is None:
        raise NotLoaded("h2load not found: install nghttp2-client (tools/install_peers.sh does)")

    def send(port: int, requests: int) -> None:
        command = [
            program,
            f"http://127.0.0.1:{port}{_method(case)}",
            f"--data={file}",
            "--header=content-type: application/grpc",
            "--header=te: trailers",
            f"--clients={case.connections}",
            f"--max-concurrent-streams={case.streams}",
            f"--requests={requests}",
        ]
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        answered = re.search(r"status codes: (\d+) 2xx", result.stdout)
        if answered is None or int(answered[1]) != requests:
            raise NotLoaded(f"{case.name}: not all of {requests} answered:\n{result.stdout}")

    return send


def _identified(message: bytes) -> Iterator[bytes]:
    """A Check again and again, each with a deduplication id of its own."""
    for serial in count(1):
        text = b"bench-%d" % serial
        yield message + _DEDUPLICATION_ID + bytes([len(text)]) + text


def _different(case: Case, messages: Iterator[bytes]) -> Load:
    def ready(port: int, requests: int) -> list[list[bytes]]:
        each, rest = divmod(requests, case.connections)
        shares = (each + (number < rest) for number in range(case.connections))
        return [
            list(pipeline.requests(port, _method(case), islice(messages, share)))
            for share in shares
        ]

    async def send(port: int, requests: int) -> None:
        prepared = ready(port, requests)
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as connections:
            for share in prepared:
                connections.create_task(pipeline.send(port, share, case.streams))

    def run(port: int, requests: int) -> None:
        try:
            asyncio.run(send(port, requests))
        except* (OSError, TimeoutError, pipeline.Refused) as group:
            raise NotLoaded(f"{case.name}: {group.exceptions[0]}") from None

    return run
