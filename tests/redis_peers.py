"""Real Redis servers on free loopback ports: alone, with Sentinels, and as a cluster."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.server import free_port
from tests.peers import require, wait_for


class RedisServer:
    """One Redis, which may be stopped, started again, and made to hang."""

    def __init__(self, folder: Path, *words: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start it, or start it again; it has forgotten everything."""
        binary = shutil.which("redis-server")
        require("redis-server", binary)
        self._folder.mkdir(parents=True, exist_ok=True)
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._words, *more]
        with (self._folder / f"redis-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binary), *words], cwd=self._folder, stdout=log, stderr=log
            )
        wait_for(lambda: "PONG" in self.tell("ping") or "NOAUTH" in self.tell("ping"))

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tell(self, *words: str) -> str:
        """What redis-cli gets from it."""
        found = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return found.stdout + found.stderr

    def hang(self, *, on: bool) -> None:
        """Have it take connections and answer nothing, or go on."""
        assert self._process is not None
        self._process.send_signal(19 if on else 18)  # SIGSTOP, SIGCONT


@contextmanager
def redis_server(folder: Path, *words: str) -> Iterator[RedisServer]:
    """A Redis alone."""
    server = RedisServer(folder, *words)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def sentinels(folder: Path, master: str) -> Iterator[tuple[list[RedisServer], Sequence[str]]]:
    """A server and its replica, and the addresses of three Sentinels that watch them."""
    with ExitStack() as running:
        first = running.enter_context(redis_server(folder / "first"))
        second = running.enter_context(
            redis_server(folder / "second", "--replicaof", "127.0.0.1", str(first.port))
        )
        wait_for(lambda: "state=online" in first.tell("info", "replication"))
        watching = []
        for number in range(3):
            port = free_port()
            config = folder / f"sentinel{number}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\n"
                f"sentinel monitor {master} 127.0.0.1 {first.port} 2\n"
                f"sentinel down-after-milliseconds {master} 500\n"
                f"sentinel failover-timeout {master} 5000\n"
            )
            process = running.enter_context(_sentinel(config, folder, port))
            watching.append(process)
        for one in watching:
            wait_for(lambda one=one: _ready(one, master))
        yield [first, second], [one.address for one in watching]


@contextmanager
def _sentinel(config: Path, folder: Path, port: int) -> Iterator[RedisServer]:
    binary = shutil.which("redis-server")
    with (folder / f"sentinel-{port}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(binary), str(config), "--sentinel"], cwd=folder, stdout=log, stderr=log
        )
    try:
        yield RedisServer(folder, port=port)
    finally:
        process.kill()
        process.wait()


def _ready(sentinel: RedisServer, master: str) -> bool:
    told = sentinel.tell("sentinel", "master", master).split()
    known = dict(zip(told[::2], told[1::2], strict=False))
    return known.get("num-slaves") == "1" and known.get("num-other-sentinels") == "2"


@contextmanager
def cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Three nodes that share all keys."""
    with ExitStack() as running:
        nodes = []
        for number in range(3):
            words = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            node = RedisServer(folder / f"node{number}", *words)
            node.start()
            running.callback(node.stop)
            nodes.append(node)
        made = nodes[0].tell("--cluster", "create", *(n.address for n in nodes), "--cluster-yes")
        assert "All 16384 slots covered" in made, made
        for node in nodes:
            wait_for(lambda node=node: "cluster_state:ok" in node.tell("cluster", "info"))
        yield nodes
