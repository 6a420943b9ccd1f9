"""The server under load: the real command in a process of its own, on free ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_START = 20.0
"""Seconds a server may take until it answers."""

_LOOK = 0.005
"""Seconds from one look at it to the next."""

_STOP = 15.0
"""Seconds it may take to drain."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    pid: int
    port: int


class NotServing(Exception):
    """The server did not come up; the message holds what it printed."""


@contextmanager
def serving(config: Path, options: tuple[str, ...] = ()) -> Iterator[Server]:
    """Serve the folder *config*, with more *options* of ``mixs server``; stopped at the end."""
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("mixs")),
        "server",
        f"--address=tcp://127.0.0.1:{port}",
        "--monitoringPort=0",
        f"--configStoreURL=fs://{config.resolve()}",
        "--adapterDefault=prometheus.address=127.0.0.1:0",
        "--workers=1",
        *options,
    ]
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=printed, env=_environment())
        try:
            _await_answer(process, port, printed.fileno())
            yield Server(process.pid, port)
        finally:
            process.terminate()
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds. Raises OSError where it has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "ISTIO_LANG"}


def _await_answer(process: subprocess.Popen[bytes], port: int, printed: int) -> None:
    end = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(_LOOK)
        else:
            return
    said = os.pread(printed, 4000, 0).decode(errors="replace").strip()
    why = "did not answer" if process.poll() is None else f"ended with {process.returncode}"
    raise NotServing(f"the server {why}; it printed:\n{said}")
